"""Pictures that go on mirrored beyond their border, as far as the network reaches.

A network that pads with zeros sees black beyond the border and darkens what lies near it: a white picture gets a grey
frame. Here every window reaches as far as the network does on all four sides, beyond the picture too, where the picture
is repeated mirrored with the edge pixel first, as MATLAB's imresize and the chroma's bicubic interpolation do it.
What the network pads lies outside what is kept. The published protocol measures networks with their own border.
"""

import math

import numpy as np

from zoo.engines import tiles
from zoo.engines.engine import Engine
from zoo.engines.tiles import Part, Tile


def margin(engine: Engine) -> int | None:
    """How far windows reach beyond what is kept of them, LR px; None where pictures keep the network's own border.

    That is so where its reach is not known, and where it takes one size only that leaves nothing between two margins.
    """
    if engine.radius is None:
        return None
    # Windows of a network with strides begin on its grid.
    around = engine.whole(engine.radius)
    if engine.size is not None and min(engine.size) < 2 * around + engine.step:
        return None
    return around


def remark(engine: Engine) -> str:
    """In a sentence, why pictures keep the network's own border; "" where they do not."""
    if margin(engine) is not None:
        return ""
    size = "×".join(str(side) for side in reversed(engine.size or ()))
    why = engine.unbounded or f"its size, {size}, is no more than twice its reach"
    advice = "" if engine.radius is not None else " (--radius states it, in LR px)"
    return f"{engine.name} sees its own padding at a picture's border, not the picture mirrored{advice}: {why}"


def tiles_of(height: int, width: int, engine: Engine, tile: int | tuple[int, int] | None = None) -> list[Tile]:
    """The windows of a picture, row by row: they begin before it and end behind it.

    Args and errors: those of `zoo.engines.tiles.tiles_of`, which gives them where `margin` is None.
    """
    around = margin(engine)
    if around is None:
        return tiles.tiles_of(height, width, engine, tile)
    if engine.size is not None:
        sides = [(side - 2 * around) // engine.step * engine.step for side in engine.size]
        rows, columns = (
            _windows(length, side, around, fixed) for length, side, fixed in zip((height, width), sides, engine.size)
        )
    elif engine.cell != (1, 1):
        rows, columns = (
            [Part(start - around, stop + around, start, stop) for start, stop in tiles.kept(length, side)]
            for length, side in zip((height, width), tiles.cell_sides(height, width, engine, tile))
        )
    else:
        if tile is None:
            window = tiles.default_window(height + 2 * around, width + 2 * around, engine.radius or 0)
            sides = [max(side - 2 * around, 1) for side in window]
        else:
            sides = [*tiles.two_sides(tile)]
        rows, columns = (
            _equal_windows(length, side, around, engine.step) for length, side in zip((height, width), sides)
        )
    return [Tile(down, across) for down in rows for across in columns]


def _equal_windows(length: int, side: int, around: int, step: int) -> list[Part]:
    """Windows that keep about as much each, at most `side` px rounded up to the step, and are of one size."""
    side = math.ceil(math.ceil(length / math.ceil(length / side)) / step) * step
    window = side + 2 * around
    # A network with strides pads by what its picture's length leaves over.
    return _windows(length, side, around, window + (length - window) % step)


def _windows(length: int, side: int, around: int, window: int) -> list[Part]:
    """All of one size, so that an engine prepares itself once; the last may keep less than `side` px."""
    return [Part(start - around, start - around + window, start, stop) for start, stop in tiles.kept(length, side)]


def indices(part: Part, length: int) -> np.ndarray:
    """Which px of an axis of `length` px a window shows: 2 1 0 | 0 1 2 … and so on, however far it reaches."""
    turned = np.arange(part.start, part.stop) % (2 * length)
    return np.minimum(turned, 2 * length - 1 - turned)
