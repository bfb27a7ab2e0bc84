"""Several linear layers as one convolution: in a row, or side by side and added.

    1×1 → k×k → 1×1 → batch normalisation        k×k
    k×k ─┐                                   =
    1×1 ─┼─ add                                  k×k
    x   ─┘

All of stride 1 with zeros around the map. Exact at every pixel, borders included: k×k → 1×1; anything before a layer
that pads nothing; branches that are added; batch normalisation behind a convolution; 1×1 → k×k where the 1×1 has no
bias, or where the padding carries its bias (`carried_by_padding`, or a map that is padded with the bias, as ECBSR
trains). Exact in the interior only: k×k → k×k, since the original has zeros beyond the border of the map in between
where the one convolution goes on computing it; and 1×1 → k×k with a bias and zeros. `in_a_row` says which it is.

References: RepVGG, arXiv 2101.03697, section 3.3; SESR, arXiv 2103.09404, section 3; ECBSR, ACM Multimedia 2021.
"""

from typing import NamedTuple

import numpy as np

from zoo.identities.phases import Pair, pair


class Convolution(NamedTuple):
    """A convolution of stride 1: `pads` zeros around the map, the kernel, the bias.

    Attributes:
        kernel: (ky, kx, I, O), or (ky, kx, G, I / G, O / G) in G groups; depthwise where I = G.
        bias: (O,).
        pads: zeros (before, after) per axis; below 0 pixels are cut off.
    """

    kernel: np.ndarray
    bias: np.ndarray
    pads: tuple[Pair, Pair] = ((0, 0), (0, 0))

    @property
    def groups(self) -> int:
        """Those of its maps that do not mix with others."""
        return self.kernel.shape[2] if self.kernel.ndim == 5 else 1

    @property
    def flat(self) -> np.ndarray:
        """The kernel (ky, kx, I / G, O), as frameworks hold it."""
        if self.kernel.ndim == 4:
            return self.kernel
        rows, columns, _, inputs, _ = self.kernel.shape
        return np.moveaxis(self.kernel, 2, 3).reshape(rows, columns, inputs, -1)


class Collapsed(NamedTuple):
    """One convolution for several.

    Attributes:
        convolution: it.
        ring: output rows (before, after) and columns along the border that differ from the original; 0: exact there.
    """

    convolution: Convolution
    ring: tuple[Pair, Pair]

    @property
    def exact(self) -> bool:
        """Whether every pixel is the same."""
        return not np.any(self.ring)


