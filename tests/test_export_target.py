"""Exports for a target: its form is chosen before a file is written or quantized, and the report says what was run."""

import json

import keras
import numpy as np
import oracle
import pytest

import zoo
from benchmarks.networks import randomise
from export.__main__ import main
from export.tflite import open_tflite
from export.write import export_model
from zoo.errors import UsageError
from zoo.graphs import tflite
from zoo.targets import records


def network():
    return randomise(zoo.create_model("fsrcnn", 2, d=8, s=4, m=1))


def names(path):
    return [operation.name for operation in tflite.read(path).operations]


@pytest.mark.parametrize("target", ["mediatek", "samsung", "qualcomm"])
def test_float_files_have_the_targets_form(tmp_path, target):
    model = network()
    export_model(model, tmp_path, [(12, 17)], ["tflite_fp32"], target=target, check=False)
    (path,) = tmp_path.glob("*.tflite")
    record, left = records.named(target), set(names(path))
    assert ("DEPTH_TO_SPACE" in left) == record.takes("DEPTH_TO_SPACE")
    assert ("TRANSPOSE_CONV" in left) == (record.enlargement == "transposed")
    assert ("PRELU" in left) == record.takes("PRELU")
    image = np.random.default_rng(0).random((12, 17, 1), np.float32)
    expected = model(image[None])[0].numpy()
    assert not record.check(tflite.read(path)) and oracle.relative(open_tflite(path)(image), expected) < 1e-5


@pytest.mark.slow
def test_the_form_is_chosen_before_it_is_quantized(tmp_path):
    report = export_model(network(), tmp_path, [(12, 17)], ["tflite_int8"], target="samsung", gate="off")
    (entry,) = report["files"]
    left = set(names(tmp_path / entry["name"]))
    assert "TRANSPOSE_CONV" in left and not left & {"DEPTH_TO_SPACE", "PRELU"}
    record = records.named("samsung")
    assert report["target"] == str(record) and "never run here" in (tmp_path / "report.md").read_text()
    assert not entry["findings"] and "PReLU folded" in entry["note"]


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True, reason="a transposed last layer is not fitted, nor handed the image: about twice as far"
)
def test_a_transposed_form_loses_no_more_in_int8(tmp_path):
    # One network for both: each that is made has weights of its own.
    keras.utils.set_random_seed(0)
    model = network()
    apart = {}
    for target in ("samsung", None):
        (entry,) = export_model(model, tmp_path / str(target), [(12, 17)], ["tflite_int8"], target=target, gate="off")[
            "files"
        ]
        apart[target] = entry["keras"]["mean_difference"]
    assert apart["samsung"] < 1.5 * apart[None]


def test_what_keras_has_no_such_layer_for_is_changed_in_the_file(tmp_path):
    model = randomise(zoo.create_model("srcnn", 2, kernels=(3, 1, 3)))
    export_model(model, tmp_path, [(12, 17)], ["tflite_fp32"], target="mediatek", check=False)
    (path,) = tmp_path.glob("*.tflite")
    image = np.random.default_rng(0).random((12, 17, 1), np.float32)
    assert "DEPTH_TO_SPACE" not in names(path)
    assert oracle.relative(open_tflite(path)(image), model(image[None])[0].numpy()) < 1e-5


def test_the_command(tmp_path, capsys):
    arguments = ["--model=fsrcnn_s_x2", f"--output={tmp_path}", "--sizes=12x17", "--formats=tflite_fp32", "--gate=off"]
    assert main([*arguments, "--target=mediatek"]) == 0
    assert json.loads((tmp_path / "report.json").read_text())["form"] == "transposed"
    assert main([*arguments, "--target=mediatec"]) == 2
    assert "did you mean 'mediatek'" in capsys.readouterr().err
    with pytest.raises(UsageError, match="Expected target or keep_form"):
        export_model(network(), tmp_path, target="intel", keep_form=True)
