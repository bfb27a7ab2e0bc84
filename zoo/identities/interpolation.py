"""Fixed interpolations (nearest, bilinear, bicubic) as kernels."""

from typing import NamedTuple

import numpy as np

from zoo.errors import one_of
from zoo.identities.phases import join_phases, same_offset
from zoo.identities.transposed import Window

METHODS = ("nearest", "bilinear", "bicubic")


class Cubic(NamedTuple):
    """Which bicubic it is: libraries differ.

    Attributes:
        a: Keys' parameter; -0.5 (MATLAB, TensorFlow, JAX) or -0.75 (PyTorch, OpenCV).
        places: distances are rounded to so many places between two pixels; 1,024 is TensorFlow's table
            (core/kernels/image/resize_bicubic_op.cc), None rounds nothing.
    """

    a: float = -0.5
    places: int | None = None


KEYS = Cubic()


def keys_cubic(distance: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys' cubic convolution kernel, with a = -0.5 as MATLAB and TensorFlow use it (Keys 1981, equation 15).

    Args:
        distance: from the output's position to the input pixel, in input pixels; any shape.
        a: its slope at a distance of 1.
    Returns:
        The pixel's weight, 0 from a distance of 2 on; the same shape.
    Example:
        >>> keys_cubic(np.array([0.0, 0.5, 1.0, 1.5, 2.0])).tolist()
        [1.0, 0.5625, 0.0, -0.0625, 0.0]
    """
    x = np.abs(distance)
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, 1 - np.abs(distance))


def interpolation_window(method: str, scale: int) -> Window:
    """The LR window of a fixed interpolation with half-pixel centres, along one axis; nothing is cropped.

    Example:
        >>> interpolation_window("bicubic", 2).taps
        5
    """
    radius = {"nearest": 0, "bilinear": 1, "bicubic": 2}
    one_of("method", method, METHODS)
    if scale < 1:
        raise ValueError(f"Expected scale of at least 1. Received: {scale=}")
    return Window(2 * radius[method] + 1, radius[method], radius[method], 0)


def interpolation_weights(method: str, scale: int, cubic: Cubic = KEYS) -> np.ndarray:
    """Weights of a fixed interpolation along one axis, (taps, scale): column a sums to 1.

    HR pixel scale·p + a lies at u = (a + 0.5) / scale - 0.5 from LR pixel p (half-pixel centres: MATLAB's imresize,
    `tf.image.resize`, `keras.layers.UpSampling2D`); tap d has the weight f(u - d), f the triangle or Keys' cubic.
    No antialiasing: it does not apply to enlargement.

    Example:
        >>> interpolation_weights("bilinear", 2).tolist()
        [[0.25, 0.0], [0.75, 0.75], [0.0, 0.25]]
    """
    window = interpolation_window(method, scale)
    offsets = np.arange(-window.before, window.after + 1)[:, None]
    if method == "nearest":
        return np.ones((1, scale))
    positions = (np.arange(scale) + 0.5) / scale - 0.5
    if method == "bilinear":
        return _triangle(positions[None] - offsets)
    if cubic.places:
        positions = np.round(positions * cubic.places) / cubic.places
    return keys_cubic(positions[None] - offsets, cubic.a)


def interpolation_to_subpixel(
    method: str, scale: int, channels: int = 1, order: str = "tensorflow", cubic: Cubic = KEYS
) -> np.ndarray:
    """A fixed interpolation as an LR convolution before the shuffle: w[j, l, i, (a, b), o] = f[j, a]·f[l, b]·[i = o].

    Exact inside; at the border the LR image must be padded as the interpolation extends it: repeated (bilinear,
    TensorFlow and Keras), mirrored (MATLAB's bicubic), see `zoo.layers.FixedUpsampler`.

    Returns:
        (k, k, channels, scale²·channels), float64.

    Example:
        >>> interpolation_to_subpixel("bilinear", 2, channels=3).shape
        (3, 3, 3, 12)
    """
    weights = interpolation_weights(method, scale, cubic)
    phases = np.einsum("ya,xb,io->yxiabo", weights, weights, np.eye(channels))
    return join_phases(phases, order)


def interpolation_to_transposed(method: str, kernel_size: int, scale: int, channels: int = 1) -> np.ndarray:
    """A fixed interpolation as a transposed convolution's kernel, (K, K, channels, channels), cut to K×K taps.

    Per axis W[k] = f((k - p0 + 0.5) / scale - 0.5); every phase is brought to the sum 1, so that a flat image stays
    flat inside where K cuts the interpolation. Exact inside where K covers the interpolation and
    K - scale is even: bilinear needs 2·scale - scale % 2 taps, bicubic 4·scale - scale % 2.

    Example:
        >>> interpolation_to_transposed("bilinear", 4, 2)[0, :, 0, 0].tolist()
        [0.0625, 0.1875, 0.1875, 0.0625]
    """
    if kernel_size < scale:
        raise ValueError(
            f"Expected kernel_size of at least scale={scale}: some phases have no tap. Received: {kernel_size}"
        )
    positions = (np.arange(kernel_size) - same_offset(kernel_size, scale) + 0.5) / scale - 0.5
    if one_of("method", method, METHODS) == "nearest":
        taps = ((positions >= -0.5) & (positions < 0.5)).astype(np.float64)
    else:
        taps = (_triangle if method == "bilinear" else keys_cubic)(positions)
    for phase in range(scale):
        taps[phase::scale] /= taps[phase::scale].sum()
    return np.einsum("y,x,oi->yxoi", taps, taps, np.eye(channels))
