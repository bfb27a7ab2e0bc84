"""Rows of convolutions in OpenVINO whose last layer fills a processor's vectors.

Its kernels compute sixteen maps at once: a last layer of one or of four, as SRCNN's or any at scale 2, takes as long as
one of sixteen. So it computes a block of pixels at a time. Where a window has its margin around it, layers lose theirs
on the way, as nobody needs it. `python -m benchmarks.layers` has the share of the peak, layer by layer.
"""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.engines.engine import Engine, Unfit, hr_slice
from zoo.engines.openvino import SETTINGS
from zoo.engines.tflite import TFLiteEngine, row_of
from zoo.graphs import enlarged_rows, rows
from zoo.graphs.operations import Convolution
from zoo.identities.blocks import block_kernel, shuffled_with
from zoo.targets.xnnpack import LEAST_GATHERED, VECTOR, best_block

# A number that every block divides: one that overhangs is cut off here, whatever the picture's size.
ANY = 12


class Row(NamedTuple):
    """What a file consists of.

    Attributes:
        layers: its convolutions.
        enlargement: a TFLite file of what stands before them; empty if they read the image itself.
        shuffle: by how much the last one's maps are shuffled.
        block: how many pixels a side it computes at a time.
    """

    layers: list[Convolution]
    enlargement: bytes
    shuffle: int
    block: int

    @property
    def margin(self) -> int:
        """How far a pixel of the last layer sees, px of the maps."""
        return sum(len(layer.kernel) // 2 for layer in self.layers)


def read_row(engine: TFLiteEngine) -> Row:
    """What a file consists of, where that is a row of convolutions, an enlargement before them or behind them.

    Raises:
        Unfit: it is something else.
    """
    try:
        layers, enlargement = enlarged_rows.read(engine.file)
        shuffle = 1
    except rows.NoRow:
        layers, enlargement, shuffle = row_of(engine), b"", engine.scale
    last = layers[-1]
    _, side, inputs, outputs = last.kernel.shape
    plain = (last.activation, last.added) == ("linear", None)
    return Row(layers, enlargement, shuffle, best_block(outputs, side, inputs, ANY) if plain else 1)


class OpenVINORowEngine(Engine):
    """A float32 TFLite file that is a row of convolutions with a last layer of few maps, in OpenVINO for every size.

    Args:
        engine: the file in TFLite.

    Raises:
        ImportError: OpenVINO is not installed.
        Unfit: the file has other layers, or nothing to gain.
    """

    def __init__(self, engine: TFLiteEngine):
        from openvino import Core

        self._row = read_row(engine)
        if self._row.block == 1:
            raise Unfit("a last layer that fills its vectors")
        name, scale, channels, size = engine.name, engine.scale, engine.channels, engine.size
        radius, unbounded, step = engine.radius, engine.unbounded, engine.step
        super().__init__(name, scale, channels, radius, unbounded, size, step=step, kind="OpenVINO fitted")
        self.original, self._core = engine, Core()
        # By what they compute: the enlargement, and the row, zero-padded or not.
        self._requests: dict[str, Any] = {}

    def fingerprint(self) -> str:
        return self.original.fingerprint()

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        return self.run_part(lr_image, slice(0, lr_image.shape[0]), slice(0, lr_image.shape[1]))

    def run_part(self, lr_image: np.ndarray, rows: slice, columns: slice, ensemble: bool = False) -> np.ndarray:
        if ensemble:
            return super().run_part(lr_image, rows, columns, ensemble)
        image = np.ascontiguousarray(lr_image[None], np.float32)
        if self._row.enlargement:
            image = self._infer("enlargement", image)
        margin, shuffle = self._row.margin, self._row.shuffle
        parts = [hr_slice(part, self.scale // shuffle) for part in (rows, columns)]
        lengths = image.shape[1:3]
        inside = all(part.start >= margin and part.stop + margin <= of for part, of in zip(parts, lengths))
        read = [slice(max(part.start - margin, 0), min(part.stop + margin, of)) for part, of in zip(parts, lengths)]
        result = self._infer("row" if inside else "padded", np.ascontiguousarray(image[:, read[0], read[1]]))
        # The row's result begins with the part. Either may have a row or column too many, of the blocks.
        kept = [
            slice(0, part.stop - part.start) if inside else slice(part.start - of.start, part.stop - of.start)
            for part, of in zip(parts, read)
        ]
        # The request's own memory holds the next result.
        return result[0][tuple(hr_slice(part, shuffle) for part in kept)].copy()

    def _infer(self, what: str, image: np.ndarray) -> np.ndarray:
        if what not in self._requests:
            network = self._enlargement() if what == "enlargement" else network_of(self._row, what == "padded")
            settings = {**SETTINGS, "INFERENCE_NUM_THREADS": self.original.threads}
            self._requests[what] = self._core.compile_model(network, "CPU", settings).create_infer_request()
        (result,) = self._requests[what].infer([image], share_inputs=True, share_outputs=True).values()
        return result

    def _enlargement(self):
        # OpenVINO reads TFLite from files only.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "enlargement.tflite"
            path.write_bytes(self._row.enlargement)
            return self._core.read_model(path)


def gathered(layer: Convolution) -> bool:
    """Whether a layer's pixels are gathered along the row first: see `zoo.rewrite.blocks`."""
    side, _, inputs, outputs = layer.kernel.shape
    return inputs == 1 and side >= LEAST_GATHERED and outputs >= VECTOR


def network_of(row: Row, padded: bool, size: tuple[int, int] = (-1, -1)):
    """A row of convolutions as OpenVINO's model, (1, h, w, C) → (1, h', w', C).

    Args:
        padded: zero-padded to their input's size, as in the file; else each loses its margin.
        size: height and width that it takes; -1: any.
    """
    import openvino
    from openvino import opset8 as operations

    image = operations.parameter(openvino.PartialShape([1, *size, row.layers[0].kernel.shape[2]]), np.float32)
    maps = operations.transpose(image, np.array([0, 3, 1, 2]))
    results: list[Any] = []
    # What each layer has lost of its sides.
    lost = [0]

    def convolve(kernel: np.ndarray, block: int = 1, by_map: bool = False):
        before = [(side - block + 1) // 2 * padded for side in kernel.shape[:2]]
        # An odd row or column of pixels gets one more.
        after = [side + block - 1 for side in before]
        if by_map:
            # (groups, outputs of each, inputs of each, rows, columns)
            groups = np.ascontiguousarray(kernel.transpose(2, 3, 0, 1)[:, None], np.float32)
            return operations.group_convolution(maps, groups, [1, 1], before, after, [1, 1])
        weights = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), np.float32)
        return operations.convolution(maps, weights, [block] * 2, before, after, [1, 1])

    for layer in row.layers:
        kernel, bias = layer.kernel, layer.bias
        side = len(kernel)
        lost.append(lost[-1] + side // 2 * (not padded))
        if layer is row.layers[-1] and row.block > 1:
            fitted, several = block_kernel(kernel, row.block), np.tile(bias, row.block**2)
            fitted, bias = shuffled_with(fitted, several, row.block, row.shuffle)
            maps = convolve(fitted, row.block)
        elif gathered(layer):
            maps = convolve(np.eye(side)[None, :, None])
            maps = convolve(kernel.transpose(0, 2, 1, 3))
        else:
            maps = convolve(kernel, by_map=layer.depthwise)
        maps = operations.add(maps, bias.reshape(1, -1, 1, 1).astype(np.float32))
        if layer.activation == "relu":
            maps = operations.relu(maps)
        elif layer.activation == "tanh":
            maps = operations.tanh(maps)
        elif layer.slopes is not None:
            maps = operations.prelu(maps, np.ascontiguousarray(layer.slopes, np.float32))
        if layer.added is not None:
            kept, more = results[layer.added], lost[-1] - lost[layer.added + 1]
            if more:
                axes = np.array([2, 3])
                kept = operations.slice(kept, np.array([more] * 2), np.array([-more] * 2), np.array([1, 1]), axes)
            maps = operations.add(maps, kept)
        results.append(maps)
    if row.block * row.shuffle > 1:
        maps = operations.depth_to_space(maps, "blocks_first", row.block * row.shuffle)
    return openvino.Model([operations.transpose(maps, np.array([0, 2, 3, 1]))], [image], "row")
