"""Which patches a source has: every corner of every picture by its number, or those with enough detail."""

import dataclasses
import logging

import numpy as np

from zoo.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Corners:
    """The corners of all patches of a source, numbered picture by picture and row by row.

    Patch number n lies in the first picture whose entry in `lasts` is above n. There, with n counted from `firsts` on,
    its corner is at row n // columns, column n % columns: record starts + row · widths + column of the source.

    Attributes:
        firsts, lasts: (pictures,) the number of a picture's first patch, and the one behind its last.
        columns: (pictures,) corners in a row.
        starts, widths: (pictures,) a picture's first record, and its width in records (LR pixels).
        allowed: the numbers of the patches to draw from; None: all.
    """

    firsts: np.ndarray
    lasts: np.ndarray
    columns: np.ndarray
    starts: np.ndarray
    widths: np.ndarray
    allowed: np.ndarray | None

    @property
    def total(self) -> int:
        """How many patches there are to draw from."""
        return int(self.lasts[-1]) if self.allowed is None else len(self.allowed)


def corners(source, lr_size: int, min_detail: float = 0.0) -> Corners:
    """Numbers the patches of `source`.

    Args:
        source: a `zoo.data.Source`.
        lr_size: side of a patch in LR pixels.
        min_detail: see `zoo.data.Source.patches`.

    Raises:
        UsageError: if no picture is large or detailed enough.
    """
    places = _large_enough(source, lr_size)
    columns = np.array([place.width - lr_size + 1 for place in places])
    lasts = np.cumsum(columns * [place.height - lr_size + 1 for place in places])
    firsts = np.concatenate([[0], lasts[:-1]])
    starts, widths = np.array([place.start for place in places]), np.array([place.width for place in places])
    allowed = _detailed(source, places, firsts, lr_size, min_detail) if min_detail > 0 else None
    return Corners(firsts, lasts, columns, starts, widths, allowed)


def _large_enough(source, lr_size: int) -> list:
    places = [place for place in source.places if min(place.height, place.width) >= lr_size]
    side = lr_size * source.scale
    if not places:
        raise UsageError(f"Expected a picture of at least {side}x{side} pixels. Received: none in {source.name!r}")
    if len(places) < len(source.places):
        small = len(source.places) - len(places)
        logging.getLogger("zoo.data").warning(
            "%s: %d of the pictures smaller than %dx%d pixels, not used", source.name, small, side, side
        )
    return places


def _detailed(source, places: list, firsts: np.ndarray, lr_size: int, min_detail: float) -> np.ndarray:
    """The numbers of the patches on a grid of lr_size // 8 pixels whose neighbouring pixels differ enough."""
    step = max(1, lr_size // 8)
    allowed = []
    for place, first in zip(places, firsts):
        record = source.records[place.start : place.start + place.height * place.width, : source.channels]
        lr_image = record.mean(axis=1, dtype=np.float64).reshape(place.height, place.width)
        rows = np.arange(0, place.height - lr_size + 1, step)
        columns = np.arange(0, place.width - lr_size + 1, step)
        across = _sums(np.abs(np.diff(lr_image, axis=1)), rows, columns, lr_size, lr_size - 1)
        down = _sums(np.abs(np.diff(lr_image, axis=0)), rows, columns, lr_size - 1, lr_size)
        at = np.argwhere((across + down) >= min_detail * 2 * lr_size * (lr_size - 1))
        allowed.append(first + rows[at[:, 0]] * (place.width - lr_size + 1) + columns[at[:, 1]])
    numbers = np.concatenate(allowed)
    if not len(numbers):
        raise UsageError(f"Expected min_detail that leaves some patch. Received: min_detail={min_detail}")
    return numbers


def _sums(values: np.ndarray, rows: np.ndarray, columns: np.ndarray, height: int, width: int) -> np.ndarray:
    """The sum of `values` in each window with its corner at `rows` × `columns`, by a summed-area table."""
    area = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    top, bottom, left, right = rows[:, None], rows[:, None] + height, columns, columns + width
    return area[bottom, right] - area[top, right] - area[bottom, left] + area[top, left]
