"""What a row of operations that only move values does in all, however it is spelt: a shuffle, copies, zeros in between.

    RESHAPE → TRANSPOSE → RESHAPE, of rank 6 as PyTorch's PixelShuffle is converted, or split in any other way
    PAD → RESHAPE, CONCATENATION with zeros → RESHAPE → …, PAD → DEPTH_TO_SPACE
    EXPAND_DIMS → TILE → RESHAPE, once for the rows and once for the columns, as Keras' UpSampling2D is converted

The operations are not matched with patterns: they are applied to the numbers of the values, and where those end up is
looked at.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from zoo.graphs.tflite import Graph, Operation, Tensor
from zoo.identities.phases import Pair, pair
from zoo.rewrite.tflite_resized import alike

# In place of a value's number.
ZERO = -1
# Numbers that are looked at, at most; a larger picture is another file of the same network.
_MOST = 1 << 26
_ELLIPSIS = ("ellipsisMask", "newAxisMask", "shrinkAxisMask")


class Move(NamedTuple):
    """Operations that only move the values of one tensor.

    Attributes:
        image: what is moved, of 4 axes.
        operations: one after another.
        numbers: where each value of the result comes from in the flat image, `ZERO` for a zero.
    """

    image: Tensor
    operations: list[Operation]
    numbers: np.ndarray

    @property
    def output(self) -> Tensor:
        return self.operations[-1].outputs[0]


class Shuffle(NamedTuple):
    """A `Move` that is DEPTH_TO_SPACE once the image's channels are in another order.

    Attributes:
        scale: the block.
        order: for each channel in DEPTH_TO_SPACE's order which of the image's it is.
        channels_first: whether the result is turned to (N, C, H, W) behind it.
    """

    scale: int
    order: np.ndarray
    channels_first: bool


class Interleaved(NamedTuple):
    """A `Move` that puts zeros between the pixels, and around them.

    Attributes:
        scale: pixel p of the image is at scale·p + start.
        starts: rows and columns of zeros before the first pixel.
        extras: rows and columns of the result, less scale · those of the image.
    """

    scale: int
    starts: Pair
    extras: Pair


class Repeated(NamedTuple):
    """A `Move` that repeats each pixel `scale` times along both sides."""

    scale: int


def moves(graph: Graph) -> list[Move]:
    """The rows of such operations: from each on as far as it goes, then the shorter ones that begin there."""
    found = []
    for operation in graph.operations:
        image = _moved(operation)
        if image is not None and len(image.shape) == 4 and None not in image.shape and np.prod(image.shape) <= _MOST:
            found += _row(graph, image, operation)[::-1]
    return found


def recognised(graph: Graph, sized: list[Graph], what: Callable[[Move], Any]) -> list[tuple[Move, Any]]:
    """The moves that are something, and what they are, longest first.

    Args:
        sized: the same graph at several sizes, where its own are free: there it has to be the same at each.
        what: `shuffle`, `interleaved` or `repeated`.
    """
    if not sized:
        return [(move, found) for move in moves(graph) if (found := what(move)) is not None]
    first, *others = [_by_place(each, what) for each in sized]
    alike = [
        (places, found)
        for places, found in first.items()
        if all(places in other and _same(found, other[places]) for other in others)
    ]
    result = []
    for places, found in alike:
        operations = [graph.operations[place] for place in places]
        image = _moved(operations[0])
        if image is not None and len(image.shape) == 4 and image.shape[3] is not None:
            result.append((Move(image, operations, np.empty(0)), found))
    return result


def _by_place(graph: Graph, what: Callable[[Move], Any]) -> dict[tuple[int, ...], Any]:
    places = {id(operation): place for place, operation in enumerate(graph.operations)}
    return {tuple(places[id(each)] for each in move.operations): found for move, found in recognised(graph, [], what)}


def _same(one: tuple, other: tuple) -> bool:
    return all(np.array_equal(mine, its) for mine, its in zip(one, other))


def _row(graph: Graph, image: Tensor, operation: Operation) -> list[Move]:
    numbers = np.arange(np.prod(image.shape), dtype=np.int32).reshape(image.shape)
    operations: list[Operation] = []
    found: list[Move] = []
    while True:
        moved = _apply(operation, numbers)
        if moved is None or moved.size > 4 * _MOST or moved.shape != operation.outputs[0].shape:
            return found
        numbers, operations = moved, [*operations, operation]
        output = operation.outputs[0]
        if alike(image, output):
            found.append(Move(image, operations, numbers))
        readers = values_read(graph, output)
        if len(readers) != 1 or output in graph.outputs or _moved(readers[0]) is not output:
            return found
        operation = readers[0]


def values_read(graph: Graph, tensor: Tensor) -> list[Operation]:
    """The operations that read a tensor's values, and not only its size."""
    return [each for each in graph.readers(tensor) if each.name != "SHAPE"]


