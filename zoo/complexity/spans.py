"""One axis of a feature map: the interval of input pixels that every position depends on.

Position y of a map reads the input pixels low[y] … high[y] (indices along one axis); nothing, such as a zero that
padding put there, is (NONE, −NONE). Following the intervals through a network for a concrete input length gives the
receptive field exactly, whatever mixture of strides, phases, crops and borders the network has.
"""

from dataclasses import dataclass

import numpy as np

NONE = 1 << 40
# Input pixels that an interpolation reads along one axis.
TAPS = {"bilinear": 2, "bicubic": 4}


@dataclass(frozen=True)
class Span:
    """The intervals of one axis, two integer arrays of the map's length along it."""

    low: np.ndarray
    high: np.ndarray

    @property
    def length(self) -> int:
        return len(self.low)


def image(length: int) -> Span:
    """The input itself: every pixel depends on itself."""
    return Span(np.arange(length), np.arange(length))


def take(span: Span, index: np.ndarray) -> Span:
    """Reads the positions of `index`; a position outside the map reads nothing (zero padding)."""
    inside = (index >= 0) & (index < span.length)
    index = np.where(inside, index, 0)
    return Span(np.where(inside, span.low[index], NONE), np.where(inside, span.high[index], -NONE))


def union(spans: list[Span]) -> Span:
    """Combines maps position by position; a map of length 1 is broadcast."""
    low, high = spans[0].low, spans[0].high
    for span in spans[1:]:
        low, high = np.minimum(low, span.low), np.maximum(high, span.high)
    return Span(low, high)


def join(spans: list[Span]) -> Span:
    """Lays maps behind one another along the axis."""
    return Span(np.concatenate([s.low for s in spans]), np.concatenate([s.high for s in spans]))


def window(span: Span, size: int, stride: int = 1, dilation: int = 1, padding: str = "same") -> Span:
    """The window of a convolution or a pooling, with TensorFlow's padding: y reads y·stride + j·dilation − before."""
    reach = (size - 1) * dilation + 1
    if padding == "same":
        length = -(-span.length // stride)
        before = max((length - 1) * stride + reach - span.length, 0) // 2
    else:
        length, before = (span.length - reach) // stride + 1, 0
    start = np.arange(length) * stride - before
    return union([take(span, start + j * dilation) for j in range(size)])


def scatter(span: Span, size: int, stride: int, length: int | None = None) -> Span:
    """A transposed convolution: input p reaches the outputs p·stride + t − before, 0 ≤ t < size.

    `length` of the output decides the crop, as in TensorFlow: before = max((n − 1)·stride + size − length, 0) // 2.
    It is stride·n, 'same', by default.
    """
    length = stride * span.length if length is None else length
    before = max((span.length - 1) * stride + size - length, 0) // 2
    position = np.arange(length) + before
    taps = []
    for tap in range(size):
        source, rest = np.divmod(position - tap, stride)
        taps.append(take(span, np.where(rest == 0, source, -1)))
    return union(taps)


def repeat(span: Span, scale: int) -> Span:
    """Nearest-neighbour upsampling, and a shuffle's way from LR to HR: output y reads y // scale."""
    return Span(np.repeat(span.low, scale), np.repeat(span.high, scale))


def gather(span: Span, scale: int) -> Span:
    """A shuffle's way from HR to LR: output p reads the positions p·scale … p·scale + scale − 1."""
    return window(span, scale, stride=scale, padding="valid")


def linear(span: Span, scale: int, taps: int) -> Span:
    """Interpolation with half-pixel centres and `taps` input pixels (2 bilinear, 4 bicubic), the border repeated."""
    centre = (np.arange(scale * span.length) + 0.5) / scale - 0.5
    first = np.floor(centre).astype(int) - (taps // 2 - 1)
    # On a pixel's own centre every other weight is exactly zero.
    exact = centre == np.floor(centre)
    columns = []
    for tap in range(taps):
        index = np.clip(first + tap, 0, span.length - 1)
        columns.append(take(span, np.where(exact, np.floor(centre).astype(int), index)))
    return union(columns)


def everything(span: Span) -> Span:
    """A global pooling: one position that depends on the whole map."""
    return Span(span.low.min(keepdims=True), span.high.max(keepdims=True))
