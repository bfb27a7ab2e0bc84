"""SRCNN: Dong, Loy, He, Tang, *Image Super-Resolution Using Deep Convolutional Networks*, arXiv 1501.00092."""

import numbers

import keras

from zoo.errors import UsageError
from zoo.layers import LEARNED, Interpolation, Network
from zoo.models.ends import convolution, lr_input, upsample


def srcnn(
    scale: int,
    channels: int = 1,
    kernels: tuple[int, int, int] = (9, 1, 5),
    upsampler: str = "bicubic",
    kernel_size: int | None = None,
    name: str | None = None,
) -> keras.Model:
    """Upsampling inside the graph, then Conv 64 – Conv 32 – Conv in HR space, ReLU after the first two.

    Args:
        scale: the enlargement, at least 2.
        channels: 1 (luma) or 3 (RGB).
        kernels: sides of the three convolutions: (9, 1, 5), (9, 3, 5) or (9, 5, 5) in the paper.
        upsampler: the first layer's form, one of `zoo.layers.FORMS`; the paper's is bicubic. The learned forms start
            as bicubic, but for `"resize"`, whose kernel is no interpolation.
        kernel_size: side of a learned first kernel in HR space; default the 4·scale - scale % 2 that hold bicubic,
            3 for `"resize"`.
        name: the model's name; default `srcnn_x{scale}`.
    Returns:
        A model (N, H, W, channels) float32 in [0, 1] → (N, scale·H, scale·W, channels), unclipped.
    Raises:
        UsageError: kernels are not three odd sides.

    Example:
        >>> srcnn(scale=3, channels=3).output_shape
        (None, None, None, 3)
    """
    sides = tuple(kernels)
    odd = [isinstance(side, numbers.Integral) and side > 0 and side % 2 == 1 for side in sides]
    if len(sides) != 3 or not all(odd):
        raise UsageError(f"Expected kernels to be three odd sides, as (9, 1, 5). Received: {sides!r}")
    lr_image = lr_input(scale, channels)
    options = {}
    if upsampler == "resize":
        kernel_size = 3 if kernel_size is None else kernel_size
    elif upsampler in LEARNED:
        kernel_size = 4 * scale - scale % 2 if kernel_size is None else kernel_size
        options = {"kernel_initializer": Interpolation("bicubic", scale)}
    x = upsample(lr_image, upsampler, channels, kernel_size, scale, **options)
    x = convolution(64, sides[0], activation="relu", name="patches")(x)
    x = convolution(32, sides[1], activation="relu", name="mapping")(x)
    dtype = keras.config.dtype_policy().variable_dtype
    sr_image = convolution(channels, sides[2], name="reconstruction", dtype=dtype)(x)
    return Network(lr_image, sr_image, name=name or f"srcnn_x{scale}")
