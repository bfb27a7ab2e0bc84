"""Colour as the super-resolution papers count it: luma and chroma of BT.601, by default in studio range."""

import numpy as np

from zoo.errors import UsageError

__all__ = ["check_range", "luma", "rgb_to_y", "rgb_to_ycbcr", "to_uint8", "ycbcr_to_rgb"]


def __dir__() -> list[str]:
    return sorted(__all__)


# ITU-R BT.601 in 8-bit studio range: Y in [16, 235], Cb and Cr in [16, 240], for R, G, B in [0, 1]. These are the
# constants of MATLAB's rgb2ycbcr; white gives exactly 235 and black exactly 16.
_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
_OFFSET = np.array([16.0, 128.0, 128.0])
_FULL_RANGE_Y = np.array([0.299, 0.587, 0.114])
# A picture averaged or blended in float32 may pass 1 by a rounding error; anything more is another range.
_TOLERANCE = 1e-6


def check_range(image: np.ndarray, name: str = "image") -> np.ndarray:
    """Returns `image` as an array if it is uint8 (0 to 255) or floating point in [0, 1].

    Raises:
        UsageError: of any other dtype, or for floats outside [0, 1] or not finite.

    Example:
        >>> check_range(np.array([[0, 255]], np.uint8)).dtype, check_range([0.0, 0.5]).dtype
        (dtype('uint8'), dtype('float64'))
    """
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    if not np.issubdtype(image.dtype, np.floating):
        raise UsageError(
            f"Expected {name} as uint8 in 0 to 255 or floating point in [0, 1]. Received: dtype {image.dtype}"
        )
    if image.size:
        low, high = float(image.min()), float(image.max())
        if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):
            raise UsageError(
                f"Expected {name} as uint8 in 0 to 255 or floating point in [0, 1] (clip a network's output first). "
                f"Received: {image.dtype} values in [{low:g}, {high:g}]"
            )
    return image


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Clips floating point to [0, 1] and rounds it half up to 8 bits, as MATLAB does.

    Example:
        >>> to_uint8(np.array([-0.2, 0.5, 1.1])).tolist()
        [0, 128, 255]
    """
    return np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def rgb_to_y(image: np.ndarray, full_range: bool = False) -> np.ndarray:
    """Luma of an RGB picture: Y = 16 + 65.481 R + 128.553 G + 24.966 B in 8-bit levels, R, G, B in [0, 1].

    Equals MATLAB's first plane of `rgb2ycbcr`, which the published PSNR figures use.

    Args:
        image: (..., 3), uint8 in 0 to 255 or float in [0, 1].
        full_range: Y = 0.299 R + 0.587 G + 0.114 B instead (JPEG's), in 0 to 255. PSNR on it is
            20·log10(255/219) = 1.32 dB lower than on the studio range; do not compare the two.

    Returns:
        (...): uint8, rounded half up, for uint8; for floats the same levels divided by 255, unrounded, so that black
        is 16/255 and white 235/255 in studio range.

    Raises:
        UsageError: on another dtype, range, or last axis.

    References:
        ITU-R BT.601-7, section 2.5; MATLAB's rgb2ycbcr.

    Example:
        >>> rgb_to_y(np.array([[255, 255, 255], [0, 0, 0]], np.uint8)).tolist()
        [235, 16]
    """
    image = _check_rgb(image)
    if full_range:
        return _to_dtype_of(image, _levels(image) @ _FULL_RANGE_Y)
    return _to_dtype_of(image, _levels(image) @ (_YCBCR[0] / 255) + _OFFSET[0])


def luma(image: np.ndarray, full_range: bool = False) -> np.ndarray:
    """Y of any picture: a grey one is Y as it is, an RGB one goes through `rgb_to_y`.

    Converting a grey picture to RGB and back would squeeze it into studio range, and gain it 0.9 dB of PSNR or more.

    Args:
        image: (h, w) or (h, w, 1) grey, or (h, w, 3) RGB; uint8 in 0 to 255 or float in [0, 1].
        full_range: as in `rgb_to_y`; without effect on a grey picture.

    Returns:
        (h, w), of the picture's dtype.

    Example:
        >>> luma(np.zeros((4, 5, 3), np.uint8)).shape
        (4, 5)
    """
    image = check_range(image)
    if image.ndim == 2:
        return image
    if image.ndim == 3 and image.shape[-1] == 1:
        return image[..., 0]
    if image.ndim == 3 and image.shape[-1] == 3:
        return rgb_to_y(image, full_range)
    raise UsageError(f"Expected a picture (h, w), (h, w, 1) or (h, w, 3). Received: shape={image.shape}")


def rgb_to_ycbcr(image: np.ndarray) -> np.ndarray:
    """BT.601 studio-range YCbCr of an RGB picture; equals MATLAB's `rgb2ycbcr`.

    Args:
        image: (..., 3) RGB, uint8 in 0 to 255 or float in [0, 1].

    Returns:
        (..., 3) Y, Cb, Cr: uint8, rounded half up, for uint8; for floats the 8-bit levels divided by 255, unrounded.

    Example:
        >>> np.round(rgb_to_ycbcr(np.array([1.0, 1.0, 1.0])) * 255).tolist()
        [235.0, 128.0, 128.0]
    """
    image = _check_rgb(image)
    return _to_dtype_of(image, _levels(image) @ (_YCBCR.T / 255) + _OFFSET)


def ycbcr_to_rgb(image: np.ndarray) -> np.ndarray:
    """RGB of a BT.601 studio-range YCbCr picture, clipped to its range; the inverse of `rgb_to_ycbcr`.

    Args:
        image: (..., 3) Y, Cb, Cr, uint8 in 0 to 255 or float in [0, 1].

    Returns:
        (..., 3) R, G, B of the same dtype: uint8, rounded half up and clipped, or float clipped to [0, 1].
        Floats return to the RGB they came from; 8-bit YCbCr has fewer colours than RGB and returns within 2 levels.

    Example:
        >>> np.round(ycbcr_to_rgb(np.array([235, 128, 128]) / 255), 6).tolist()
        [1.0, 1.0, 1.0]
    """
    image = _check_rgb(image, "YCbCr")
    rgb = (_levels(image) - _OFFSET) @ (np.linalg.inv(_YCBCR).T * 255)
    return _to_dtype_of(image, np.clip(rgb, 0, 255))


def _check_rgb(image: np.ndarray, kind: str = "RGB") -> np.ndarray:
    image = check_range(image)
    if image.ndim == 0 or image.shape[-1] != 3:
        raise UsageError(f"Expected a {kind} picture with 3 channels last. Received: shape={image.shape}")
    return image


def _levels(image: np.ndarray) -> np.ndarray:
    """The picture in 8-bit levels, float64."""
    return image.astype(np.float64) * (1 if image.dtype == np.uint8 else 255)


def _to_dtype_of(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        # MATLAB rounds half up; np.round would round half to even.
        return np.floor(levels + 0.5).clip(0, 255).astype(np.uint8)
    return (levels / 255).astype(image.dtype)
