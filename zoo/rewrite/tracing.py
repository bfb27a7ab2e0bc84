"""The graphs of a model and of all that is called inside it; where none can be read, the call draws it.

A subclassed model, or a layer that holds upsampling layers, is run once on symbolic tensors. The graph that this draws
is the same function where it reaches every weight and does not depend on `training` by Python's `if`.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import keras

from zoo.errors import UsageError
from zoo.layers import TransposedUpsampler, ZeroInterleavedUpsampler
from zoo.rewrite.graph import Graph, Node, has_graph
from zoo.rewrite.recognised import names_an_enlargement

UPSAMPLING = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.UpSampling1D,
    keras.layers.UpSampling2D,
    TransposedUpsampler,
    ZeroInterleavedUpsampler,
)


class Untraceable(Exception):
    """Why a call draws no graph that is the same function."""


def functional(model: keras.Model) -> keras.Model:
    """The model itself if its graph can be read; of a subclassed one, the graph that its call draws.

    It shares the layers of the subclassed model. Free height and width where the call allows them, else the size that
    the model was built with.

    Raises:
        UsageError: no Keras model, an unbuilt one, or one whose call draws no graph.
    """
    if not isinstance(model, keras.Model):
        raise UsageError(f"Expected a Keras model; `zoo rewrite FILE OUT` takes files. Received: {model!r:.100}")
    if has_graph(model):
        return model
    if isinstance(model, keras.Sequential):
        raise UsageError("Expected a functional Keras model or a built Sequential one. Received: a Sequential model "
                         "that is not built: give it an Input, or call it once")  # fmt: skip
    name = f"{model.name!r}, a {type(model).__name__}"
    if not model.built:
        raise UsageError(
            f"Expected a functional Keras model, or a subclassed one that was called once. Received: {name}: call it "
            "on a picture, or on a list of them, first"
        )
    # A model whose call cannot be followed has no shapes; one of several arguments has a name for each.
    shapes = (model.get_build_config() or {}).get("input_shape")
    reason = "it takes several arguments, or it does not run without values"
    for free in (True, False) if shapes is not None else ():
        try:
            inputs = keras.tree.map_shape_structure(partial(_input, model, free), shapes)
            return _drawn(model, inputs)
        except Exception as error:  # A call of one's own raises what it likes.
            reason = _first_line(error)
    raise UsageError(
        "Expected a functional Keras model, or a subclassed one whose call() keras.ops can follow. "
        f"Received: {name}, where it cannot: {reason}; write its graph as keras.Model(inputs, outputs)"
    )


def graphs_of(model: keras.Model, closed: Sequence[keras.layers.Layer] = ()) -> list[Graph]:
    """The graph of a model and of every model or layer called inside it that has or draws one, the outermost first.

    Args:
        closed: layers that are not opened.
    Raises:
        UsageError: a model without a graph (`functional`).
    """
    outermost = Graph(functional(model), "")
    found = {id(outermost.model): outermost}
    waiting = [outermost]
    while waiting:
        graph = waiting.pop(0)
        calls = Counter(id(node.operation) for node in graph.nodes)
        for node in graph.nodes:
            inner = node.operation
            if id(inner) in found or any(inner is layer for layer in closed):
                continue
            path = f"{graph.path}{inner.name}/"
            if has_graph(inner):
                found[id(inner)] = Graph(inner, path)
            elif _holds_upsampling(inner) and calls[id(inner)] == 1:
                try:
                    found[id(inner)] = Graph(opened(node), path, inner)
                except Exception:  # It stays, and the explanation names it.
                    continue
            else:
                continue
            waiting.append(found[id(inner)])
    return list(found.values())


def opened(node: Node) -> keras.Model:
    """The graph of a layer without a readable one, from the tensors that it is called with.

    Raises:
        Untraceable: what it draws is not the same function; anything else: what its call raises.
    """
    inputs = [keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype) for tensor in node.input_tensors]
    arguments, keywords = node.arguments.fill_in(dict(zip(map(id, node.input_tensors), inputs)))
    return _drawn(node.operation, inputs, arguments, keywords)


def _drawn(layer, inputs, arguments=None, keywords=None) -> keras.Model:
    """A model of the layers that a call runs through; checked against the layer's weights and its training."""
    arguments, keywords = (inputs,) if arguments is None else arguments, keywords or {}
    models = []
    # Where `training` is left out, a default of False would be written into the graph.
    for training in (None, True) if layer._call_has_training_arg and "training" not in keywords else (...,):
        options = {} if training is ... else {"training": training}
        outputs = layer.call(*arguments, **keywords, **options)
        models.append(keras.Model(inputs, outputs, name=layer.name))
    graph = models[0]
    if len({_signature(model) for model in models}) > 1:
        raise Untraceable("it calls other layers in training")
    missing = {id(weight) for weight in layer.weights} - {id(weight) for weight in graph.weights}
    if missing:
        names = [weight.path for weight in layer.weights if id(weight) in missing]
        raise Untraceable(f"it computes with {names[0]!r} outside of the layers that it calls")
    if layer._seed_generators:
        raise Untraceable("it draws random numbers outside of the layers that it calls")
    if not layer.trainable:
        graph.trainable = False
    return graph


def _holds_upsampling(operation) -> bool:
    if not isinstance(operation, keras.layers.Layer):
        return False
    inside = any(isinstance(each, UPSAMPLING) for each in operation._flatten_layers(include_self=False))
    return inside or names_an_enlargement(operation)


def _signature(model: keras.Model) -> tuple:
    """The layers and operations of a graph in order."""
    operations = [node.operation for node in Graph(model, "").nodes]
    return tuple(id(each) if isinstance(each, keras.layers.Layer) else type(each).__name__ for each in operations)


def _input(model: keras.Model, free: bool, shape):
    sides = tuple(shape[1:])
    if free and len(sides) == 3:
        sides = (None, None, sides[2])
    return keras.Input(sides, dtype=model.dtype_policy.variable_dtype)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:160] if text else type(error).__name__
