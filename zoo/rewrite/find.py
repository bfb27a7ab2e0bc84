"""Which upsamplings of a graph can move into LR space, and why the others cannot."""

from dataclasses import dataclass, field

import keras
import numpy as np

from zoo import identities
from zoo import layers as zoo_layers
from zoo.identities.lr_convolution import (
    LrConvolution,
    Transposed,
    keras_transposed,
    lr_convolution,
    resized_convolution,
)
from zoo.rewrite.graph import Graph, Node, array
from zoo.rewrite.pointwise import is_per_channel


class Stays(Exception):
    """Why an upsampling stays as it is; the sentence goes into the explanation."""


@dataclass
class Enlarged:
    """A tensor that is an enlargement of an LR tensor, with pointwise layers after it.

    Attributes:
        tensor: the LR tensor of the original graph.
        method: nearest, bilinear or bicubic.
        between: calls of pointwise layers after the enlargement, which move before it.
        resize: the enlarging call.
    """

    tensor: keras.KerasTensor
    method: str
    scale: int
    between: list[Node]
    resize: Node


@dataclass
class Term:
    """A part of a layer's result that is computed in LR space; the call of the enlargement it takes in, if any."""

    tensor: keras.KerasTensor
    between: list[Node]
    transposed: Transposed
    lr: LrConvolution
    method: str = ""
    resize: Node | None = None


@dataclass
class Moved:
    """A call that is replaced: the sum of LR terms and of what stays in HR space, then bias and activation.

    Attributes:
        node: the call whose output it gives.
        terms: what is computed in LR space.
        rest: tensors that stay in HR space (a skip connection beside the enlarged maps) …
        rest_kernel: … and their part of the kernel, (K, K, I, O).
        inexact: the border's width in HR px where the result differs; 0 is exact at every pixel.
    """

    node: Node
    terms: list[Term]
    rest: list[keras.KerasTensor] = field(default_factory=list)
    rest_kernel: np.ndarray | None = None
    inexact: int = 0

    @property
    def layer(self) -> keras.layers.Layer:
        return self.node.operation

    @property
    def reads(self) -> list[keras.KerasTensor]:
        return [term.tensor for term in self.terms] + self.rest

    @property
    def scale(self) -> int:
        return self.terms[0].lr.scale

    @property
    def signature(self) -> tuple:
        """Two calls of a shared layer can share the layers that replace it only where this is equal."""
        terms = tuple(
            (
                *(term.lr.kernel.shape, term.lr.scale, term.lr.pads, term.lr.crops),
                *(term.lr.used.shape, term.lr.used.tobytes()),
                tuple(id(call.operation) for call in term.between),
            )
            for term in self.terms
        )
        return terms, tuple(tensor.shape[-1] for tensor in self.rest)


def check_plain(layer) -> None:
    """Refuses what no rule covers, whichever the layer."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise Stays("channels_first: only channels_last is rewritten")
    if getattr(layer, "quantization_mode", None):
        raise Stays(f"its weights are quantised ({layer.quantization_mode})")


def square_scale(sides: tuple[int, int], name: str) -> int:
    """The one scale of both axes."""
    if sides[0] != sides[1]:
        raise Stays(
            f"{name} {sides[0]}×{sides[1]} differ per axis, and the form in LR space is not wanted or not known"
        )
    if sides[0] == 1:
        raise Stays(f"{name} 1: nothing is upsampled")
    return sides[0]


def transposed_convolution(node: Node) -> Moved:
    """A `Conv2DTranspose`, of any kernel and padding."""
    layer = node.operation
    check_plain(layer)
    if max(layer.dilation_rate) > 1:
        raise Stays("dilated transposed convolution: its taps have gaps, and its stride is 1")
    scale = square_scale(layer.strides, "strides")
    transposed = keras_transposed(array(layer.kernel), scale, layer.padding, layer.output_padding)
    return Moved(node, [Term(node.input_tensors[0], [], transposed, lr_convolution(transposed))])


def resize_upsampler(node: Node) -> Moved:
    """The zoo's nearest-neighbour resize with a convolution in HR space."""
    layer = node.operation
    transposed = resized_convolution(array(layer.kernel), "nearest", layer.scale)
    return Moved(node, [Term(node.input_tensors[0], [], transposed, lr_convolution(transposed))])


