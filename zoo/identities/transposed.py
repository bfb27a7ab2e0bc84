"""A transposed convolution, a convolution over zeros between pixels, and an LR convolution before a shuffle.

Kernel in, kernel out, in both directions (arXiv 1609.07009, section 2).
"""

from typing import NamedTuple

import numpy as np

from zoo.identities.phases import Pair, join_phases, same_offset, split_phases, taps


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


def lr_window(kernel_size: int, scale: int, offset: int | None = None) -> Window:
    """The smallest LR window of a transposed convolution along one axis.

    Args:
        kernel_size: K, the kernel's side in HR space, at least 1.
        scale: the stride, at least 1.
        offset: rows of the full transposed convolution dropped at the start; default that of padding 'same', 0 is
            padding 'valid'.
    Returns:
        The `Window`. Its `crop` is above 0 only where that makes the window smaller.

    Example:
        >>> lr_window(9, 3)
        Window(taps=3, before=1, after=1, crop=0)
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
    """Zeros around the K taps that make their number window.taps·scale, so that tap u is phase u mod scale.

    Example:
        >>> padding_of_taps(9, 3), padding_of_taps(9, 2)
        ((0, 0), (1, 0))
    """
    offset = same_offset(kernel_size, scale) if offset is None else offset
    window = lr_window(kernel_size, scale, offset)
    dmax = window.after - (window.crop > 0)
    before = scale * dmax - (offset - window.crop)
    return before, window.taps * scale - kernel_size - before


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

    Example:
        >>> transposed_to_subpixel(np.zeros((9, 9, 1, 56)), scale=3).shape
        (3, 3, 56, 9)
    """
    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim != 4:
        raise ValueError(f"Expected a kernel (K, K, O, I). Received: shape {kernel.shape}")
    (ky, y, a), (kx, x, b) = (places(side, scale, offset) for side, offset in zip(kernel.shape[:2], offsets))
    phases = np.zeros((ky, kx, kernel.shape[3], scale, scale, kernel.shape[2]))
    phases[y[:, None], x, :, a[:, None], b] = kernel.transpose(0, 1, 3, 2)
    return join_phases(phases, order)


def subpixel_to_transposed(
    kernel: np.ndarray,
    kernel_size: int | Pair,
    scale: int,
    order: str = "tensorflow",
    offsets: tuple[int | None, int | None] = (None, None),
) -> np.ndarray:
    """The inverse of `transposed_to_subpixel`: W[a + p0 - crop - scale·(j - before)] = w[j, a].

    Every LR convolution before a shuffle has a transposed convolution: with k taps and n zeros before the image along
    an axis it is the one with K = scale·k taps that drops scale·(k - 1 - n) rows at the start, which leaves no crop
    (`zoo.identities.lr_convolution.as_transposed` finds these numbers).

    Args:
        kernel: (ky, kx, I, scale²·O), ky and kx the taps of `lr_window(kernel_size, scale, offset)`.
        kernel_size: K of the result, or (Ky, Kx).
        scale: the shuffle's block size.
        order: channel order of the given kernel.
        offsets: rows and columns of the full transposed convolution dropped at the start; default those of padding
            'same'.
    Returns:
        (Ky, Kx, O, I), float64.
    Raises:
        ValueError: a weight that no such transposed convolution has is not zero, or the window does not fit.

    Example:
        >>> import numpy as np
        >>> from zoo import identities
        >>> lr_kernel = np.random.default_rng(0).normal(size=(2, 2, 1, 4))  # ky, kx, I, 2²·O; no zeros before the image
        >>> kernel = identities.subpixel_to_transposed(lr_kernel, 4, scale=2, offsets=(2, 2))
        >>> bool(np.array_equal(identities.transposed_to_subpixel(kernel, 2, offsets=(2, 2)), lr_kernel))
        True
    """
    kernel = np.asarray(kernel, np.float64)
    sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
    (ky, y, a), (kx, x, b) = (places(side, scale, offset) for side, offset in zip(sides, offsets))
    if kernel.shape[:2] != (ky, kx):
        raise ValueError(
            f"Expected an LR kernel of {ky}×{kx} for kernel_size={kernel_size} at scale={scale}. "
            f"Received: shape {kernel.shape}"
        )
    phases = split_phases(kernel, scale, order)
    result = np.ascontiguousarray(phases[y[:, None], x, :, a[:, None], b].transpose(0, 1, 3, 2))
    lost = np.count_nonzero(phases) - np.count_nonzero(result)
    if lost:
        raise ValueError(
            f"Expected zeros outside the {sides[0]}×{sides[1]} taps that a transposed convolution has. "
            f"Received: {lost} weights there that are not zero"
        )
    return result


def places(kernel_size: int, scale: int, offset: int | None) -> tuple[int, np.ndarray, np.ndarray]:
    """The taps of the LR window along one axis, and for each HR tap its place in the window and its phase."""
    offset = same_offset(kernel_size, scale) if offset is None else offset
    window = lr_window(kernel_size, scale, offset)
    lr, phase, _ = taps(kernel_size, scale, offset - window.crop)
    return window.taps, lr + window.before, phase


def transposed_to_zero_interleaved(kernel: np.ndarray) -> np.ndarray:
    """(K, K, O, I) → (K, K, I, O): V[j] = W[K - 1 - j] per axis.

    With z the LR image and scale - 1 zeros after each pixel, 'same' transposed convolution is the convolution of z
    with V, z padded by K - 1 - p0 zeros before and p0 after. Exact at every pixel, the border included.

    Example:
        >>> transposed_to_zero_interleaved(np.arange(4.0).reshape(2, 2, 1, 1)).ravel().tolist()
        [3.0, 2.0, 1.0, 0.0]
    """
    return np.ascontiguousarray(np.asarray(kernel, np.float64)[::-1, ::-1].transpose(0, 1, 3, 2))


def zero_interleaved_to_transposed(kernel: np.ndarray) -> np.ndarray:
    """(K, K, I, O) → (K, K, O, I), the inverse of `transposed_to_zero_interleaved`: the same flip and transposition.

    Example:
        >>> zero_interleaved_to_transposed(np.arange(4.0).reshape(2, 2, 1, 1)).ravel().tolist()
        [3.0, 2.0, 1.0, 0.0]
    """
    return transposed_to_zero_interleaved(kernel)


def zero_interleaved_to_subpixel(kernel: np.ndarray, scale: int, order: str = "tensorflow") -> np.ndarray:
    """(K, K, I, O) → (k, k, I, scale²·O): the composition of the two maps above, exact at every pixel.

    Example:
        >>> zero_interleaved_to_subpixel(np.zeros((9, 9, 56, 1)), scale=3).shape
        (3, 3, 56, 9)
    """
    return transposed_to_subpixel(zero_interleaved_to_transposed(kernel), scale, order)


def subpixel_to_zero_interleaved(
    kernel: np.ndarray, kernel_size: int, scale: int, order: str = "tensorflow"
) -> np.ndarray:
    """(k, k, I, scale²·O) → (K, K, I, O), the inverse of `zero_interleaved_to_subpixel`; raises as its parts do.

    Example:
        >>> subpixel_to_zero_interleaved(np.zeros((3, 3, 56, 9)), 9, scale=3).shape
        (9, 9, 56, 1)
    """
    return transposed_to_zero_interleaved(subpixel_to_transposed(kernel, kernel_size, scale, order))
