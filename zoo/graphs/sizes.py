"""Sizes at which a file that leaves its own free is run."""

from collections.abc import Callable

Sizes = tuple[tuple[int, ...], ...]
# A network that halves its maps and puts them together again takes multiples of what it strides by …
MULTIPLES = (2, 4, 8, 16, 32, 64)
# … of these (height, width), px.
_SIDES = ((5, 3), (2, 7))


def fitting(sizes: Sizes, rows: int, run: Callable[[tuple[int, ...]], object]) -> Sizes:
    """Those of some sizes that a file takes: they themselves, or small ones times the least number that fits.

    Args:
        sizes: by axis.
        rows: the axis of the height; the next is the width's.
        run: of a size; raises whatever an engine raises where it does not fit.

    Returns:
        As many as there are of `sizes`, or of `_SIDES`; `sizes` where none fits.

    Example:
        >>> def halves_twice(size):
        ...     assert size[1] % 4 == size[2] % 4 == 0
        >>> fitting(((1, 23, 18, 4), (1, 36, 29, 4)), 1, halves_twice)
        ((1, 20, 12, 4), (1, 8, 28, 4))
    """
    multiples = [
        tuple(
            (*size[:rows], *(multiple * side for side in sides), *size[rows + 2 :])
            for size, sides in zip(sizes, _SIDES)
        )
        for multiple in MULTIPLES
    ]
    for each in (sizes, *multiples):
        try:
            for size in each:
                run(size)
        except Exception:  # Engines have kinds of their own for it.
            continue
        return each
    return sizes
