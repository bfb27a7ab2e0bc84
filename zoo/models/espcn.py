"""ESPCN: Shi et al., *Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
Neural Network*, arXiv 1609.05158, section 3."""

import keras
from keras import layers

from zoo.layers import Network
from zoo.models.ends import convolution, lr_input, upsample


def espcn(
    scale: int,
    channels: int = 1,
    activation: str = "tanh",
    upsampler: str = "subpixel",
    kernel_size: int | None = None,
    name: str | None = None,
) -> keras.Model:
    """Conv 5×5 64 – Conv 3×3 32 – upsampler, with `activation` after the first two (the paper's text has tanh).

    Args:
        scale: the enlargement, at least 2.
        channels: 1 (luma) or 3 (RGB).
        activation: any Keras activation by name.
        upsampler: the last layer's form, one of `zoo.layers.FORMS`.
        kernel_size: side of the last kernel in HR space; default 3·scale, a 3×3 convolution in LR space.
        name: the model's name; default `espcn_x{scale}`.
    Returns:
        A model (N, H, W, channels) float32 in [0, 1] → (N, scale·H, scale·W, channels), unclipped.

    Example:
        >>> espcn(scale=4).count_params()
        24737
    """
    lr_image = lr_input(scale, channels)
    x = convolution(64, 5, activation=activation, name="feature")(lr_image)
    x = convolution(32, 3, activation=activation, name="mapping")(x)
    sr_image = upsample(x, upsampler, channels, 3 * scale if kernel_size is None else kernel_size, scale)
    return Network(lr_image, sr_image, name=name or f"espcn_x{scale}")


def espcn_residual(
    scale: int,
    channels: int = 1,
    activation: str = "tanh",
    upsampler: str = "subpixel",
    kernel_size: int | None = None,
    name: str | None = None,
) -> keras.Model:
    """ESPCN that learns what bicubic lacks: its input centred at 0, its output added to the fixed bicubic image.

    Not the published architecture, though its trained weights are of the same number. Arguments as for `espcn`.

    Example:
        >>> espcn_residual(3).output_shape, espcn_residual(3).count_params()
        ((None, None, None, 1), 22721)
    """
    lr_image = lr_input(scale, channels)
    x = layers.Rescaling(1.0, offset=-0.5, name="centre")(lr_image)
    x = convolution(64, 5, activation=activation, name="feature")(x)
    x = convolution(32, 3, activation=activation, name="mapping")(x)
    residual = upsample(x, upsampler, channels, 3 * scale if kernel_size is None else kernel_size, scale)
    bicubic = upsample(lr_image, "bicubic", channels, None, scale, name="bicubic")
    sr_image = layers.Add(name="sum", dtype=residual.dtype)([residual, bicubic])
    return Network(lr_image, sr_image, name=name or f"espcn_residual_x{scale}")
