"""Operations of a TFLite file, made one after another: convolutions of both kinds, shuffles, crops, activations."""

from typing import Any

import numpy as np

from zoo.graphs.tflite import Graph, Operation, Tensor, schema
from zoo.identities.lr_convolution import is_same_padding
from zoo.identities.phases import Pair

# What LiteRT's CONV_2D and DEPTH_TO_SPACE both compute in, and the version of CONV_2D for it.
CONVOLUTIONS = {"float32": 1, "uint8": 1, "int8": 3}
# The schema's activations that operations have fused into them, as operations of their own.
ACTIVATIONS = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH"}
_TANH = 4


class Steps:
    """Operations one after another from a tensor on; each new tensor is called after the one that comes out at the end.

    Attributes:
        operations: so far.
        last: the tensor that the last of them gives.
    """

    def __init__(self, operations: list[Operation], first: Tensor, output: Tensor):
        self.operations, self.last, self._output = operations, first, output
        self._int8 = first.dtype == "int8"

    def _add(self, name: str, constants: list[Tensor], options: Any, sides, channels: int, version: int, quantized_as):
        shape = (self.last.shape[0], *sides, channels)
        self.add(name, [self.last, *constants], options, shape, version, quantized_as)

    def add(self, name: str, inputs: list[Tensor | None], options: Any, shape, version: int = 1, quantized_as=None):
        """Any operation; its result is quantized as another tensor, or as the last one."""
        tensor = Tensor(f"{self._output.name}/{len(self.operations)}", shape, self.last.dtype)
        tensor.raw.quantization = (quantized_as or self.last).raw.quantization
        self.operations.append(Operation(name, inputs, [tensor], options, version))
        self.last = tensor

    def _numbers(self, name: str, values) -> Tensor:
        return Tensor(f"{self._output.name}/{name}", np.shape(values), "int32", np.asarray(values))

    def _sides(self, change) -> list[int | None]:
        return [None if side is None else change(axis, side) for axis, side in enumerate(self.last.shape[1:3])]

    def crop(self, pairs) -> None:
        """Cuts rows and columns (before, after) per axis."""
        if not any(map(any, pairs)):
            return
        sides = self._sides(lambda axis, side: side - sum(pairs[axis]))
        # Where nothing is cut at the end, the mask says so: a 0 there would cut all.
        open_ends = 0b1001 | sum(2 << axis for axis, (_, after) in enumerate(pairs) if not after)
        options = schema.StridedSliceOptionsT(beginMask=0b1001, endMask=open_ends)
        begin, end = ([0, *(sign * pair[side] for pair in pairs), 0] for side, sign in ((0, 1), (1, -1)))
        numbers = [self._numbers(f"{len(self.operations)}/slice", each) for each in (begin, end, [1, 1, 1, 1])]
        self._add("STRIDED_SLICE", numbers, options, sides, self.last.shape[3], 1 + self._int8, self.last)

    def convolve(
        self, weights: Tensor, bias: Tensor, zeros, kernel_shape, activation: int, depthwise: bool = False
    ) -> None:
        """A convolution with zeros (before, after) around the image, which CONV_2D adds itself where it can.

        Args:
            kernel_shape: (Ky, Kx, inputs of an output, outputs).
            depthwise: one input of an output, weights (1, Ky, Kx, outputs); in float.
        """
        same = is_same_padding(kernel_shape[:2], zeros)
        if not same and any(map(any, zeros)):
            sides = self._sides(lambda axis, side: side + sum(zeros[axis]))
            paddings = self._numbers("paddings", [(0, 0), *zeros, (0, 0)])
            options = schema.PadOptionsT()
            self._add("PAD", [paddings], options, sides, self.last.shape[3], 1 + self._int8, self.last)
        sides = self._sides(lambda axis, side: side if same else side - kernel_shape[axis] + 1)
        padding = schema.Padding.SAME if same else schema.Padding.VALID
        fixed = {"strideW": 1, "strideH": 1, "fusedActivationFunction": activation}
        name, version, options = "CONV_2D", CONVOLUTIONS[self.last.dtype], schema.Conv2DOptionsT(padding, **fixed)
        if depthwise:
            multiplier = kernel_shape[3] // self.last.shape[3]
            name, version = "DEPTHWISE_CONV_2D", 1
            options = schema.DepthwiseConv2DOptionsT(padding, depthMultiplier=multiplier, **fixed)
        self._add(name, [weights, bias], options, sides, kernel_shape[3], version, self._output)

    def shuffle(self, scale: int) -> None:
        """Version 1, whatever the type: LiteRT's reference kernels know no other."""
        sides = self._sides(lambda axis, side: side * scale)
        options = schema.DepthToSpaceOptionsT(blockSize=scale)
        self._add("DEPTH_TO_SPACE", [], options, sides, self.last.shape[3] // scale**2, 1, self._output)

    def shuffle_by_transpose(self, scales: Pair) -> None:
        """The same by operations of rank 4, also where the axes grow differently: rows and their phases are one axis.

        (N, H, W, s·t·C) → (N·H, W, s, t·C) → (N·H, s, W, t·C) → (N, H·s, W·t, C); with s = 1 it is one RESHAPE.
        """
        image, (rows, columns) = self.last, scales
        batch, height, width, channels = image.shape
        if rows > 1:
            every_row = None if None in (batch, height) else batch * height
            self.reshape((every_row, width, rows, channels // rows), image, (1,))
            self.transpose((0, 2, 1, 3))
        sides = [None if side is None else side * scale for side, scale in zip((height, width), scales)]
        self.reshape((batch, *sides, channels // (rows * columns)), image, scales)

    def transpose(self, order: tuple[int, ...]) -> None:
        """The axes in another order."""
        given = self._numbers(f"{len(self.operations)}/order", order)
        shape = tuple(self.last.shape[axis] for axis in order)
        self.add("TRANSPOSE", [self.last, given], schema.TransposeOptionsT(), shape, 1 + self._int8)

    def reshape(self, shape: tuple[int | None, ...], image: Tensor | None = None, scales: tuple[int, ...] = ()) -> None:
        """Other sides of as many values.

        Args:
            shape: where it has several free sides, those behind the first are an image's, the last of them its width.
            image, scales: that image, and by how much the result's sides are larger.
        """
        if image is not None and shape.count(None) > 1:
            given, options = self._computed_shape(image, scales, shape[1 + len(scales) :]), None
        else:
            sides = [-1 if side is None else side for side in shape]
            given = self._numbers(f"{len(self.operations)}/shape", sides)
            options = schema.ReshapeOptionsT(newShape=sides)
        self.add("RESHAPE", [self.last, given], options, shape)

    def _computed_shape(self, image: Tensor, scales: tuple[int, ...], others: tuple[int | None, ...]) -> Tensor:
        def add(name: str, inputs: list[Tensor], options: Any, length: int) -> Tensor:
            tensor = Tensor(f"{self._output.name}/{len(self.operations)}", (length,), "int32")
            self.operations.append(Operation(name, inputs, [tensor], options))
            return tensor

        def constants(**values) -> list[Tensor]:
            return [self._numbers(f"{len(self.operations)}/{name}", each) for name, each in values.items()]

        count, whole = len(scales), schema.ShapeOptionsT(outType=schema.TensorType.INT32)
        sides = add("SHAPE", [image], whole, 4)
        ends = constants(begin=[3 - count], end=[3], step=[1])
        sides = add("STRIDED_SLICE", [sides, *ends], schema.StridedSliceOptionsT(), count)
        sides = add("MUL", [sides, *constants(scales=scales)], schema.MulOptionsT(), count)
        first, last = constants(first=[-1], last=others)
        return add("CONCATENATION", [first, sides, last], schema.ConcatenationOptionsT(), 4)

    def deconvolve(self, weights: Tensor, bias: Tensor | None, strides: tuple[int, int]) -> None:
        """A transposed convolution of a map of known size, padding 'valid': the whole of its result."""
        batch, *given, _ = self.last.shape
        outputs, *taps, _ = weights.shape
        sides = [(side - 1) * stride + kernel for side, stride, kernel in zip(given, strides, taps)]
        shape = (batch, *sides, outputs)
        rows, columns = strides
        options = schema.TransposeConvOptionsT(schema.Padding.VALID, strideW=columns, strideH=rows)
        inputs: list[Tensor | None] = [self._numbers(f"{len(self.operations)}/size", shape), weights, self.last]
        version = 3 if bias is not None else 1 + self._int8
        self.add("TRANSPOSE_CONV", inputs + ([] if bias is None else [bias]), options, shape, version, self._output)

    def activate(self, activation: int) -> None:
        """A fused activation as an operation of its own; 0 is none."""
        if activation:
            version = 2 if self._int8 and activation != _TANH else 1
            self.add(ACTIVATIONS[activation], [self.last], None, self.last.shape, version)

    def replace_in(self, graph: Graph, operation: Operation) -> None:
        """Puts these operations where one was, whose result is theirs; what only that one needed goes."""
        self.operations[-1].outputs = [self._output]
        graph.replace(operation, *self.operations)
        for tensor in operation.inputs:
            graph.discard(tensor)
