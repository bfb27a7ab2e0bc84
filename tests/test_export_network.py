"""Export of networks that do not enlarge pictures: a U-Net from .keras to a phone, fixed sizes, several tensors."""

import json

import keras
import numpy as np
import oracle
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from benchmarks.networks import randomise
from export.__main__ import main as export
from export.network import difference, enlarges_pictures
from zoo.engines import open_engine
from zoo.engines.keras import KerasEngine
from zoo.graphs import tflite
from zoo.layers import DepthToSpace
from zoo.rewrite.__main__ import main as rewrite


def run(path, images):
    found = Interpreter(str(path)).get_signature_runner()(**images)
    return [found[name] for name in sorted(found)]


@pytest.mark.slow
def test_a_unet_from_keras_to_a_phone(unet, tmp_path, capsys):
    """The path of docs/convert.md, end to end, with the real delegate where there is a driver."""
    source, model = unet
    fast, files = tmp_path / "fast.keras", tmp_path / "phone"
    assert rewrite([str(source), str(fast)]) == 0
    formats = "saved_model,tflite_fp32,tflite_fp16,tflite_int8"
    assert export([f"--model={fast}", "--sizes=36x52", f"--formats={formats}", f"--output={files}"]) == 0
    path = files / "unet_upsampling_36x52_fp32.tflite"
    image = np.random.default_rng(0).random((1, 36, 52, 3), dtype=np.float32)
    (received,) = run(path, {model.inputs[0]._keras_history.operation.name: image})
    assert oracle.relative(received, model(image)) <= 1e-5
    assert "DEPTH_TO_SPACE" in {each.name for each in tflite.read(path).operations}
    report = json.loads((files / "report.json").read_text())
    assert {entry["gpu"]["verdict"] for entry in report["files"] if "gpu" in entry} <= {"right", "not run"}
    *exact, half, quantized = [entry["keras"]["max_difference"] for entry in report["files"]]
    assert max(exact) <= 1e-5 < half < 5e-2 and 1e-3 < quantized < 0.3
    assert {"CONV_2D", "DEPTH_TO_SPACE"} <= {each.name for each in tflite.read(path).operations}
    weights = [
        each for each in tflite.read(files / "unet_upsampling_36x52_int8.tflite").operations if each.name == "CONV_2D"
    ]
    assert {each.inputs[1].dtype for each in weights} == {"int8"}
    assert "from Keras" in (files / "report.md").read_text() and "wrote" in capsys.readouterr().out


@pytest.mark.slow
def test_a_network_of_fixed_size(tmp_path, capsys):
    start = keras.Input((16, 16, 1))
    x = layers.Conv2DTranspose(1, 4, 2, padding="same")(layers.Conv2D(4, 3, padding="same")(start))
    randomise(keras.Model(start, x, name="st")).save(tmp_path / "st.keras")
    flags = [f"--model={tmp_path / 'st.keras'}", "--formats=tflite_fp32", "--gate=off"]
    assert export([*flags, f"--output={tmp_path / 'own'}"]) == 0
    assert export([*flags, f"--output={tmp_path / 'said'}", "--sizes=16x16"]) == 0
    for folder in ("own", "said"):
        assert sorted(each.name for each in (tmp_path / folder).iterdir()) == [
            "report.json",
            "report.md",
            "st_fp32.tflite",
        ]
    assert "at most" in capsys.readouterr().out
    assert export([*flags, f"--output={tmp_path / 'no'}", "--sizes=24x25"]) == 2
    error = capsys.readouterr().err
    assert "the network's own: 16×16×1" in error and error.count("\n") == 1 and not (tmp_path / "no").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [list, dict])