def same(kernel: np.ndarray, bias: np.ndarray | None = None) -> Convolution:
    """A convolution with padding 'same'; kernel (ky, kx, I, O), bias (O,) or None for zeros."""
    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim != 4:
        raise ValueError(f"Expected a kernel (k, k, I, O). Received: shape {kernel.shape}")
    bias = np.zeros(kernel.shape[3]) if bias is None else np.asarray(bias, np.float64)
    rows, columns = kernel.shape[:2]
    return Convolution(kernel, bias, (((rows - 1) // 2, rows // 2), ((columns - 1) // 2, columns // 2)))


def skip(channels: int) -> Convolution:
    """The connection that passes its maps on, as a 1×1 convolution."""
    return Convolution(np.eye(channels)[None, None], np.zeros(channels))


def batch_normalization(
    gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float = 1e-3
) -> Convolution:
    """Batch normalisation at inference, gamma·(x - mean)/√(variance + epsilon) + beta, as a 1×1 convolution.

    Args:
        gamma, beta, mean, variance: (C,) each.
        epsilon: as the layer has it; Keras' default.
    """
    gain = np.asarray(gamma, np.float64) / np.sqrt(np.asarray(variance, np.float64) + epsilon)
    return Convolution(np.diag(gain)[None, None], beta - gain * np.asarray(mean, np.float64))


def by_group(kernel: np.ndarray, groups: int) -> np.ndarray:
    """The kernel (k, k, I / groups, O) of a convolution in groups as (k, k, groups, I / groups, O / groups)."""
    rows, columns, inputs, outputs = kernel.shape
    if outputs % groups:
        raise ValueError(f"Expected a number of output maps that {groups} groups divide. Received: {outputs}")
    return np.moveaxis(kernel.reshape(rows, columns, inputs, groups, -1), 3, 2)


def dense(kernel: np.ndarray, groups: int) -> np.ndarray:
    """The kernel (k, k, I, O) of a convolution in groups, (k, k, I / groups, O): zeros between the groups."""
    rows, columns, inputs, outputs = kernel.shape
    each = np.arange(groups)
    full = np.zeros((rows, columns, groups, inputs, groups, outputs // groups), kernel.dtype)
    full[:, :, each, :, each] = np.moveaxis(by_group(kernel, groups), 2, 0)
    return full.reshape(rows, columns, groups * inputs, outputs)


def in_groups(convolution: Convolution, groups: int) -> Convolution | None:
    """The same convolution in so many groups, as batch normalisation and skips are; None where their maps mix.

    Example:
        >>> in_groups(skip(6), 3).kernel.shape, in_groups(same(np.ones((1, 1, 6, 6))), 3)
        ((1, 1, 3, 2, 2), None)
    """
    if convolution.groups == groups:
        return convolution
    each = np.arange(max(convolution.groups // groups, 1))
    if convolution.groups > 1 and groups * len(each) == convolution.groups:
        # Several groups as one, with zeros between them.
        rows, columns, _, inputs, outputs = convolution.kernel.shape
        wide = np.zeros((rows, columns, groups, len(each), inputs, len(each), outputs))
        split = convolution.kernel.reshape(rows, columns, groups, len(each), inputs, outputs)
        wide[:, :, :, each, :, each] = np.moveaxis(split, 3, 0)
        return convolution._replace(kernel=wide.reshape(rows, columns, groups, len(each) * inputs, len(each) * outputs))
    if convolution.kernel.ndim != 4 or any(maps % groups for maps in convolution.kernel.shape[2:]):
        return None
    rows, columns, inputs, outputs = convolution.kernel.shape
    blocks = convolution.kernel.reshape(rows, columns, groups, inputs // groups, groups, outputs // groups)
    each = np.arange(groups)
    own = np.moveaxis(blocks[:, :, each, :, each], 0, 2)
    return convolution._replace(kernel=own) if np.count_nonzero(own) == np.count_nonzero(blocks) else None


def in_a_row(first: Convolution, second: Convolution, middle: str = "zeros") -> Collapsed:
    """The second convolution of the first one's result as one convolution.

    W[t, i, o] = Σ_u Σ_m first[t - u, i, m]·second[u, m, o], bias = second's + Σ_u Σ_m second[u, m, o]·first's[m]; the
    window has k₁ + k₂ - 1 taps and the zeros around the map add up.

    Args:
        middle: what the second one pads the map in between with: `"zeros"`, or the first one's `"bias"`.

    Raises:
        ValueError: the second does not take as many maps as the first gives.

    Example:
        >>> import numpy as np
        >>> from zoo.identities import collapse
        >>> wide = collapse.same(np.random.default_rng(0).normal(size=(3, 3, 1, 64)))
        >>> narrow = collapse.same(np.random.default_rng(1).normal(size=(1, 1, 64, 16)))
        >>> collapsed = collapse.in_a_row(wide, narrow)
        >>> collapsed.convolution.kernel.shape, collapsed.exact
        ((3, 3, 1, 16), True)
        >>> collapse.in_a_row(collapsed.convolution, collapse.same(np.ones((3, 3, 16, 1)))).ring
        ((1, 1), (1, 1))
    """
    if middle not in ("zeros", "bias"):
        raise ValueError(f"Expected middle to be 'zeros' or 'bias'. Received: {middle!r}")
    if first.groups != second.groups or first.kernel.shape[-1] != second.kernel.shape[-2]:
        groups = f"{first.groups}, " if first.groups > 1 else ""
        raise ValueError(
            f"Expected a second kernel (k, k, {groups}{first.kernel.shape[-1]}, O). Received: shape "
            f"{second.kernel.shape}"
        )
    (rows, columns), (below, across) = first.kernel.shape[:2], second.kernel.shape[:2]
    kernel = np.zeros((rows + below - 1, columns + across - 1, *first.kernel.shape[2:-1], second.kernel.shape[-1]))
    for y, x in np.ndindex(below, across):
        kernel[y : y + rows, x : x + columns] += first.kernel @ second.kernel[y, x]
    summed = second.kernel.sum(axis=(0, 1))
    bias = second.bias + (first.bias.reshape(*summed.shape[:-2], 1, -1) @ summed).ravel()
    rows_pads, columns_pads = ((b + d, a + c) for (b, a), (d, c) in zip(first.pads, second.pads))
    as_padded = middle == "bias" or not np.any(first.bias)
    rows_ring, columns_ring = (
        # One tap along an axis gives the bias beyond the border, where several see the picture's edge.
        (0, 0) if as_padded and taps == 1 and min(own) >= 0 else (max(before, 0), max(after, 0))
        for taps, own, (before, after) in zip((rows, columns), first.pads, second.pads)
    )
    return Collapsed(Convolution(kernel, bias, (rows_pads, columns_pads)), (rows_ring, columns_ring))


def carried_by_padding(first: Convolution) -> np.ndarray | None:
    """What the map has to be padded with, (I,), so that a 1×1 convolution gives zeros beyond the border.

    With it in place of zeros, the collapsed 1×1 → k×k is exact although the 1×1 has a bias and the original pads its
    result with zeros. None where there is no such value, as with more output maps than input maps in general.
    """
    if first.kernel.shape[:2] != (1, 1):
        raise ValueError(f"Expected a 1×1 convolution. Received: a kernel of shape {first.kernel.shape}")
    weights = first.kernel.reshape(first.groups, *first.kernel.shape[-2:])
    bias = first.bias.reshape(first.groups, -1)
    values = [np.linalg.lstsq(matrix.T, -wanted, rcond=None)[0] for matrix, wanted in zip(weights, bias)]
    left = max(np.abs(value @ matrix + wanted).max() for value, matrix, wanted in zip(values, weights, bias))
    return np.concatenate(values) if left <= 1e-12 * max(1.0, np.abs(bias).max()) else None


def side_by_side(*branches: Convolution) -> Convolution:
    """The sum of several convolutions of one map as one convolution, exact at every pixel.

    Args:
        *branches: convolutions with as many input and output maps and groups, whose results have one size.

    Raises:
        ValueError: they have not.

    Example:
        >>> branches = same(np.ones((3, 3, 2, 2))), same(np.ones((1, 1, 2, 2)))
        >>> side_by_side(*branches).kernel[:, :, 0, 0].tolist()
        [[1.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 1.0]]
    """
    maps = {branch.kernel.shape[2:] for branch in branches}
    growths = {tuple(before + after + 1 - side for side, (before, after) in _axes(branch)) for branch in branches}
    if len(maps) != 1 or len(growths) != 1:
        raise ValueError(
            "Expected branches with as many maps in and out and results of one size. Received: "
            + ", ".join(f"a kernel of shape {branch.kernel.shape} with pads {branch.pads}" for branch in branches)
        )
    rows, columns = (pair(np.max([branch.pads[axis] for branch in branches], axis=0)) for axis in (0, 1))
    kernels = []
    for branch in branches:
        # A tap further out and a zero more around the map: the same convolution.
        wider = [pair(np.subtract(most, own)) for most, own in zip((rows, columns), branch.pads)]
        kernels.append(np.pad(branch.kernel, wider + [(0, 0)] * (branch.kernel.ndim - 2)))
    bias = np.sum([branch.bias for branch in branches], axis=0)
    return Convolution(np.sum(kernels, axis=0), bias, (rows, columns))


def _axes(convolution: Convolution):
    return zip(convolution.kernel.shape[:2], convolution.pads)
