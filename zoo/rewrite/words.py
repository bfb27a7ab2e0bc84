"""A layer in a few words."""

import keras

from zoo import layers as zoo_layers


def by(sides) -> str:
    """(9, 9) → "9×9"."""
    return "×".join(str(side) for side in sides)


def described(layer) -> str:
    """A layer in a few words."""
    kind = type(layer).__name__
    if isinstance(layer, keras.layers.Conv2DTranspose):
        strides = by(layer.strides) if len(set(layer.strides)) > 1 else str(layer.strides[0])
        output_padding = f", output padding {by(layer.output_padding)}" if layer.output_padding else ""
        return f"{kind} {by(layer.kernel_size)}, stride {strides}, {layer.padding}{output_padding}"
    if isinstance(layer, keras.layers.UpSampling2D):
        return f"{kind} {layer.interpolation} {by(layer.size)}"
    if isinstance(layer, zoo_layers.Upsampler):
        return f"{kind} {layer.kernel_size}×{layer.kernel_size}, scale {layer.scale}"
    if isinstance(layer, zoo_layers.FixedUpsampler):
        return f"{kind} {layer.method}, scale {layer.scale}"
    if isinstance(layer, keras.layers.Conv2D):
        return f"{kind} {by(layer.kernel_size)}, {layer.padding}"
    return kind
