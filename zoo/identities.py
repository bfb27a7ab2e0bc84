"""The identities of *Is the deconvolution layer the same as a convolutional layer?* (arXiv 1609.07009), on kernels.

NumPy only, float64, kernel in, kernel out. Symbols: `scale` is the paper's r, K the side of a kernel in HR space.
Per axis an output pixel is y = scale·p + a with phase a in 0..scale-1; a 'same' transposed convolution drops the first
p0 = max(K - scale, 0) // 2 rows of the full one. Kernels of a transposed convolution are (K, K, O, I), Keras' layout;
kernels of a convolution are (k, k, I, O).

Channel orders of the shuffle, for output channel o of O and phases (a, b):
`"tensorflow"`: (a·scale + b)·O + o, `tf.nn.depth_to_space`, ONNX's DCR. `"pytorch"`: o·scale² + a·scale + b,
PixelShuffle, ONNX's CRD. They are equal only for O = 1.
"""

from typing import NamedTuple

import numpy as np

ORDERS = ("tensorflow", "pytorch")
METHODS = ("nearest", "bilinear", "bicubic")


class Window(NamedTuple):
    """What one axis of the LR convolution reads: `taps` LR pixels, the LR image padded by `before` and `after` zeros.

    With `crop` > 0 the convolution gives one LR position more than the image has, and the shuffled image loses `crop`
    pixels at its start and `scale - crop` at its end: so a 4×4 kernel at scale 2 reads 2×2 windows, not 3×3 ones with
    20 structural zeros of 36 (the paper's section 2 draws that case).
    """

    taps: int
    before: int
    after: int
    crop: int


def same_offset(kernel_size: int, scale: int) -> int:
    """p0: the rows of the full transposed convolution that padding 'same' drops at the start."""
    return max(kernel_size - scale, 0) // 2


