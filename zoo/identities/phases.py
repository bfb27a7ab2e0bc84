"""Which LR tap and which phase an HR tap becomes: the one index pattern behind every identity of this room.

Per axis an HR pixel is y = scale·p + a, LR pixel p and phase a in 0..scale-1. A map of HR pixels can be held as scale²
LR maps, its phases; a convolution of the one is a convolution between the others.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from zoo.errors import one_of

ORDERS = ("tensorflow", "pytorch")
Pair = tuple[int, int]


def pair(values: Iterable[int]) -> Pair:
    """The two values, of rows and columns or before and after, as a `Pair`."""
    first, second = values
    return int(first), int(second)


class Taps(NamedTuple):
    """One axis of a transposed convolution, tap by tap: HR pixel (p, `phase`) reads LR pixel p + `lr` by tap `hr`.

    Each is an integer array of K values, in the order of `hr` = 0 … K - 1.
    """

    lr: np.ndarray
    phase: np.ndarray
    hr: np.ndarray


class PhaseTaps(NamedTuple):
    """One axis of an HR convolution: HR pixel (p, `written`) reads HR pixel (p + `lr`, `read`) by tap `hr`.

    Each is an integer array of scale·K values.
    """

    lr: np.ndarray
    read: np.ndarray
    written: np.ndarray
    hr: np.ndarray


def same_offset(kernel_size: int, scale: int) -> int:
    """p0: the rows of the full transposed convolution that padding 'same' drops at the start.

    Example:
        >>> same_offset(9, 3)
        3
    """
    return max(kernel_size - scale, 0) // 2


def phase_taps(kernel_size: int, scale: int, before: int, dilation: int = 1) -> PhaseTaps:
    """The taps of a convolution between HR maps that are held as phases, along one axis.

    scale·p + a + dilation·k - before = scale·(p + lr) + read.

    Args:
        kernel_size: K, the number of taps.
        scale: the number of phases.
        before: HR zeros before the first pixel; below 0 that many pixels are skipped.
        dilation: HR pixels from tap to tap.
    """
    hr, written = (grid.ravel() for grid in np.meshgrid(np.arange(kernel_size), np.arange(scale), indexing="ij"))
    lr, read = np.divmod(written + dilation * hr - before, scale)
    return PhaseTaps(lr, read, written, hr)


def taps(kernel_size: int, scale: int, offset: int | None = None) -> Taps:
    """The taps of a transposed convolution along one axis: a + offset - scale·lr = hr.

    It is the convolution of the LR image with zeros between its pixels by the kernel turned round, so of
    `phase_taps` those remain that read phase 0, the others meet zeros.

    Args:
        kernel_size: K, the kernel's side in HR space.
        scale: the stride.
        offset: rows of the full transposed convolution dropped at the start; default that of padding 'same'.

    Example:
        >>> from zoo import identities
        >>> [list(map(int, each)) for each in identities.taps(4, 2)]
        [[1, 0, 0, -1], [1, 0, 1, 0], [0, 1, 2, 3]]
    """
    offset = same_offset(kernel_size, scale) if offset is None else offset
    turned = phase_taps(kernel_size, scale, before=kernel_size - 1 - offset)
    order = np.flatnonzero(turned.read == 0)[::-1]
    return Taps(turned.lr[order], turned.written[order], kernel_size - 1 - turned.hr[order])


def between_phases(
    kernel: np.ndarray, scale: int, before: Pair, dilation: Pair = (1, 1)
) -> tuple[np.ndarray, tuple[Pair, Pair]]:
    """An HR convolution as an LR convolution between maps held as phases (arXiv 1609.07009, section 3).

    Exact at every pixel: zeros around the HR image are zeros around its phases.

    Args:
        kernel: (Ky, Kx, I, O), as `keras.layers.Conv2D` holds it.
        scale: the number of phases along each axis.
        before: HR zeros before the first row and column.
        dilation: HR pixels from tap to tap.

    Returns:
        The kernel (ky, kx, read row, read column, I, written row, written column, O) in the dtype of the one given, of
        scale phases each, and the LR zeros (before, after) per axis that keep the size.

    Example:
        >>> kernel, pads = between_phases(np.zeros((5, 5, 2, 4)), scale=2, before=(2, 2))
        >>> kernel.shape, pads
        ((3, 3, 2, 2, 2, 2, 2, 4), ((1, 1), (1, 1)))
    """
    rows, columns = (phase_taps(*axis) for axis in zip(kernel.shape[:2], (scale, scale), before, dilation))
    row_pads, column_pads = ((-int(axis.lr.min()), int(axis.lr.max())) for axis in (rows, columns))
    sides = (sum(row_pads) + 1, sum(column_pads) + 1)
    lr_kernel = np.zeros((*sides, scale, scale, kernel.shape[2], scale, scale, kernel.shape[3]), kernel.dtype)
    y, p, a, k = (each[:, None] for each in (rows.lr + row_pads[0], rows.read, rows.written, rows.hr))
    x, q, b, l = columns.lr + column_pads[0], columns.read, columns.written, columns.hr  # noqa: E741
    lr_kernel[y, x, p, q, :, a, b] = kernel[k, l]
    return lr_kernel, (row_pads, column_pads)


def join_phases(phases: np.ndarray, order: str) -> np.ndarray:
    """(ky, kx, I, a, b, O) → (ky, kx, I, scale²·O) in the order asked for."""
    one_of("order", order, ORDERS)
    if order == "pytorch":
        phases = phases.transpose(0, 1, 2, 5, 3, 4)
    return np.ascontiguousarray(phases.reshape(*phases.shape[:3], -1))


def split_phases(kernel: np.ndarray, scale: int, order: str) -> np.ndarray:
    """(ky, kx, I, scale²·O) in the given order → (ky, kx, I, a, b, O)."""
    one_of("order", order, ORDERS)
    if kernel.ndim != 4 or kernel.shape[3] % scale**2:
        raise ValueError(f"Expected a kernel (k, k, I, {scale**2}·O). Received: shape {kernel.shape}")
    if order == "pytorch":
        return kernel.reshape(*kernel.shape[:3], -1, scale, scale).transpose(0, 1, 2, 4, 5, 3)
    return kernel.reshape(*kernel.shape[:3], scale, scale, -1)
