"""FSRCNN: Dong, Loy, Tang, *Accelerating the Super-Resolution Convolutional Neural Network*, arXiv 1608.00367,
section 3."""

import keras
from keras import layers

from zoo.errors import whole_number
from zoo.layers import Network
from zoo.models.ends import convolution, lr_input, upsample


def fsrcnn(
    scale: int,
    channels: int = 1,
    d: int = 56,
    s: int = 12,
    m: int = 4,
    upsampler: str = "transposed",
    kernel_size: int = 9,
    name: str | None = None,
) -> keras.Model:
    """Conv 5×5 d – Conv 1×1 s – m × Conv 3×3 s – Conv 1×1 d – 9×9 deconvolution; one PReLU slope per channel.

    Args:
        scale: the enlargement, at least 2.
        channels: 1 (luma) or 3 (RGB).
        d: maps of the feature extraction and the expansion (the paper's LR feature dimension).
        s: maps of the mapping (the paper's shrinking filters).
        m: depth of the mapping.
        upsampler: the last layer's form, one of `zoo.layers.FORMS`.
        kernel_size: side of the last kernel in HR space.
        name: the model's name; default `fsrcnn_x{scale}`.
    Returns:
        A model (N, H, W, channels) float32 in [0, 1] → (N, scale·H, scale·W, channels), unclipped.

    Example:
        >>> fsrcnn(scale=3).get_layer("upsampler").kernel_size
        9
    """
    d, s, m = whole_number("d", d, 1), whole_number("s", s, 1), whole_number("m", m, 0)
    lr_image = lr_input(scale, channels)
    maps = [(d, 5, "feature"), (s, 1, "shrink"), *((s, 3, f"map_{i + 1}") for i in range(m)), (d, 1, "expand")]
    x = lr_image
    for filters, side, layer in maps:
        # The paper's start for PReLU is He's; a slope shared over height and width is what a GPU delegate takes.
        x = convolution(filters, side, kernel_initializer="he_normal", name=layer)(x)
        x = layers.PReLU(shared_axes=[1, 2], name=f"{layer}_prelu")(x)
    sr_image = upsample(
        x, upsampler, channels, kernel_size, scale, kernel_initializer=keras.initializers.RandomNormal(stddev=0.001)
    )
    return Network(lr_image, sr_image, name=name or f"fsrcnn_x{scale}")


def fsrcnn_s(
    scale: int,
    channels: int = 1,
    d: int = 32,
    s: int = 5,
    m: int = 1,
    upsampler: str = "transposed",
    kernel_size: int = 9,
    name: str | None = None,
) -> keras.Model:
    """FSRCNN-s, the paper's small sibling (its table 3); arguments as for `fsrcnn`.

    Example:
        >>> fsrcnn_s(3).name, fsrcnn_s(3).count_params()
        ('fsrcnn_s_x3', 4086)
    """
    return fsrcnn(scale, channels, d, s, m, upsampler, kernel_size, name or f"fsrcnn_s_x{scale}")
