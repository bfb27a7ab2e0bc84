"""The deconvolutions of a TFLite file: which they are, and what exactly they compute."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError
from zoo.graphs.run import Run, noise, sizes_that_fit
from zoo.graphs.tflite import File, Graph, Operation, Tensor, parse, schema
from zoo.identities.phases import Pair, pair
from zoo.rewrite.tflite_constants import Stays

# MediaPipe's own, in files that it brings: a TRANSPOSE_CONV with a bias that knows its output's size by itself.
MEDIAPIPE = "Convolution2DTransposeBias"
# Two sizes of a file that takes any; free batches are of one.
_SIZES = ((1, 23, 18, 4), (1, 36, 29, 4))


class Deconvolution(NamedTuple):
    """A transposed convolution; per axis, output y = Σ x[p]·W[y + offset - stride·p].

    Attributes:
        operation: the file's.
        image, weights, bias: what it reads; weights are (O, Ky, Kx, I), a bias may be left out.
        size: the tensor of the output's shape, which only some read.
        strides: of the axes, as the rest.
        same: whether its padding is 'same'; else it is 'valid'.
        activation: the schema's number of the one that is fused.
    """

    operation: Operation
    image: Tensor
    weights: Tensor
    bias: Tensor | None
    size: Tensor | None
    strides: Pair
    same: bool
    activation: int

    def __str__(self) -> str:
        _, rows, columns, _ = self.weights.shape
        strides = "×".join(map(str, self.strides))
        padding = "same" if self.same else "valid"
        return f"{self.operation} {rows}×{columns}, stride {strides}, {padding}, {self.image.dtype}"


class Geometry(NamedTuple):
    """Per axis: rows of the full result before the output's first, and output length - stride·input length."""

    offsets: Pair
    extras: Pair


def deconvolutions(file: File) -> list[Deconvolution]:
    """All of the first graph's, in order."""
    return [found for operation in file.graphs[0].operations for found in _deconvolution(operation)]


def _deconvolution(operation: Operation) -> Iterator[Deconvolution]:
    if operation.name == "TRANSPOSE_CONV":
        size, weights, image, *others = operation.inputs
        options = operation.options
        same, strides = options.padding == schema.Padding.SAME, (options.strideH, options.strideW)
        bias = others[0] if others else None
        yield Deconvolution(operation, image, weights, bias, size, strides, same, options.fusedActivationFunction)
    if operation.custom == MEDIAPIPE and operation.raw.customOptions is not None:
        image, weights, bias = operation.inputs
        # TfLiteTransposeConvParams as it lies in memory: padding (1 is 'same'), stride of columns, stride of rows.
        padding, columns, rows = np.frombuffer(bytes(operation.raw.customOptions)[:12], "<i4")
        yield Deconvolution(operation, image, weights, bias, None, (int(rows), int(columns)), padding == 1, 0)


def geometries(file: File, found: list[Deconvolution]) -> list[Geometry | Stays]:
    """What each computes of the full result."""
    sizes = iter(sizes_of(file, [(each.image, each.size) for each in found if each.size is not None]))
    return [_of_mediapipe(each) if each.size is None else _geometry(each, next(sizes)) for each in found]


def _geometry(each: Deconvolution, sizes: list[tuple[Pair, Pair]]) -> Geometry | Stays:
    extras = {pair(out - stride * given for given, out, stride in zip(*size, each.strides)) for size in sizes}
    if len(extras) != 1:
        return Stays("its output's size does not follow from its input's")
    sides = zip(each.weights.shape[1:3], each.strides, sizes[0][1])
    offsets = pair(_dropped(side, stride, out) if each.same else 0 for side, stride, out in sides)
    return Geometry(offsets, extras.pop())


def sizes_of(file: File, ends: list[tuple[Tensor, Tensor]]) -> list[list[tuple[Pair, Pair]]]:
    """Heights and widths of inputs and outputs: those that the file holds, or of two runs where one is free.

    Args:
        ends: an input of 4 axes, and the tensor that holds the output's shape or its height and width.
    """
    static = [size.constant and None not in image.shape for image, size in ends]
    try:
        runs = [] if all(static) else [Run(file, noise(file, free)) for free in sizes_that_fit(file, _SIZES)]
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise UsageError(f"Expected a TFLite file that LiteRT runs, for its sizes. Received: {reason}") from error
    shapes = [run.shapes() for run in runs]

    def both(given, wanted) -> tuple[Pair, Pair]:
        height, width = wanted if len(wanted) == 2 else wanted[1:3]
        return (int(given[1]), int(given[2])), (int(height), int(width))

    return [
        [both(image.shape, size.values)]
        if fixed
        else [both(shape[image], run.value(size)) for run, shape in zip(runs, shapes)]
        for fixed, (image, size) in zip(static, ends)
    ]


def at_sizes(file: File) -> list[Graph]:
    """The first graph at two sizes, its tensors' shapes as they are then; none where its own are known or it fails."""
    if all(None not in tensor.shape for tensor in file.inputs):
        return []
    graphs = []
    for free in sizes_that_fit(file, _SIZES):
        copy = parse(file.content, "the file")
        try:
            shapes = Run(copy, noise(copy, free)).shapes()
        except (ValueError, RuntimeError):
            return []
        for tensor, shape in shapes.items():
            if shape is not None and not tensor.constant:
                tensor.shape = [int(side) for side in shape]
        graphs.append(copy.graphs[0])
    return graphs


def _dropped(kernel_size: int, stride: int, length: int) -> int:
    """Rows of the full result before the output's first: the padding 'same' of the convolution the other way.

    Source: LiteRT, tflite/kernels/padding.h, ComputePaddingHeightWidth over the output, as in transpose_conv.cc.
    """
    return max((math.ceil(length / stride) - 1) * stride + kernel_size - length, 0) // 2


def _of_mediapipe(each: Deconvolution) -> Geometry | Stays:
    """Its padding 'same' is that of a convolution over the input, which depends on the input's size.

    Source: google-ai-edge/mediapipe, mediapipe/util/tflite/operations/transpose_conv_bias.cc, Prepare.
    """
    if None in each.image.shape:
        return Stays(f"the output of {MEDIAPIPE} depends on the input's size, which is free")
    offsets, extras = [], []
    for given, side, stride in zip(each.image.shape[1:3], each.weights.shape[1:3], each.strides):
        dropped = max(side - (given - 1) % stride - 1, 0) if each.same else 0
        offsets.append(dropped // 2)
        extras.append(side - stride - dropped)
    return Geometry(pair(offsets), pair(extras))
