"""TFLite files in OpenVINO: the same results, tiles exact, and TFLite wherever it would not be so."""

import platform
import sys

import numpy as np
import pytest
import tensorflow as tf
from upscale_cases import files, network

from zoo.upscale import open_engine, tiles, upscale
from zoo.upscale.openvino import MACHINES, OpenVINOEngine, Unfit, fastest
from zoo.upscale.tflite import TFLiteEngine

pytest.importorskip("openvino")
if platform.machine().lower() not in MACHINES:
    pytest.skip("OpenVINO is used on x86 only", allow_module_level=True)
NOISE = np.random.default_rng(0).random((41, 58, 3), np.float32)


@pytest.fixture(scope="module")
def tflite(tmp_path_factory):
    return files(tmp_path_factory.getbasetemp())


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
        np.testing.assert_array_equal(tiles.run_whole(engine, lr_image, tile), kept)
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


def test_presets_files_and_keras_models_run_in_it(tflite):
    for model in ("espcn_x3", tflite("luma"), network("luma")):
        assert type(open_engine(model)) is OpenVINOEngine


def test_tflite_where_it_is_not_installed_or_not_measured(tflite, monkeypatch):
    content = tflite("luma").read_bytes()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "openvino", None)
        assert type(fastest(content, "luma")) is TFLiteEngine
    with monkeypatch.context() as patch:
        patch.setattr(platform, "machine", lambda: "aarch64")
        assert type(fastest(content, "luma")) is TFLiteEngine
    assert type(fastest(content, "luma")) is OpenVINOEngine


def test_tflite_where_the_results_differ(tflite, monkeypatch):
    honest = OpenVINOEngine.run
    monkeypatch.setattr(OpenVINOEngine, "run", lambda self, lr_image: np.roll(honest(self, lr_image), 1, axis=0))
    assert type(fastest(tflite("luma").read_bytes(), "luma")) is TFLiteEngine


def test_a_quantised_file_stays_with_tflite(tmp_path):
    kernel = np.random.default_rng(1).normal(0, 0.3, (3, 3, 1, 4)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 16, 20, 1))])
    def enlarge(x):
        return tf.nn.depth_to_space(tf.nn.conv2d(x, kernel, 1, "SAME"), 2)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([enlarge.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([NOISE[None, :16, :20, :1]] for _ in range(2))
    content = converter.convert()
    with pytest.raises(Unfit, match="quantised"):
        OpenVINOEngine(TFLiteEngine(content, "int8"))
    assert type(fastest(content, "int8")) is TFLiteEngine
