"""Exact tiling: windows that overlap by the receptive field's radius give the whole picture's pixels.

A window touches the picture's border where the picture does, so the network's own padding is the same there as for the
whole picture (`zoo.engines.mirrored` plans pictures that go on beyond it); elsewhere the outer `radius` pixels of its
result, the only ones that see the cut, are thrown away.
"""

import math
import numbers
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from zoo.engines.engine import Engine
from zoo.errors import UsageError

# The default window, LR px. Larger ones overlap less, but every size of picture has the engine get ready anew, which
# costs most of a run: in folders of photographs both are equal, in videos and large pictures the former counts.
# `python -m benchmarks.large_pictures` measures time and memory.
WINDOW = 1 << 17
# A network whose reach has no bound can only take the whole picture; at most this many LR px of it.
WHOLE = 1 << 20


class Part(NamedTuple):
    """Along one axis: what is read, and what of it is kept, LR px of the picture."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int


class Tile(NamedTuple):
    """A window of the picture with the rectangle whose result is kept."""

    rows: Part
    columns: Part


Read = Callable[[Tile], np.ndarray]


def windows(length: int, window: int, radius: int, step: int = 1, fixed: bool = False) -> list[Part]:
    """Equal windows over one axis of `length` px, with what each of them keeps.

    Args:
        window: the windows' length; where `step` asks for it they are a little longer.
        radius, step: the network's.
        fixed: windows of another length are not possible: the last may reach beyond the picture.
    """
    if not fixed:
        window = max(window, 2 * radius + step)
        window += (length - window) % step
    if length <= window:
        return [Part(0, length, 0, length)]
    advance = (window - 2 * radius) // step * step
    last = math.ceil((length - window) / step) * step
    # Windows of one size, so that an engine prepares itself once.
    starts = [min(index * advance, last) for index in range(1 + math.ceil((length - window) / advance))]
    edges = [0, *(start + radius for start in starts[1:]), length]
    return [Part(start, min(start + window, length), *edge) for start, edge in zip(starts, zip(edges, edges[1:]))]


def tiles_of(height: int, width: int, engine: Engine, tile: int | tuple[int, int] | None = None) -> list[Tile]:
    """The windows of a picture, row by row.

    Args:
        height, width: of the picture, LR px.
        tile: the side, or height and width, of the tiles without their overlap, LR px, rounded up to whole cells of
            the engine; None: chosen here.

    Raises:
        UsageError: a network without a bounded reach and a picture too large for it, a tile that is not positive, or
            a fixed size that leaves nothing of a tile.
    """
    if engine.size is not None:
        window = _fixed_window(height, width, engine, engine.size)
    elif engine.radius is None:
        return _uncut(height, width, engine, tile)
    elif engine.cell != (1, 1):
        return _on_grid(height, width, engine, tile)
    elif tile is not None:
        rows, columns = two_sides(tile)
        window = rows + 2 * engine.radius, columns + 2 * engine.radius
    else:
        window = default_window(height, width, engine.radius)
    radius, fixed = engine.radius or 0, engine.size is not None
    down, across = (windows(length, side, radius, engine.step, fixed) for length, side in zip((height, width), window))
    return [Tile(rows, columns) for rows in down for columns in across]


def _uncut(height: int, width: int, engine: Engine, tile: int | tuple[int, int] | None) -> list[Tile]:
    """One tile, the picture: all that a network can take whose reach has no bound."""
    if tile is not None or height * width > WHOLE:
        raise UsageError(
            f"Expected a network whose reach is known to cut a picture of {width}×{height} into tiles "
            f"(--radius states it, in LR px). Received: {engine.name}: {engine.unbounded}"
        )
    return [Tile(Part(0, height, 0, height), Part(0, width, 0, width))]


def _fixed_window(height: int, width: int, engine: Engine, size: tuple[int, int]) -> tuple[int, int]:
    """The one size that the engine takes, if it can be laid over the picture.

    One window of the whole picture needs no radius; a picture that is smaller is extended to it.
    """
    if engine.radius is None and (height > size[0] or width > size[1]):
        raise UsageError(
            f"Expected a picture of at most {size[1]}×{size[0]} for {engine.name}, whose reach is not known: "
            f"{engine.unbounded}. Received: {width}×{height}"
        )
    least = 2 * (engine.radius or 0) + engine.step
    if (height > size[0] and size[0] < least) or (width > size[1] and size[1] < least):
        raise UsageError(
            f"Expected a size of more than {least - 1} px, twice the reach, to cut tiles. "
            f"Received: {engine.name}, fixed at {size[1]}×{size[0]}"
        )
    return size


def two_sides(tile: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of the tiles that were asked for.

    Raises:
        UsageError: they are not positive, or not one or two.
    """
    sides = tuple(tile) if isinstance(tile, tuple | list) else (tile, tile)
    if len(sides) != 2 or not all(isinstance(side, numbers.Integral) and side >= 1 for side in sides):
        raise UsageError(f"Expected tile as a positive number of LR px, or two. Received: {tile!r}")
    return sides


