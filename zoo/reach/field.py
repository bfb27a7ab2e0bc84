"""From the spans of a network's maps to the radius of its receptive field, and to the grid on which tiles may begin."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError
from zoo.reach.spans import Span

_LENGTH = 144
_LONGEST = 16 * _LENGTH

# (axis, length of the input) → the spans of every map along that axis, the output's last.
Follow = Callable[[int, int], list[Span]]


class Unbounded(UsageError):
    """The network reads the whole picture, or nobody can tell that it does not."""


class Reach(NamedTuple):
    """What tiles have to know.

    Attributes:
        radius: an output pixel depends on nothing farther than this from its LR pixel, LR px: neither on pixels nor on
            where the picture ends.
        step: a part of a picture gives the picture's own pixels only if it begins at a multiple of this, LR px, and its
            length differs from the picture's by one: 2 for a network with a stride of 2.
    """

    radius: int
    step: int


def of_any_size(follow: Follow) -> Reach:
    """The reach of a network that takes pictures of any size.

    Raises:
        Unbounded: it grows with the picture.
    """
    step = _step([*follow(0, _LENGTH), *follow(1, _LENGTH)])
    # So that the sizes of strided maps keep their exact ratio to the input's.
    length, before = math.ceil(_LENGTH / step) * step, None
    while length <= _LONGEST:
        axes = [follow(axis, length) for axis in (0, 1)]
        reach = Reach(max(_radius(axis[-1], length) for axis in axes), _step([*axes[0], *axes[1]]))
        # As far as the picture goes, a longer one has to show whether there is a limit at all.
        if reach == before:
            return reach
        length, before = 2 * length, reach
    raise Unbounded("a receptive field that grows with the picture")


def of_one_size(follow: Follow, lengths: tuple[int, int]) -> Reach:
    """The reach of a network that takes pictures of one size, height and width, only.

    Raises:
        Unbounded: it is half of that or more: nothing is left of a tile, and who can tell what the border is.
    """
    spans = [follow(axis, length) for axis, length in enumerate(lengths)]
    radii = [_radius(each[-1], length) for each, length in zip(spans, lengths)]
    for radius, length in zip(radii, lengths):
        if 2 * radius >= length:
            raise Unbounded(f"a receptive field that fills half of {length} px or more")
    return Reach(max(radii), _step([span for each in spans for span in each]))


def _step(spans: list[Span]) -> int:
    """A shift of the input by this is a shift of every map by whole positions."""
    return math.lcm(*(span.ratio.denominator for span in spans))


def _radius(output: Span, length: int) -> int:
    """The farthest that any position depends on, seen from the input pixel that lies under it."""
    if output.ratio == 0:
        raise Unbounded("an output that is no picture")
    # A map that lost its border to 'valid' convolutions lies in the middle of the image.
    lost, part = ((output.length - output.ratio * length) / 2).as_integer_ratio()
    per_pixel = output.ratio * part
    centre = (np.arange(output.length) * part - lost) * per_pixel.denominator // Fraction(per_pixel).numerator
    read = output.low <= output.high
    farthest = np.concatenate(
        [
            [0],
            (centre - output.low)[read],
            (output.high - centre)[read],
            (centre + 1)[output.at_start],
            (length - centre)[output.at_end],
        ]
    )
    return int(farthest.max())
