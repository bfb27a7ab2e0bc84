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
from zoo.graphs import tflite
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
    assert export([f"--model={fast}", "--sizes=36x52", "--formats=saved_model,tflite_fp32", f"--output={files}"]) == 0
    path = files / "unet_upsampling_36x52_fp32.tflite"
    image = np.random.default_rng(0).random((1, 36, 52, 3), dtype=np.float32)
    (received,) = run(path, {model.inputs[0]._keras_history.operation.name: image})
    assert oracle.relative(received, model(image)) <= 1e-5
    assert "DEPTH_TO_SPACE" in {each.name for each in tflite.read(path).operations}
    report = json.loads((files / "report.json").read_text())
    assert {entry["gpu"]["verdict"] for entry in report["files"] if "gpu" in entry} <= {"right", "not run"}
    assert all(entry["keras"]["max_difference"] <= 1e-5 for entry in report["files"])
    assert "from Keras" in (files / "report.md").read_text() and "wrote" in capsys.readouterr().out


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


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--formats=tflite_int8"], "Expected formats out of saved_model, tflite_fp32, tflite_fp16"),
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


def test_what_enlarges_pictures():
    picture, maps, fixed = keras.Input((None, None, 3)), keras.Input((None, None, 8)), keras.Input((8, 8, 3))
    up = layers.UpSampling2D(2)
    assert enlarges_pictures(keras.Model(picture, up(picture)))
    for start in (maps, fixed):
        assert not enlarges_pictures(keras.Model(start, up(start)))
    assert not enlarges_pictures(keras.Model(picture, layers.ReLU()(picture)))
    assert not enlarges_pictures(keras.Model([picture, maps], up(picture)))
