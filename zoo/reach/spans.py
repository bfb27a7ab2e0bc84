"""One axis of a feature map: the interval of input pixels that every position depends on.

Position y of a map reads the input pixels low[y] … high[y] (indices along one axis); nothing, such as a zero that
padding put there, is (NONE, −NONE). Following the intervals through a network for a concrete input length gives the
receptive field exactly, whatever mixture of strides, phases, crops and borders the network has.
"""

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

NONE = 1 << 40
Border = Literal["constant", "edge", "reflect", "symmetric"]
# Input pixels that an interpolation reads along one axis.
TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}


@dataclass(frozen=True)
class Span:
    """The intervals of one axis.

    Attributes:
        low, high: integer arrays of the map's length along the axis.
        at_start, at_end: boolean ones: positions that depend on where the picture begins or ends, by padding say. They
            would be others if the picture were larger.
        ratio: positions for each input pixel, crops and borders aside; 0 where a picture was pooled to one value.
    """

    low: np.ndarray
    high: np.ndarray
    at_start: np.ndarray
    at_end: np.ndarray
    ratio: Fraction

    @property
    def length(self) -> int:
        return len(self.low)


def image(length: int) -> Span:
    """The input itself: every pixel depends on itself."""
    inside = np.zeros(length, bool)
    return Span(np.arange(length), np.arange(length), inside, inside, Fraction(1))


def scaled(span: Span, by: Fraction | int) -> Span:
    """The same with another ratio."""
    return dataclasses.replace(span, ratio=span.ratio * by)


def take(span: Span, index: np.ndarray, wanted: np.ndarray | None = None) -> Span:
    """Reads the positions of `index`; a position outside the map reads nothing (zero padding).

    Args:
        wanted: where what is read lies beyond the map, although `index` is inside: a border repeated or mirrored.
    """
    wanted = index if wanted is None else wanted
    inside = (index >= 0) & (index < span.length)
    index = np.where(inside, index, 0)
    return Span(
        np.where(inside, span.low[index], NONE),
        np.where(inside, span.high[index], -NONE),
        np.where(inside, span.at_start[index], False) | (wanted < 0),
        np.where(inside, span.at_end[index], False) | (wanted >= span.length),
        span.ratio,
    )


def union(spans: list[Span]) -> Span:
    """Combines maps position by position; a map of length 1 is broadcast."""
    low, high, at_start, at_end = spans[0].low, spans[0].high, spans[0].at_start, spans[0].at_end
    for span in spans[1:]:
        low, high = np.minimum(low, span.low), np.maximum(high, span.high)
        at_start, at_end = at_start | span.at_start, at_end | span.at_end
    longest = max(span.length for span in spans)
    return Span(low, high, at_start, at_end, max(span.ratio for span in spans if span.length == longest))


def join(spans: list[Span]) -> Span:
    """Lays maps behind one another along the axis: the longest is the picture, the others are its border."""
    picture = int(np.argmax([span.length for span in spans]))
    parts = [
        dataclasses.replace(
            span,
            at_start=span.at_start | (position < picture),
            at_end=span.at_end | (position > picture),
        )
        for position, span in enumerate(spans)
    ]
    columns = zip(*((part.low, part.high, part.at_start, part.at_end) for part in parts))
    low, high, at_start, at_end = (np.concatenate(each) for each in columns)
    return Span(low, high, at_start, at_end, spans[picture].ratio)


def cut(span: Span, part: slice) -> Span:
    """A slice of the map, with a step perhaps."""
    return scaled(take(span, np.arange(span.length)[part]), Fraction(1, abs(part.step or 1)))


def pad(span: Span, before: int, after: int, mode: Border = "constant") -> Span:
    """A border around the map: zeros, or NumPy's modes "edge", "reflect", "symmetric"; below 0 it is cut."""
    wanted = np.arange(-before, span.length + after)
    if mode == "constant" or max(before, after) <= 0:
        return take(span, wanted)
    return take(span, np.pad(np.arange(span.length), (before, after), mode=mode), wanted)


def window(span: Span, size: int, stride: int = 1, dilation: int = 1, padding: str = "same") -> Span:
    """The window of a convolution or a pooling, with TensorFlow's padding: y reads y·stride + j·dilation − before."""
    reach = (size - 1) * dilation + 1
    if padding == "same":
        length = -(-span.length // stride)
        before = max((length - 1) * stride + reach - span.length, 0) // 2
    else:
        length, before = (span.length - reach) // stride + 1, 0
    start = np.arange(length) * stride - before
    return scaled(union([take(span, start + j * dilation) for j in range(size)]), Fraction(1, stride))


def scatter(span: Span, size: int, stride: int, length: int | None = None, before: int | None = None) -> Span:
    """A transposed convolution: input p reaches the outputs p·stride + t − before, 0 ≤ t < size.

    `length` of the output decides the crop, as in TensorFlow: before = max((n − 1)·stride + size − length, 0) // 2.
    It is stride·n, 'same', by default.
    """
    length = stride * span.length if length is None else length
    before = max((span.length - 1) * stride + size - length, 0) // 2 if before is None else before
    position = np.arange(length) + before
    taps = []
    for tap in range(size):
        source, rest = np.divmod(position - tap, stride)
        met = take(span, source)
        # Between two pixels lies a zero wherever the picture ends.
        own = rest == 0
        taps.append(
            Span(
                np.where(own, met.low, NONE),
                np.where(own, met.high, -NONE),
                met.at_start & own,
                met.at_end & own,
                span.ratio,
            )
        )
    return scaled(union(taps), stride)


def repeat(span: Span, scale: int) -> Span:
    """Nearest-neighbour upsampling, and a shuffle's way from LR to HR: output y reads y // scale."""
    return scaled(take(span, np.arange(scale * span.length) // scale), scale)


def gather(span: Span, scale: int) -> Span:
    """A shuffle's way from HR to LR: output p reads the positions p·scale … p·scale + scale − 1."""
    return window(span, scale, stride=scale, padding="valid")


def resize(span: Span, length: int, taps: int, half_pixel: bool = True) -> Span:
    """A resize to `length` by `taps` input pixels (1 nearest, 2 bilinear, 4 bicubic), the border repeated.

    Output y lies at (y + 0.5)·n / length − 0.5, or at y·n / length without half-pixel centres; no antialiasing.
    """
    shift = Fraction(1, 2) if half_pixel else Fraction(0)
    step = Fraction(span.length, length)
    # Numerators over one denominator: floats would round a pixel's own centre.
    unit = 2 * step.denominator
    centre = ((np.arange(length) * 2 + (1 if half_pixel else 0)) * step.numerator) - int(shift * unit)
    if taps == 1:
        return scaled(take(span, np.clip((centre + int(shift * unit)) // unit, 0, span.length - 1)), 1 / step)
    first, exact = centre // unit - (taps // 2 - 1), centre % unit == 0
    columns = []
    for tap in range(taps):
        # On a pixel's own centre every other weight is exactly zero.
        wanted = np.where(exact, centre // unit, first + tap)
        columns.append(take(span, np.clip(wanted, 0, span.length - 1), wanted))
    return scaled(union(columns), 1 / step)


def everything(span: Span) -> Span:
    """A global pooling: one position that depends on the whole map."""
    low, high = span.low.min(keepdims=True), span.high.max(keepdims=True)
    return Span(low, high, np.ones(1, bool), np.ones(1, bool), Fraction(0))
