"""TFLite files through OpenVINO, the extra `fast`: the same function, on x86 faster than TFLite's own engine."""

import tempfile
from pathlib import Path

import numpy as np

from zoo.engines.engine import Engine, Unfit
from zoo.engines.tflite import TFLiteEngine


class OpenVINOEngine(Engine):
    """A float32 TFLite file in OpenVINO, compiled once for every size.

    Its convolutions sum a pixel's products in one order, wherever in a window it lies: tiles are exact.

    Args:
        engine: the file in TFLite.

    Raises:
        ImportError: OpenVINO is not installed.
        Unfit: the file is quantised, or has operations that OpenVINO does not know.
    """

    def __init__(self, engine: TFLiteEngine):
        from openvino import Core

        radius, unbounded, step = engine.radius, engine.unbounded, engine.step
        super().__init__(engine.name, engine.scale, engine.channels, radius, unbounded, engine.size, step=step)
        self.original, self.threads = engine, engine.threads
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
            # OpenVINO has no exceptions of its own.
            except RuntimeError as error:
                raise Unfit(str(error)) from error

    def fingerprint(self) -> str:
        return self.original.fingerprint()

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        image = np.ascontiguousarray(lr_image[None], np.float32)
        (result,) = self._request.infer([image], share_inputs=True, share_outputs=True).values()
        # The request's own memory holds the next result.
        return np.array(result[0])