def lr_window(kernel_size: int, scale: int, offset: int | None = None) -> Window:
    """The smallest LR window of a transposed convolution along one axis.

    Args:
        kernel_size: K, the kernel's side in HR space, at least 1.
        scale: the stride, at least 1.
        offset: rows of the full transposed convolution dropped at the start; default that of padding 'same', 0 is
            padding 'valid'.
    Returns:
        The `Window`. Its `crop` is above 0 only where that makes the window smaller.
    """
    if kernel_size < 1 or scale < 1:
        raise ValueError(f"Expected kernel_size and scale of at least 1. Received: {kernel_size=}, {scale=}")
    offset = same_offset(kernel_size, scale) if offset is None else offset

    def window(crop: int) -> Window:
        # Phase a reads x[p + d] by the tap a + start - scale·d; over all phases d runs from dmin to dmax.
        start = offset - crop
        dmin, dmax = -((kernel_size - 1 - start) // scale), (scale - 1 + start) // scale
        return Window(dmax - dmin + 1, -dmin, dmax + (crop > 0), crop)

    whole, cropped = window(0), window(offset % scale)
    return cropped if cropped.taps < whole.taps else whole


def padding_of_taps(kernel_size: int, scale: int, offset: int | None = None) -> tuple[int, int]:
    """Zeros around the K taps that make their number window.taps·scale, so that tap u is phase u mod scale."""
    offset = same_offset(kernel_size, scale) if offset is None else offset
    window = lr_window(kernel_size, scale, offset)
    dmax = window.after - (window.crop > 0)
    before = scale * dmax - (offset - window.crop)
    return before, window.taps * scale - kernel_size - before


def _join_phases(phases: np.ndarray, order: str) -> np.ndarray:
    """(ky, kx, I, a, b, O) → (ky, kx, I, scale²·O) in the order asked for."""
    if order not in ORDERS:
        raise ValueError(f"Expected order to be one of {ORDERS}. Received: {order!r}")
    if order == "pytorch":
        phases = phases.transpose(0, 1, 2, 5, 3, 4)
    return np.ascontiguousarray(phases.reshape(*phases.shape[:3], -1))


def _split_phases(kernel: np.ndarray, scale: int, order: str) -> np.ndarray:
    """(ky, kx, I, scale²·O) in the given order → (ky, kx, I, a, b, O)."""
    if order not in ORDERS:
        raise ValueError(f"Expected order to be one of {ORDERS}. Received: {order!r}")
    if kernel.ndim != 4 or kernel.shape[3] % scale**2:
        raise ValueError(f"Expected a kernel (k, k, I, {scale**2}·O). Received: shape {kernel.shape}")
    if order == "pytorch":
        return kernel.reshape(*kernel.shape[:3], -1, scale, scale).transpose(0, 1, 2, 4, 5, 3)
    return kernel.reshape(*kernel.shape[:3], scale, scale, -1)


def transposed_to_subpixel(
    kernel: np.ndarray, scale: int, order: str = "tensorflow", offsets: tuple[int | None, int | None] = (None, None)
) -> np.ndarray:
    """Kernel of a transposed convolution → kernel of the LR convolution before the shuffle.

    Per axis, w[j, a] = W[a + p0 - crop - scale·(j - before)] where that tap exists and 0 where it does not; `before`
    and `crop` are those of `lr_window(K, scale)`. Exact at every pixel, the border included.

    Args:
        kernel: (Ky, Kx, O, I), as `keras.layers.Conv2DTranspose` holds it.
        scale: the stride of both axes.
        order: channel order of the shuffle, `"tensorflow"` or `"pytorch"`.
        offsets: rows and columns dropped at the start, see `lr_window`.
    Returns:
        (ky, kx, I, scale²·O), float64; ky and kx are the windows' taps.
    """
    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim != 4:
        raise ValueError(f"Expected a kernel (K, K, O, I). Received: shape {kernel.shape}")
    windows = [lr_window(side, scale, offset) for side, offset in zip(kernel.shape[:2], offsets)]
    pads = [padding_of_taps(side, scale, offset) for side, offset in zip(kernel.shape[:2], offsets)]
    taps = np.pad(kernel, [*pads, (0, 0), (0, 0)])
    (ky, kx), (outputs, inputs) = (windows[0].taps, windows[1].taps), kernel.shape[2:]
    phases = taps.reshape(ky, scale, kx, scale, outputs, inputs)[::-1, :, ::-1]
    return _join_phases(phases.transpose(0, 2, 5, 1, 3, 4), order)


def subpixel_to_transposed(kernel: np.ndarray, kernel_size: int, scale: int, order: str = "tensorflow") -> np.ndarray:
    """The inverse of `transposed_to_subpixel` with padding 'same': W[a + p0 - crop - scale·(j - before)] = w[j, a].

    Args:
        kernel: (k, k, I, scale²·O), k the taps of `lr_window(kernel_size, scale)`.
        kernel_size: K of the result.
        scale: the shuffle's block size.
        order: channel order of the given kernel.
    Returns:
        (K, K, O, I), float64.
    Raises:
        ValueError: a weight that no K×K transposed convolution has is not zero, or the window does not fit.
    """
    kernel = np.asarray(kernel, np.float64)
    window = lr_window(kernel_size, scale)
    if kernel.shape[:2] != (window.taps, window.taps):
        raise ValueError(
            f"Expected an LR kernel of {window.taps}×{window.taps} for kernel_size={kernel_size} at scale={scale}. "
            f"Received: shape {kernel.shape}"
        )
    phases = _split_phases(kernel, scale, order).transpose(0, 3, 1, 4, 5, 2)[::-1, :, ::-1]
    side = window.taps * scale
    taps = phases.reshape(side, side, *phases.shape[4:])
    before, _ = padding_of_taps(kernel_size, scale)
    inside = np.s_[before : before + kernel_size]
    result = taps[inside, inside].copy()
    if np.count_nonzero(taps) != np.count_nonzero(result):
        raise ValueError(
            f"Expected zeros outside the {kernel_size}×{kernel_size} taps that a transposed convolution has. "
            f"Received: {np.count_nonzero(taps) - np.count_nonzero(result)} weights there that are not zero"
        )
    return result


def transposed_to_zero_interleaved(kernel: np.ndarray) -> np.ndarray:
    """(K, K, O, I) → (K, K, I, O): V[j] = W[K - 1 - j] per axis.

    With z the LR image and scale - 1 zeros after each pixel, 'same' transposed convolution is the convolution of z
    with V, z padded by K - 1 - p0 zeros before and p0 after. Exact at every pixel, the border included.
    """
    return np.ascontiguousarray(np.asarray(kernel, np.float64)[::-1, ::-1].transpose(0, 1, 3, 2))


def zero_interleaved_to_transposed(kernel: np.ndarray) -> np.ndarray:
    """(K, K, I, O) → (K, K, O, I), the inverse of `transposed_to_zero_interleaved`: the same flip and transposition."""
    return transposed_to_zero_interleaved(kernel)


def zero_interleaved_to_subpixel(kernel: np.ndarray, scale: int, order: str = "tensorflow") -> np.ndarray:
    """(K, K, I, O) → (k, k, I, scale²·O): the composition of the two maps above, exact at every pixel."""
    return transposed_to_subpixel(zero_interleaved_to_transposed(kernel), scale, order)


def subpixel_to_zero_interleaved(
    kernel: np.ndarray, kernel_size: int, scale: int, order: str = "tensorflow"
) -> np.ndarray:
    """(k, k, I, scale²·O) → (K, K, I, O), the inverse of `zero_interleaved_to_subpixel`; raises as its parts do."""
    return transposed_to_zero_interleaved(subpixel_to_transposed(kernel, kernel_size, scale, order))


def resize_window(kernel_size: int, scale: int) -> Window:
    """The LR window of nearest-neighbour ×scale followed by a 'same' convolution with K taps, along one axis."""
    centre = (kernel_size - 1) // 2
    before = -((-centre) // scale)
    after = (scale - 1 + kernel_size - 1 - centre) // scale
    return Window(before + after + 1, before, after, 0)


def resize_to_subpixel(kernel: np.ndarray, scale: int, order: str = "tensorflow") -> np.ndarray:
    """Nearest-neighbour ×scale, then a 'same' K×K convolution in HR space → one LR convolution before the shuffle.

    Per axis with c = (K - 1) // 2: w[before + floor((a + j - c) / scale), a] += W[j]; several HR taps meet the same LR
    pixel and add up, so the weights of the result are tied. Exact at every pixel, the border included.

    Args:
        kernel: (Ky, Kx, I, O), as `keras.layers.Conv2D` holds it.
        scale: the factor of the nearest-neighbour resize.
        order: channel order of the shuffle.
    Returns:
        (ky, kx, I, scale²·O), float64; ky, kx from `resize_window`.
    """
    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim != 4:
        raise ValueError(f"Expected a kernel (K, K, I, O). Received: shape {kernel.shape}")
    sums = []
    for side in kernel.shape[:2]:
        window, centre = resize_window(side, scale), (side - 1) // 2
        # One axis as a matrix (tap of the window, phase, HR tap) of zeros and ones.
        matrix = np.zeros((window.taps, scale, side))
        for a in range(scale):
            for j in range(side):
                matrix[window.before + (a + j - centre) // scale, a, j] = 1
        sums.append(matrix)
    return _join_phases(np.einsum("yaj,xbk,jkio->yxiabo", *sums, kernel, optimize=True), order)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = -0.5, as MATLAB and TensorFlow use it."""
    x = np.abs(distance)
    return np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0.0))


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, 1 - np.abs(distance))


def interpolation_window(method: str, scale: int) -> Window:
    """The LR window of a fixed interpolation with half-pixel centres, along one axis; nothing is cropped."""
    radius = {"nearest": 0, "bilinear": 1, "bicubic": 2}
    if method not in radius:
        raise ValueError(f"Expected method to be one of {METHODS}. Received: {method!r}")
    if scale < 1:
        raise ValueError(f"Expected scale of at least 1. Received: {scale=}")
    return Window(2 * radius[method] + 1, radius[method], radius[method], 0)


def interpolation_weights(method: str, scale: int) -> np.ndarray:
    """Weights of a fixed interpolation along one axis, (taps, scale): column a sums to 1.

    HR pixel scale·p + a lies at u = (a + 0.5) / scale - 0.5 from LR pixel p (half-pixel centres: MATLAB's imresize,
    `tf.image.resize`, `keras.layers.UpSampling2D`); tap d has the weight f(u - d), f the triangle or Keys' cubic
    with a = -0.5. No antialiasing: it does not apply to enlargement.
    """
    window = interpolation_window(method, scale)
    offsets = np.arange(-window.before, window.after + 1)[:, None]
    if method == "nearest":
        return np.ones((1, scale))
    positions = (np.arange(scale) + 0.5) / scale - 0.5
    return (_triangle if method == "bilinear" else _cubic)(positions[None] - offsets)


def interpolation_to_subpixel(method: str, scale: int, channels: int = 1, order: str = "tensorflow") -> np.ndarray:
    """A fixed interpolation as an LR convolution before the shuffle: w[j, l, i, (a, b), o] = f[j, a]·f[l, b]·[i = o].

    Exact inside; at the border the LR image must be padded as the interpolation extends it: repeated (bilinear,
    TensorFlow and Keras), mirrored (MATLAB's bicubic), see `zoo.layers.FixedUpsampler`.

    Returns:
        (k, k, channels, scale²·channels), float64.
    """
    weights = interpolation_weights(method, scale)
    phases = np.einsum("ya,xb,io->yxiabo", weights, weights, np.eye(channels))
    return _join_phases(phases, order)


def interpolation_to_transposed(method: str, kernel_size: int, scale: int, channels: int = 1) -> np.ndarray:
    """A fixed interpolation as a transposed convolution's kernel, (K, K, channels, channels), cut to K×K taps.

    Per axis W[k] = f((k - p0 + 0.5) / scale - 0.5); every phase is brought to the sum 1, so that a flat image stays
    flat inside where K cuts the interpolation. Exact inside where K covers the interpolation and
    K - scale is even: bilinear needs 2·scale - scale % 2 taps, bicubic 4·scale - scale % 2.
    """
    if kernel_size < scale:
        raise ValueError(
            f"Expected kernel_size of at least scale={scale}: some phases have no tap. Received: {kernel_size}"
        )
    positions = (np.arange(kernel_size) - same_offset(kernel_size, scale) + 0.5) / scale - 0.5
    if method == "nearest":
        taps = ((positions >= -0.5) & (positions < 0.5)).astype(np.float64)
    elif method in METHODS:
        taps = (_triangle if method == "bilinear" else _cubic)(positions)
    else:
        raise ValueError(f"Expected method to be one of {METHODS}. Received: {method!r}")
    for phase in range(scale):
        taps[phase::scale] /= taps[phase::scale].sum()
    return np.einsum("y,x,oi->yxoi", taps, taps, np.eye(channels))