def test_several_inputs_and_outputs(tmp_path, kind):
    """Taken in the network's order and compared one by one: two outputs of one shape must not be changed over."""
    low, state = keras.Input((None, None, 3), name="low"), keras.Input((4,), name="state")
    x = layers.Multiply()([layers.Conv2D(4, 3, padding="same")(low), layers.Reshape((1, 1, 4))(state)])
    outputs = [layers.Conv2DTranspose(2, 5, 3, padding="same")(x) for _ in range(2)]
    inputs = [low, state]
    if kind is dict:
        inputs, outputs = {"state": state, "low": low}, {"z": outputs[0], "a": outputs[1]}
    model = randomise(keras.Model(inputs, outputs, name="pair"))
    model.save(tmp_path / "pair.keras")
    flags = [f"--model={tmp_path / 'pair.keras'}", "--formats=saved_model,tflite_fp32,tflite_fp16", "--sizes=7x9"]
    assert export([*flags, "--gate=off", f"--output={tmp_path / 'files'}"]) == 0
    report = json.loads((tmp_path / "files" / "report.json").read_text())
    saved, single, half = [entry["keras"]["max_difference"] for entry in report["files"]]
    assert max(saved, single) <= 1e-5 < half <= 1e-2
    values = {"low": np.random.default_rng(0).random((1, 7, 9, 3), np.float32), "state": np.ones((1, 4), np.float32)}
    expected = keras.tree.flatten(model(values if kind is dict else list(values.values())))
    received = run(tmp_path / "files" / "pair_7x9_fp32.tflite", values)
    assert all(oracle.relative(*each) <= 1e-5 for each in zip(received, expected, strict=True))
    # Control: one for the other.
    swapped = {"output_0": received[1], "output_1": received[0]}
    assert difference([np.array(each) for each in expected], swapped)["max_difference"] > 1e-2


def test_outputs_of_ones_own_names_are_paired_by_name():
    maps, fields = np.random.default_rng(0).random((2, 1, 5, 7, 3))
    same = difference([maps, fields], {"output_paf": fields, "output_heatmap": maps})
    assert same["max_difference"] == 0
    for form in ("output_{}", "Identity_{}:0"):
        numbered = {form.format(number): np.full((1, 3), number) + np.arange(3) for number in range(11)}
        assert difference(list(numbered.values()), dict(sorted(numbered.items())))["max_difference"] == 0


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--formats=glsl"], "Expected formats out of saved_model, tflite_fp32, tflite_fp16, tflite_int8, onnx"),
        (["--color=y"], "for --color. Received: another one"),
        (["--data=Set5", "--clip"], "for --clip, --data"),
        (["--sizes=18x25"], "Expected sizes that 'unet_upsampling' takes. Received: (18, 25)"),
    ],
)
def test_what_is_for_larger_pictures_alone(unet, tmp_path, capsys, flags, words):
    output = tmp_path / "files"
    assert export([f"--model={unet[0]}", "--formats=tflite_fp32", "--sizes=16x24", f"--output={output}", *flags]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and not output.exists()


@pytest.mark.slow
def test_onnx_of_any_batch_and_size(unet, tmp_path):
    """As the network has it, channels last; two inputs and two outputs in their order."""
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed: pip install 'subpixel-zoo[onnx]'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    source, model = unet
    assert export([f"--model={source}", "--formats=onnx", "--sizes=16x24", f"--output={tmp_path / 'unet'}"]) == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "unet" / "unet_upsampling.onnx"))
    image = np.random.default_rng(0).random((2, 20, 12, 3), dtype=np.float32)
    (given,) = session.get_inputs()
    (received,) = session.run(None, {given.name: image})
    assert oracle.relative(received, model(image)) <= 1e-5
    low, high = keras.Input((6, 5, 4), name="low"), keras.Input((12, 10, 2), name="high")
    x = layers.Concatenate()([layers.Conv2DTranspose(3, 5, 2, padding="same")(low), high])
    outputs = {"z": layers.Conv2D(2, 3)(x), "a": layers.Conv2D(2, 3)(x)}
    randomise(keras.Model([low, high], outputs, name="pair")).save(tmp_path / "pair.keras")
    assert export([f"--model={tmp_path / 'pair.keras'}", "--formats=onnx", f"--output={tmp_path / 'pair'}"]) == 0
    report = json.loads((tmp_path / "pair" / "report.json").read_text())
    assert report["files"][0]["keras"]["max_difference"] <= 1e-5


def test_int8_wants_a_network_that_reads_photographs(tmp_path, capsys):
    start = keras.Input((8, 8, 16))
    keras.Model(start, layers.Conv2DTranspose(3, 4, 2)(start), name="decoder").save(tmp_path / "decoder.keras")
    flags = [f"--model={tmp_path / 'decoder.keras'}", f"--output={tmp_path / 'files'}"]
    for more in (["--formats=tflite_int8"], ["--formats=tflite_fp32", f"--calibration={tmp_path}"]):
        assert export([*flags, *more]) == 2
        error = capsys.readouterr().err
        assert "reads pictures of 1 or 3 channels" in error and error.count("\n") == 1
    assert not (tmp_path / "files").exists()


