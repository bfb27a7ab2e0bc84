"""Which engine a TFLite file runs in: the fastest that computes it right, TFLite wherever it would not be so."""

import platform
import sys

import numpy as np
import pytest
import tensorflow as tf
from upscale_cases import network

from zoo import machine, registry
from zoo.engines import __main__ as command
from zoo.engines.kinds import X86, guess
from zoo.engines.ncnn import NcnnEngine
from zoo.engines.opening import candidates, fastest, without_cells
from zoo.engines.openvino import OpenVINOEngine
from zoo.engines.tflite import TFLiteEngine
from zoo.upscale import Chain, open_engine

if platform.machine().lower() not in X86:
    pytest.skip("the extra `fast` is used on x86 only", allow_module_level=True)
pytest.importorskip("ncnn")
pytest.importorskip("openvino")


@pytest.fixture(autouse=True)
def amd(monkeypatch):
    """The order of the guess is one machine's."""
    monkeypatch.setattr(machine, "processor", lambda: "AMD EPYC")


def in_tflite(tflite, name: str = "luma", size=None) -> TFLiteEngine:
    return TFLiteEngine(tflite(name, size).read_bytes(), name)


@pytest.mark.slow
def test_presets_files_and_keras_models(tflite):
    for model in ("espcn_x3", "fsrcnn_x2", tflite("luma"), network("thin")):
        assert type(open_engine(model)) is NcnnEngine
    for model in ("srcnn_x3", tflite("bicubic"), tflite("luma", (24, 40)), network("nearest")):
        assert type(open_engine(model)) is OpenVINOEngine


def test_the_guess_is_what_was_measured_on_such_a_processor(tflite, monkeypatch):
    assert guess() == ["ncnn 40x80", "OpenVINO", "TFLite"]
    monkeypatch.setattr(machine, "processor", lambda: "Intel(R) Xeon(R) Processor")
    assert guess() == ["OpenVINO", "ncnn 40x80", "TFLite"]
    assert type(fastest(in_tflite(tflite))) is OpenVINOEngine


def test_what_is_not_installed_is_passed_over_and_named(tflite, monkeypatch):
    file = in_tflite(tflite)
    for missing, expected in ((["ncnn"], OpenVINOEngine), (["ncnn", "openvino", "onnxruntime"], TFLiteEngine)):
        with monkeypatch.context() as patch:
            for name in missing:
                patch.setitem(sys.modules, name, None)
            assert type(fastest(file)) is expected
            refused = candidates(file)[1]
            assert {kind.lower().split(" ")[0] for kind in refused} == {*missing}
            assert all(reason.startswith("not installed") for reason in refused.values())
    assert type(fastest(file)) is NcnnEngine


def test_machines_on_which_nothing_was_tried_have_tflite(tflite, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    file = in_tflite(tflite)
    assert type(fastest(file)) is TFLiteEngine and [*candidates(file)[0]] == ["TFLite"]


def test_an_engine_with_other_results_is_passed_over(tflite, monkeypatch):
    file = in_tflite(tflite)
    for wrong, expected in ((NcnnEngine, OpenVINOEngine), (OpenVINOEngine, TFLiteEngine)):
        honest = wrong.run
        monkeypatch.setattr(wrong, "run", lambda self, image, honest=honest: np.roll(honest(self, image), 1, axis=0))
        assert type(fastest(file)) is expected
    assert candidates(file)[1]["OpenVINO"] == "another result than TFLite's"


def test_an_engine_that_fails_is_passed_over(tflite, monkeypatch):
    def fail(self, lr_image):
        raise RuntimeError("out of something\nand more")

    monkeypatch.setattr(NcnnEngine, "run", fail)
    file = in_tflite(tflite)
    assert type(fastest(file)) is OpenVINOEngine
    assert candidates(file)[1]["ncnn 40x80"] == "RuntimeError: out of something"


def test_a_quantised_file_stays_with_tflite():
    kernel = np.random.default_rng(1).normal(0, 0.3, (3, 3, 1, 4)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 16, 20, 1))])
    def enlarge(x):
        return tf.nn.depth_to_space(tf.nn.conv2d(x, kernel, 1, "SAME"), 2)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([enlarge.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    noise = np.random.default_rng(0).random((1, 16, 20, 1), np.float32)
    converter.representative_dataset = lambda: ([noise] for _ in range(2))
    file = TFLiteEngine(converter.convert(), "int8")
    assert type(fastest(file)) is TFLiteEngine and [*candidates(file)[0]] == ["TFLite"]


def test_a_chain_has_no_cells():
    engines = [open_engine(name) for name in ("espcn_x2", "espcn_x2", "srcnn_x2")]
    assert type(engines[0]) is NcnnEngine and without_cells(engines[2]) is engines[2]
    chain = Chain([engines[0], engines[0], engines[2]])
    assert [type(engine) for engine in chain.engines] == [OpenVINOEngine] * 3
    assert chain.engines[0] is chain.engines[1] and chain.fingerprint().count(engines[0].fingerprint()) == 2
    assert registry.card("espcn_x2")["radius"] == chain.engines[0].radius
    assert chain.kinds() == {engines[0].fingerprint(): "OpenVINO", engines[2].fingerprint(): "OpenVINO"}


def test_names_of_any_length_stand_apart_in_the_listing(capsys):
    assert command.main(["gecko_*dw_*x2"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  gecko")]
    assert [row[0] for row in rows] == registry.list_presets("gecko_*dw_*x2") and len(rows) >= 2
