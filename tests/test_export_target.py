"""Exports for a target: its form is chosen by the record, integers lose no more by it, the report says what was run."""

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
from zoo.rewrite import tflite_difference
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
def test_integers_are_made_in_lr_space_and_shuffled_in_what_the_target_takes(tmp_path):
    model = network()
    entries, files = {}, {}
    for target in (None, "samsung"):
        folder = tmp_path / str(target)
        report = export_model(model, folder, [(12, 17)], ["tflite_int8"], target=target, gate="off")
        (entries[target],) = report["files"]
        files[target] = tflite.read(folder / entries[target]["name"])
    left = {operation.name for operation in files["samsung"].operations}
    assert {"RESHAPE", "TRANSPOSE"} <= left and not left & {"DEPTH_TO_SPACE", "PRELU", "TRANSPOSE_CONV"}
    record = records.named("samsung")
    assert report["target"] == str(record) and "never run here" in (folder / "report.md").read_text()
    assert not entries["samsung"]["findings"] and "spelt as RESHAPE" in entries["samsung"]["note"]
    # The same levels as in the form with the shuffle, and so no further from Keras.
    assert all(each.value == 0 for each in tflite_difference.differences(files[None], files["samsung"]))
    assert entries["samsung"]["keras"] == entries[None]["keras"]


@pytest.mark.slow
def test_quantized_in_the_transposed_form_it_would_lose_more(tmp_path):
    """The reason for quantizing in LR space: one scale for all phases, and no fitting of such a layer."""
    keras.utils.set_random_seed(0)
    model = network()
    apart = {}
    for form in ("transposed", "subpixel"):
        folder = tmp_path / form
        shaped = zoo.rewrite.convert(model, form)
        (entry,) = export_model(shaped, folder, [(12, 17)], ["tflite_int8"], keep_form=True, gate="off")["files"]
        apart[form] = entry["keras"]["mean_difference"]
    assert apart["transposed"] > 1.2 * apart["subpixel"]


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
