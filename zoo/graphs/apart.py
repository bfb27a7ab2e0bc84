"""How far two outputs are apart that should be one."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np


def share_of_range(expected: np.ndarray, received: np.ndarray) -> np.ndarray:
    """Returns the difference at each value, float64 of the shape of both, as a share of `range_of(expected)`.

    A number that is none, in either, is infinitely far off: NaN would pass over every limit.

    Example:
        >>> share_of_range(np.array([2.0, 6.0, 4.0]), np.array([2.0, 6.0, 5.0]))
        array([0.  , 0.  , 0.25])
    """
    apart = np.abs(expected.astype(np.float64) - received.astype(np.float64)) / range_of(expected)
    return np.nan_to_num(apart, nan=np.inf, posinf=np.inf)


def range_of(values: np.ndarray) -> float:
    """Returns largest minus smallest; of a constant its magnitude; never 0."""
    wide = values.astype(np.float64)
    extent = float(np.ptp(wide)) if wide.size else 0.0
    return extent or float(np.abs(wide).max(initial=0.0)) or float(np.finfo(np.float32).tiny)


Apart = TypeVar("Apart", bound=tuple)


def farthest(found: Iterable[Apart]) -> Apart:
    """Of tuples that begin with (difference, as large as it may be) the worst: one too far apart, then the largest.

    Example:
        >>> farthest([(0.5, 1.0), (0.1, 0.0), (0.2, 0.3)])
        (0.1, 0.0)
    """
    return max(found, key=lambda each: (not each[0] <= each[1], each[0]))
