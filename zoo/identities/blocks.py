"""Convolutions that compute b×b neighbouring outputs at once, with one shuffle behind them."""

import numpy as np

from zoo.identities.phases import between_phases


def block_kernel(kernel: np.ndarray, block: int) -> np.ndarray:
    """The kernel that computes block×block outputs at once: w[y + i, x + j, c, (i, j), o] = k[y, x, c, o].

    Args:
        kernel: (ky, kx, I, O).

    Returns:
        (ky + block - 1, kx + block - 1, I, block²·O), channels in the order of TensorFlow's depth_to_space.
    """
    phases, _ = between_phases(kernel, block, before=(0, 0))
    y, x, *_ = phases.shape
    # The pixels read stay pixels: phase p of LR tap y is the window's row block·y + p.
    pixels = phases.swapaxes(1, 2).reshape(y * block, x * block, kernel.shape[2], -1)
    return np.ascontiguousarray(pixels[: kernel.shape[0] + block - 1, : kernel.shape[1] + block - 1])


def shuffled_with(kernel: np.ndarray, bias: np.ndarray, block: int, scale: int) -> list[np.ndarray]:
    """Reorders the maps (i, j) × (a, b) × o so that one shuffle by block·scale does the work of two.

    Row scale·i + a of a block·scale high block belongs to row i of the block and phase a of the upsampling.
    """
    reordered = []
    for weights in (kernel, bias):
        parts = weights.reshape(*weights.shape[:-1], block, block, scale, scale, -1)
        reordered.append(np.moveaxis(parts, -3, -4).reshape(weights.shape))
    return reordered