def _moved(operation: Operation) -> Tensor | None:
    """What an operation moves the values of, if it does no more; what else it reads the file holds."""
    if operation.name not in _APPLY:
        return None
    # What a shape is made of matters no more than the shape.
    given = operation.inputs[:1] if _APPLY[operation.name] in _BY_OUTPUT else operation.inputs
    moving = [each for each in given if each is not None and not each.constant]
    return moving[0] if len(moving) == 1 else None


def _apply(operation: Operation, numbers: np.ndarray) -> np.ndarray | None:
    """Where the values are afterwards; None where that is not known."""
    try:
        return _APPLY[operation.name](operation, numbers)
    except ValueError:
        return None


def shuffle(move: Move) -> Shuffle | None:
    """What a move is as a shuffle; None where it is none."""
    if len(move.operations) == 1 or move.numbers.ndim != 4 or np.any(move.numbers == ZERO):
        return None
    batch, height, width, channels = move.image.shape
    for channels_first in (False, True):
        numbers = move.numbers.transpose(0, 2, 3, 1) if channels_first else move.numbers
        scale = numbers.shape[1] // height
        if scale < 2 or numbers.shape != (batch, scale * height, scale * width, channels // scale**2):
            continue
        order = numbers[0, :scale, :scale].ravel()
        if order.max() >= channels:
            continue
        pixels = np.arange(batch * height * width).reshape(batch, height, 1, width, 1, 1)
        expected = pixels * channels + order.reshape(1, 1, scale, 1, scale, -1)
        if np.array_equal(expected.reshape(numbers.shape), numbers):
            return Shuffle(scale, order, channels_first)
    return None


def interleaved(move: Move) -> Interleaved | None:
    """What a move is as zeros put between pixels; None where it is not."""
    batch, height, width, channels = move.image.shape
    if move.numbers.ndim != 4 or move.numbers.shape[::3] != (batch, channels) or min(height, width) < 2:
        return None
    filled = move.numbers[0, :, :, 0] != ZERO
    rows, columns = (np.flatnonzero(filled.any(axis=axis)) for axis in (1, 0))
    if len(rows) != height or len(columns) != width:
        return None
    scale = int(rows[1] - rows[0])
    expected = np.full(move.numbers.shape, ZERO, np.int32)
    last = tuple(int(each[0]) + scale * (len(each) - 1) for each in (rows, columns))
    if scale < 2 or last != (rows[-1], columns[-1]):
        return None
    values = np.arange(np.prod(move.image.shape)).reshape(move.image.shape)
    expected[:, rows[0] : last[0] + 1 : scale, columns[0] : last[1] + 1 : scale] = values
    starts = (int(rows[0]), int(columns[0]))
    extras = tuple(size - scale * side for size, side in zip(move.numbers.shape[1:3], (height, width)))
    return Interleaved(scale, starts, pair(extras)) if np.array_equal(expected, move.numbers) else None


def repeated(move: Move) -> Repeated | None:
    """What a move is as pixels repeated; None where it is not."""
    batch, height, width, channels = move.image.shape
    scale = move.numbers.shape[1] // height if move.numbers.ndim == 4 else 0
    if scale < 2 or move.numbers.shape != (batch, scale * height, scale * width, channels):
        return None
    values = np.arange(np.prod(move.image.shape)).reshape(move.image.shape)
    same = np.array_equal(values.repeat(scale, axis=1).repeat(scale, axis=2), move.numbers)
    return Repeated(scale) if same else None


def _numbers_of(tensor: Tensor | None) -> np.ndarray:
    if tensor is None:
        raise ValueError("left out")
    return tensor.values


def _is_zero(tensor: Tensor) -> bool:
    quantization = tensor.raw.quantization
    zeros = quantization.zeroPoint if quantization is not None and quantization.zeroPoint is not None else [0]
    return bool(np.all(tensor.values == zeros[0]))


def _pad(operation: Operation, numbers: np.ndarray) -> np.ndarray:
    if len(operation.inputs) > 2 and not _is_zero(operation.inputs[2]):
        raise ValueError("padded with something else")
    return np.pad(numbers, _numbers_of(operation.inputs[1]), constant_values=ZERO)


def _joined(operation: Operation, numbers: np.ndarray, join) -> np.ndarray:
    parts = []
    for tensor in operation.inputs:
        if tensor.constant and not _is_zero(tensor):
            raise ValueError("joined with something else")
        parts.append(np.full(tensor.shape, ZERO, np.int32) if tensor.constant else numbers)
    return join(parts, axis=operation.options.axis)


def _slice(operation: Operation, numbers: np.ndarray) -> np.ndarray:
    options = operation.options
    if options.offset or any(getattr(options, mask) for mask in _ELLIPSIS):
        raise ValueError("a slice of another kind")
    begins, ends, steps = (_numbers_of(tensor) for tensor in operation.inputs[1:4])
    places = []
    for axis, (begin, end, step) in enumerate(zip(begins, ends, steps)):
        first = None if options.beginMask >> axis & 1 else int(begin)
        places.append(slice(first, None if options.endMask >> axis & 1 else int(end), int(step)))
    return numbers[tuple(places)]


def _depth_to_space(operation: Operation, numbers: np.ndarray) -> np.ndarray:
    batch, height, width, channels = numbers.shape
    scale = operation.options.blockSize
    blocks = numbers.reshape(batch, height, width, scale, scale, channels // scale**2)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height * scale, width * scale, -1)


def _to_output_shape(operation: Operation, numbers: np.ndarray) -> np.ndarray:
    shape = operation.outputs[0].shape
    if None in shape:
        raise ValueError("of a free size")
    return numbers.reshape(shape)


def _copied(operation: Operation, numbers: np.ndarray) -> np.ndarray:
    shape = operation.outputs[0].shape
    if None in shape or len(shape) < numbers.ndim:
        raise ValueError("of a free size")
    sides = (*(1,) * (len(shape) - numbers.ndim), *numbers.shape)
    return np.tile(numbers, [wanted // side for wanted, side in zip(shape, sides)])


# Of these the output's shape says all.
_BY_OUTPUT = (_to_output_shape, _copied)
_APPLY = {
    "RESHAPE": _to_output_shape,
    "SQUEEZE": _to_output_shape,
    "EXPAND_DIMS": _to_output_shape,
    "TILE": _copied,
    "BROADCAST_TO": _copied,
    "TRANSPOSE": lambda operation, numbers: numbers.transpose(_numbers_of(operation.inputs[1])),
    "PAD": _pad,
    "PADV2": _pad,
    "CONCATENATION": lambda operation, numbers: _joined(operation, numbers, np.concatenate),
    "PACK": lambda operation, numbers: _joined(operation, numbers, np.stack),
    "STRIDED_SLICE": _slice,
    "DEPTH_TO_SPACE": _depth_to_space,
}
