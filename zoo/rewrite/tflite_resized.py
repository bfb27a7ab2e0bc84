"""Nearest-neighbour enlargements of a TFLite file, each with a convolution that reads it: together one in LR space.

    before: x → RESIZE_NEAREST_NEIGHBOR, or what repeats pixels otherwise → CONV_2D → y
    after:  x → (PAD) → CONV_2D → DEPTH_TO_SPACE → (STRIDED_SLICE) → y

Taps that fall on one LR pixel are summed. Sums of integers are exact; where they leave the type, the convolution stays.
"""

from typing import NamedTuple

import numpy as np

from zoo.graphs.tflite import File, Graph, Operation, Tensor, schema
from zoo.identities.lr_convolution import LrConvolution, lr_convolution, resized_convolution
from zoo.identities.phases import Pair
from zoo.rewrite.explanation import Row
from zoo.rewrite.tflite_constants import Constant, Stays
from zoo.rewrite.tflite_find import sizes_of
from zoo.rewrite.tflite_steps import CONVOLUTIONS

_RESIZE = "RESIZE_NEAREST_NEIGHBOR"


class Resized(NamedTuple):
    """A convolution of an enlarged image: its pixels are repeated, or zeros are put between them.

    Attributes:
        operation: the CONV_2D.
        enlargement: what gives that.
        image: before it is enlarged.
        repeats: whether its pixels are repeated.
    """

    operation: Operation
    enlargement: Operation
    image: Tensor
    repeats: bool = True

    # Read from the CONV_2D each time: a shuffle behind it may have put its channels in another order since.
    @property
    def weights(self) -> Tensor:
        """Of the convolution, (O, Ky, Kx, I)."""
        return self.operation.inputs[1]

    @property
    def bias(self) -> Tensor | None:
        """Of the convolution; it may be left out."""
        return self.operation.inputs[2] if len(self.operation.inputs) > 2 else None

    @property
    def activation(self) -> int:
        """The schema's number of the one that is fused."""
        return self.operation.options.fusedActivationFunction

    def __str__(self) -> str:
        _, rows, columns, _ = self.weights.shape
        spelt_out = "pixels repeated" if self.repeats else "zeros between pixels"
        first = _RESIZE if self.enlargement.name == _RESIZE else spelt_out
        return f"{first}, then CONV_2D {rows}×{columns}, {self.image.dtype}"


def resized(file: File) -> list[Resized]:
    """All of the first graph's, in order."""
    graph = file.graphs[0]
    found = []
    for operation in graph.operations:
        enlargement = graph.producer(operation.inputs[0]) if operation.name == "CONV_2D" else None
        if enlargement is not None and enlargement.name == _RESIZE:
            found.append(Resized(operation, enlargement, enlargement.inputs[0]))
    return found


def left(graph: Graph, found: list[Resized]) -> list[Row]:
    """A row for each enlargement that no convolution takes in, with the reason."""
    taken = [each.enlargement for each in found]
    rows = []
    for operation in graph.operations:
        if operation.name.startswith("RESIZE_") and operation not in taken:
            why = "no CONV_2D reads it" if operation.name == _RESIZE else "its values are no copies of pixels"
            rows.append(Row(operation.outputs[0].name, operation.name, note=why))
    return rows


def scales(file: File, found: list[Resized]) -> list[int | Stays]:
    """By how much each enlarges."""
    sizes = sizes_of(file, [(each.image, each.enlargement.inputs[1]) for each in found])
    return [_scale(each, pairs) for each, pairs in zip(found, sizes, strict=True)]


def _scale(each: Resized, sizes: list[tuple[Pair, Pair]]) -> int | Stays:
    scale = sizes[0][1][0] // sizes[0][0][0]
    if scale < 2 or any(out != scale * given for size in sizes for given, out in zip(*size)):
        return Stays("it does not enlarge both sides by one whole number")
    # Where each HR pixel is read, in the runtime's own float32. Source: LiteRT, tflite/kernels/internal/reference/
    # resize_nearest_neighbor.h, GetNearestNeighbor.
    options = each.enlargement.options
    longest = max(given for size in sizes for given in size[0])
    places = (np.arange(scale * longest, dtype=np.float32) + np.float32(0.5 * options.halfPixelCenters)) * (
        np.float32(longest) / np.float32(scale * longest)
    )
    repeated = np.array_equal(np.floor(places), np.arange(scale * longest) // scale)
    return Stays("it does not repeat each pixel alike") if options.alignCorners or not repeated else scale


def lr_form(graph: Graph, each: Resized, scale: int | Stays) -> tuple[LrConvolution, list[Constant]]:
    """The LR convolution, in the numbers that the file holds, less their zero points."""
    if isinstance(scale, Stays):
        raise scale
    options = each.operation.options
    if (options.strideH, options.strideW) != (1, 1):
        raise Stays("its convolution has strides")
    if each.image.dtype not in CONVOLUTIONS:
        raise Stays(f"DEPTH_TO_SPACE does not compute in {each.image}")
    if not alike(each.enlargement.inputs[0], each.enlargement.outputs[0]):
        raise Stays("the enlargement changes the scale of its numbers")
    if each.weights.shape[3] != each.image.shape[3]:
        raise Stays("its convolution has groups")
    constants = [Constant(graph, tensor) for tensor in (each.weights, each.bias) if tensor is not None]
    weights = constants[0]
    zeros = weights.zeros.reshape(-1, 1, 1, 1)
    kernel = (weights.values.astype(np.float64) - zeros).transpose(1, 2, 3, 0)
    padding = "same" if options.padding == schema.Padding.SAME else "valid"
    dilation = (options.dilationHFactor, options.dilationWFactor)
    lr = lr_convolution(resized_convolution(kernel, "nearest", scale, dilation, padding))
    if weights.values.dtype.kind in "iu":
        limits = np.iinfo(weights.values.dtype)
        sums = lr.kernel.reshape(*lr.kernel.shape[:3], -1, kernel.shape[3]) + weights.zeros
        # The least of a signed type is left out, as quantizers do.
        if sums.max() > limits.max or sums.min() < (-limits.max if limits.min else 0):
            raise Stays(f"its summed taps do not fit in {weights.values.dtype}")
    return lr, constants


def alike(*tensors: Tensor) -> bool:
    """Whether the integers of tensors mean the same."""

    def numbers(field: str) -> list[tuple]:
        found = [getattr(each.raw.quantization, field, None) for each in tensors]
        return [() if each is None else tuple(each) for each in found]

    return all(len(set(numbers(field))) == 1 for field in ("scale", "zeroPoint"))