def cell_sides(height: int, width: int, engine: Engine, tile: int | tuple[int, int] | None = None) -> tuple[int, int]:
    """Height and width of tiles that consist of whole cells: at least `tile`, or chosen here."""
    if tile is None:
        columns = min(width, WINDOW // engine.cell[0])
        sides = WINDOW // columns // engine.cell[0] * engine.cell[0], columns
    else:
        sides = two_sides(tile)
    rows, columns = (math.ceil(side / cell) * cell for side, cell in zip(sides, engine.cell))
    return rows, columns


def kept(length: int, side: int) -> list[tuple[int, int]]:
    """Where each tile of `side` px begins and ends along an axis; the last may be shorter."""
    return [(start, min(start + side, length)) for start in range(0, length, side)]


def _on_grid(height: int, width: int, engine: Engine, tile: int | tuple[int, int] | None) -> list[Tile]:
    """The windows of tiles that consist of whole cells."""
    rows, columns = (
        _around_kept(length, side, engine.radius or 0)
        for length, side in zip((height, width), cell_sides(height, width, engine, tile))
    )
    return [Tile(down, across) for down in rows for across in columns]


def _around_kept(length: int, side: int, radius: int) -> list[Part]:
    """Along one axis: the windows that keep `side` px each."""
    return [Part(max(a - radius, 0), min(b + radius, length), a, b) for a, b in kept(length, side)]


def default_window(height: int, width: int, radius: int) -> tuple[int, int]:
    """Near WINDOW px, near square, and dividing the picture evenly."""
    # At least half of every window should be kept.
    area = max(WINDOW, (8 * radius) ** 2)
    side = math.isqrt(area)
    return _even(height, max(side, area // width), radius), _even(width, max(side, area // height), radius)


def _even(length: int, limit: int, radius: int) -> int:
    """Along one axis: the windows' length, at most `limit`, that divides the picture evenly."""
    if length <= limit:
        return length
    count = math.ceil((length - 2 * radius) / (limit - 2 * radius))
    return math.ceil((length - 2 * radius) / count) + 2 * radius


def run(engine: Engine, picture: list[Tile], read: Read, ensemble: bool = False) -> Iterator:
    """Runs the network over a picture.

    Args:
        picture: its windows.
        read: gives the network's input of a tile's window, (rows, columns, channels) float32 in [0, 1].
        ensemble: average over the 8 flips and quarter turns of each window.

    Yields:
        (tile, sr): the tile and the network's result for what is kept of it,
        (scale·rows, scale·columns, channels) float32, unclipped.
    """
    if ensemble and engine.size is not None and engine.size[0] != engine.size[1]:
        raise UsageError(
            "Expected a network of free or square size for the 8 flips and turns. "
            f"Received: {engine.name}, fixed at {engine.size[1]}×{engine.size[0]}"
        )
    for each in picture:
        lr_image = read(each)
        rows, columns = lr_image.shape[:2]
        if engine.size is not None and (rows, columns) != engine.size:
            missing = [(0, side - length) for side, length in zip(engine.size, (rows, columns))]
            lr_image = np.pad(lr_image, [*missing, (0, 0)], mode="symmetric")
        rows_kept, columns_kept = (slice(part.keep_start - part.start, part.keep_stop - part.start) for part in each)
        yield each, engine.run_part(lr_image, rows_kept, columns_kept, ensemble)


def run_picture(engine: Engine, lr_image: np.ndarray, tile=None, ensemble: bool = False) -> np.ndarray:
    """The network over an array (h, w, channels) float32, tile by tile: (scale·h, scale·w, channels) float32.

    The border is the network's own, as `engine.run` of the whole array has it.
    """
    height, width, channels = lr_image.shape
    sr_image = np.empty((height * engine.scale, width * engine.scale, channels), np.float32)
    for each, part in run(engine, tiles_of(height, width, engine, tile), lambda each: cut(lr_image, each), ensemble):
        cut(sr_image, each, engine.scale)[...] = part
    return sr_image


def cut(image: np.ndarray, tile: Tile, scale: int | None = None) -> np.ndarray:
    """The tile's window of the LR image, or, given the scale, what is kept of it in the HR image; a view."""
    rows, columns = tile
    if scale is None:
        return image[rows.start : rows.stop, columns.start : columns.stop]
    return image[
        rows.keep_start * scale : rows.keep_stop * scale, columns.keep_start * scale : columns.keep_stop * scale
    ]
