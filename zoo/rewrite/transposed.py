"""The way back in Keras: a convolution and its shuffle as one transposed convolution, for chips that have no shuffle.

    before: x → Conv2D → DepthToSpace → y
    after:  x → Conv2DTranspose 'valid' → Cropping2D → (activation) → y

The whole of a transposed convolution and a crop is what every delegate computes rightly; so what is transposed already,
in a layer of Keras or of the zoo, becomes this too. Where a shuffle cannot be one layer with what stands before it, as
with a bias of its own for each phase, it is a transposed convolution by itself: its kernel is ones and zeros.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from zoo import layers as zoo_layers
from zoo.identities.lr_convolution import (
    LrConvolution,
    Transposed,
    as_transposed,
    keras_transposed,
    shuffle_as_transposed,
    trimmed,
)
from zoo.identities.phases import same_offset
from zoo.rewrite.cascaded import Cascaded, CascadedRebuild
from zoo.rewrite.explanation import Explanation, Row
from zoo.rewrite.find import Stays, check_plain, square_scale
from zoo.rewrite.graph import Graph, Node, array
from zoo.rewrite.plan import Plan
from zoo.rewrite.pointwise import is_function_of_one_value
from zoo.rewrite.replace import Cascade, add_activation
from zoo.rewrite.rows import row_that_stays
from zoo.rewrite.same import check_same
from zoo.rewrite.tracing import functional, graphs_of
from zoo.rewrite.words import by, described

_ONE_KERNEL = (zoo_layers.SubpixelUpsampler, zoo_layers.TransposedUpsampler, zoo_layers.ZeroInterleavedUpsampler)


def to_transposed(model: keras.Model, check: bool = True) -> keras.Model:
    """The same function with its shuffles as transposed convolutions of padding 'valid', cropped.

    Args:
        model: a functional or built Sequential model, or one that can be traced.
        check: compares both models on noise and on a ramp at two small sizes.
    Returns:
        A new model of the same inputs, outputs and names; what has no such form stays as it is.
    Raises:
        UsageError: a subclassed or unbuilt model, a layer that cannot be made anew, or the result differs.

    References: arXiv 1609.07009, section 2.

    Example:
        >>> import zoo
        >>> model = zoo.rewrite.to_transposed(zoo.load("fsrcnn_s_x2"))
        >>> [type(layer).__name__ for layer in model.layers[-2:]]
        ['Conv2DTranspose', 'Cropping2D']
    """
    return turned(model, check)[0]


def turned(model: keras.Model, check: bool = True) -> tuple[keras.Model, Explanation]:
    """The result of `to_transposed`, and what became of each layer."""
    model = functional(model)
    graphs = graphs_of(model)
    calls = Counter(id(node.operation) for graph in graphs for node in graph.nodes)
    replaced: dict[int, Any] = {}
    rows = []
    for graph in graphs:
        for node in graph.nodes:
            try:
                found = _found(graph, node, calls)
            except Stays as reason:
                rows.append(row_that_stays(graph.path, node.operation, str(reason)))
                continue
            if found is not None:
                replaced[id(node)] = Cascaded(node, found.source, found.layer, found.cascade)
                rows.append(_row(graph.path, found))
    result = CascadedRebuild(graphs, Plan(replaced)).model(graphs[0])
    if check:
        check_same(model, result)
    return result, Explanation(model.name, rows)


@dataclasses.dataclass
class _Turned:
    """A call that a transposed convolution replaces.

    Attributes:
        node: the call whose output it gives.
        layer: that has the weights.
        source: what is read.
        transposed: the kernel (Ky, Kx, O, I), what is dropped and how long the output is.
        bias: (O,) or None.
        note: why the shuffle is a layer by itself.
    """

    node: Node
    layer: keras.layers.Layer
    source: keras.KerasTensor
    transposed: Transposed
    bias: np.ndarray | None
    note: str = ""

    @property
    def activation(self) -> Callable | None:
        activation = getattr(self.layer, "activation", None)
        return None if activation is keras.activations.linear else activation

    def cascade(self, names) -> Cascade:
        """The layers in its place."""
        kernel, scale, offsets, extras, _ = self.transposed
        owner = self.node.operation if isinstance(self.node.operation, keras.layers.Layer) else self.layer
        cascade = Cascade(owner, names)
        kernel_size = kernel.shape[:2]
        cascade.add(
            "transposed",
            keras.layers.Conv2DTranspose,
            *([kernel] if self.bias is None else [kernel, self.bias]),
            filters=kernel.shape[2],
            kernel_size=kernel_size,
            strides=scale,
            padding="valid",
            data_format="channels_last",
            use_bias=self.bias is not None,
            trainable=self.layer.trainable and not self.note,
        )
        # Keras gives scale·n pixels where the kernel is smaller than the scale.
        fulls = [max(side, scale) - scale for side in kernel_size]
        crops = [(offset, full - offset - extra) for full, offset, extra in zip(fulls, offsets, extras)]
        if any(map(any, crops)):
            cascade.add("crop", keras.layers.Cropping2D, cropping=tuple(crops), data_format="channels_last")
        if self.activation is not None:
            add_activation(cascade, self.activation)
        return cascade


def _found(graph: Graph, node: Node, calls: Counter) -> _Turned | None:
    """What becomes of a call; None where it is no enlargement.

    Raises:
        Stays: it is one, and has no such form.
    """
    layer = node.operation
    if isinstance(layer, _ONE_KERNEL):
        offset = same_offset(layer.kernel_size, layer.scale)
        kernel = array(layer.kernel)
        transposed = Transposed(kernel, layer.scale, (offset, offset), (0, 0), np.ones(kernel.shape[:2], bool))
        return _Turned(node, layer, node.input_tensors[0], transposed, _bias_of(layer))
    if isinstance(layer, zoo_layers.FixedUpsampler):
        raise Stays("its convolution and shuffle are one layer without weights; in a file they become transposes")
    if type(layer) is keras.layers.Conv2DTranspose and layer.padding != "valid":
        check_plain(layer)
        if max(layer.dilation_rate) > 1:
            raise Stays("dilated transposed convolution: its taps have gaps")
        scale = square_scale(layer.strides, "strides")
        transposed = keras_transposed(array(layer.kernel), scale, layer.padding, layer.output_padding)
        return _Turned(node, layer, node.input_tensors[0], transposed, _bias_of(layer))
    block = _shuffle(layer)
    if block is None:
        return None
    try:
        return _convolution(graph, node, block, calls)
    except Stays as reason:
        if not isinstance(layer, keras.layers.Layer):
            raise
        outputs = node.outputs[0].shape[-1]
        note = f"by ones and zeros: {reason}"
        return _Turned(node, layer, node.input_tensors[0], shuffle_as_transposed(block, outputs), None, note)


def _shuffle(operation) -> int | None:
    """The block of a shuffle in TensorFlow's channel order; None for another operation."""
    if type(operation) is zoo_layers.DepthToSpace:
        return operation.scale
    kind = type(operation)
    if kind.__name__ == "DepthToSpace" and kind.__module__.startswith("keras."):
        return operation.block_size if getattr(operation, "data_format", None) != "channels_first" else None
    return None


