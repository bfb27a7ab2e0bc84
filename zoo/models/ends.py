"""What all models share: the LR image comes in, convolutions keep its size, an upsampling layer makes it larger."""

import math
from typing import Any

import keras
from keras import layers

from zoo.errors import UsageError, whole_number
from zoo.layers import LEARNED, check_scale, make_upsampler


def lr_input(scale: int, channels: int) -> keras.KerasTensor:
    """The input (N, H, W, channels) with free N, H and W; float32, or float64 where that is Keras' float type.

    Raises:
        UsageError: scale below 2 or channels other than 1 and 3.
    """
    check_scale(scale)
    if channels not in (1, 3):
        raise UsageError(f"Expected channels to be 1 (luma) or 3 (RGB). Received: {channels!r}")
    return keras.Input((None, None, channels), name="lr_image")


def convolution(maps: int, side: int, **options) -> layers.Conv2D:
    """A side×side convolution that keeps the size; channels last, whatever Keras is configured for.

    Raises:
        UsageError: no maps, or no side.
    """
    maps, side = whole_number("maps", maps, 1), whole_number("side", side, 1)
    return layers.Conv2D(maps, side, padding="same", data_format="channels_last", **options)


def upsample(x, form: str, channels: int, kernel_size: Any, scale: int, name: str = "upsampler", **options):
    """Applies the upsampling layer of the given form, so that `channels` maps of the HR size come out.

    The fixed forms have no weights: where the number of maps has to change, a convolution over the same LR window as
    the learned forms' does that first. The layer computes in the variables' type, so that a model under a mixed
    precision policy gives float32.
    """
    dtype = keras.config.dtype_policy().variable_dtype
    if kernel_size is not None:
        kernel_size = whole_number("kernel_size", kernel_size, 1)
    if form not in LEARNED and x.shape[-1] != channels:
        side = 2 * (math.ceil(kernel_size / scale) // 2) + 1
        x = convolution(channels, side, name="reconstruction")(x)
    return make_upsampler(form, channels, kernel_size, scale, name=name, dtype=dtype, **options)(x)
