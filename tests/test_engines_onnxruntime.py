"""Rows of convolutions in onnxruntime: the results of TFLite, tiles exact, the file made without TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest
from engine_contract import keeps_the_contract

from zoo import registry
from zoo.engines.engine import Unfit
from zoo.engines.onnxruntime import OnnxruntimeEngine
from zoo.engines.tflite import TFLiteEngine
from zoo.graphs import rows, rows_onnx
from zoo.graphs.tflite import read

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
NOISE = np.random.default_rng(0).random((41, 58, 3), np.float32)


@pytest.mark.parametrize("name", ["espcn_x3", "espcn_rgb_x3", "fsrcnn_x2", "fsrcnn_rgb_x3", "gecko_x2"])
def test_results_are_those_of_tflite_and_tiles_are_exact(name):
    expected = TFLiteEngine(registry.preset_file(name, ".tflite").read_bytes(), name)
    keeps_the_contract(OnnxruntimeEngine(expected), expected, NOISE[..., : expected.channels], 1e-5, (13, (9, 40)))


def test_what_is_no_row_of_convolutions_is_refused(tflite):
    with pytest.raises(Unfit, match="no row of convolutions: "):
        OnnxruntimeEngine(TFLiteEngine(tflite("bicubic").read_bytes(), "bicubic"))


@pytest.mark.parametrize("name", ["luma3", "rgb", "thin", "separable"])
def test_the_file_is_the_row_in_onnx_own_words(tflite, name):
    """Read by ONNX' reference implementation, which shares no code with any engine."""
    from onnx.reference import ReferenceEvaluator

    file = read(tflite(name))
    layers, scale = rows.read(file)
    model = onnx.load_model_from_string(rows_onnx.write(layers, scale))
    shapes = [
        [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    channels = file.inputs[0].shape[3]
    assert shapes == [[1, channels, "H", "W"], [1, channels, "sr_H", "sr_W"]]
    lr_image = NOISE[:9, :12, :channels]
    (ours,) = ReferenceEvaluator(model).run(None, {"lr_image": lr_image.transpose(2, 0, 1)[None]})
    theirs = TFLiteEngine(tflite(name).read_bytes(), name).run(lr_image)
    np.testing.assert_allclose(ours[0].transpose(1, 2, 0), theirs, rtol=0, atol=1e-5 * np.ptp(theirs))


def test_neither_tensorflow_nor_keras_is_needed():
    program = (
        "import sys; from zoo.engines.opening import of_preset; from zoo.engines.onnxruntime import OnnxruntimeEngine;"
        "assert OnnxruntimeEngine(of_preset('fsrcnn_s_x2', 1)).kind == 'onnxruntime';"
        "sys.exit(', '.join({'keras', 'tensorflow', 'tf2onnx'} & {*sys.modules}) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
