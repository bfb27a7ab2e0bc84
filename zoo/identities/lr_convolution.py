"""An upsampling as one convolution in LR space before a shuffle: kernel, padding and crop; NumPy only.

Every upsampling that is rewritten is first brought to one form, a transposed convolution W (Ky, Kx, O, I) of stride
`scale` that drops `offset` rows at the start: per axis, output y = Σ x[p]·W[y + offset - scale·p].
"""

from typing import NamedTuple

import numpy as np

from zoo.identities.interpolation import KEYS, Cubic, interpolation_weights, interpolation_window
from zoo.identities.phases import Pair, pair
from zoo.identities.transposed import lr_window, subpixel_to_transposed, transposed_to_subpixel


class Transposed(NamedTuple):
    """A transposed convolution along both axes.

    Attributes:
        kernel: (Ky, Kx, O, I), float64.
        scale: its stride.
        offsets: rows and columns of the full result dropped at the start.
        extras: per axis, output length - scale·input length.
        taps: (Ky, Kx), which taps the construction can fill at all; False is a structural zero.
    """

    kernel: np.ndarray
    scale: int
    offsets: Pair
    extras: Pair
    taps: np.ndarray


class LrConvolution(NamedTuple):
    """Pad, convolve in LR space, shuffle, crop.

    Attributes:
        kernel: (ky, kx, I, scale²·O), float64, in TensorFlow's channel order.
        scale: the shuffle's block.
        pads: LR rows and columns of zeros (before, after) per axis; negative: cropped.
        crops: HR rows and columns cut (before, after) per axis after the shuffle.
        used: (ky, kx, 1, scale²), 0 where the weights between an input and an output map are structural zeros.
    """

    kernel: np.ndarray
    scale: int
    pads: tuple[Pair, Pair]
    crops: tuple[Pair, Pair]
    used: np.ndarray

    @property
    def scales(self) -> Pair:
        """Of rows and columns."""
        return self.scale, self.scale

    @property
    def zeros(self) -> int:
        """Structural zeros among the ky·kx·scale² weights between one input and one output map."""
        return int(self.used.size - np.count_nonzero(self.used))


