"""Nearest-neighbour resize, then a convolution in HR space, as one LR convolution before a shuffle."""

import numpy as np

from zoo.identities.phases import between_phases, join_phases, phase_taps
from zoo.identities.transposed import Window


def resize_window(kernel_size: int, scale: int) -> Window:
    """The LR window of nearest-neighbour ×scale followed by a 'same' convolution with K taps, along one axis.

    Example:
        >>> resize_window(3, 2).taps
        3
    """
    lr = phase_taps(kernel_size, scale, (kernel_size - 1) // 2).lr
    before, after = -int(lr.min()), int(lr.max())
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

    Example:
        >>> resize_to_subpixel(np.zeros((3, 3, 8, 1)), scale=2).shape
        (3, 3, 8, 4)
    """
    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim != 4:
        raise ValueError(f"Expected a kernel (K, K, I, O). Received: shape {kernel.shape}")
    phases, _ = between_phases(kernel, scale, tuple((side - 1) // 2 for side in kernel.shape[:2]))
    # All phases of an enlarged pixel are the same value, so the weights that read them add up.
    return join_phases(phases.sum(axis=(2, 3)), order)