@pytest.mark.slow
def test_int8_is_fitted_to_the_pictures_given(tmp_path, capsys):
    """Dark pictures make a narrow range, in which a bright photograph is cut off."""
    from PIL import Image

    start = keras.Input((32, 40, 3))
    randomise(keras.Model(start, layers.Conv2D(4, 3, padding="same")(start), name="maps")).save(tmp_path / "maps.keras")
    (tmp_path / "dark").mkdir()
    dark = np.random.default_rng(0).integers(0, 8, (24, 64, 3), np.uint8)
    Image.fromarray(dark).save(tmp_path / "dark" / "a.png")
    flags = [f"--model={tmp_path / 'maps.keras'}", "--formats=tflite_int8", "--gate=off"]
    assert export([*flags, f"--output={tmp_path / 'one'}"]) == 0
    assert export([*flags, f"--output={tmp_path / 'two'}", f"--calibration={tmp_path / 'dark'}"]) == 0
    one, two = (
        json.loads((tmp_path / name / "report.json").read_text())["files"][0]["keras"]["max_difference"]
        for name in ("one", "two")
    )
    assert one < 0.05 and two > 3 * one


def test_what_enlarges_pictures():
    picture, maps, fixed = keras.Input((None, None, 3)), keras.Input((None, None, 8)), keras.Input((8, 8, 3))
    up = layers.UpSampling2D(2)
    assert enlarges_pictures(keras.Model(picture, up(picture)))
    for start in (maps, fixed):
        assert not enlarges_pictures(keras.Model(start, up(start)))
    assert not enlarges_pictures(keras.Model(picture, layers.ReLU()(picture)))
    assert not enlarges_pictures(keras.Model([picture, maps], up(picture)))
    # Their files keep names, and levels.
    assert not enlarges_pictures(keras.Model({"lr": picture}, {"sr": up(picture)}))
    levels = keras.Input((None, None, 3), dtype="uint8")
    assert not enlarges_pictures(keras.Model(levels, up(layers.Rescaling(1 / 255)(levels))))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["named", "levels", "float64", "mixed"])
def test_names_levels_and_precisions(tmp_path, kind):
    """What a network is given by name or in levels, its files are; what it computes otherwise they do in float32."""
    taken = {"levels": "uint8", "float64": "float64"}.get(kind, "float32")
    policy = {"float64": "float64", "mixed": "mixed_float16"}.get(kind, "float32")
    image = keras.Input((10, 12, 2) if kind in ("float64", "mixed") else (None, None, 1), dtype=taken)
    x = layers.Rescaling(1 / 255 if kind == "levels" else 1.0, dtype=policy)(image)
    sr = layers.Conv2DTranspose(1, 4, 2, padding="same", dtype=policy, name="sr")(x)
    named = kind == "named"
    model = randomise(keras.Model({"lr": image} if named else image, {"sr": sr} if named else sr, name="mine"))
    model.save(tmp_path / "mine.keras")
    flags = [f"--model={tmp_path / 'mine.keras'}", "--formats=saved_model,tflite_fp32,onnx", "--gate=off"]
    sizes = [] if kind in ("float64", "mixed") else ["--sizes=10x12"]
    assert export([*flags, *sizes, f"--output={tmp_path / 'files'}"]) == 0
    report = json.loads((tmp_path / "files" / "report.json").read_text())
    bound = 2e-3 if kind == "mixed" else 1e-5
    assert [entry["keras"]["max_difference"] <= bound for entry in report["files"]] == [True] * 3


@pytest.mark.slow
def test_keras_own_interpolation_at_any_size(tmp_path):
    image = keras.Input((None, None, 1))
    maps = layers.Conv2D(4, 3, padding="same")(image)
    base = layers.UpSampling2D(2, interpolation="bilinear")(image)
    model = randomise(keras.Model(image, layers.Add()([DepthToSpace(2)(maps), base]), name="mine"))
    model.save(tmp_path / "mine.keras")
    formats = "--formats=saved_model,tflite_fp32,tflite_dynamic,onnx"
    flags = [f"--model={tmp_path / 'mine.keras'}", formats, "--sizes=10x12", "--gate=off"]
    assert export([*flags, f"--output={tmp_path / 'files'}"]) == 0
    report = json.loads((tmp_path / "files" / "report.json").read_text())
    assert max(each["keras"]["max_difference"] for each in report["files"] if each["format"] != "tflite_dynamic") < 1e-5
    picture = np.random.default_rng(0).random((7, 11, 1), dtype=np.float32)
    expected = model(picture[None])[0]
    for engine in (KerasEngine(model), open_engine(model)):
        assert oracle.relative(engine.run(picture), expected) <= 1e-5