def _convolution(graph: Graph, node: Node, scale: int, calls: Counter) -> _Turned:
    """The convolution before a shuffle, and the shuffle."""
    before = graph.producer(node.input_tensors[0])
    if before is None or type(before.operation) is not keras.layers.Conv2D:
        raise Stays("no Conv2D stands before it")
    layer = before.operation
    check_plain(layer)
    if graph.readers(node.input_tensors[0]) > 1 or calls[id(layer)] > 1:
        raise Stays(f"the convolution before it, {layer.name!r}, is used elsewhere too")
    if {*layer.strides, *layer.dilation_rate, layer.groups} != {1}:
        raise Stays(f"the convolution before it, {layer.name!r}, has strides, dilations or groups")
    if layer.padding not in ("same", "valid"):
        raise Stays(f"the convolution before it, {layer.name!r}, has padding {layer.padding}")
    if not is_function_of_one_value(layer.activation):
        raise Stays(f"the activation of {layer.name!r} looks at other channels or pixels")
    bias = _bias_of(layer)
    if bias is not None:
        phases = bias.reshape(scale**2, -1)
        if not np.all(phases == phases[0]):
            raise Stays("its phases have biases of their own")
        bias = phases[0]
    kernel = array(layer.kernel)
    same = layer.padding == "same"
    rows, columns = (((side - 1) // 2, side // 2) if same else (0, 0) for side in kernel.shape[:2])
    used = np.ones((*kernel.shape[:2], 1, scale**2))
    transposed = trimmed(as_transposed(LrConvolution(kernel, scale, (rows, columns), ((0, 0), (0, 0)), used)))
    return _Turned(node, layer, before.input_tensors[0], transposed, bias)


def _bias_of(layer) -> np.ndarray | None:
    return array(layer.bias) if layer.use_bias else None


def _row(path: str, found: _Turned) -> Row:
    layer, kernel = found.layer, found.transposed.kernel
    shuffled = layer is not found.node.operation
    then = f", then {described(found.node.operation)} {found.transposed.scale}" if shuffled else ""
    if found.note:
        becomes = f"Conv2DTranspose {by(kernel.shape[:2])} valid"
        return Row(path + layer.name, f"{described(layer)} {layer.scale}", "moved", becomes, found.note)
    weights = sum(int(np.prod(each.shape)) for each in layer.weights)
    before = weights - (0 if found.bias is None else found.bias.size * (found.transposed.scale**2 if shuffled else 1))
    return Row(
        path + found.node.operation.name,
        f"{described(layer)}{then}",
        action="moved",
        becomes=f"Conv2DTranspose {by(kernel.shape[:2])} valid, crop",
        macs=before,
        macs_quoted=before,
        macs_after=kernel.size,
        weights=weights,
        weights_after=kernel.size + (0 if found.bias is None else found.bias.size),
    )
