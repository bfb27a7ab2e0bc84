"""From HR to LR: MATLAB's bicubic `imresize`, the degradation that the field's pictures and tables are made with."""

import math

import numpy as np

from zoo.errors import one_of
from zoo.identities import keys_cubic

_BORDERS = ("mirror", "replicate")


def imresize(image: np.ndarray, scale: float, border: str = "mirror") -> np.ndarray:
    """Resizes a picture as MATLAB's `imresize(image, scale, "bicubic")` does, antialiased when it shrinks.

    Output pixel i of an axis lies at u = (i + 1/2) / scale - 1/2 in the input and is
    Σ_j h(u - j) · input[j] / Σ_j h(u - j), with h(t) = k(t) to enlarge, h(t) = scale · k(scale · t) to shrink, and
    Keys' cubic k with a = -1/2. The vertical axis goes first, the horizontal second. Integer pictures are rounded
    half up and clipped after each of the two passes, as MATLAB does: rounding once at the end changes a tenth of the
    values. Pillow's BICUBIC, OpenCV's INTER_CUBIC and `tf.image.resize` (without antialias) are different functions.

    Args:
        image: (h, w) or (h, w, c), uint8, uint16 or floating point of any range.
        scale: output side / input side, above 0: 1/3 for the LR image at scale 3.
        border: what lies outside the picture. "mirror": the edge pixel repeated, then its neighbours, as MATLAB's
            imresize does today; "replicate": the edge pixel everywhere, as the LR files of some public sets have it.

    Returns:
        (ceil(scale · h), ceil(scale · w)[, c]), of the same dtype. Floats are not clipped: bicubic overshoots.

    Raises:
        ValueError: on another dtype, number of axes, border, a scale that is not positive, or an empty picture.

    References:
        Keys: Cubic convolution interpolation for digital image processing, IEEE Transactions on Acoustics, Speech,
        and Signal Processing 29 (1981), equation 15; MATLAB's documentation of imresize ("Antialiasing").

    Example:
        >>> imresize(np.full((9, 12), 85, np.uint8), scale=1 / 3).tolist()
        [[85, 85, 85, 85], [85, 85, 85, 85], [85, 85, 85, 85]]
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(f"Expected a picture (h, w) or (h, w, c) that is not empty. Received: shape={image.shape}")
    if image.dtype not in (np.uint8, np.uint16) and not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"Expected uint8, uint16 or floating point. Received: dtype {image.dtype}")
    one_of("border", border, _BORDERS)
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"Expected scale above 0. Received: scale={scale!r}")
    resized = image
    for axis in (0, 1):
        resized = _resize_axis(resized, axis, scale, border)
        if image.dtype in (np.uint8, np.uint16):
            # In place: the pass has just made this array, and a 2K picture is 60 MB of float64.
            resized += 0.5
            np.floor(resized, out=resized)
            resized = resized.clip(0, np.iinfo(image.dtype).max, out=resized).astype(image.dtype)
    return resized.astype(image.dtype, copy=False)


def crop_to_multiple(image: np.ndarray, scale: int) -> np.ndarray:
    """The picture without the last rows and columns that `scale` does not divide, so that HR = scale · LR exactly.

    Args:
        image: (h, w, ...), of any dtype.

    Returns:
        A view (h - h mod scale, w - w mod scale, ...).

    Example:
        >>> crop_to_multiple(np.zeros((10, 13, 3)), 3).shape
        (9, 12, 3)
    """
    height, width = image.shape[:2]
    return image[: height - height % scale, : width - width % scale]


def own_lr(lr_image: np.ndarray, hr_image: np.ndarray, scale: int) -> np.ndarray | None:
    """The LR image of a pair, both of 8 bits; None where it is what `imresize` makes of the HR image.

    Whoever measures takes one's own as it is, and makes another from the floats, as the published protocol does.

    Example:
        >>> hr_image = np.arange(36, dtype=np.uint8).reshape(6, 6)
        >>> own_lr(imresize(hr_image, 1 / 3), hr_image, scale=3), own_lr(hr_image[1::3, 1::3], hr_image, scale=3).shape
        (None, (2, 2))
    """
    return None if np.array_equal(lr_image, imresize(hr_image, 1 / scale)) else lr_image


def _resize_axis(image: np.ndarray, axis: int, scale: float, border: str) -> np.ndarray:
    """One pass, in float64, tap by tap: the sums are then the same on every machine, ties at 0.5 included."""
    indices, weights = _taps(image.shape[axis], scale, border)
    weights = weights.reshape(weights.shape + (1,) * (image.ndim - 1 - axis))
    total = weights[:, 0] * np.take(image, indices[:, 0], axis=axis)
    for tap in range(1, indices.shape[1]):
        total += weights[:, tap] * np.take(image, indices[:, tap], axis=axis)
    return total


def _taps(length: int, scale: float, border: str) -> tuple[np.ndarray, np.ndarray]:
    """For every output pixel of one axis the input pixels it takes, and their weights, both (output length, taps)."""
    # 1/3 of 255 must stay 85 even where the floating-point product lies a hair above it.
    outputs = max(1, math.ceil(scale * length - 1e-9))
    shrink = min(scale, 1.0)
    support = 4 / shrink
    centre = (np.arange(outputs) + 0.5) / scale - 0.5
    first = np.floor(centre - support / 2).astype(np.int64)
    indices = first[:, None] + np.arange(math.ceil(support) + 2)
    weights = keys_cubic(shrink * (centre[:, None] - indices))
    weights /= weights.sum(axis=1, keepdims=True)
    used = np.any(weights != 0, axis=0)
    indices, weights = indices[:, used], weights[:, used]
    if border == "replicate":
        return indices.clip(0, length - 1), weights
    indices = indices % (2 * length)
    return np.minimum(indices, 2 * length - 1 - indices), weights