def enlargement(operation) -> tuple[str, int] | None:
    """Method and scale of a layer without weights that enlarges; None for any other layer.

    Raises:
        Stays: an enlargement that no LR convolution gives.
    """
    if type(operation) is zoo_layers.FixedUpsampler:
        return operation.method, operation.scale
    if type(operation) is keras.layers.UpSampling2D:
        check_plain(operation)
        if operation.interpolation not in ("nearest", "bilinear", "bicubic"):
            raise Stays(f"{operation.interpolation} is not one of the interpolations with a known LR kernel")
        return operation.interpolation, square_scale(operation.size, "size")
    return None


def keras_bicubic() -> tuple[str, identities.Cubic]:
    """How Keras' bicubic goes on outside the picture, and which cubic it is: each backend has another."""
    return {
        "tensorflow": ("renormalise", identities.Cubic(places=1024)),
        "torch": ("replicate", identities.Cubic(-0.75)),
    }.get(keras.config.backend(), ("renormalise", identities.KEYS))


def cubic_of(layer) -> identities.Cubic:
    """Which bicubic an enlargement computes where it is bicubic."""
    return layer.cubic if isinstance(layer, zoo_layers.FixedUpsampler) else keras_bicubic()[1]


def enlarged(graph: Graph, tensor) -> Enlarged | None:
    """Looks back from a tensor through pointwise layers to the enlargement that it comes from, if it does."""
    between: list[Node] = []
    while (node := graph.producer(tensor)) is not None:
        try:
            found = enlargement(node.operation)
        except Stays:
            return None
        if found is not None:
            if between and found[0] != "nearest":
                return None  # Only enlargement by repetition commutes with what follows it.
            return Enlarged(node.input_tensors[0], *found, between[::-1], node)
        # A tensor that something else reads too would be computed twice, a batch normalisation updated twice.
        if not is_per_channel(node.operation) or len(node.input_tensors) != 1 or graph.readers(tensor) != 1:
            return None
        between.append(node)
        tensor = node.input_tensors[0]
    return None


def _is_zero_padding(operation) -> bool:
    return type(operation) is keras.layers.ZeroPadding2D and operation.data_format == "channels_last"


def convolution(graph: Graph, node: Node, interior: bool) -> Moved | None:
    """A `Conv2D` that reads an enlargement, alone or concatenated with HR maps; None where it reads none.

    Raises:
        Stays: it reads an enlargement and cannot move.
    """
    layer, tensor = node.operation, node.input_tensors[0]
    if max(layer.kernel_size) == 1:
        return None  # Its LR kernel would be scale² copies; where it pays, `zoo.rewrite.commute` put it before.
    padding = layer.padding
    before = graph.producer(tensor)
    if before is not None and padding == "valid" and _is_zero_padding(before.operation):
        padding, tensor = before.operation.padding, before.input_tensors[0]
        before = graph.producer(tensor)
    parts = [tensor]
    if before is not None and type(before.operation) is keras.layers.Concatenate and before.operation.axis in (-1, 3):
        parts = before.input_tensors
    sources = [enlarged(graph, part) for part in parts]
    sources = [s if s is not None and (s.method == "nearest" or interior) else None for s in sources]
    scale = next((source.scale for source in sources if source is not None), None)
    if scale is None:
        return None
    check_plain(layer)
    if tuple(layer.strides) != (1, 1):
        raise Stays(f"the convolution after it, {layer.name!r}, has strides {layer.strides}")
    if layer.groups != 1:
        raise Stays(f"the convolution after it, {layer.name!r}, has {layer.groups} groups")
    terms, rest, rest_kernels, inexact, start = [], [], [], 0, 0
    weights = array(layer.kernel)
    for part, source in zip(parts, sources):
        kernel = weights[:, :, start : start + part.shape[-1]]
        start += part.shape[-1]
        if source is None or source.scale != scale:
            rest.append(part)
            rest_kernels.append(kernel)
            continue
        transposed = resized_convolution(
            kernel, source.method, scale, layer.dilation_rate, padding, cubic_of(source.resize.operation)
        )
        lr = lr_convolution(transposed)
        terms.append(Term(source.tensor, source.between, transposed, lr, source.method, source.resize))
        if source.method != "nearest":
            # The interpolation reads zeros where it should repeat the edge, and the convolution reads that.
            reach = max(d * (k - 1) for d, k in zip(layer.dilation_rate, kernel.shape))
            inexact = max(inexact, identities.interpolation_window(source.method, scale).before * scale + reach // 2)
    if rest and padding not in ("same", "valid"):
        raise Stays(f"zeros are padded around the concatenation that {layer.name!r} reads")
    return Moved(node, terms, rest, np.concatenate(rest_kernels, axis=2) if rest else None, inexact)
