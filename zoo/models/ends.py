"""The two ends that all models share: the LR image comes in, an upsampling layer makes it larger."""

import math

import keras
from keras import layers

from zoo.errors import UsageError
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


def upsample(x, form: str, channels: int, kernel_size: int | None, scale: int, name: str = "upsampler", **options):
    """Applies the upsampling layer of the given form, so that `channels` maps of the HR size come out.

    The fixed forms have no weights: where the number of maps has to change, a convolution over the same LR window as
    the learned forms' does that first. The layer computes in the variables' type, so that a model under a mixed
    precision policy gives float32.
    """
    dtype = keras.config.dtype_policy().variable_dtype
    if form not in LEARNED and x.shape[-1] != channels:
        side = 2 * (math.ceil(kernel_size / scale) // 2) + 1
        x = layers.Conv2D(channels, side, padding="same", name="reconstruction")(x)
    return make_upsampler(form, channels, kernel_size, scale, name=name, dtype=dtype, **options)(x)
