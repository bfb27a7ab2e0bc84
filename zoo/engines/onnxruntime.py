"""Rows of convolutions through onnxruntime, where it and `onnx` are installed (the extra `onnx`)."""

import numpy as np

from zoo.engines.engine import Engine
from zoo.engines.tflite import TFLiteEngine, row_of
from zoo.graphs import rows_onnx


class OnnxruntimeEngine(Engine):
    """A float32 TFLite file that is a row of convolutions and a shuffle, as an ONNX file in onnxruntime.

    Args:
        engine: the file in TFLite.

    Raises:
        ImportError: onnxruntime or onnx is not installed.
        Unfit: the file has one size only, or other layers.
    """

    def __init__(self, engine: TFLiteEngine):
        import onnx  # noqa: F401
        import onnxruntime

        content = rows_onnx.write(row_of(engine), engine.scale)
        radius, unbounded, step = engine.radius, engine.unbounded, engine.step
        name, scale, channels, size = engine.name, engine.scale, engine.channels, engine.size
        super().__init__(name, scale, channels, radius, unbounded, size, step=step, kind="onnxruntime")
        self.original, self.threads = engine, engine.threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = self.threads, 3
        # Threads that spin while nothing is to do would slow down who decodes and encodes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def fingerprint(self) -> str:
        return self.original.fingerprint()

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        batch = np.ascontiguousarray(lr_image.transpose(2, 0, 1)[None], np.float32)
        (result,) = self._session.run(None, {"lr_image": batch})
        return np.ascontiguousarray(result[0].transpose(1, 2, 0))
