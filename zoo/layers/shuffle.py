"""Periodic shuffling between channels and space: the paper's PS and its inverse."""

import keras

from zoo.errors import UsageError, whole_number


def depth_to_space(images, scale: int):
    """(N, H, W, scale²·C) → (N, scale·H, scale·W, C), channel (a·scale + b)·C + c to pixel (a, b) of each block.

    `tf.nn.depth_to_space` on the TensorFlow backend, so that an exported graph holds one DEPTH_TO_SPACE;
    `keras.ops.depth_to_space` on the others.

    Example:
        >>> import numpy as np
        >>> depth_to_space(np.arange(4.0).reshape(1, 1, 1, 4), 2).shape
        TensorShape([1, 2, 2, 1])
    """
    if scale == 1:
        return images
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.nn.depth_to_space(images, scale)
    return keras.ops.depth_to_space(images, scale, data_format="channels_last")


def space_to_depth(images, scale: int):
    """The inverse of `depth_to_space`: (N, scale·H, scale·W, C) → (N, H, W, scale²·C).

    Example:
        >>> import numpy as np
        >>> space_to_depth(np.arange(12.0).reshape(1, 2, 6, 1), 2).shape
        TensorShape([1, 1, 3, 4])
    """
    if scale == 1:
        return images
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.nn.space_to_depth(images, scale)
    return keras.ops.space_to_depth(images, scale, data_format="channels_last")


def _times(side: int | None, scale: int) -> int | None:
    return None if side is None else side * scale


@keras.saving.register_keras_serializable("zoo")
class DepthToSpace(keras.layers.Layer):
    """Moves groups of scale² channels into scale×scale blocks of pixels: `tf.nn.depth_to_space` as a layer that loads.

    Args:
        scale: side of the block, an integer of at least 1.

    Input shape: (N, H, W, scale²·C), any dtype. Output shape: (N, scale·H, scale·W, C).

    Raises:
        UsageError: the channels are no multiple of scale².

    References: arXiv 1609.05158, equation 4. PyTorch's PixelShuffle reads the channels in another order
    (`zoo.identities`).
    """

    def __init__(self, scale: int, **kwargs):
        super().__init__(**kwargs)
        self.scale = whole_number("scale", scale, 1)

    def call(self, images):
        return depth_to_space(images, self.scale)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        if channels is None or channels % self.scale**2:
            raise UsageError(f"Expected channels that are a multiple of {self.scale**2}. Received: shape {input_shape}")
        return batch, _times(height, self.scale), _times(width, self.scale), channels // self.scale**2

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("zoo")
class SpaceToDepth(keras.layers.Layer):
    """Moves scale×scale blocks of pixels into channels, the inverse of `DepthToSpace`.

    Args:
        scale: side of the block, an integer of at least 1.

    Input shape: (N, scale·H, scale·W, C), any dtype. Output shape: (N, H, W, scale²·C).

    Raises:
        UsageError: a known height or width is no multiple of scale.
    """

    def __init__(self, scale: int, **kwargs):
        super().__init__(**kwargs)
        self.scale = whole_number("scale", scale, 1)

    def call(self, images):
        return space_to_depth(images, self.scale)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        for side in (height, width):
            if side is not None and side % self.scale:
                raise UsageError(f"Expected sides that are multiples of {self.scale}. Received: shape {input_shape}")
        sides = (None if side is None else side // self.scale for side in (height, width))
        return batch, *sides, channels * self.scale**2

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}
