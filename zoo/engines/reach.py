"""How far an output pixel of a TFLite file looks: a walk over its graph.

Every tensor carries, for rows and for columns, the offsets (low, high) from an output pixel's own LR pixel to the first
and last LR pixel that it may read, LR px. The walk may say more than is true, never less: tiles then overlap too much.
"""

import math
from fractions import Fraction

import numpy as np

from zoo.graphs.tflite import File, Operation, Tensor

Offsets = tuple[Fraction, Fraction]

# What works on each position by itself.
_POINTWISE = frozenset(
    ["ABS", "ADD", "ADD_N", "CAST", "CEIL", "COS", "DEQUANTIZE", "DIV", "ELU", "EXP", "FLOOR"]
    + ["GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL", "NEG"]
    + ["POW", "PRELU", "QUANTIZE", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "RSQRT"]
    + ["SIN", "SQRT", "SQUARE", "SQUARED_DIFFERENCE", "SUB", "TANH"]
)
# A border built from slices is no wider than this, px.
_BORDER = 32
_LENGTH = 96


class Unbounded(Exception):
    """The graph reads the whole picture, or nobody can tell that it does not."""


def radius(file: File) -> int:
    """The receptive field's radius of a TFLite file, LR px; at least the true one.

    Raises:
        Unbounded: an operation whose reach is not known or has no bound; the sentence names it.
    """
    try:
        return _Walk(file).radius()
    except Unbounded:
        raise
    # What a stranger's graph holds, no list of exceptions foresees.
    except Exception as error:
        raise Unbounded(f"a graph that cannot be followed ({type(error).__name__})") from error


