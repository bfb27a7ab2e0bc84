"""The exported files compute what the model does, hold only what a phone takes, and are whole or not there."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tflite_cases import tflite_case  # noqa: F401 — a fixture

import zoo
from export import check, delegate, export_model, measure, tflite_dynamic
from export.__main__ import main
from export.formats import FORMATS, Format
from zoo import complexity, rewrite
from zoo.engines.tflite import METADATA
from zoo.errors import UsageError
from zoo.graphs import tflite
from zoo.models import espcn
from zoo.reach import tflite_file


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
    return {operation.name for operation in tflite.read(path).operations}


@pytest.mark.parametrize(
    "name, scale, channels",
    [
        ("fsrcnn_s", 3, 1),
        pytest.param("espcn_residual", 2, 3, marks=pytest.mark.slow),
        pytest.param("srcnn", 4, 1, marks=pytest.mark.slow),
    ],
)
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
        assert "TRANSPOSE_CONV" not in operations(file)
        # The file for every size may cut a map to the picture's size.
        assert file.name == f"{stem}.tflite" or not operations(file) & {"SHAPE", "PACK"}
    loaded = tf.saved_model.load(str(tmp_path / f"{stem}_saved_model"))
    batch = np.random.default_rng(3).random((2, 9, 12, channels), dtype=np.float32)
    (received,) = loaded.signatures["serving_default"](tf.constant(batch)).values()
    assert np.abs(received - model(batch)).max() <= 1e-5
    picture = np.random.default_rng(4).integers(0, 256, (2, 9, 12, channels), dtype=np.uint8)
    (received,) = loaded.signatures["upscale_uint8"](tf.constant(picture)).values()
    wanted = np.clip(np.rint(np.array(model(picture.astype(np.float32) / 255)) * 255), 0, 255)
    assert received.dtype == tf.uint8 and np.abs(received.numpy().astype(int) - wanted).max() <= 1


def strides(path):
    return [operation.options.strideH for operation in tflite.read(path).operations if operation.name == "CONV_2D"]


def test_only_the_file_for_every_size_is_aligned_for_cpus(tmp_path):
    """Its radius comes from its metadata: behind a stride nobody can tell it from the graph."""
    model = network("srcnn", 2)
    export_model(model, tmp_path, [(13, 22)], ["tflite_fp32", "tflite_dynamic"], check=False)
    assert set(strides(tmp_path / "srcnn_x2_13x22_fp32.tflite")) == {1}
    file = tflite.read(tmp_path / "srcnn_x2.tflite")
    assert strides(tmp_path / "srcnn_x2.tflite")[-1] == 2
    # Engines in browsers cannot read an image's size.
    assert "SHAPE" not in operations(tmp_path / "srcnn_x2.tflite")
    known = {"scale": 2, "channels": 1, "radius": complexity.receptive_field(model)}
    assert json.loads(file.metadata(METADATA)) == known
    # Blocks are read whole: by the graph a pixel looks farther, by what the file says it does not.
    true = complexity.receptive_field(model)
    assert true <= tflite_file.reach(file).radius <= true + 1
    # A network whose radius has no bound stays as it is.
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(16, 3, padding="same")(image)
    x = keras.layers.Multiply()([x, keras.layers.GlobalAveragePooling2D(keepdims=True)(x)])
    x = keras.layers.Conv2DTranspose(1, 4, strides=2, padding="same")(x)
    tflite_dynamic(keras.Model(image, x), tmp_path / "global.tflite")
    assert strides(tmp_path / "global.tflite") == [1, 1]
    assert tflite.read(tmp_path / "global.tflite").metadata(METADATA) is None


def test_the_form_is_kept_where_asked(tmp_path):
    export_model(network(), tmp_path, [(12, 12)], ["tflite_fp32"], keep_form=True, check=False)
    (file,) = tmp_path.glob("*.tflite")
    assert "TRANSPOSE_CONV" in operations(file)


@pytest.mark.slow
def test_a_form_that_is_named_is_written(tmp_path):
    # Presets come in LR form: on the command line their deconvolution has to be asked for.
    for form, kept in (("transposed", True), ("subpixel", False)):
        given = ["--model=fsrcnn_x3", f"--output={tmp_path / form}", "--sizes=12x13", "--formats=tflite_fp32"]
        assert main([*given, f"--upsampler={form}", "--nocheck"]) == 0
        (file,) = (tmp_path / form).glob("*.tflite")
        assert ("TRANSPOSE_CONV" in operations(file)) == kept


def test_a_mixed_precision_model_becomes_float32(tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = network()
    finally:
        keras.config.set_dtype_policy(before)
    export_model(model, tmp_path, [(12, 12)], ["tflite_fp32"], check=False)
    (file,) = tmp_path.glob("*.tflite")
    assert {tensor.dtype for step in tflite.read(file).operations for tensor in step.outputs} == {"float32"}
    exact = network()
    exact.set_weights(model.get_weights())
    image = np.random.default_rng(1).random((1, 12, 12, 1), dtype=np.float32)
    assert np.abs(run(file, image) - exact(image)).max() <= 1e-5


def test_a_luma_model_in_rgb_equals_the_python_path(tmp_path, monkeypatch):
    from zoo.engines import mirrored
    from zoo.upscale import upscale

    # A file has the network's own border.
    monkeypatch.setattr(mirrored, "margin", lambda engine: None)
    model = network("espcn", 2)
    export_model(model, tmp_path, [(15, 21)], ["tflite_fp32"], color="rgb", check=False)
    (file,) = tmp_path.glob("*.tflite")
    picture = np.random.default_rng(5).integers(0, 256, (15, 21, 3), dtype=np.uint8)
    received = np.rint(run(file, picture[None].astype(np.float32) / 255)[0] * 255)
    difference = np.abs(received - upscale(picture, model).astype(int))
    assert difference.max() <= 1
    # Control: the picture's channels the other way round are not within a level.
    assert np.abs(received - upscale(picture[..., ::-1], model).astype(int)).max() > 1


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--model=nothing"], "Expected the model to be one of"),
        (["--sizes=36"], "Expected sizes as HEIGHTxWIDTH"),
        (["--sizes=0x4"], "Expected sizes as pairs"),
        (["--formats=tflite_int3"], "Expected a format to be one of"),
        (["--formats=saved_model,gls"], "did you mean 'glsl'?"),
        (["--model=espcn"], "Received: 'espcn', the name of espcn_x2, espcn_x3, espcn_x4"),
        (["--upsampler=sideways"], "Expected upsampler to be one of"),
        (["--data=nowhere"], "nowhere"),
        (["--calibration=nowhere", "--formats=tflite_int8"], "nowhere"),
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
    # Control: nothing speaks against the same network in LR form.
    export_model(network(), tmp_path / "lr", [(36, 64)], ["tflite_fp32"], check=False)
    (file,) = (tmp_path / "lr").glob("*.tflite")
    assert check.main([str(file), "--rules_only", f"--json={tmp_path / 'found.json'}"]) == 0
    (found,) = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["findings"] == [] and found["macs"] > 0


def test_a_file_is_read_once_a_check(tflite_case, monkeypatch):  # noqa: F811
    parsed = []
    unpack = tflite.unpack
    monkeypatch.setattr(tflite, "unpack", lambda *content: parsed.append(1) or unpack(*content))
    monkeypatch.setattr(delegate, "child", lambda *_: ({}, 0, ""))
    entry = check.inspect(tflite_case("subpixel"))
    assert len(parsed) == 1 and entry["gpu"]["verdict"] == "not run" and entry["bytes"] > 1000


def test_an_operation_that_is_not_builtin_is_named_with_its_layer(tmp_path):
    image = keras.Input((None, None, 1))
    enlarged = keras.layers.UpSampling2D(2, interpolation="lanczos3", name="enlarge")(image)
    model = keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(enlarged))
    with pytest.raises(UsageError, match="Expected builtin TFLite operations only.*in the layer 'enlarge'"):
        export_model(model, tmp_path, [(12, 12)], ["tflite_fp32"], check=False)
    assert not list(tmp_path.rglob("*.tflite"))


def test_clipping_takes_operations_that_the_delegate_knows(tmp_path):
    model = network()
    model.layers[-1].bias.assign([0.5])
    model.layers[-1].kernel.assign(60 * model.layers[-1].kernel)
    image = np.random.default_rng(1).random((1, 12, 12, 1), dtype=np.float32)
    assert np.array(model(image)).min() < 0 and np.array(model(image)).max() > 1
    export_model(model, tmp_path, [(12, 12)], ["tflite_fp32"], clip=True, check=False)
    (file,) = tmp_path.glob("*.tflite")
    assert "RELU_0_TO_1" not in operations(file)
    assert np.abs(run(file, image) - np.clip(model(image), 0, 1)).max() <= 1e-5


@pytest.mark.parametrize(
    "model, options, sentence",
    [
        (network(), {"color": "cmyk"}, "Expected color to be one of"),
        (network(channels=3), {"color": "y"}, "Expected a luma model"),
        (network(), {"io": "int4"}, "Expected io to be one of"),
        (network(), {"gate": "maybe"}, "Expected gate to be one of"),
        (network(), {"sizes": []}, "Expected at least one size"),
        (network(), {"formats": []}, "Expected formats out of"),
    ],
)
def test_refused_calls(model, options, sentence, tmp_path):
    with pytest.raises(UsageError, match=sentence):
        export_model(model, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_report_says_what_was_measured_and_what_was_not(tmp_path):
    model, lines = network(), []
    report = export_model(model, tmp_path, [(24, 31)], ["tflite_fp16"], gate="off", progress=lines.append)
    (file,) = report["files"]
    assert 1e-7 < file["keras"]["max_difference"] < 1e-2 and file["keras"]["pictures"] == 2
    assert file["latency"]["median_ms"] > 0 and file["half"]["max_difference"] > 0
    assert file["macs"] == zoo.complexity.count(rewrite.to_lr_space(model), 72, 93)["macs"]
    assert file["gpu"]["verdict"] == "not run" and f"{file['name']}: Not run" in report["claim"]
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert file["name"] in text and "compatible" not in text.lower() and "phone's GPU" in text
    assert "threads" in text and "2 photographs" in text
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["files"][0]["name"] == file["name"]
    assert file["name"] in lines[0]


def test_a_set_without_a_picture_that_counts_is_a_sentence():
    black = np.zeros((36, 42), np.uint8)
    photo = np.random.default_rng(0).integers(0, 256, (36, 42), np.uint8)

    def nearest(image):
        return image.repeat(3, 0).repeat(3, 1)

    assert measure.psnr(nearest, 1, 3, [("black", black)]) == "Not measured: no picture of the set can be compared"
    # Control: with one that counts there is a figure.
    assert 5 < measure.psnr(nearest, 1, 3, [("black", black), ("photo", photo)]) < 20


@pytest.mark.slow
def test_psnr_of_every_file_and_its_loss(reference_data, tmp_path):
    folder = str(reference_data / "eval" / "Set5")
    formats = ["tflite_fp32", "tflite_fp16", "tflite_dynamic", "saved_model"]
    report = export_model(zoo.load("fsrcnn_x3"), tmp_path, [(20, 24)], formats, data=[folder], gate="off")
    for file in report["files"]:
        assert file["psnr"]["Set5"]["psnr"] > 31 and abs(file["psnr"]["Set5"]["loss"]) < 0.005
    assert "Set5, dB (loss)" in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_gate_tells_the_deconvolution_from_its_rewrite(tmp_path):
    # FSRCNN ×3 at LR width 64: in its published form the delegate shifts it silently, in LR form it is right.
    model = network("fsrcnn", 3, upsampler="transposed")
    wrong = export_model(model, tmp_path / "published", [(36, 64)], ["tflite_fp32"], keep_form=True)
    if wrong["files"][0]["gpu"]["verdict"] == "not run":
        pytest.skip(wrong["files"][0]["gpu"]["sentence"])
    assert wrong["files"][0]["gpu"]["verdict"] == "wrong"
    assert wrong["claim"].startswith("NOT fit for a GPU delegate")
    remainders = wrong["files"][0]["remainders"]
    assert {tuple(entry["size"]): entry["verdict"] for entry in remainders}[(24, 25)] == "wrong"
    right = export_model(model, tmp_path / "rewritten", [(36, 64)], ["tflite_fp32"])
    (file,) = right["files"]
    assert file["gpu"]["verdict"] == "right" and file["gpu"]["fully_accelerated"]
    assert file["gpu"]["max_difference"] <= 1e-6 * max(1, file["gpu"]["range"])
    assert file["keras"]["max_difference"] <= 1e-5
    assert [entry["verdict"] for entry in file["remainders"]] == ["right"] * 3
    report = json.loads((tmp_path / "rewritten" / "report.json").read_text(encoding="utf-8"))
    assert report["files"][0]["operations"] == file["operations"]
    pages = [(tmp_path / name / "report.md").read_text(encoding="utf-8") for name in ("rewritten", "published")]
    headline = (
        f"{file['name']}: right and fully accelerated on the {file['gpu']['device']}, at its own size and at 3 small"
    )
    assert (
        headline in pages[0]
        and f"Keras, in levels of 255, on photographs: {file['name']}" in pages[0]
        and "Right too at 24×25, 25×26, 26×24" in pages[0]
    )
    # What is wrong is said for its size.
    assert "At 24×25: WRONG" in pages[1]


@pytest.mark.parametrize(
    "options", [{"io": "uint8"}, {"layer_errors": True}, {"border": "zeros"}], ids=lambda each: [*each][0]
)
def test_an_option_that_none_of_the_formats_has_is_refused(tmp_path, options):
    (name,) = options
    with pytest.raises(
        UsageError, match=f"among the formats for --{name}, which changes no other. Received: tflite_fp32"
    ):
        export_model(espcn(2), tmp_path, [(12, 12)], ["tflite_fp32"], **options)
    assert not [*tmp_path.iterdir()]


def test_a_new_format_is_one_entry(tmp_path, monkeypatch):
    def write(content, path, size):
        path.write_text(f"{content.model.name} {content.options.clip}")

    described = Format(".words", write, lambda path: lambda image: np.zeros((24, 24, 1)), "Words; no pixels")
    monkeypatch.setitem(FORMATS, "words", described)
    monkeypatch.setattr("export.write.ANY_SIZE", (12, 12))
    network = espcn(2)
    report = export_model(network, tmp_path, formats=["words"], clip=True)
    (entry,) = report["files"]
    assert (tmp_path / entry["name"]).read_text() == "espcn_x2 True" and entry["name"] == "espcn_x2.words"
    # Control: what the file gives is compared with the network, which does not give zeros.
    assert entry["keras"]["max_difference"] > 1e-3
    assert "- Words; no pixels." in (tmp_path / "report.md").read_text(encoding="utf-8")
