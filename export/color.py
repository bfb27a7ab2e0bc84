"""Graphs around a model: RGB in and out for a luma model, and an output clipped to [0, 1].

Only operations that the LiteRT GPU delegate takes: 1×1 convolutions, concatenation, RELU and MINIMUM (it refuses
RELU_0_TO_1, which a plain clip becomes).
"""

import keras
import numpy as np
from keras import layers, ops

from zoo.color import rgb_to_ycbcr
from zoo.layers import FixedUpsampler


def clip_to_unit(model: keras.Model) -> keras.Model:
    """The model with its output clipped to [0, 1]."""
    image = keras.Input(model.input_shape[1:], name="lr_image")
    return keras.Model(image, _clip(model(image)), name=model.name)


def wrap_rgb(model: keras.Model, scale: int) -> keras.Model:
    """A model (N, H, W, 3) → (N, scale·H, scale·W, 3), RGB in [0, 1], around one for luma.

    Luma of BT.601 in studio range (`zoo.color`) goes through the model, chroma through the fixed bicubic in LR form,
    and the result back to RGB, clipped.
    """
    # The affine map, read off the reference: its value at black and at the three primaries.
    offset = rgb_to_ycbcr(np.zeros(3))
    to_ycbcr = rgb_to_ycbcr(np.eye(3)) - offset
    to_rgb = np.linalg.inv(to_ycbcr)

    image = keras.Input((*model.input_shape[1:3], 3), name="lr_image")
    luma = _pointwise(to_ycbcr[:, :1], offset[:1], "luma")(image)
    chroma = _pointwise(to_ycbcr[:, 1:], offset[1:], "chroma")(image)
    merged = layers.Concatenate(name="ycbcr")(
        [model(luma), FixedUpsampler("bicubic", scale, dtype="float32", name="chroma_bicubic")(chroma)]
    )
    rgb = _pointwise(to_rgb, -offset @ to_rgb, "rgb")(merged)
    return keras.Model(image, _clip(rgb), name=f"{model.name}_rgb")


def _clip(image):
    return ops.minimum(ops.relu(image), 1.0)


def _pointwise(matrix: np.ndarray, bias: np.ndarray, name: str) -> layers.Layer:
    """A 1×1 convolution with fixed weights: image @ matrix + bias for each pixel."""
    return layers.Conv2D(
        matrix.shape[1],
        1,
        kernel_initializer=keras.initializers.Constant(matrix[None, None]),
        bias_initializer=keras.initializers.Constant(bias),
        trainable=False,
        dtype="float32",
        name=name,
    )
