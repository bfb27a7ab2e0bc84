"""The facts of each upsampling that can move, on which a target decides; `zoo.rewrite.rows` puts them into words."""

import keras

from zoo import identities
from zoo import layers as zoo_layers
from zoo.rewrite.find import Moved
from zoo.targets.facts import Upsampling


def of_moved(moved: Moved) -> Upsampling:
    """A layer that becomes a convolution in LR space."""
    transposed = type(moved.layer) is keras.layers.Conv2DTranspose
    lr, kernel = moved.terms[0].lr, tuple(moved.layer.kernel.shape)
    inputs = sum(term.tensor.shape[-1] for term in moved.terms)
    return Upsampling(
        "transposed" if transposed else "resized",
        moved.scale,
        inputs,
        outputs=kernel[2] if transposed else kernel[3],
        kernel=kernel,
        lr_kernel=(*lr.kernel.shape[:2], inputs, lr.kernel.shape[3]),
        macs_rest=moved.scale**2 * moved.rest_kernel.size if moved.rest else 0,
        cropped=any(map(any, lr.crops)),
        inexact=moved.inexact,
    )


def of_enlargement(method: str, scale: int, channels: int) -> Upsampling:
    """An enlargement that becomes the zoo's `FixedUpsampler`."""
    window = identities.interpolation_window(method, scale).taps
    lr_kernel = None if method == "nearest" else (window, window, channels, scale**2 * channels)
    return Upsampling(method, scale, channels, channels, lr_kernel=lr_kernel)


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
