"""TFLite files through OpenVINO, the extra `fast`: the same function, on x86 the fastest of the engines measured.

`python -m benchmarks.inference` measures it against TFLite's own engine and against what else runs such networks.
"""

import platform
import tempfile
from pathlib import Path

import numpy as np

from zoo.upscale.engine import Engine
from zoo.upscale.tflite import TFLiteEngine

# OpenVINO was measured on these only.
MACHINES = ("x86_64", "amd64")
# Of the output's range: how far it may be from TFLite's result before TFLite is used instead.
TOLERANCE = 1e-5


class Unfit(Exception):
    """A file that OpenVINO cannot read, or does not compute as TFLite does."""


def fastest(content: bytes, name: str, threads: int | None = None, radius: int | None = None) -> Engine:
    """The engine of a TFLite file: OpenVINO where it is installed and computes the same, else TFLite.

    Args and errors: those of `TFLiteEngine`, which says what the file is in either case.
    """
    engine = TFLiteEngine(content, name, threads, radius)
    if platform.machine().lower() not in MACHINES:
        return engine
    try:
        return OpenVINOEngine(engine)
    except (ImportError, Unfit):
        return engine


class OpenVINOEngine(Engine):
    """A float32 TFLite file in OpenVINO, compiled once for every size.

    Its convolutions sum a pixel's products in one order, wherever in a window it lies: tiles are exact.

    Args:
        engine: the file in TFLite; its result for a picture of noise is what this one's is held against.

    Raises:
        ImportError: OpenVINO is not installed.
        Unfit: the file is quantised, has operations that OpenVINO does not know, or the two results differ.
    """

    def __init__(self, engine: TFLiteEngine):
        from openvino import Core

        self.name, self.scale, self.channels = engine.name, engine.scale, engine.channels
        self.radius, self.unbounded, self.size = engine.radius, engine.unbounded, engine.size
        self.threads, self.fingerprint = engine.threads, engine.fingerprint
        # Some processors would compute in half precision otherwise.
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": self.threads, "NUM_STREAMS": 1}
        core = Core()
        # OpenVINO reads TFLite from files only, and may read on while it compiles.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.tflite"
            path.write_bytes(engine.content)
            try:
                network = core.read_model(path)
                if any(operation.get_type_name() == "FakeQuantize" for operation in network.get_ops()):
                    raise Unfit("quantised")
                self._request = core.compile_model(network, "CPU", settings).create_infer_request()
                self._check(engine)
            # OpenVINO has no exceptions of its own.
            except RuntimeError as error:
                raise Unfit(str(error)) from error

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        image = np.ascontiguousarray(lr_image[None], np.float32)
        (result,) = self._request.infer([image], share_inputs=True, share_outputs=True).values()
        # The request's own memory holds the next result.
        return np.array(result[0])

    def _check(self, engine: TFLiteEngine) -> None:
        height, width = self.size or (19, 26)
        noise = np.random.default_rng(0).random((height, width, self.channels), np.float32)
        expected, received = engine.run(noise), self.run(noise)
        if received.shape != expected.shape or np.abs(received - expected).max() > TOLERANCE * np.ptp(expected):
            raise Unfit("another result than TFLite's")
