"""A convolution in HR space as one in LR space: the paper's containment argument (section 3) on kernels; NumPy only.

An HR map of scale·H × scale·W pixels is held as scale² LR maps, its phases, in the channel order of
`tf.nn.depth_to_space`. Zeros around the one are zeros around the other, so what follows is exact at every pixel.
"""

from typing import NamedTuple

import numpy as np

from zoo.identities import between_phases
from zoo.identities.lr_convolution import LrConvolution
from zoo.identities.phases import Pair, pair


class Contained(NamedTuple):
    """An LR convolution that maps phases to phases.

    Attributes:
        kernel: (ky, kx, inner²·I, outer²·O), float64; where `groups` > 1 (ky, kx, I, outer²·O).
        pads: LR zeros (before, after) per axis.
        groups: groups of maps that do not mix.
        zeros, taps: structural zeros among the weights between one HR map and another.
    """

    kernel: np.ndarray
    pads: tuple[Pair, Pair]
    groups: int
    zeros: int
    taps: int


def _in_maps(lr_kernel: np.ndarray) -> np.ndarray:
    """(ky, kx, p, q, I, a, b, M) → (ky, kx, scale²·I, scale²·M), in the order of TensorFlow's shuffle."""
    scale, inputs = lr_kernel.shape[3:5]
    return lr_kernel.reshape(*lr_kernel.shape[:2], scale**2 * inputs, -1)


def _by_parts(kernel: np.ndarray, parts: list[int], contain) -> tuple[np.ndarray, tuple]:
    """Contains the part of the kernel that reads each part of the maps; their results lie one after the other."""
    ends = np.cumsum(parts)
    results = [contain(kernel[:, :, end - maps : end]) for maps, end in zip(parts, ends)]
    return np.concatenate([result for result, _ in results], axis=2), results[0][1]


def contain_convolution(
    kernel: np.ndarray, scale: int, parts: list[int], before: Pair, dilation: Pair = (1, 1)
) -> Contained:
    """A stride-1 HR convolution with zero padding that keeps the size, between maps held as phases.

    Args:
        kernel: (Ky, Kx, I, O), as `keras.layers.Conv2D` holds it.
        parts: how the I maps are held: numbers of maps whose phases lie one after the other.
        before: HR zeros before the first row and column.
    """
    if kernel.shape[:2] == (1, 1) and len(parts) == 1:
        # Every phase by itself, all with the same weights.
        return Contained(np.tile(kernel, (1, 1, 1, scale**2)), ((0, 0), (0, 0)), scale**2, 0, scale**2)

    def contain(part: np.ndarray) -> tuple[np.ndarray, tuple]:
        lr_kernel, pads = between_phases(part, scale, before, dilation)
        return _in_maps(lr_kernel), pads

    lr, pads = _by_parts(kernel, parts, contain)
    used, _ = contain(np.ones((*kernel.shape[:2], 1, 1)))
    return Contained(lr, pads, 1, int(used.size - np.count_nonzero(used)), used.size)


def contain_upsampling(lr: LrConvolution, scale: int, parts: list[int]) -> Contained:
    """An upsampling (without a crop) of maps that are held as scale² phases: the phases of scale·lr.scale.

    Its LR convolution is contained like any other; phase (a, b) of the first and (c, d) of the second shuffle are
    (a·lr.scale + c, b·lr.scale + d) of the one shuffle that is left.
    """
    if scale == 1:
        return Contained(lr.kernel, lr.pads, 1, lr.zeros, lr.used.size)

    def contain(part: np.ndarray) -> tuple[np.ndarray, tuple]:
        inner, maps = lr.scale, part.shape[3]
        lr_kernel, pads = between_phases(part, scale, pair(before for before, _ in lr.pads))
        phases = lr_kernel.reshape(*lr_kernel.shape[:-1], inner, inner, maps // inner**2)
        # … a, b, c, d, M → … a, c, b, d, M.
        return _in_maps(phases.swapaxes(-4, -3)), pads

    kernel, pads = _by_parts(lr.kernel, parts, contain)
    used, _ = contain(lr.used)
    return Contained(kernel, pads, 1, int(used.size - np.count_nonzero(used)), used.size)
