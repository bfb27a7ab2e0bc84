"""Fixed interpolations inside the graph: padding, one LR convolution, a shuffle."""

import keras
import numpy as np
from keras import ops

from zoo import identities
from zoo.errors import one_of, whole_number
from zoo.layers.shuffle import depth_to_space

BORDERS = ("mirror", "replicate", "renormalise")
# Up to so many maps one convolution from all to all is faster than one for each map, though most of its weights are 0.
DENSE_MAPS = 3


def _extend(images, axis: int, pixels: int, border: str):
    """Adds `pixels` rows or columns on both sides, by slices and concatenation alone.

    MIRROR_PAD in SYMMETRIC mode is refused by the LiteRT GPU delegate. One pixel at a time, so that an image smaller
    than the padding is mirrored periodically, as MATLAB does it.
    """
    for done in range(pixels):
        # After `done` steps the pixel wanted next at the start lies 2·done further in (mirror) or is the outermost.
        index = 2 * done if border == "mirror" else 0
        before = [slice(None)] * 4
        after = [slice(None)] * 4
        before[axis] = slice(index, index + 1)
        after[axis] = slice(-index - 1, -index or None)
        images = ops.concatenate([images[tuple(before)], images, images[tuple(after)]], axis=axis)
    return images


@keras.saving.register_keras_serializable("zoo")
class FixedUpsampler(keras.layers.Layer):
    """Nearest, bilinear or bicubic enlargement with half-pixel centres, computed in LR space.

    Only operations that the LiteRT GPU delegate takes: slices, concatenation, CONV_2D (DEPTHWISE_CONV_2D for more than
    `DENSE_MAPS` maps, so that weights and time grow with the maps and not with their square), DEPTH_TO_SPACE.

    Args:
        method: `"nearest"`, `"bilinear"` or `"bicubic"` (Keys' cubic).
        scale: the enlargement, an integer of at least 2.
        border: how the LR image goes on outside: `"mirror"` (edge pixel repeated first: MATLAB's imresize),
            `"replicate"` (older MATLAB; `tf.image.resize` and Keras for bilinear) or `"renormalise"` (taps outside are
            dropped and the others scaled up: `tf.image.resize` for bicubic). Default: mirror for bicubic, replicate
            for bilinear; nearest reads nothing outside.
        a, places: which bicubic it is (`zoo.identities.Cubic`); default: MATLAB's.

    Input shape: (N, H, W, C), floating point. Output shape: (N, scale·H, scale·W, C).

    Raises:
        UsageError: an unknown method or border, or a scale below 2.
    """

    def __init__(
        self,
        method: str,
        scale: int,
        border: str | None = None,
        a: float = identities.KEYS.a,
        places: int | None = identities.KEYS.places,
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("method", method, identities.METHODS)
        if border is not None:
            one_of("border", border, BORDERS)
        self.method = method
        self.scale = check_scale(scale)
        self.cubic = identities.Cubic(a, places)
        self.border = border or ("mirror" if method == "bicubic" else "replicate")

    def call(self, images):
        if self.method == "nearest":
            return depth_to_space(ops.concatenate([images] * self.scale**2, axis=-1), self.scale)
        window = identities.interpolation_window(self.method, self.scale)
        if self.border == "renormalise":
            padding = [(0, 0), (window.before, window.after), (window.before, window.after), (0, 0)]
            sums = self._convolve(ops.pad(ops.ones_like(images[:1, :, :, :1]), padding))
            phases = self._convolve(ops.pad(images, padding))
            return depth_to_space(phases / ops.repeat(sums, images.shape[-1], axis=-1), self.scale)
        for axis in (1, 2):
            images = _extend(images, axis, window.before, self.border)
        return depth_to_space(self._convolve(images), self.scale)

    def _convolve(self, images):
        maps = images.shape[-1]
        dense = maps <= DENSE_MAPS
        kernel = identities.interpolation_to_subpixel(self.method, self.scale, maps if dense else 1, cubic=self.cubic)
        if not dense:
            # One copy of all maps a phase, so that the phases come out in the order of the shuffle.
            images = ops.concatenate([images] * self.scale**2, axis=-1)
            kernel = np.repeat(kernel, maps, axis=-1).swapaxes(2, 3)
        kernel = ops.convert_to_tensor(kernel, dtype=images.dtype)
        convolve = ops.conv if dense else ops.depthwise_conv
        return convolve(images, kernel, padding="valid", data_format="channels_last")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, *(None if side is None else side * self.scale for side in (height, width)), channels

    def get_config(self):
        own = {"method": self.method, "scale": self.scale, "border": self.border, **self.cubic._asdict()}
        return {**super().get_config(), **own}


def check_scale(scale: int) -> int:
    """The scale itself, an integer of at least 2.

    Raises:
        UsageError: anything else; 1 would not be an upsampling.

    Example:
        >>> check_scale(3)
        3
    """
    return whole_number("scale", scale, 2)
