"""Pixels that an ONNX graph repeats without a Resize, as Keras' UpSampling2D is exported.

    x → Unsqueeze → Tile → Reshape → Unsqueeze → Tile → Reshape → (Transpose) → Conv

As in `zoo.rewrite.tflite_moves`, the nodes are not matched with a pattern: they are run on the numbers of the pixels,
in onnx's own evaluator, and where those end up is looked at.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from zoo.graphs.onnx_graph import OnnxGraph

MOVES = ("Unsqueeze", "Squeeze", "Tile", "Expand", "Reshape", "Transpose", "Identity")
# Of free sides, each in turn; the batch is of two.
_FREE = ((2, 3, 4, 5), (2, 3, 5, 4))
# Whole numbers that a float32 tells apart.
_MOST = 1 << 24


class Repeated(NamedTuple):
    """Nodes that repeat each pixel along both sides.

    Attributes:
        source: the name of what they read, of 4 axes.
        scale: how often, along each side.
        channels_last: whether the source is (N, H, W, C); the result is (N, C, H, W).
        nodes: all of them, and what computes their shapes.
    """

    source: str
    scale: int
    channels_last: bool
    nodes: list[Any]


def repeated(graph: OnnxGraph, result: str) -> Repeated | None:
    """The nodes that give a value of (N, C, H, W) by repeating pixels; None where others do."""
    row, name = [], result
    while (node := _mover(graph, name)) is not None:
        row.append(node)
        name = node.input[0]
    if not any(each.op_type in ("Tile", "Expand") for each in row):
        return None
    # Up to where somebody else reads it too.
    alone = itertools.takewhile(lambda each: _is_read_once(graph, each.output[0]), row)
    sources = [each.input[0] for each in alone]
    for source in sources[::-1]:
        nodes, given = graph.between(source, result), graph.shape(source)
        if nodes is None or len(given) != 4:
            continue
        try:
            found = {_found(graph, source, result, nodes, _filled(given, free)) for free in _FREE}
        except Exception:  # The evaluator raises what it likes.
            continue
        if len(found) == 1 and (how := found.pop()) is not None:
            scale, channels_last = how
            return Repeated(source, scale, channels_last, nodes)
    return None


def _mover(graph: OnnxGraph, name: str) -> Any | None:
    """The node that gives a value by moving others."""
    return next(filter(None, (graph.maker(name, kind, shared=True) for kind in MOVES)), None)


def _is_read_once(graph: OnnxGraph, name: str) -> bool:
    """Whether one node alone reads more of a value than its size."""
    readers = graph.readers(name)
    return readers is not None and sum(each.op_type != "Shape" for each in readers) == 1


def _filled(shape: list[int | None], free: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(side or other for side, other in zip(shape, free))


def _found(
    graph: OnnxGraph, source: str, result: str, nodes: list[Any], shape: tuple[int, ...]
) -> tuple[int, bool] | None:
    """How often each pixel is repeated, and whether channels come last; None where that is not what happens."""
    if np.prod(shape) > _MOST:
        return None
    numbers = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    received = graph.computed(nodes, source, numbers, result)
    for channels_last in (False, True):
        image = numbers.transpose(0, 3, 1, 2) if channels_last else numbers
        scale = received.shape[2] // image.shape[2]
        if scale > 1 and np.array_equal(image.repeat(scale, axis=2).repeat(scale, axis=3), received):
            return scale, channels_last
    return None
