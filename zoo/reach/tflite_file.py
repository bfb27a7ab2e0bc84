"""How far an output pixel of a TFLite file looks: what each operation reads, along each axis of the picture."""

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.graphs.tflite import File, Operation, Tensor
from zoo.reach import field, spans
from zoo.reach.field import Unbounded
from zoo.reach.spans import Span
from zoo.reach.tflite_sizes import sliced, value

# What works on each position by itself.
POINTWISE = frozenset(
    ["ABS", "ADD", "ADD_N", "CAST", "CEIL", "COS", "DEQUANTIZE", "DIV", "ELU", "EQUAL", "EXP", "FLOOR", "FLOOR_DIV"]
    + ["FLOOR_MOD", "FULLY_CONNECTED", "GELU", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "L2_NORMALIZATION"]
    + ["LEAKY_RELU", "LESS", "LESS_EQUAL", "LOG", "LOG_SOFTMAX", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR"]
    + ["LOGISTIC", "MAXIMUM", "MINIMUM", "MUL", "NEG", "NOT_EQUAL", "POW", "PRELU", "QUANTIZE", "RELU", "RELU6"]
    + ["RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "RSQRT", "SELECT", "SELECT_V2", "SIGN", "SIN", "SOFTMAX", "SQRT"]
    + ["SQUARE", "SQUARED_DIFFERENCE", "SUB", "TANH"]
)
_SAME = 0


def reach(file: File) -> field.Reach:
    """The radius of a TFLite file's receptive field, and where tiles may begin; see `zoo.reach.Reach`.

    Exact for the operations below (weights that happen to be zero count as read).

    Args:
        file: one picture (1, H, W, C) in, one out; H and W free or fixed.

    Raises:
        Unbounded: an operation whose reach is not known or has no bound; the sentence names it.

    Example:
        >>> from zoo import registry
        >>> from zoo.graphs import tflite
        >>> from zoo.reach import tflite_file
        >>> tflite_file.reach(tflite.read(registry.preset_file("fsrcnn_s_x2", ".tflite")))
        Reach(radius=5, step=1)
    """
    known: dict[tuple[int, int], _Walk] = {}
    sides: Any = file.inputs[0].shape[1:3]

    def follow(axis: int, length: int) -> list[Span]:
        size = (length, length) if free else sides
        walk = known.get(size) or known.setdefault(size, _Walk(file, size))
        return [axes[axis] for axes in walk.maps.values()]

    try:
        free = sides[0] is None
        return field.of_any_size(follow) if free else field.of_one_size(follow, sides)
    except Unbounded:
        raise
    # What a stranger's graph holds, no list of exceptions foresees.
    except Exception as error:
        raise Unbounded(f"a graph that cannot be followed ({type(error).__name__})") from error


# What LiteRT computes in whole numbers where only the weights are stored as such.
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


class _Walk:
    """A graph followed for a picture of one size; `maps` holds the spans of rows and columns, the output's last."""

    def __init__(self, file: File, size: tuple[int, int]):
        self.graph = file.graphs[0]
        self.maps: dict[Tensor, tuple[Span, Span]] = {file.inputs[0]: (spans.image(size[0]), spans.image(size[1]))}
        for operation in self.graph.operations:
            # Constants, and what is computed from the picture's size alone, are asked for where they are needed.
            if operation.name != "SHAPE" and any(tensor in self.maps for tensor in operation.inputs):
                axes = (self._axis(operation, 0), self._axis(operation, 1))
                self.maps |= dict.fromkeys(operation.outputs, axes)
        self.maps[file.outputs[0]] = self.maps.pop(file.outputs[0])

    def value(self, tensor: Tensor) -> np.ndarray:
        """The numbers of a tensor that depend on the picture's size at most."""
        return value(tensor, self.graph, self._shape)

    def _shape(self, tensor: Tensor) -> tuple[int | None, ...] | None:
        if tensor not in self.maps:
            return None
        rows, columns = self.maps[tensor]
        return 1, rows.length, columns.length, tensor.shape[3]

    def _axis(self, operation: Operation, axis: int) -> Span:
        """The output of an operation along an axis of the picture, 0 down and 1 across."""
        name = operation.name
        if any(len(tensor.shape) not in (0, 4) for tensor in operation.outputs):
            raise Unbounded(f"{name} to a tensor of rank {len(operation.outputs[0].shape)}")
        if name in _WEIGHTED and _rounds_maps(operation):
            raise Unbounded(f"{name} whose maps are rounded by the range that they have in the whole picture")
        read = [self.maps[tensor][axis] for tensor in operation.inputs if tensor in self.maps]
        if name in POINTWISE:
            self._check_alike(operation)
            return spans.union(read)
        if name == "CONCATENATION":
            if len(read) < len(operation.inputs):
                raise Unbounded("CONCATENATION with constants")
            return spans.join(read) if operation.options.axis in (axis + 1, axis - 3) else spans.union(read)
        if name not in RULES:
            raise Unbounded(name)
        return RULES[name](self, operation, axis, read[0])

    def _check_alike(self, operation: Operation) -> None:
        others = [tensor for tensor in operation.inputs if tensor is not None and tensor not in self.maps]
        if operation.name == "FULLY_CONNECTED":
            if not operation.options.keepNumDims:
                raise Unbounded("FULLY_CONNECTED of a whole map")
        elif any(side != 1 for tensor in others for side in tensor.shape[-3:-1]):
            raise Unbounded(f"{operation.name} with a number for each pixel")


def _rounds_maps(operation: Operation) -> bool:
    """Whether an operation has float maps and whole weights."""
    given = [tensor for tensor in operation.inputs if tensor is not None]
    whole = any(tensor.constant and tensor.dtype in ("int8", "int4") for tensor in given)
    return whole and any(not tensor.constant and tensor.dtype == "float32" for tensor in given)


def _strides(operation: Operation, axis: int) -> int:
    return (operation.options.strideH, operation.options.strideW)[axis]


def _padding(operation: Operation) -> str:
    return "same" if operation.options.padding == _SAME else "valid"


def _convolution(walk: _Walk, operation: Operation, axis: int, span: Span) -> Span:
    dilation = (operation.options.dilationHFactor, operation.options.dilationWFactor)[axis]
    size = operation.inputs[1].shape[axis + 1]
    return spans.window(span, size, _strides(operation, axis), dilation, _padding(operation))


def _pooling(walk: _Walk, operation: Operation, axis: int, span: Span) -> Span:
    size = (operation.options.filterHeight, operation.options.filterWidth)[axis]
    return spans.window(span, size, _strides(operation, axis), padding=_padding(operation))


def _transposed_convolution(walk: _Walk, operation: Operation, axis: int, span: Span) -> Span:
    length = int(walk.value(operation.inputs[0])[axis + 1])
    size, before = operation.inputs[1].shape[axis + 1], None if operation.options.padding == _SAME else 0
    return spans.scatter(span, size, _strides(operation, axis), length, before)


def _resize(walk: _Walk, operation: Operation, axis: int, span: Span) -> Span:
    if operation.options.alignCorners:
        raise Unbounded(f"{operation.name} with aligned corners")
    length = int(walk.value(operation.inputs[1])[axis])
    taps = spans.TAPS["bilinear" if operation.name == "RESIZE_BILINEAR" else "nearest"]
    return spans.resize(span, length, taps, bool(operation.options.halfPixelCenters))


def _pad(walk: _Walk, operation: Operation, axis: int, span: Span) -> Span:
    before, after = (int(side) for side in walk.value(operation.inputs[1])[axis + 1])
    modes: tuple[spans.Border, ...] = ("reflect", "symmetric", "constant")
    mode = modes[operation.options.mode if operation.name == "MIRROR_PAD" else -1]
    return spans.pad(span, before, after, mode)


def _slice(walk: _Walk, operation: Operation, axis: int, span: Span) -> Span:
    if operation.name == "SLICE":
        first, kept = (int(walk.value(tensor)[axis + 1]) for tensor in operation.inputs[1:])
        part: slice | int = slice(first, None if kept < 0 else first + kept)
    else:
        index = sliced(operation, *(walk.value(tensor) for tensor in operation.inputs[1:]))
        part = index[axis + 1] if len(index) > axis + 1 else slice(None)
    if not isinstance(part, slice):
        raise Unbounded(f"{operation.name} of one row or column")
    return spans.cut(span, part)


def _split(walk: _Walk, operation: Operation, axis: int, span: Span) -> Span:
    along = int(np.ravel(walk.value(operation.inputs[0 if operation.name == "SPLIT" else 2]))[0])
    if along % 4 == axis + 1:
        raise Unbounded(f"{operation.name} of a picture's rows or columns")
    return span


def _tile(walk: _Walk, operation: Operation, axis: int, span: Span) -> Span:
    if walk.value(operation.inputs[1])[axis + 1] != 1:
        raise Unbounded("TILE of a picture")
    return span


# How an operation reads its first map along one axis: (walk, operation, axis, input span) → output span.
RULES: dict[str, Callable[[_Walk, Operation, int, Span], Span]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "TRANSPOSE_CONV": _transposed_convolution,
    "AVERAGE_POOL_2D": _pooling,
    "MAX_POOL_2D": _pooling,
    "L2_POOL_2D": _pooling,
    "DEPTH_TO_SPACE": lambda walk, operation, axis, span: spans.repeat(span, operation.options.blockSize),
    "SPACE_TO_DEPTH": lambda walk, operation, axis, span: spans.gather(span, operation.options.blockSize),
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "PAD": _pad,
    "PADV2": _pad,
    "MIRROR_PAD": _pad,
    "SLICE": _slice,
    "STRIDED_SLICE": _slice,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "TILE": _tile,
}
