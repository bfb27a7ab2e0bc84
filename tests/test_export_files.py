"""The exported files compute what the model does, hold only what a phone takes, and are whole or not there."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import zoo
from export import check, export_model
from export.__main__ import main
from export.files import whole
from export.graph import read


def network(name="fsrcnn_s", scale=3, **options):
    model = zoo.create_model(name, scale, **options)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(scale=0.08, size=weight.shape) for weight in model.get_weights()])
    return model


def run(path, image):
    interpreter = Interpreter(str(path))
    index = interpreter.get_input_details()[0]["index"]
    if tuple(interpreter.get_input_details()[0]["shape"]) != image.shape:
        interpreter.resize_tensor_input(index, image.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def operations(path):
    return {operation.name for operation in read(path).operations}


@pytest.mark.parametrize("name, scale, channels", [("fsrcnn_s", 3, 1), ("espcn_residual", 2, 3), ("srcnn", 4, 1)])
def test_files_equal_keras(name, scale, channels, tmp_path):
    model = network(name, scale, channels=channels)
    formats = ["tflite_fp32", "tflite_fp16", "tflite_dynamic", "saved_model"]
    export_model(model, tmp_path, [(13, 22)], formats, check=False)
    image = np.random.default_rng(1).random((1, 13, 22, channels), dtype=np.float32)
    expected = np.array(model(image))
    stem = f"{name}_x{scale}"
    assert np.abs(run(tmp_path / f"{stem}_13x22_fp32.tflite", image) - expected).max() <= 1e-5
    half = np.abs(run(tmp_path / f"{stem}_13x22_fp16.tflite", image) - expected).max()
    assert 1e-6 < half <= 1e-2
    odd = np.random.default_rng(2).random((1, 7, 31, channels), dtype=np.float32)
    assert np.abs(run(tmp_path / f"{stem}.tflite", odd) - model(odd)).max() <= 1e-5
    for file in tmp_path.glob("*.tflite"):
        assert not operations(file) & {"TRANSPOSE_CONV", "SHAPE", "PACK"}
    loaded = tf.saved_model.load(str(tmp_path / f"{stem}_saved_model"))
    batch = np.random.default_rng(3).random((2, 9, 12, channels), dtype=np.float32)
    (received,) = loaded.signatures["serving_default"](tf.constant(batch)).values()
    assert np.abs(received - model(batch)).max() <= 1e-5
    picture = np.random.default_rng(4).integers(0, 256, (2, 9, 12, channels), dtype=np.uint8)
    (received,) = loaded.signatures["upscale_uint8"](tf.constant(picture)).values()
    wanted = np.clip(np.rint(np.array(model(picture.astype(np.float32) / 255)) * 255), 0, 255)
    assert received.dtype == tf.uint8 and np.abs(received.numpy().astype(int) - wanted).max() <= 1


def test_the_form_is_kept_where_asked(tmp_path):
    export_model(network(), tmp_path, [(12, 12)], ["tflite_fp32"], keep_form=True, check=False)
    (file,) = tmp_path.glob("*.tflite")
    assert "TRANSPOSE_CONV" in operations(file)


def test_a_mixed_precision_model_becomes_float32(tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = network()
    finally:
        keras.config.set_dtype_policy(before)
    export_model(model, tmp_path, [(12, 12)], ["tflite_fp32"], check=False)
    (file,) = tmp_path.glob("*.tflite")
    assert {tensor.dtype for step in read(file).operations for tensor in step.outputs} == {"float32"}
    exact = network()
    exact.set_weights(model.get_weights())
    image = np.random.default_rng(1).random((1, 12, 12, 1), dtype=np.float32)
    assert np.abs(run(file, image) - exact(image)).max() <= 1e-5


def test_a_luma_model_in_rgb_equals_the_python_path(tmp_path):
    from zoo.upscale import upscale

    model = network("espcn", 2)
    export_model(model, tmp_path, [(15, 21)], ["tflite_fp32"], color="rgb", check=False)
    (file,) = tmp_path.glob("*.tflite")
    picture = np.random.default_rng(5).integers(0, 256, (15, 21, 3), dtype=np.uint8)
    received = np.rint(run(file, picture[None].astype(np.float32) / 255)[0] * 255)
    difference = np.abs(received - upscale(picture, model).astype(int))
    assert difference.max() <= 1
    # Control: the picture's channels the other way round are not within a level.
    assert np.abs(received - upscale(picture[..., ::-1], model).astype(int)).max() > 1


def test_an_interrupted_export_leaves_nothing_that_looks_whole(tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "a.tflite") as unfinished:
        unfinished.write_bytes(b"half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["a.tflite"]
    assert (tmp_path / "a.tflite").read_bytes() == b"before"


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--model=nothing"], "Expected the model to be one of"),
        (["--sizes=36"], "Expected sizes as HEIGHTxWIDTH"),
        (["--sizes=0x4"], "Expected sizes as pairs"),
        (["--formats=tflite_int3"], "Expected formats out of"),
    ],
)
def test_refusals(arguments, sentence, tmp_path, capsys):
    network().save(tmp_path / "model.keras")
    given = [f"--model={tmp_path / 'model.keras'}", f"--output={tmp_path / 'out'}", *arguments]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_check_of_a_strangers_file(tmp_path, capsys):
    (tmp_path / "text.tflite").write_text("no flatbuffer")
    assert check.main([str(tmp_path / "text.tflite")]) == 2
    assert "Expected a TFLite file" in capsys.readouterr().err
    export_model(network(), tmp_path, [(36, 64)], ["tflite_fp32"], keep_form=True, check=False)
    (file,) = tmp_path.glob("fsrcnn*.tflite")
    assert check.main([str(file), "--rules_only"]) == 1
    assert "shifted by 1 px" in capsys.readouterr().out


@pytest.mark.slow
def test_the_gate_tells_the_deconvolution_from_its_rewrite(tmp_path):
    # FSRCNN ×3 at LR width 64: in its published form the delegate shifts it silently, in LR form it is right.
    model = network("fsrcnn", 3, upsampler="transposed")
    wrong = export_model(model, tmp_path / "published", [(36, 64)], ["tflite_fp32"], keep_form=True)
    if wrong["files"][0]["gpu"]["verdict"] == "not run":
        pytest.skip(wrong["files"][0]["gpu"]["sentence"])
    assert wrong["files"][0]["gpu"]["verdict"] == "wrong"
    assert wrong["claim"].startswith("NOT fit for a GPU delegate")
    assert {tuple(entry["size"]): entry["verdict"] for entry in wrong["remainders"]}[(24, 25)] == "wrong"
    right = export_model(model, tmp_path / "rewritten", [(36, 64)], ["tflite_fp32"])
    (file,) = right["files"]
    assert file["gpu"]["verdict"] == "right" and file["gpu"]["fully_accelerated"]
    assert file["gpu"]["max_difference"] <= 1e-6 * max(1, file["gpu"]["range"])
    assert file["keras"]["max_difference"] <= 1e-5
    assert [entry["verdict"] for entry in right["remainders"]] == ["right"] * 3
    report = json.loads((tmp_path / "rewritten" / "report.json").read_text(encoding="utf-8"))
    assert report["files"][0]["operations"] == file["operations"]
    assert "Right and fully accelerated" in (tmp_path / "rewritten" / "report.md").read_text(encoding="utf-8")