class _Walk:
    def __init__(self, file: File):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self.graph = file.graphs[0]
        # Slices and paddings may be computed from the shape: a run at one size shows them.
        self.probe = Interpreter(
            model_content=file.content,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        detail = self.probe.get_input_details()[0]
        shape = [side if side > 0 else _LENGTH for side in detail["shape_signature"]]
        self.probe.resize_tensor_input(detail["index"], [1, *shape[1:]])
        self.probe.allocate_tensors()
        self.probe.invoke()
        self.numbers = {tensor: number for number, tensor in enumerate(self.graph.tensors)}
        shapes = {each["index"]: each["shape"] for each in self.probe.get_tensor_details()}
        self.shapes = {tensor: shapes.get(number) for tensor, number in self.numbers.items()}
        self.lengths = self.shapes[self.graph.inputs[0]][1:3]

    def radius(self) -> int:
        """The farthest of the offsets of both axes."""
        farthest = 0
        for axis in (1, 2):
            low, high = self._axis(axis)
            farthest = max(farthest, math.ceil(-low), math.ceil(high))
        return farthest

    def _axis(self, axis: int) -> Offsets:
        start = self.graph.inputs[0]
        offsets: dict[Tensor | None, Offsets] = {start: (Fraction(0), Fraction(0))}
        # Slices that are the first or last rows of a map: from which side, and how far from its border they reach.
        borders: dict[Tensor | None, tuple[str, int]] = {}
        for operation in self.graph.operations:
            name = operation.name
            read = [tensor for tensor in operation.inputs if tensor in offsets]
            # Constants, and what is computed from the picture's size alone.
            if not read or name == "SHAPE":
                continue
            at = Fraction(1) if read[0] in borders else self._ratio(read[0], axis)
            if name == "CONCATENATION" and operation.options.axis in (axis, axis - 4):
                low, high = self._joined(read, offsets, borders, axis)
            else:
                if any(tensor in borders for tensor in read) and len(read) > 1:
                    raise Unbounded(f"{name} of a slice and a whole map")
                low = min(offsets[tensor][0] for tensor in read)
                high = max(offsets[tensor][1] for tensor in read)
                before, after = self._reach(name, operation, axis, borders)
                low, high = low + before / at, high + after / at
                if read[0] in borders:
                    side, depth = borders[read[0]]
                    borders.setdefault(operation.outputs[0], (side, depth))
            for tensor in operation.outputs:
                if tensor not in borders:
                    self._ratio(tensor, axis)
                offsets[tensor] = low, high
        return offsets[self.graph.outputs[0]]

    def _ratio(self, tensor: Tensor, axis: int) -> Fraction:
        """How many of a tensor's pixels an LR pixel has along the axis."""
        if len(self.shapes[tensor]) != 4:
            raise Unbounded(f"a tensor of rank {len(self.shapes[tensor])}")
        length, lr_length = int(self.shapes[tensor][axis]), int(self.lengths[axis - 1])
        ratio = max(1, round(length / lr_length))
        if abs(length - ratio * lr_length) > _BORDER * ratio:
            raise Unbounded(f"a map of {length} px for {lr_length} LR px")
        return Fraction(ratio)

    def _value(self, tensor: Tensor) -> np.ndarray:
        return np.asarray(self.probe.get_tensor(self.numbers[tensor]))

    def _reach(self, name: str, operation: Operation, axis: int, borders: dict) -> tuple[Fraction, Fraction]:
        """What an operation adds to the offsets, in pixels of its input."""
        options, inputs = operation.options, operation.inputs
        if name in _POINTWISE or name in ("DEPTH_TO_SPACE", "CONCATENATION"):
            return Fraction(0), Fraction(0)
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"):
            return self._window(name, operation, axis)
        if name == "TRANSPOSE_CONV":
            size, stride = int(self.shapes[inputs[1]][axis]), (options.strideH, options.strideW)[axis - 1]
            pad = max(size - stride, 0) // 2 if options.padding == 0 else 0
            return Fraction(pad - size + 1, stride), Fraction(pad + stride - 1, stride)
        if name in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
            if options.alignCorners or self.shapes[operation.outputs[0]][axis] < self.shapes[inputs[0]][axis]:
                raise Unbounded(f"{name} with aligned corners or to a smaller size")
            return Fraction(-1), Fraction(1)
        if name in ("PAD", "PADV2", "MIRROR_PAD"):
            before, after = (int(side) for side in self._value(inputs[1])[axis])
            if max(before, after) > _BORDER:
                raise Unbounded(f"{name} by {max(before, after)} px")
            widest = 2 * max(before, after) if name == "MIRROR_PAD" else 0
            return Fraction(-before - widest), Fraction(-before + widest)
        if name in ("SLICE", "STRIDED_SLICE"):
            return self._slice(name, operation, axis, borders)
        if name in ("SPLIT", "SPLIT_V"):
            split = int(self._value(inputs[0 if name == "SPLIT" else 2]).ravel()[0])
            if split % 4 == 3:
                return Fraction(0), Fraction(0)
        if name == "SOFTMAX" or (name == "TILE" and self._value(inputs[1])[axis] == 1):
            return Fraction(0), Fraction(0)
        raise Unbounded(str(operation))

    def _window(self, name: str, operation: Operation, axis: int) -> tuple[Fraction, Fraction]:
        options = operation.options
        if (options.strideH, options.strideW)[axis - 1] != 1:
            raise Unbounded(f"{name} with a stride")
        if name.endswith("POOL_2D"):
            span = (options.filterHeight, options.filterWidth)[axis - 1] - 1
        else:
            dilation = (options.dilationHFactor, options.dilationWFactor)[axis - 1]
            span = (int(self.shapes[operation.inputs[1]][axis]) - 1) * dilation
        before = span // 2 if options.padding == 0 else 0
        return Fraction(-before), Fraction(span - before)

    def _slice(self, name: str, operation: Operation, axis: int, borders: dict) -> tuple[Fraction, Fraction]:
        length = int(self.shapes[operation.inputs[0]][axis])
        kept = int(self.shapes[operation.outputs[0]][axis])
        if name == "STRIDED_SLICE":
            options, stride = operation.options, int(self._value(operation.inputs[3])[axis])
            masks = options.ellipsisMask | options.newAxisMask | options.shrinkAxisMask
            if masks or stride not in (1, -1) or (stride == -1 and length > _BORDER):
                raise Unbounded("STRIDED_SLICE with strides")
            first = 0 if options.beginMask >> axis & 1 else int(self._value(operation.inputs[1])[axis])
            if stride == -1:
                # A strip turned round stays where it was.
                return Fraction(-length), Fraction(length)
        else:
            first = int(self._value(operation.inputs[1])[axis])
        first += length if first < 0 else 0
        last = length - first - kept
        if first <= _BORDER and last <= _BORDER:
            return Fraction(first), Fraction(first)
        if kept <= _BORDER and min(first, last) <= _BORDER and operation.inputs[0] not in borders:
            borders[operation.outputs[0]] = ("first", first + kept) if first < last else ("last", last + kept)
            return Fraction(0), Fraction(0)
        raise Unbounded(f"{name} of {kept} out of {length} px")

    def _joined(self, read: list[Tensor], offsets: dict, borders: dict, axis: int) -> Offsets:
        """A map with its border, built from slices of its own first and last rows, on either side."""
        maps = [position for position, tensor in enumerate(read) if tensor not in borders]
        if len(maps) != 1:
            raise Unbounded("CONCATENATION of maps along a picture's axis")
        ahead = sum(int(self.shapes[tensor][axis]) for tensor in read[: maps[0]])
        behind = sum(int(self.shapes[tensor][axis]) for tensor in read[maps[0] + 1 :])
        at = self._ratio(read[maps[0]], axis)
        low, high = (offset - ahead / at for offset in offsets[read[maps[0]]])
        for position, tensor in enumerate(read):
            if tensor in borders:
                side, depth = borders[tensor]
                if (side == "first") != (position < maps[0]):
                    raise Unbounded("CONCATENATION that wraps round")
                farthest = (ahead + behind + depth) / at
                low = min(low, offsets[tensor][0] - farthest)
                high = max(high, offsets[tensor][1] + farthest)
        return low, high
