"""TFLite files in OpenVINO: the same results, tiles exact."""

import platform

import numpy as np
import pytest
from engine_contract import keeps_the_contract

from zoo.engines.opening import MACHINES, fastest
from zoo.engines.openvino import OpenVINOEngine
from zoo.engines.tflite import TFLiteEngine
from zoo.upscale import upscale

pytest.importorskip("openvino")
if platform.machine().lower() not in MACHINES:
    pytest.skip("OpenVINO is used on x86 only", allow_module_level=True)
NOISE = np.random.default_rng(0).random((41, 58, 3), np.float32)


@pytest.mark.parametrize("name", ["luma", "luma3", "rgb", "thin", "bicubic"])
def test_results_are_those_of_tflite_and_tiles_are_exact(tflite, name):
    expected = TFLiteEngine(tflite(name).read_bytes(), name)
    keeps_the_contract(OpenVINOEngine(expected), expected, NOISE[..., : expected.channels], 1e-5, (13, (9, 40)))


def test_a_file_of_a_fixed_size(tflite):
    content = tflite("luma", (24, 40)).read_bytes()
    engine, expected = fastest(content, "fixed"), TFLiteEngine(content, "fixed")
    assert type(engine) is OpenVINOEngine and engine.size == (24, 40)
    picture = (255 * NOISE[..., 0]).astype(np.uint8)
    assert np.abs(upscale(picture, engine).astype(int) - upscale(picture, expected)).max() <= 1
