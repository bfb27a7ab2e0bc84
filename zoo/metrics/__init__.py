"""PSNR and SSIM as the super-resolution papers report them: of two pictures, and as metrics for Keras' `compile`.

`PSNR` and `SSIM` resolve on first use: the functions need no Keras.
"""

from typing import TYPE_CHECKING

import numpy as np

from zoo.color import check_range
from zoo.errors import UsageError
from zoo.lazy import lazy

if TYPE_CHECKING:
    from zoo.metrics.compiled import PSNR, SSIM

__all__ = ["PSNR", "SSIM", "psnr", "ssim"]
__getattr__, __dir__ = lazy(__name__, {"PSNR": "compiled", "SSIM": "compiled"}, "psnr", "ssim")

# Side of the SSIM window: Gaussian of standard deviation 1.5 px, cut at 11x11 (Wang et al., 2004).
SSIM_WINDOW = 11


def psnr(hr: np.ndarray, sr: np.ndarray, shave: int = 0) -> float:
    """Peak signal-to-noise ratio, 10·log10(peak² / mean squared error), over all pixels and channels.

    Args:
        hr: original, (h, w) or (h, w, c), uint8 in 0 to 255 (peak 255) or float in [0, 1] (peak 1).
        sr: the picture to judge, of the same shape and kind. The protocol rounds it to 8 bits first.
        shave: pixels left out on every side; the protocol shaves `scale`.

    Returns:
        dB; infinite for equal pictures.

    Raises:
        ValueError: if shapes, kinds or ranges do not match, or nothing is left after shaving.

    Example:
        >>> black, grey = np.zeros((8, 9), np.uint8), np.full((8, 9), 16, np.uint8)
        >>> round(psnr(black, grey), 2)
        24.05
    """
    from skimage.metrics import peak_signal_noise_ratio

    hr, sr, peak = _comparable(hr, sr, shave)
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(hr, sr, data_range=peak))


def ssim(hr: np.ndarray, sr: np.ndarray, shave: int = 0) -> float:
    """Structural similarity with an 11×11 Gaussian window of 1.5 px, K = (0.01, 0.03), mean over the valid region.

    Equals the authors' MATLAB `ssim_index` (which computes only where the window fits, and does not shrink pictures
    first), `tf.image.ssim` and scikit-image's `structural_similarity(gaussian_weights=True,
    use_sample_covariance=False)`, which computes it here. Several channels: the mean of the channels' SSIM.

    Args:
        hr: original, (h, w) or (h, w, c), uint8 in 0 to 255 or float in [0, 1].
        sr: the picture to judge, of the same shape and kind.
        shave: pixels left out on every side; the protocol shaves `scale`.

    Returns:
        SSIM, at most 1.

    Raises:
        ValueError: if shapes, kinds or ranges do not match, or less than 11 pixels are left after shaving.

    References:
        Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural similarity,
        IEEE Transactions on Image Processing 13 (2004), section III.

    Example:
        >>> picture = np.arange(144, dtype=np.uint8).reshape(12, 12)
        >>> ssim(picture, picture)
        1.0
    """
    from skimage.metrics import structural_similarity

    hr, sr, peak = _comparable(hr, sr, shave, smallest=SSIM_WINDOW)
    return float(
        structural_similarity(
            hr,
            sr,
            data_range=peak,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1 if hr.ndim == 3 else None,
        )
    )


def _comparable(hr: np.ndarray, sr: np.ndarray, shave: int, smallest: int = 1) -> tuple[np.ndarray, np.ndarray, float]:
    """Both pictures shaved, in float64, and the peak value that belongs to their kind."""
    try:
        hr, sr = np.asarray(hr), np.asarray(sr)
    except NotImplementedError as error:  # TensorFlow's, for what has no values yet
        raise UsageError("Expected pictures as arrays; for `compile` there are zoo.metrics.PSNR() and SSIM(). "
                         "Received: tensors of a graph") from error  # fmt: skip
    hr, sr = check_range(hr, "hr"), check_range(sr, "sr")
    if hr.shape != sr.shape or hr.ndim not in (2, 3):
        raise ValueError(
            f"Expected hr and sr of one shape, (h, w) or (h, w, c). Received: hr.shape={hr.shape}, sr.shape={sr.shape}"
        )
    if (hr.dtype == np.uint8) != (sr.dtype == np.uint8):
        raise ValueError(f"Expected hr and sr both uint8 or both floating point. Received: {hr.dtype} and {sr.dtype}")
    if shave < 0 or min(hr.shape[:2]) - 2 * shave < smallest:
        raise ValueError(
            f"Expected shave >= 0 that leaves at least {smallest}x{smallest} px. "
            f"Received: shave={shave} for a picture of {hr.shape[0]}x{hr.shape[1]} px"
        )
    inside = (slice(shave, hr.shape[0] - shave), slice(shave, hr.shape[1] - shave))
    return hr[inside].astype(np.float64), sr[inside].astype(np.float64), 255.0 if hr.dtype == np.uint8 else 1.0
