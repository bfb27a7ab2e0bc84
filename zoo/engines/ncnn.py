"""Rows of convolutions through ncnn, the extra `fast`: faster than the others (`python -m benchmarks.inference`).

Two things make that: ncnn multiplies 3×3 kernels by Winograd's algorithm, F(4×4, 3×3), a quarter of the products; and
the image is computed in cells so small that all layers of one stay in a core's cache, each core with cells of its own.

A cell is read with the margin that its pixels depend on, and its layers shrink to it. Only where the picture ends do
they pad, each with its zeros, as the network does. The cells lie on a grid that starts at the picture's corner, so
that no sum depends on how the picture was cut into tiles.

References: Lavin and Gray, Fast algorithms for convolutional neural networks, CVPR 2016.
"""

import itertools
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.engines import ncnn_files
from zoo.engines.engine import Engine, Unfit, ensemble_of, hr_slice
from zoo.engines.ncnn_files import Borders
from zoo.engines.tflite import TFLiteEngine, row_of

# Height and width, LR px: 64 maps of it in float32 lie in a core's cache. `python -m benchmarks.inference` times it.
CELL = (40, 80)


class Cell(NamedTuple):
    """A cell of the grid and what it is computed from.

    Attributes:
        rows, columns: of the picture, LR px.
        window: what it reads: the cell and the margin around it, as far as the picture goes.
        borders: at which of its sides the window ends where the picture does.
        begins: where in the window's result the cell begins, down and across, LR px.
    """

    rows: slice
    columns: slice
    window: np.ndarray
    borders: Borders
    begins: tuple[int, int]


class NcnnEngine(Engine):
    """A float32 TFLite file that is a row of convolutions with odd kernels and a shuffle, in ncnn.

    Args:
        engine: the file in TFLite.
        cell: height and width of the cells, LR px.

    Raises:
        ImportError: ncnn is not installed.
        Unfit: the file has one size only, or other layers.
    """

    def __init__(self, engine: TFLiteEngine, cell: tuple[int, int] = CELL):
        import ncnn  # noqa: F401

        if engine.size is not None:
            raise Unfit("a size that cells do not fit")
        self._layers = row_of(engine)
        if max(len(layer.kernel) for layer in self._layers) < 3:
            raise Unfit("nothing to gain")
        if self._layers[-1].added is not None:
            raise Unfit("a sum behind the last layer")
        super().__init__(
            engine.name,
            engine.scale,
            engine.channels,
            engine.radius,
            engine.unbounded,
            cell=cell,
            step=engine.step,
            kind=f"ncnn {cell[0]}x{cell[1]}",
        )
        self.original, self.threads = engine, engine.threads
        self._blocked = ncnn_files.in_blocks(self._layers)
        self._margin = sum(len(layer.kernel) // 2 for layer in self._layers)
        # A network's memory goes from one core's cache to the other's if threads share it: half as fast.
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(self.threads, "cells")

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        return self.run_part(lr_image, slice(0, lr_image.shape[0]), slice(0, lr_image.shape[1]))

    def run_part(self, lr_image: np.ndarray, rows: slice, columns: slice, ensemble: bool = False) -> np.ndarray:
        height, width = rows.stop - rows.start, columns.stop - columns.start
        sr_image = np.empty((self.scale * height, self.scale * width, self.channels), np.float32)
        grid = itertools.product(_cut(rows, self.cell[0]), _cut(columns, self.cell[1]))
        cells = [self._cell(lr_image, down, across) for down, across in grid]
        # Those of one network together: each has memory of its own, which is in the cache while it goes on.
        waiting = iter(sorted(cells, key=lambda cell: cell.borders))

        def compute_cells() -> None:
            for cell in waiting:
                place = hr_slice(cell.rows, self.scale, rows.start), hr_slice(cell.columns, self.scale, columns.start)
                sr_image[place] = self._run_cell(cell, ensemble)

        # One task for each thread, not for each cell: this thread would be woken as often.
        for task in [self._pool.submit(compute_cells) for _ in range(self.threads)]:
            task.result()
        return sr_image

    def fingerprint(self) -> str:
        return self.original.fingerprint()

    def _cell(self, lr_image: np.ndarray, rows: slice, columns: slice) -> Cell:
        height, width = lr_image.shape[:2]
        down, top, bottom = _with_margin(rows, height, self._margin)
        across, left, right = _with_margin(columns, width, self._margin)
        # Where the picture goes on, the margin is lost on the way and the result begins with the cell.
        begins = rows.start if top else 0, columns.start if left else 0
        return Cell(rows, columns, lr_image[down, across], Borders(top, bottom, left, right), begins)

    def _run_cell(self, cell: Cell, ensemble: bool) -> np.ndarray:
        if ensemble:
            result = ensemble_of(lambda turned, *how: self._run_window(turned, cell.borders.turned(*how)), cell.window)
        else:
            result = self._run_window(cell.window, cell.borders)
        above, before = (origin - begin for origin, begin in zip((cell.rows.start, cell.columns.start), cell.begins))
        return result[hr_slice(cell.rows, self.scale, above), hr_slice(cell.columns, self.scale, before)]

    def _run_window(self, window: np.ndarray, borders: Borders) -> np.ndarray:
        import ncnn

        # The margins are lost where the picture goes on; the last layer has its own still.
        margin, cuts = len(self._layers[-1].kernel) // 2, borders.cuts()
        rows, columns = (side - (self._margin - margin) * cut for side, cut in zip(window.shape, cuts))
        odd = (bool(rows % 2), bool(columns % 2)) if self._blocked else (False, False)
        extractor = self.network(borders, odd).create_extractor()
        # ncnn works on this memory, channels first.
        channels = np.ascontiguousarray(window.transpose(2, 0, 1), np.float32)
        extractor.input("maps0", ncnn.Mat(channels))
        code, result = extractor.extract("sr_image")
        if code:
            raise RuntimeError(f"ncnn: error {code}")
        sr_image = np.array(result).reshape(self.channels, result.h, result.w).transpose(1, 2, 0)
        # What was paired with zeros goes.
        return sr_image[: self.scale * (rows - margin * cuts[0]), : self.scale * (columns - margin * cuts[1])]

    def network(self, borders: Borders, odd: tuple[bool, bool]):
        """ncnn's network of this thread for windows that end there, `odd` as in `ncnn_files.write`."""
        networks = self._own.__dict__.setdefault("networks", {})
        if (borders, odd) not in networks:
            networks[borders, odd] = self._load(borders, odd)
        return networks[borders, odd]

    def _load(self, borders: Borders, odd: tuple[bool, bool]):
        import ncnn

        network = ncnn.Net()
        # Each core has a cell: ncnn's own threads would share one. F(6×6, 3×3) is no faster here, and ten times less
        # exact.
        network.opt.num_threads = 1
        network.opt.use_winograd63_convolution = False
        network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
        parameters, weights = ncnn_files.write(self._layers, borders, odd, self.scale, self.channels)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            (path / "param").write_text(parameters)
            (path / "bin").write_bytes(weights)
            if network.load_param(str(path / "param")) or network.load_model(str(path / "bin")):
                raise Unfit("ncnn does not load it")
        return network


def _cut(part: slice, side: int) -> list[slice]:
    return [slice(start, min(start + side, part.stop)) for start in range(part.start, part.stop, side)]


def _with_margin(part: slice, length: int, margin: int) -> tuple[slice, bool, bool]:
    """Along one axis: what a cell reads, and whether that starts and ends where the picture does."""
    starts, ends = part.start < margin, part.stop + margin > length
    return slice(0 if starts else part.start - margin, length if ends else part.stop + margin), starts, ends
