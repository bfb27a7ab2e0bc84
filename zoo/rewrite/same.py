"""A model that was made anew is compared with its original before it is handed out."""

import sys
import time
import warnings

import keras
import numpy as np

from zoo.errors import UsageError
from zoo.rewrite.difference import cases, difference, outputs
from zoo.rewrite.graph import Graph, Node, has_graph, inputs_of

# Of the largest value. Two ways to one sum round differently; another function or statistic is farther off. Keras
# resizes in float32 whatever the policy is.
TOLERANCE = {"float64": 1e-6, "float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}
# What an input that is rounded changes in the original's own output, times this, counts as rounding: far from 0 and at
# a step a network can make much of little.
ROUNDINGS = 10
# Sizes at which two calls of the original may differ before it is given up.
MOST_UNSTEADY = 3


class Different(UsageError):
    """A model made anew is another function than its original; `layer` is the original's first that is, where known."""

    layer: keras.layers.Layer | None = None


def check_same(model: keras.Model, other: keras.Model, seconds: float = 1.0) -> None:
    """Compares two models on noise and on a ramp, at two sizes; the states of their random generators are kept.

    Two calls of the original come first, with equal seeds as all calls have: a size at which these differ is none to
    compare at. A warning says where that is so at every size, and where no size tried fits the inputs.

    Args:
        model, other: the original, and what was made of it.
        seconds: nothing further is tried once they are over; one comparison is made, whatever it takes.
    Raises:
        Different: with the name of the first layer where they part.
    """
    tolerance = max((TOLERANCE.get(dtype, 0.0) for dtype in _precisions(model, other)), default=0.0)
    started = time.monotonic()
    generators = _generators(model, other)
    states = [np.array(keras.ops.convert_to_numpy(each)) for each in generators]
    unsteady: list[float] = []

    def twice(inputs) -> list[np.ndarray]:
        if len(unsteady) == MOST_UNSTEADY:
            raise ValueError("as before")
        expected, again = (_seeded(model, inputs, generators) for _ in range(2))
        if (apart := difference(expected, again)) > tolerance:
            unsteady.append(apart)
            raise ValueError("Expected the same outputs of two calls. Received: others")
        return expected

    try:
        tried = cases(model, seconds / 2, twice)
        for number, (_, inputs, expected) in enumerate(tried):
            if number and time.monotonic() - started > seconds:
                return
            compare(model, other, inputs, expected, generators, tolerance)
    finally:
        for each, state in zip(generators, states):
            each.assign(state)
    if not tried:
        draws = "two calls of the original differ, as it draws random numbers whose seed no layer has"
        why = draws if unsteady else "no size that was tried fits its inputs"
        _warn(f"{other.name!r} was not compared with the original: {why}")


def compare(model, other, inputs, expected, generators: list, tolerance: float) -> None:
    apart = difference(expected, _seeded(other, inputs, generators))
    if apart > tolerance and apart > ROUNDINGS * _sensitivity(model, inputs, generators, tolerance / 100):
        where, layer = _parting(model, other, inputs, generators, tolerance)
        error = Different(
            f"Expected {other.name!r}, made anew, to be the same function as the original. Received: a difference of "
            f"{apart:.1e} of the largest value{where}"
        )
        error.layer = layer
        raise error


def _warn(sentence: str) -> None:
    # Behind whoever called the function that makes a model anew.
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].split(".")[0] in ("zoo", "export"):
        level, frame = level + 1, frame.f_back
    warnings.warn(sentence, stacklevel=level)


def _precisions(*models) -> set[str]:
    return {layer.compute_dtype for model in models for layer in model._flatten_layers()}


def _generators(*models) -> list:
    """The states of the models' random generators, each once."""
    layers = [layer for model in models for layer in model._flatten_layers()]
    found = [generator.state for layer in layers for generator in getattr(layer, "_seed_generators", [])]
    return list({id(each): each for each in found}.values())


def _seeded(model, inputs, generators: list) -> list[np.ndarray]:
    for each in generators:
        each.assign(np.ones(each.shape))
    return outputs(model, inputs)


def _sensitivity(model, inputs, generators: list, rounding: float) -> float:
    """How much the model's output differs where every value of its inputs is rounded up or down."""
    rng = np.random.default_rng(0)

    def rounded(tensor):
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype)):
            return tensor
        return tensor * keras.ops.cast(1 + rounding * rng.choice([-1, 1], tensor.shape), tensor.dtype)

    shaken = keras.tree.map_structure(rounded, inputs)
    return difference(*[_seeded(model, each, generators) for each in (inputs, shaken)])


def _parting(model, other, inputs, generators: list, tolerance: float, path: str = "") -> tuple[str, object]:
    """In words, the first call of a layer that both models have by name and whose outputs differ; and that layer."""
    if not has_graph(model) or not has_graph(other):
        return "", None
    ours, theirs = _calls(model), _calls(other)
    names = [name for name in ours if name in theirs and ours[name].outputs[0].shape == theirs[name].outputs[0].shape]
    if not names:
        return "", None
    expected, received = (
        _seeded(_part(each, [calls[name].outputs[0] for name in names]), inputs, generators)
        for each, calls in ((model, ours), (other, theirs))
    )
    for name, *pair in zip(names, expected, received):
        if difference(*[[each] for each in pair]) > tolerance:
            layer = ours[name].operation
            if has_graph(layer) and has_graph(theirs[name].operation):
                reads = _seeded(_part(model, ours[name].input_tensors), inputs, generators)
                inside = keras.tree.pack_sequence_as(inputs_of(layer), reads)
                found = _parting(layer, theirs[name].operation, inside, generators, tolerance, f"{path}{layer.name}/")
                if found[0]:
                    return found
            return f", first behind layer {path + layer.name!r} ({type(layer).__name__})", layer
    return "", None


def _calls(model) -> dict[tuple[str, int], Node]:
    """(name, which call of it) → the call, inputs first."""
    calls: dict[tuple[str, int], Node] = {}
    for node in Graph(model, "").nodes:
        number = sum(name == node.operation.name for name, _ in calls)
        calls[node.operation.name, number] = node
    return calls


def _part(model, tensors: list) -> keras.Model:
    return keras.Model(inputs_of(model), tensors)
