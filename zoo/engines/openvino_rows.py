"""Rows of convolutions in OpenVINO whose last layer fills a processor's vectors.

Its kernels compute sixteen maps at once: a last layer of four, as at scale 2, takes as long as one of sixteen. So it
computes 2×2 pixels at a time. `python -m benchmarks.layers` has the share of the peak, layer by layer.
"""

from typing import Any

import numpy as np

from zoo.engines.engine import Engine, Unfit, hr_slice
from zoo.engines.openvino import SETTINGS
from zoo.engines.tflite import TFLiteEngine, row_of
from zoo.graphs.operations import Convolution
from zoo.identities.blocks import block_kernel, shuffled_with

# Maps in a vector of AVX-512; pixels a side that the last layer computes at a time.
VECTOR, BLOCK = 16, 2


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

        layers = row_of(engine)
        last = layers[-1]
        if BLOCK**2 * len(last.bias) > VECTOR or (last.activation, last.added) != ("linear", None):
            raise Unfit("a last layer that fills its vectors")
        name, scale, channels, size = engine.name, engine.scale, engine.channels, engine.size
        radius, unbounded, step = engine.radius, engine.unbounded, engine.step
        super().__init__(name, scale, channels, radius, unbounded, size, step=step, kind="OpenVINO fitted")
        self.original = engine
        settings = {**SETTINGS, "INFERENCE_NUM_THREADS": engine.threads}
        self._request = Core().compile_model(_network(layers, scale), "CPU", settings).create_infer_request()

    def fingerprint(self) -> str:
        return self.original.fingerprint()

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        image = np.ascontiguousarray(lr_image[None], np.float32)
        (result,) = self._request.infer([image], share_inputs=True, share_outputs=True).values()
        rows, columns = (hr_slice(slice(0, side), self.scale) for side in lr_image.shape[:2])
        # The request's own memory holds the next result; an odd row or column was computed with one more.
        return result[0][rows, columns].copy()


def _network(layers: list[Convolution], scale: int):
    import openvino
    from openvino import opset8 as operations

    image = operations.parameter(openvino.PartialShape([1, -1, -1, layers[0].kernel.shape[2]]), np.float32)
    maps = operations.transpose(image, np.array([0, 3, 1, 2]))
    results: list[Any] = []
    for layer in layers:
        kernel, bias, before, steps, more = layer.kernel, layer.bias, len(layer.kernel) // 2, 1, 0
        if layer is layers[-1]:
            kernel, bias = shuffled_with(block_kernel(kernel, BLOCK), np.tile(bias, BLOCK**2), BLOCK, scale)
            steps, more = BLOCK, BLOCK - 1
        weights = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), np.float32)
        pads = [before] * 2, [before + more] * 2
        maps = operations.convolution(maps, weights, [steps] * 2, *pads, [1, 1])
        maps = operations.add(maps, bias.reshape(1, -1, 1, 1).astype(np.float32))
        if layer.activation == "relu":
            maps = operations.relu(maps)
        elif layer.activation == "tanh":
            maps = operations.tanh(maps)
        elif layer.slopes is not None:
            maps = operations.prelu(maps, np.ascontiguousarray(layer.slopes, np.float32))
        if layer.added is not None:
            maps = operations.add(maps, results[layer.added])
        results.append(maps)
    shuffled = operations.depth_to_space(maps, "blocks_first", BLOCK * scale)
    return openvino.Model([operations.transpose(shuffled, np.array([0, 2, 3, 1]))], [image], "row")
