"""How far two models of the same inputs differ, measured on noise and on a ramp."""

import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from zoo.rewrite.graph import inputs_of

Run = Callable[[Any], list[np.ndarray]]
# Networks take multiples of what they stride by.
MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
SIDES = ((7, 5), (3, 11))
# Of a network that strides far, where one pixel of its smallest map is many of the picture.
FAR, FAR_SIDES = 8, ((5, 3), (2, 7))
# s: so long a first size that fits is looked for, whatever else the time is for.
PATIENCE = 30.0
# Pictures of a video, or layers of a volume, where their number is free.
STEPS_OF_VIDEO = 4
# Several pictures may be larger from one to the next, as the maps of a decoder.
STEPS = (1, 2, 1 / 2, 3, 1 / 3, 4, 1 / 4)
# Of whole numbers (classes, levels): what lies half-way between two may be rounded either way.
HALF_WAY = 0.01


def largest_differences(model: keras.Model, other: keras.Model) -> dict[tuple[int, int], float]:
    """The largest difference at every pixel of every output, over that picture's largest magnitude, by input size.

    The inputs are noise of mean 0 and deviation 1, and a ramp from 0 to 255: functions that are alike only near 0, or
    only far from it, differ in one of them.

    Returns:
        {(height, width): difference} for two odd, non-square sizes in px, times the smallest number that the model
        takes; for the model's own size where it has one; empty where no size tried fits.
    """
    found: dict[tuple[int, int], float] = {}
    for size, inputs, expected in cases(model):
        found[size] = max(found.get(size, 0.0), difference(expected, outputs(other, inputs)))
    return found


def cases(model: keras.Model, seconds: float = 10.0, run: Run | None = None) -> list[tuple]:
    """(size, inputs, the model's outputs) at the two smallest sizes that it takes and gives something for.

    Args:
        seconds: when they are over, one size is enough.
        run: gives the outputs for inputs, and raises where they are nothing to compare with; default: the model.
    """
    run = run or partial(outputs, model)
    started = time.monotonic()
    best: list[tuple] = []
    free = [len(tensor.shape) in (4, 5) and None in tensor.shape[-3:-1] for tensor in model.inputs]
    for multiple, step in itertools.product(MULTIPLES, STEPS if sum(free) > 1 else STEPS[:1]):
        # How much larger than the smallest each input is.
        smallest = min(1.0, step ** (sum(free) - 1.0))
        factors = [round(float(step) ** place / smallest) for place in np.cumsum(free) - 1]
        found: list[tuple] = []
        largest = multiple * max(factors)
        if largest > MULTIPLES[-1]:
            continue
        try:
            for height, width in SIDES if largest < FAR else FAR_SIDES:
                wanted = multiple * height, multiple * width
                size, pictures = _draw(model, wanted, factors)
                found += [(size, inputs, _some(run(inputs))) for inputs in pictures]
                if not any(free) or time.monotonic() - started > seconds:
                    break
        except Exception:  # A size that this model does not take; backends raise what they like.
            best = best or found
            if time.monotonic() - started > (seconds if best else PATIENCE):
                break
            continue
        return found
    return best


def outputs(model: keras.Model, inputs) -> list[np.ndarray]:
    """The model's outputs at inference; whole numbers as they are, others in float64."""
    found = []
    for tensor in keras.tree.flatten(model(inputs, training=False)):
        values = np.asarray(keras.ops.convert_to_numpy(tensor))
        found.append(values if values.dtype.kind in "iub" else values.astype(np.float64))
    return found


def difference(expected: list[np.ndarray], received: list[np.ndarray]) -> float:
    """The largest difference over the picture's largest magnitude; infinity where shapes differ or a number is none."""
    return max(map(_relative, expected, received), default=0.0)


def _some(arrays: list[np.ndarray]) -> list[np.ndarray]:
    if not all(np.isfinite(array).any() for array in arrays):
        raise ValueError("Expected an output to compare. Received: an empty one, or one without a number")
    return arrays


def _draw(model, size: tuple[int, int], factors: list[int]) -> tuple[tuple[int, int], list]:
    """The size of the first picture, and inputs: noise and ramp in one batch, or one after the other if it is fixed."""
    fixed = any(tensor.shape[0] is not None for tensor in model.inputs)
    rng = np.random.default_rng(0)
    drawn: list[list] = [[] for _ in range(1 + fixed)]
    used: tuple[int, int] | None = None
    for tensor, factor in zip(model.inputs, factors):
        # Only the axes of a picture, video or sequence may be free; anything else is an error that the caller sees.
        steps = (STEPS_OF_VIDEO,) * (len(tensor.shape) == 5)
        wanted = (*steps, *(factor * each for each in size))
        sides = [side or wanted[axis] for axis, side in enumerate(tensor.shape[1:])]
        if len(sides) in (3, 4):
            used = used or (sides[-3], sides[-2])
        values = np.stack([rng.normal(size=sides), np.linspace(0, 255, int(np.prod(sides))).reshape(sides)])
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        if not keras.backend.is_float_dtype(dtype):
            # Levels; else places in a table, for all that is known.
            values = np.clip(values, 0, 255) if dtype == "uint8" else (values > 0).astype(np.float64)
        parts = [np.broadcast_to(each, (tensor.shape[0] or 1, *sides)) for each in values] if fixed else [values]
        for inputs, part in zip(drawn, parts):
            inputs.append(keras.ops.cast(part, dtype))
    return used or size, [keras.tree.pack_sequence_as(inputs_of(model), inputs) for inputs in drawn]


def _relative(expected: np.ndarray, received: np.ndarray) -> float:
    if expected.shape != received.shape:
        return np.inf
    if expected.dtype.kind in "iub" and np.mean(expected != received) <= HALF_WAY:
        return 0.0
    pictures = len(expected) if expected.ndim > 1 else 1
    expected, received = (each.astype(np.float64).reshape(pictures, -1) for each in (expected, received))
    known = np.isfinite(expected)
    if not np.isfinite(received[known]).all():
        return np.inf
    apart = np.where(known, np.abs(np.where(known, received, 0) - np.where(known, expected, 0)), 0).max(axis=1)
    largest = np.where(known, np.abs(np.where(known, expected, 0)), 0).max(axis=1)
    return float((apart / np.maximum(largest, np.finfo(np.float32).tiny)).max())
