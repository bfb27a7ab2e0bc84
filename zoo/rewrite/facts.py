"""The facts of each upsampling that can move, on which a target decides; `zoo.rewrite.rows` puts them into words."""

import keras

from zoo import identities
from zoo import layers as zoo_layers
from zoo.rewrite.find import Moved
from zoo.rewrite.graph import Graph, Node
from zoo.rewrite.held import Enlarging
from zoo.targets.facts import Upsampling

RELUS = (keras.activations.relu, keras.activations.relu6)


def of_moved(graph: Graph, moved: Moved) -> Upsampling:
    """A layer that becomes a convolution in LR space."""
    layer = moved.layer
    transposed = type(layer) is keras.layers.Conv2DTranspose
    lr, kernel = moved.terms[0].lr, tuple(layer.kernel.shape)
    inputs = sum(term.tensor.shape[-1] for term in moved.terms)
    return Upsampling(
        "transposed" if transposed else "resized",
        moved.scale,
        inputs,
        outputs=kernel[2] if transposed else kernel[3],
        kernel=kernel,
        lr_kernel=(*lr.kernel.shape[:2], inputs, lr.kernel.shape[3]),
        macs_rest=moved.scale**2 * moved.rest_kernel.size if moved.rest_kernel is not None else 0,
        cropped=any(map(any, lr.crops)),
        inexact=moved.inexact,
        padding=("computed" if layer.output_padding is not None else layer.padding) if transposed else "same",
        activated=transposed and _activated(graph, moved.node),
        tiled=any(
            term.method == "nearest" and term.resize is not None and is_tiled(term.resize.operation)
            for term in moved.terms
        ),
    )


def _activated(graph: Graph, node: Node) -> bool:
    """Whether a ReLU follows: the layer's own, or the next call's."""
    if getattr(node.operation, "activation", None) in RELUS:
        return True
    readers = graph.calls_reading(node.outputs[0])
    if len(readers) != 1:
        return False
    (reader,) = readers
    kind = type(reader.operation)
    if kind in (keras.layers.BatchNormalization, keras.layers.Dropout):  # folded, and nothing at inference
        return _activated(graph, reader)
    if kind is keras.layers.ReLU:
        return not reader.operation.negative_slope
    return (
        kind.__name__ in ("Relu", "Relu6")
        or getattr(reader.operation, "activation", None) in RELUS
        and (kind is keras.layers.Activation)
    )


def is_tiled(layer) -> bool:
    """Whether values are repeated in Keras' way, by a broadcast to five axes."""
    return type(layer) is keras.layers.UpSampling2D and layer.interpolation == "nearest"


def of_enlargement(layer, method: str, scale: int, channels: int) -> Upsampling:
    """An enlargement that becomes the zoo's `FixedUpsampler`."""
    window = identities.interpolation_window(method, scale).taps
    reads = channels if channels <= zoo_layers.DENSE_MAPS else 1
    lr_kernel = None if method == "nearest" else (window, window, reads, scale**2 * channels)
    return Upsampling(method, scale, channels, channels, lr_kernel=lr_kernel, tiled=is_tiled(layer))


def of_enlarging(by: Enlarging, channels: int) -> Upsampling | None:
    """An enlargement that something is computed in front of; None for one that no rule covers."""
    if by.method not in ("nearest", "bilinear", "bicubic") or by.method != "nearest" and len(set(by.size)) > 1:
        return None
    if by.method == "nearest":
        tiled, sides = not by.fixed, by.size if len(set(by.size)) > 1 else ()
        return Upsampling("nearest", max(by.size), channels, channels, tiled=tiled, scales=sides)
    return of_enlargement(None, by.method, by.size[0], channels)


def of_zoo_layer(layer: zoo_layers.Upsampler) -> Upsampling:
    """One of the zoo's own layers, which needs no new weights."""
    window = identities.lr_window(layer.kernel_size, layer.scale)
    inputs, outputs = layer.kernel.shape[3], layer.filters
    return Upsampling(
        "zero_interleaved" if isinstance(layer, zoo_layers.ZeroInterleavedUpsampler) else "transposed",
        layer.scale,
        inputs,
        outputs,
        kernel=tuple(layer.kernel.shape),
        lr_kernel=(window.taps, window.taps, inputs, layer.scale**2 * outputs),
        cropped=window.crop > 0,
    )
