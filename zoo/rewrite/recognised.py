"""Functions of one's own that only enlarge, as a Lambda does: recognised by what they do to numbers."""

from typing import NamedTuple

import keras
import numpy as np

from zoo.identities.phases import Pair
from zoo.layers import DepthToSpace
from zoo.rewrite.copies import is_of_ones_own
from zoo.rewrite.graph import Node

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
SHUFFLE = "shuffle"
# px; two, since one does not tell a multiple from a fixed size or from padding.
_SIDES = ((3, 4), (5, 2))
# Of the largest value: the very same computation, but in another order.
_TOLERANCE = 1e-5
# What enlarges a picture in Keras, TensorFlow and their backends, by the names that code calls it.
_WORDS = frozenset(("resize", "conv_transpose", "conv2d_transpose", "depth_to_space", "resize_bilinear"))


class Recognised(NamedTuple):
    """What a function does to a picture.

    Attributes:
        size: how many times more rows and columns it has.
        method: one of `INTERPOLATIONS`, or `SHUFFLE`; empty where it enlarges in another way.
    """

    size: Pair
    method: str


def recognised(node: Node) -> Recognised | None:
    """How a layer without weights enlarges its one picture; None where it does not, or is not known to."""
    if not _is_function_of_a_picture(node):
        return None
    found, sizes = set(), set()
    for sides in _SIDES:
        try:
            given, received = _run(node, sides)
        except Exception:  # A function of one's own raises what it likes.
            return None
        if received.ndim != 4 or len(received) != len(given):
            return None
        sizes.add(received.shape[1:3])
        found.add(_as(given, received))
    if found == {None}:
        (fixed, *others), free = sizes, None in node.input_tensors[0].shape[1:3]
        return Recognised((0, 0), "") if free and not others and min(fixed) > max(map(max, _SIDES)) else None
    return found.pop() if len(found) == 1 else None


def names_an_enlargement(layer) -> bool:
    """Whether the call of a layer of one's own names something that enlarges pictures."""
    code = getattr(type(layer).call, "__code__", None)
    return is_of_ones_own(layer) and code is not None and bool(_WORDS & set(code.co_names))


def _is_function_of_a_picture(node: Node) -> bool:
    layer = node.operation
    if not isinstance(layer, keras.layers.Layer) or not (type(layer) is keras.layers.Lambda or is_of_ones_own(layer)):
        return False
    if layer.weights or layer._seed_generators or len(layer._flatten_layers()) > 1:
        return False
    if len(node.input_tensors) != 1 or len(node.outputs) != 1:
        return False
    (given,), (received,) = node.input_tensors, node.outputs
    if len(given.shape) != 4 or len(received.shape) != 4 or given.shape[3] is None or "float" not in given.dtype:
        return False
    known = [(old, new) for old, new in zip(given.shape[1:3], received.shape[1:3]) if None not in (old, new)]
    return given.dtype == received.dtype and (len(known) < 2 or any(new > old for old, new in known))


def _run(node: Node, sides: Pair) -> tuple[np.ndarray, np.ndarray]:
    (tensor,) = node.input_tensors
    batch, *given, channels = tensor.shape
    shape = (batch or 2, *(own or side for own, side in zip(given, sides)), channels)
    values = keras.ops.cast(np.random.default_rng(0).normal(size=shape), tensor.dtype)
    arguments, keywords = node.arguments.fill_in({id(tensor): values})
    received = node.operation(*arguments, **keywords)
    return np.asarray(keras.ops.convert_to_numpy(values)), np.asarray(keras.ops.convert_to_numpy(received))


def _as(given: np.ndarray, received: np.ndarray) -> Recognised | None:
    sides = zip(received.shape[1:3], given.shape[1:3])
    (rows, more_rows), (columns, more_columns) = (divmod(new, old) for new, old in sides)
    if more_rows or more_columns or rows * columns < 2 or min(rows, columns) < 1:
        return None
    size, policy = (rows, columns), given.dtype.name
    if received.shape[3] == given.shape[3]:
        for method in INTERPOLATIONS:
            up = keras.layers.UpSampling2D(size, "channels_last", method, dtype=policy)
            if _alike(up(given), received):
                return Recognised(size, method)
        return Recognised(size, "")
    shuffles = rows == columns and received.shape[3] * rows**2 == given.shape[3]
    same = shuffles and _alike(DepthToSpace(rows, dtype=policy)(given), received)
    return Recognised(size, SHUFFLE if same else "")


def _alike(one, other: np.ndarray) -> bool:
    one = np.asarray(keras.ops.convert_to_numpy(one))
    return one.shape == other.shape and bool(np.abs(one - other).max() <= _TOLERANCE * np.abs(other).max())
