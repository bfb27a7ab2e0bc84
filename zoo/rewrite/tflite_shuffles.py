"""Shuffles of a TFLite file that are spelt as RESHAPE and TRANSPOSE, and pixels with zeros or copies between them.

    before: x → CONV_2D → RESHAPE → TRANSPOSE → RESHAPE → y,   x → PAD → RESHAPE → … → CONV_2D → y
    after:  x → CONV_2D → DEPTH_TO_SPACE → y,                  x → CONV_2D → DEPTH_TO_SPACE → (crop) → y

Another order of channels than DEPTH_TO_SPACE's goes into the convolution before a shuffle.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.graphs.tflite import Graph, Tensor, schema
from zoo.identities.lr_convolution import LrConvolution, Transposed, lr_convolution
from zoo.rewrite.explanation import Row
from zoo.rewrite.tflite_constants import Constant, Stays
from zoo.rewrite.tflite_moves import (
    Interleaved,
    Move,
    Shuffle,
    interleaved,
    recognised,
    repeated,
    shuffle,
    values_read,
)
from zoo.rewrite.tflite_resized import Resized
from zoo.rewrite.tflite_steps import CONVOLUTIONS, Steps


def shuffled(graph: Graph, sized: list[Graph]) -> list[Row]:
    """Changes a graph: what shuffles becomes DEPTH_TO_SPACE.

    Args:
        sized: the graph at several sizes, where its own are free (`tflite_find.at_sizes`).

    Returns:
        A row for each, also for what has more than four axes and stays.
    """
    rows: list[Row] = []
    done: set[int] = set()
    named: set[str] = set()
    for move, found in recognised(graph, sized, shuffle):
        own = {id(each) for each in move.operations}
        if not own.isdisjoint(done):
            continue
        done |= own
        kinds = ", ".join(each.name for each in move.operations)
        name = move.output.name
        named.add(name)
        try:
            _replace(graph, move, found)
        except Stays as reason:
            rows.append(Row(name, kinds, note=str(reason)))
            continue
        turned = ", TRANSPOSE" if found.channels_first else ""
        rows.append(Row(name, kinds, "moved", f"DEPTH_TO_SPACE {found.scale}{turned}"))
    for operation in graph.operations:
        (output,) = operation.outputs[:1]
        if operation.name == "TRANSPOSE" and len(output.shape) > 4 and not _within(graph, output, named):
            free = None in output.shape and not sized
            note = "its sizes are free" if free else "it is no shuffle of a picture's channels"
            rows.append(Row(output.name, f"TRANSPOSE of {len(output.shape)} axes", note=note))
    return rows


def _within(graph: Graph, tensor: Tensor, named: set[str]) -> bool:
    """Whether what comes of a tensor is named already."""
    while tensor.name not in named:
        readers = graph.readers(tensor)
        if len(readers) != 1:
            return False
        tensor = readers[0].outputs[0]
    return True


def _replace(graph: Graph, move: Move, found: Shuffle) -> None:
    image, output = move.image, move.output
    if image.dtype not in CONVOLUTIONS:
        raise Stays(f"DEPTH_TO_SPACE does not compute in {image}")
    if not np.array_equal(found.order, np.arange(len(found.order))):
        reorder(graph, image, found.order)
    steps = Steps([], image, output)
    steps.shuffle(found.scale)
    if found.channels_first:
        steps.transpose((0, 3, 1, 2))
    # The others of the row go with its last, as nothing else reads them.
    steps.replace_in(graph, move.operations[-1])


def reorder(graph: Graph, image: Tensor, order: np.ndarray) -> None:
    """The channels of an image in another order, which the convolution that gives it takes over."""
    convolution = graph.producer(image)
    if convolution is None or convolution.name != "CONV_2D":
        raise Stays("the order of its channels is not DEPTH_TO_SPACE's, and no CONV_2D stands before it to change that")
    if len(values_read(graph, image)) > 1 or image in graph.outputs:
        raise Stays("the order of its channels is not DEPTH_TO_SPACE's, and something else reads them too")
    # All that may stay first, then the change.
    constants = [None if each is None else Constant(graph, each) for each in convolution.inputs[1:]]
    before = []
    for place, (constant, what) in enumerate(zip(constants, ("weights", "bias")), 1):
        if constant is not None:
            values = constant.values[order]
            convolution.inputs[place], steps = constant.again(f"{image.name}/{what}", values, order)
            before += steps
    graph.replace(convolution, *before, convolution)


def zeros_between(graph: Graph, sized: list[Graph]) -> list[tuple[Resized, Interleaved]]:
    """Each CONV_2D that reads pixels with zeros between them, and how they lie; arguments as for `shuffled`."""
    return [(each._replace(repeats=False), how) for each, how in _read(graph, sized, interleaved)]


def copies(graph: Graph, sized: list[Graph]) -> list[tuple[Resized, int]]:
    """Each CONV_2D that reads repeated pixels, and how often they are; arguments as for `shuffled`."""
    return [(each, how.scale) for each, how in _read(graph, sized, repeated)]


def _read(graph: Graph, sized: list[Graph], what: Callable[[Move], Any]) -> list[tuple[Resized, Any]]:
    """Each CONV_2D that reads such a move and nobody else does."""
    found: dict[int, tuple[Resized, Any]] = {}
    for move, how in recognised(graph, sized, what):
        readers = values_read(graph, move.output)
        read_whole = len(readers) == 1 and readers[0].name == "CONV_2D" and readers[0].inputs[0] is move.output
        if read_whole and id(readers[0]) not in found:
            found[id(readers[0])] = (Resized(readers[0], move.operations[-1], move.image), how)
    return list(found.values())


def left_copies(graph: Graph, sized: list[Graph]) -> list[Row]:
    """A row for pixels that are repeated and that no CONV_2D alone reads; arguments as for `shuffled`."""
    rows = []
    for move, how in recognised(graph, sized, repeated):
        readers = values_read(graph, move.output)
        if [each.name for each in readers] != ["CONV_2D"]:
            kinds = ", ".join(sorted({each.name for each in readers})) or "an output"
            note = f"what reads it is no convolution that can take it in: {kinds}"
            rows.append(Row(move.output.name, f"pixels repeated ×{how.scale}", note=note))
    return rows


def of_zeros_between(graph: Graph, each: Resized, how: Interleaved) -> tuple[LrConvolution, list[Constant]]:
    """The LR convolution, in the numbers that the file holds, less their zero points.

    The convolution reads pixel p at scale·p + start, so that its tap k is tap K - 1 - k of a transposed one.

    Raises:
        Stays: it has none.
    """
    options = each.operation.options
    if (options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor) != (1, 1, 1, 1):
        raise Stays("its convolution has strides or dilations")
    if each.image.dtype not in CONVOLUTIONS:
        raise Stays(f"DEPTH_TO_SPACE does not compute in {each.image}")
    if each.weights.shape[3] != each.image.shape[3]:
        raise Stays("its convolution has groups")
    constants = [Constant(graph, tensor) for tensor in (each.weights, each.bias) if tensor is not None]
    if each.image.dtype == "float32" and constants[0].rounds_image:
        raise Stays("a float image is rounded differently beside int8 weights of one scale")
    # TFLite has (O, Ky, Kx, I); turned round, (Ky, Kx, O, I).
    kernel = constants[0].values.astype(np.float64) - constants[0].zeros.reshape(-1, 1, 1, 1)
    kernel = kernel[:, ::-1, ::-1].transpose(1, 2, 0, 3)
    same = options.padding == schema.Padding.SAME
    offsets, extras = [], []
    for axis in (0, 1):
        reach = kernel.shape[axis] - 1
        before, after = (reach // 2, reach - reach // 2) if same else (0, 0)
        offsets.append(reach - before - how.starts[axis])
        extras.append(how.extras[axis] + before + after - reach)
    taps = np.ones(kernel.shape[:2], bool)
    return lr_convolution(Transposed(kernel, how.scale, tuple(offsets), tuple(extras), taps)), constants
