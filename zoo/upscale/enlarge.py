"""One picture through one network, tile by tile: the network and the colours of the tile before it overlap."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from zoo.engines import mirrored, tiles
from zoo.engines.engine import Engine
from zoo.engines.tiles import Part, Tile
from zoo.upscale.planes import NEIGHBOURS, Planes


class Source(Protocol):
    """A picture to read from: (height, width, channels) of uint8, uint16 or floats in [0, 1].

    `channels` is 1, 2, 3 or 4, alpha last.
    """

    height: int
    width: int
    channels: int
    dtype: np.dtype

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """A rectangle of samples, always with the axis of channels."""


class Samples:
    """An array (height, width, channels) as a source, and another one to write to."""

    def __init__(self, samples: np.ndarray):
        self.samples, self.dtype = samples, samples.dtype
        self.height, self.width, self.channels = samples.shape

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        return self.samples[rows, columns]

    def write(self, row: int, column: int, part: np.ndarray) -> None:
        self.samples[row : row + part.shape[0], column : column + part.shape[1]] = part


Write = Callable[[int, int, np.ndarray], None]


def enlarge(
    source: Source,
    write: Write,
    engine: Engine,
    tile: int | tuple[int, int] | None = None,
    ensemble: bool = False,
) -> float:
    """Runs a network over a picture; what is in memory does not grow with the picture.

    At its border the network sees the picture mirrored (`zoo.engines.mirrored`).

    Args:
        source: the LR picture.
        write: takes (row, column, samples): a rectangle of the result and where in it, px.
        tile: the tiles' side, or height and width, without their overlap, LR px.
        ensemble: average over the 8 flips and quarter turns.

    Returns:
        The seconds spent in the network.

    Example:
        >>> from zoo.engines import open_engine
        >>> lr_image, sr_image = Samples(np.full((20, 15, 1), 90, np.uint8)), Samples(np.zeros((40, 30, 1), np.uint8))
        >>> seconds = enlarge(lr_image, sr_image.write, open_engine("fsrcnn_s_x2"))
        >>> bool(80 < sr_image.samples.min() <= sr_image.samples.max() < 100)
        True
    """
    with ThreadPoolExecutor(1, "colours") as pool:
        seconds, pending = run_network(source, write, engine, pool, tile, ensemble)
        for future in pending:
            future.result()
    return seconds


def run_network(
    source: Source,
    write: Write,
    engine: Engine,
    pool: ThreadPoolExecutor,
    tile: int | tuple[int, int] | None = None,
    ensemble: bool = False,
    on_tile: Callable[[int], None] = lambda pixels: None,
) -> tuple[float, list[Future]]:
    """`enlarge`, but it returns as soon as the network is done.

    Args:
        pool: of one thread, which puts the colours together.
        on_tile: is told how many LR px the network has done.

    Returns:
        The seconds spent in the network, and what `pool` still has to do until the result is whole.
    """
    planes = Planes(source.channels, source.dtype, engine.channels, engine.scale, engine.radius)
    watch, seconds = _Stopwatch(), 0.0
    lengths = source.height, source.width

    def read(each: Tile) -> np.ndarray:
        # Per axis: what the window shows, the px of the picture that this takes, and these with what alpha asks for.
        shown = [mirrored.indices(part, length) for part, length in zip(each, lengths)]
        taken = [slice(int(of.min()), int(of.max()) + 1) for of in shown]
        rows, columns = (_around(of.start, of.stop, planes.spread, length) for of, length in zip(taken, lengths))
        inside = _within(taken[0], rows), _within(taken[1], columns)
        lr_image = planes.network_input(source.read(rows, columns), inside)
        for axis, (of, part) in enumerate(zip(shown, taken)):
            if len(of) > part.stop - part.start:
                lr_image = lr_image.take(of - part.start, axis)
        watch.start()
        return lr_image

    def finish(each: Tile, sr_image: np.ndarray) -> None:
        rows, columns = (
            _around(part.keep_start, part.keep_stop, planes.spread + NEIGHBOURS, length)
            for part, length in zip(each, lengths)
        )
        around = tuple(_offset(part, outer) for part, outer in zip(each, (rows, columns)))
        finished = planes.finish(source.read(rows, columns), around, sr_image)
        write(each.rows.keep_start * engine.scale, each.columns.keep_start * engine.scale, finished)

    pending: deque[Future] = deque()
    for each, sr_image in tiles.run(engine, mirrored.tiles_of(*lengths, engine, tile), read, ensemble):
        seconds += watch.stop()
        pending.append(pool.submit(finish, each, sr_image))
        # Two results wait at most: memory stays bounded when the colours are the slower half.
        if len(pending) > 2:
            pending.popleft().result()
        on_tile((each.rows.keep_stop - each.rows.keep_start) * (each.columns.keep_stop - each.columns.keep_start))
    return seconds, list(pending)


class _Stopwatch:
    def start(self) -> None:
        self.started = time.perf_counter()

    def stop(self) -> float:
        return time.perf_counter() - self.started


def _around(start: int, stop: int, margin: int, length: int) -> slice:
    return slice(max(start - margin, 0), min(stop + margin, length))


def _within(part: slice, outer: slice) -> slice:
    return slice(part.start - outer.start, part.stop - outer.start)


def _offset(part: Part, outer: slice) -> tuple[int, int]:
    """How many px of `outer` lie before what the tile keeps, and how many are the tile's."""
    return part.keep_start - outer.start, part.keep_stop - part.keep_start
