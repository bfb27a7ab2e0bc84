"""TFLite files in OpenVINO: the same results, tiles exact."""

import platform

import numpy as np
import pytest

from zoo.engines import tiles
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
    engine = OpenVINOEngine(expected)
    assert (engine.scale, engine.channels, engine.radius) == (expected.scale, expected.channels, expected.radius)
    assert engine.fingerprint() == expected.fingerprint()
    lr_image = NOISE[..., : engine.channels]
    whole = engine.run(lr_image)
    assert np.abs(whole - expected.run(lr_image)).max() <= 1e-5 * np.ptp(whole)
    # Control: the picture a pixel further is another one.
    assert np.abs(whole - expected.run(np.roll(lr_image, 1, 0))).max() > 1e-2 * np.ptp(whole)
    kept = whole.copy()
    for tile in (13, (9, 40)):
        np.testing.assert_array_equal(tiles.run_picture(engine, lr_image, tile), kept)
    # A result is not written over by the runs after it, and a view that is not contiguous is read as it is.
    np.testing.assert_array_equal(whole, kept)
    turned = lr_image.transpose(1, 0, 2)
    np.testing.assert_array_equal(engine.run(turned), engine.run(turned.copy()))


def test_a_file_of_a_fixed_size(tflite):
    content = tflite("luma", (24, 40)).read_bytes()
    engine, expected = fastest(content, "fixed"), TFLiteEngine(content, "fixed")
    assert type(engine) is OpenVINOEngine and engine.size == (24, 40)
    picture = (255 * NOISE[..., 0]).astype(np.uint8)
    assert np.abs(upscale(picture, engine).astype(int) - upscale(picture, expected)).max() <= 1
