"""Networks of equal multiplications: how many maps each space may have. No Keras.

In the regime `paper` kernels are `scale` times as large in HR space as in LR space and the maps scale² times fewer, so
that multiplications, memory and, but for a rim of at most one LR pixel a layer, the receptive field are equal (arXiv
1609.07009, section 3). Below LR, where a 3×3 kernel cannot be halved, layers of 3×3 and 1×1 take turns, so that all
layers together reach as far as in LR space. In the regime `practice` every kernel is 3×3.
"""

import functools
import itertools
from collections.abc import Iterator

from zoo.errors import UsageError, one_of

# Space → side of the blocks of LR pixels that become channels; 0 where there are none.
BLOCKS = {
    "lr": 0,
    "hr_bicubic": 0,
    "below_x2": 2,
    "hr_deconvolution": 0,
    "hr_nearest": 0,
    "hr_bilinear": 0,
    "below_x4": 4,
}
SPACES, REGIMES = tuple(BLOCKS), ("practice", "paper")
SIDES = (3, 3, 3, 3)
_BELOW = {"below_x2": (3, 1, 3, 1), "below_x4": (3, 1, 1, 1)}
_OUTPUT = 720 * 1280
TOLERANCE = 0.01
_SHIFTS = sorted((step / 200 for step in range(-50, 51)), key=abs)


def sides_of(space: str, regime: str, scale: int) -> tuple[int, ...]:
    """The sides of the four layers' kernels, in pixels of the space."""
    if one_of("regime", regime, REGIMES) == "practice":
        return SIDES
    return (3 * scale,) * 4 if space.startswith("hr_") else _BELOW.get(space, SIDES)


def multiplications(space: str, sides: tuple[int, ...], scale: int, widths: tuple[int, ...]) -> float:
    """Those of the four layers for each pixel of a luma output; the fixed interpolations are left out."""
    block = BLOCKS[space] or 1
    if space.startswith("hr_"):
        maps, pixels = (1, *widths, 1), 1.0
    else:
        maps, pixels = (block**2, *widths, (scale * block) ** 2), 1 / (scale * block) ** 2
    each = [side**2 * inputs * outputs for side, inputs, outputs in zip(sides, maps, maps[1:])]
    if space == "hr_deconvolution":
        each[0] = 9 * widths[0]  # (3·scale)² taps a map, each LR pixel once
    return pixels * sum(each)


def _widths(space: str, regime: str, scale: int, least: float, most: float) -> Iterator[tuple[float, tuple]]:
    """All widths, no two of them more than 2 apart, that need `least` to `most` multiplications, with how many."""
    sides = sides_of(space, regime, scale)
    for lowest in itertools.count(1):
        if multiplications(space, sides, scale, (lowest,) * 3) > most:
            return
        if multiplications(space, sides, scale, (lowest + 2,) * 3) < least:
            continue
        for more in itertools.product(range(3), repeat=3):
            widths = tuple(lowest + each for each in more)
            needs = multiplications(space, sides, scale, widths)
            if min(more) == 0 and least <= needs <= most:
                yield needs, widths


@functools.lru_cache
def equal_widths(scale: int, budget: float) -> dict[tuple[str, str], tuple[int, ...]]:
    """(regime, space) → maps of the first three layers, for about `budget` GMAC at a 720p output.

    All are within 1% of one number of multiplications, the nearest to the budget at which as many as possible are.
    Of several widths the most even ones are taken. A space that has none (few maps are far apart) is not in it.

    Raises:
        UsageError: nothing fits the budget.
    """
    wanted = budget * 1e9 / _OUTPUT
    choices = {
        (regime, space): list(_widths(space, regime, scale, 0.7 * wanted, 1.3 * wanted))
        for regime in REGIMES
        for space in SPACES
    }
    best: dict[tuple[str, str], tuple[int, ...]] = {}
    for shift in _SHIFTS:
        centre, found = wanted * (1 + shift), {}
        for key, widths in choices.items():
            near = [
                (max(each) - min(each), abs(needs / centre - 1), each)
                for needs, each in widths
                if abs(needs / centre - 1) <= TOLERANCE
            ]
            if near:
                found[key] = min(near)[-1]
        if len(found) > len(best):
            best = found
    if not best:
        raise UsageError(f"Expected a budget in GMAC that networks of four layers come to. Received: {budget}")
    return best
