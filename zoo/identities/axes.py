"""Upsampling that is not the same along both axes: strides (s, 1) and (1, s), also of sequences; NumPy only.

A transposed convolution of strides (s, t) is one LR convolution with s·t·O maps, whose phases are put in their places
axis by axis: along the last axis of a picture that is a plain reshape, (N, H, W, t·O) → (N, H, t·W, O), and along the
other one a reshape between two transpositions. With s = t = 1 it is a convolution by the kernel turned round.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zoo.identities.lr_convolution import LrConvolution, lr_axis, resized_axis, transposed_axis
from zoo.identities.phases import Pair
from zoo.identities.transposed import places


class AxesConvolution(NamedTuple):
    """Pad, convolve in LR space, put the phases in their places axis by axis, crop.

    Attributes:
        kernel: (ky, kx, I, sy·sx·O), float64; map (a·sx + b)·O + o is output map o in phase a of rows, b of columns.
        scales: (sy, sx).
        pads: LR zeros (before, after) per axis; negative: cropped.
        crops: HR pixels cut (before, after) per axis.
        used: (ky, kx, 1, sy·sx), 0 where the weights between an input and an output map are structural zeros.
    """

    kernel: np.ndarray
    scales: Pair
    pads: tuple[Pair, Pair]
    crops: tuple[Pair, Pair]
    used: np.ndarray

    @property
    def zeros(self) -> int:
        """Structural zeros among the ky·kx·sy·sx weights between one input and one output map."""
        return int(self.used.size - np.count_nonzero(self.used))


InLrSpace = LrConvolution | AxesConvolution


def along_axes(
    kernel: np.ndarray, scales: Pair, offsets: Pair, extras: Pair, taps: np.ndarray | None = None
) -> AxesConvolution:
    """A transposed convolution with a stride for each axis: w[j, l, (a, b)] = W[tap of (j, a), tap of (l, b)].

    Args:
        kernel: (Ky, Kx, O, I), as `keras.layers.Conv2DTranspose` holds it.
        scales: its strides.
        offsets: rows and columns of the full result dropped at the start.
        extras: per axis, output length - stride·input length.
        taps: (Ky, Kx), which the kernel can fill at all; None: each.
    """
    sides = kernel.shape[:2]
    (rows, y, a), (columns, x, b) = (places(*each) for each in zip(sides, scales, offsets))

    def placed(weights: np.ndarray) -> np.ndarray:
        phases = np.zeros((rows, columns, weights.shape[3], *scales, weights.shape[2]))
        phases[y[:, None], x, :, a[:, None], b] = np.asarray(weights, np.float64).transpose(0, 1, 3, 2)
        return phases.reshape(*phases.shape[:3], -1)

    (y_pads, y_crops), (x_pads, x_crops) = (lr_axis(*each) for each in zip(sides, scales, offsets, extras))
    used = placed((np.ones(sides) if taps is None else taps)[:, :, None, None])
    return AxesConvolution(placed(kernel), scales, (y_pads, x_pads), (y_crops, x_crops), used)


def transposed_along_axes(
    kernel: np.ndarray, scales: Pair, padding: str, output_padding: Sequence[int | None] = (None, None)
) -> AxesConvolution:
    """`keras.layers.Conv2DTranspose` with these arguments; see `lr_convolution.keras_transposed`.

    Example:
        >>> import numpy as np
        >>> lr = transposed_along_axes(np.ones((5, 3, 2, 4)), (2, 1), "same")
        >>> lr.kernel.shape, lr.pads, lr.crops
        ((3, 3, 4, 4), ((1, 1), (1, 1)), ((0, 0), (0, 0)))
    """
    axes = [transposed_axis(*each) for each in zip(kernel.shape[:2], scales, (padding, padding), output_padding)]
    (y_offset, y_extra), (x_offset, x_extra) = axes
    return along_axes(kernel, scales, (y_offset, x_offset), (y_extra, x_extra))


def repeated_along_axes(kernel: np.ndarray, scales: Pair, dilation: Pair, zeros: tuple[Pair, Pair]) -> AxesConvolution:
    """Pixels repeated `scales` times along the axes, then a convolution; exact at every pixel.

    Args:
        kernel: (Ky, Kx, I, O), as `keras.layers.Conv2D` holds it.
        dilation: of the convolution.
        zeros: HR zeros (before, after) per axis.
    """
    axes = [
        resized_axis(side, "nearest", scale, rate, pads)
        for side, scale, rate, pads in zip(kernel.shape[:2], scales, dilation, zeros)
    ]
    (rows, y_offset, y_extra), (columns, x_offset, x_extra) = axes
    composed = np.einsum("tk,ul,klio->tuoi", rows, columns, kernel, optimize=True)
    return along_axes(composed, scales, (y_offset, x_offset), (y_extra, x_extra))


def turned(kernel: np.ndarray, dilation: Sequence[int], padding: str) -> tuple[np.ndarray, list[Pair]]:
    """A transposed convolution of stride 1, also dilated, as a convolution: V[j] = W[K - 1 - j] along each axis.

    With D the dilation and 'same', D·(K - 1) - ⌊D·(K - 1) / 2⌋ zeros before the picture, and with 'valid' D·(K - 1) on
    both sides. Exact at every pixel.

    Args:
        kernel: (K…, O, I) of one axis or two.
    Returns:
        (K…, I, O), and the zeros (before, after) per axis.
    """
    axes = tuple(range(kernel.ndim - 2))
    zeros = []
    for side, rate in zip(kernel.shape, dilation):
        reach = rate * (side - 1)
        offset, extra = transposed_axis(reach + 1, 1, padding, None)
        zeros.append((reach - offset, offset + extra))
    return np.ascontiguousarray(np.flip(kernel, axes).swapaxes(-1, -2)), zeros
