"""PSNR and SSIM as Keras metrics: `model.compile(…, metrics=[zoo.metrics.PSNR(shave=3)])`."""

import keras
import numpy as np
from keras import ops

from zoo.errors import UsageError, whole_number

# BT.601 in studio range, as zoo.color has it: Y = 16/255 + the weighted sum, all in [0, 1].
_WEIGHTS = (65.481 / 255, 128.553 / 255, 24.966 / 255)
_BLACK = 16 / 255
# Of two equal pictures PSNR is infinite; one such patch would drown the mean.
_EQUAL = 100.0
# Window and constants of Wang et al. (2004), section III.
_SIDE, _SIGMA, _C1, _C2 = 11, 1.5, 0.01**2, 0.03**2


class _OfPictures(keras.metrics.Mean):
    """The mean over pictures of a figure of each.

    Args:
        shave: HR pixels left out on every side; the protocol shaves `scale`.
    """

    def __init__(self, shave: int = 0, name: str | None = None, dtype=None):
        super().__init__(name=name or type(self).__name__.lower(), dtype=dtype)
        self._direction = "up"
        self.shave = whole_number("shave", shave, 0)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds the figures of a batch (N, h, w, C) of originals and one of results; C is 1 (luma) or 3 (RGB)."""
        hr, sr = (self._luma(each, name) for each, name in ((y_true, "y_true"), (y_pred, "y_pred")))
        # A graph cannot raise: a range that is not [0, 1] shows as nan.
        inside = ops.logical_and(ops.min(hr) > -1e-3, ops.max(hr) < 1 + 1e-3)
        figures = ops.where(inside, self.figures(hr, sr), np.nan)
        super().update_state(figures, sample_weight)

    def _luma(self, images, name: str):
        """(N, h, w, 1): Y, clipped and rounded half up to 8 bits as `zoo.evaluate` does, without the border."""
        images = ops.convert_to_tensor(images)
        dtype = keras.backend.standardize_dtype(images.dtype)
        if not keras.backend.is_float_dtype(dtype):
            raise UsageError(f"Expected {name} as floating point in [0, 1]. Received: dtype {dtype}")
        if len(images.shape) != 4 or images.shape[-1] not in (1, 3):
            raise UsageError(f"Expected {name} (N, h, w, 1) or (N, h, w, 3). Received: shape {tuple(images.shape)}")
        images = ops.cast(images, self.dtype)
        if name == "y_pred":
            images = _rounded(ops.clip(images, 0, 1))
        if images.shape[-1] == 3:
            images = _rounded(_BLACK + ops.sum(images * ops.cast(_WEIGHTS, self.dtype), axis=-1, keepdims=True))
        end = -self.shave or None
        return images[:, self.shave : end, self.shave : end]

    def get_config(self):
        return {**super().get_config(), "shave": self.shave}


def _rounded(images):
    return ops.floor(images * 255 + 0.5) / 255


@keras.saving.register_keras_serializable("zoo")
class PSNR(_OfPictures):
    """`zoo.metrics.psnr` of each picture's luma, in dB, averaged over the pictures.

    The figure of `zoo.evaluate`, when whole pictures come in: Y of BT.601 for RGB, the result clipped and rounded to 8
    bits, `shave` pixels left out. Equal pictures count as 100 dB. Originals outside [0, 1] give nan.

    Args:
        shave: HR pixels left out on every side; the protocol shaves `scale`.
        name, dtype: as of any Keras metric.

    Raises:
        UsageError: integers, or no batch (N, h, w, 1) or (N, h, w, 3).

    Example:
        >>> metric = PSNR(shave=1)
        >>> metric.update_state(np.zeros((2, 9, 8, 1), "float32"), np.full((2, 9, 8, 1), 0.1, "float32"))
        >>> round(float(metric.result()), 2)
        19.83
    """

    def figures(self, hr, sr):
        error = ops.mean(ops.square(hr - sr), axis=(1, 2, 3))
        return ops.minimum(-10 * ops.log10(ops.maximum(error, 1e-30)), _EQUAL)


@keras.saving.register_keras_serializable("zoo")
class SSIM(_OfPictures):
    """`zoo.metrics.ssim` of each picture's luma, averaged over the pictures; see `PSNR`.

    Args:
        shave: HR pixels left out on every side; at least 11×11 have to be left.
        name, dtype: as of any Keras metric.

    Raises:
        UsageError: integers, or no batch (N, h, w, 1) or (N, h, w, 3).
    """

    def figures(self, hr, sr):
        side = np.exp(-((np.arange(_SIDE) - _SIDE // 2) ** 2) / (2 * _SIGMA**2))
        side /= side.sum()
        window = ops.cast(np.outer(side, side)[:, :, None, None], self.dtype)

        def local_mean(images):
            return ops.conv(images, window, padding="valid", data_format="channels_last")

        x, y = local_mean(hr), local_mean(sr)
        spread_x, spread_y = local_mean(hr * hr) - x * x, local_mean(sr * sr) - y * y
        covariance = local_mean(hr * sr) - x * y
        numerator = (2 * x * y + _C1) * (2 * covariance + _C2)
        return ops.mean(numerator / ((x * x + y * y + _C1) * (spread_x + spread_y + _C2)), axis=(1, 2, 3))