def is_same_padding(sides: tuple[int, ...], pads: tuple[Pair, Pair]) -> bool:
    """Whether zeros before and after per axis are what a convolution's padding 'same' adds."""
    return all((before, after) == ((side - 1) // 2, side // 2) for side, (before, after) in zip(sides, pads))


def keras_transposed(kernel: np.ndarray, scale: int, padding: str, output_padding: Pair | None) -> Transposed:
    """`keras.layers.Conv2DTranspose` with these arguments, which TensorFlow computes as the gradient of a convolution.

    Output length and offset per axis, n the input length, as in Keras' shape inference: 'valid' has
    (n - 1)·scale + K + output padding (default max(scale - K, 0)) and drops nothing; 'same' has scale·n, or
    (n - 1)·scale + K mod 2 + output padding where that is given, and drops half of the surplus, rounded down.
    """
    given = (None, None) if output_padding is None else output_padding
    offsets, extras = zip(*(transposed_axis(side, scale, padding, n) for side, n in zip(kernel.shape[:2], given)))
    return Transposed(kernel, scale, pair(offsets), pair(extras), np.ones(kernel.shape[:2], bool))


def transposed_axis(side: int, scale: int, padding: str, output_padding: int | None) -> Pair:
    """Offset and output length - scale·input length along one axis of `keras_transposed`, of K = `side` taps."""
    if padding == "valid":
        return 0, side - scale + (max(scale - side, 0) if output_padding is None else output_padding)
    extra = 0 if output_padding is None else side % 2 + output_padding - scale
    return max(side - scale - extra, 0) // 2, extra


def resized_convolution(
    kernel: np.ndarray,
    method: str,
    scale: int,
    dilation: Pair = (1, 1),
    padding: tuple[Pair, Pair] | str = "same",
    cubic: Cubic = KEYS,
) -> Transposed:
    """An enlargement by `method`, then an HR convolution with zero padding: together one transposed convolution.

    The enlargement is one with the kernel h[scale·(R - d) + a] = f[d, a] of `interpolation_weights` and the
    offset scale·R, R its radius. Followed by the taps W[k], step D apart, before-padding P:
    W'[t] = Σ_k W[k]·h[t + D·k - D·(K - 1)], offset' = D·(K - 1) - P + scale·R.
    Exact at every pixel for nearest (R = 0): zeros around the HR image are the enlarged zeros around the LR image.
    Exact inside only for the others, whose HR border values are not zero.

    Args:
        kernel: (Ky, Kx, I, O), as `keras.layers.Conv2D` holds it.
        padding: `"same"`, `"valid"`, or the HR zeros (before, after) per axis.
        cubic: which bicubic it is.
    """
    matrices, offsets, extras = [], [], []
    for axis, side in enumerate(kernel.shape[:2]):
        reach = dilation[axis] * (side - 1)
        zeros = _zeros_around(padding, axis, reach)
        matrix, offset, extra = resized_axis(side, method, scale, dilation[axis], zeros, cubic)
        matrices.append(matrix)
        offsets.append(offset)
        extras.append(extra)
    composed = np.einsum("tk,ul,klio->tuoi", *matrices, kernel, optimize=True)
    rows, columns = (np.any(matrix != 0, axis=1) for matrix in matrices)
    return Transposed(composed, scale, pair(offsets), pair(extras), np.outer(rows, columns))


def resized_axis(
    side: int, method: str, scale: int, dilation: int, zeros: Pair, cubic: Cubic = KEYS
) -> tuple[np.ndarray, int, int]:
    """One axis of `resized_convolution`: which taps each HR tap adds to, (taps, K); the offset; the extra length."""
    weights = interpolation_weights(method, scale, cubic)
    radius = interpolation_window(method, scale).before
    enlargement = weights[::-1].reshape(-1)
    reach = dilation * (side - 1)
    matrix = np.zeros((len(enlargement) + reach, side))
    for k in range(side):
        start = reach - dilation * k
        matrix[start : start + len(enlargement), k] = enlargement
    before, after = zeros
    return matrix, reach - before + scale * radius, before + after - reach


def _zeros_around(padding: tuple[Pair, Pair] | str, axis: int, reach: int) -> Pair:
    """HR zeros before and after along an axis whose taps span `reach` pixels beyond the first."""
    if isinstance(padding, str):
        return (reach // 2, reach - reach // 2) if padding == "same" else (0, 0)
    return padding[axis]


def lr_convolution(transposed: Transposed, crop: bool = True) -> LrConvolution:
    """The LR convolution that equals a transposed convolution at every pixel.

    Args:
        crop: whether a crop in HR space may buy a smaller window (2×2 instead of 3×3 for the paper's 4×4, stride 2).
            Without it an LR position belongs to exactly its own block of HR pixels.
    """
    kernel, scale, offsets, extras, taps = transposed
    if not crop:
        # An offset that is a multiple of scale needs no crop; zeros before the taps make it one.
        before = [(-offset % scale, 0) for offset in offsets]
        kernel, taps = np.pad(kernel, [*before, (0, 0), (0, 0)]), np.pad(taps, before)
        offsets = pair(offset + more for offset, (more, _) in zip(offsets, before))
    pads, crops = zip(*(lr_axis(side, scale, *each) for side, *each in zip(kernel.shape[:2], offsets, extras)))
    lr_kernel = transposed_to_subpixel(kernel, scale, offsets=offsets)
    used = transposed_to_subpixel(taps[:, :, None, None], scale, offsets=offsets)
    return LrConvolution(lr_kernel, scale, (pads[0], pads[1]), (crops[0], crops[1]), used)


def lr_axis(side: int, scale: int, offset: int, extra: int) -> tuple[Pair, Pair]:
    """LR zeros and HR crop (before, after) along one axis of an LR convolution, for K = `side` HR taps."""
    window = lr_window(side, scale, offset)
    # Positions that the convolution has to give, over those of the LR image.
    positions = -(-(extra + window.crop) // scale)
    zeros = window.before, positions + window.taps - 1 - window.before
    return zeros, (window.crop, scale * positions - extra - window.crop)


def as_transposed(lr: LrConvolution) -> Transposed:
    """The transposed convolution that equals an LR convolution, shuffle and crop at every pixel: the way back.

    Any has one: K = scale·k taps per axis, offset scale·(k - 1 - n) + crop with n zeros before the image.
    """
    scale, offsets, extras, sides = lr.scale, [], [], []
    for taps, (before, after), (start, end) in zip(lr.kernel.shape[:2], lr.pads, lr.crops):
        sides.append(scale * taps)
        offsets.append(scale * (taps - 1 - before))
        extras.append(scale * (before + after - (taps - 1)) - start - end)

    def turned(kernel: np.ndarray) -> np.ndarray:
        return subpixel_to_transposed(kernel, tuple(sides), scale, offsets=tuple(offsets))

    used = turned(lr.used)[:, :, 0, 0] != 0
    cropped = pair(offset + start for offset, (start, _) in zip(offsets, lr.crops))
    return Transposed(turned(lr.kernel), scale, cropped, pair(extras), used)


def shuffle_as_transposed(scale: int, outputs: int, order: str = "tensorflow") -> Transposed:
    """A shuffle by itself: each of the scale²·O input maps goes to its own place of a block, by a kernel of ones."""
    phases = np.eye(scale**2 * outputs)[None, None]
    kernel = subpixel_to_transposed(phases, scale, scale, order, offsets=(0, 0))
    return Transposed(kernel, scale, (0, 0), (0, 0), np.ones((scale, scale), bool))


def trimmed(transposed: Transposed) -> Transposed:
    """The same without rows and columns of zeros along the kernel's border, where no output pixel needs their place.

    What dropped rows at the start drops fewer; at least one row of the full result is left for each one that is wanted.
    """
    kernel, taps = transposed.kernel, transposed.taps
    offsets = list(transposed.offsets)
    for axis in (0, 1):
        filled = np.flatnonzero(np.any(kernel != 0, axis=tuple({0, 1, 2, 3} - {axis})))
        side = kernel.shape[axis]
        first, last = (filled[0], filled[-1]) if len(filled) else (0, side - 1)
        # The full result has scale·(n - 1) + side rows, of which extras + scale·n are wanted behind the offset.
        spare = side - transposed.scale - offsets[axis] - transposed.extras[axis]
        before, after = min(int(first), max(offsets[axis], 0)), min(side - 1 - int(last), max(spare, 0))
        kernel, taps = (
            np.moveaxis(np.moveaxis(each, axis, 0)[before : side - after], 0, axis) for each in (kernel, taps)
        )
        offsets[axis] -= before
    return transposed._replace(kernel=kernel, taps=taps, offsets=pair(offsets))
