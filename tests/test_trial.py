"""Strangers' files: what would end the process, take the memory or never end is refused in a sentence."""

import io
import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from tflite_cases import convert

import zoo
from export.check import main as check
from zoo import evaluate, registry
from zoo import keras_file as keras_file_module
from zoo.engines import open_engine
from zoo.errors import UsageError
from zoo.graphs import trial
from zoo.graphs.flatbuffer import pack, unpack
from zoo.rewrite.__main__ import main as rewrite


def changed(change) -> bytes:
    model = unpack(registry.preset_file("fsrcnn_s_x2", ".tflite").read_bytes(), "preset")
    change(model, model.subgraphs[0])
    return pack(model)


def cycle(model, graph):
    """The first convolution reads what the network gives out."""
    first = graph.operators[0]
    first.inputs = np.array([graph.outputs[0], *first.inputs[1:]], np.int32)


def far(model, graph):
    """An operation reads a tensor that is not there."""
    graph.operators[1].inputs = np.array([1 << 20, 8], np.int32)


def large(model, graph):
    """A picture of 40,000×40,000: 6.4 GB, and the maps behind it."""
    graph.tensors[0].shapeSignature = graph.tensors[0].shape = np.array([1, 40000, 40000, 1], np.int32)


def cyclic_file(tmp_path):
    path = tmp_path / "cycle.tflite"
    path.write_bytes(changed(cycle))
    return path


def test_nothing_of_the_folder_one_stands_in_is_run(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("open('ran', 'w').close()")
    (tmp_path / "signal.py").write_text("open('ran', 'w').close()")
    monkeypatch.chdir(tmp_path)
    content = registry.preset_file("fsrcnn_s_x2", ".tflite").read_bytes() + b"\0"
    assert trial.tried("tflite", content) == (True, "") and not (tmp_path / "ran").exists()
    # The guard is still there.
    assert trial.tried("tflite", changed(large))[1]


def test_a_file_that_ends_its_process_does_not_end_ours(tmp_path):
    path = cyclic_file(tmp_path)
    for opening in (open_engine, evaluate.open_network):
        with pytest.raises(UsageError, match=r"that can be run. Received: cycle.tflite: CONV_2D reads '.*' before it"):
            opening(str(path))
    whole = registry.preset_file("fsrcnn_s_x2", ".tflite").read_bytes()
    trial.survive(whole, "preset")


def test_a_shipped_file_is_no_strangers(tmp_path, monkeypatch):
    content, tried = registry.preset_file("fsrcnn_s_x2", ".tflite").read_bytes(), []
    monkeypatch.setattr(trial, "survive", lambda content, name: tried.append(name))
    (tmp_path / "copy.tflite").write_bytes(content)
    (tmp_path / "changed.tflite").write_bytes(content + b"\0")
    for name in ("copy.tflite", "changed.tflite"):
        assert open_engine(tmp_path / name).scale == 2
    assert tried == ["changed.tflite"]


@pytest.mark.slow
def test_commands_refuse_it_too(tmp_path, capsys):
    path = cyclic_file(tmp_path)
    assert rewrite([str(path), str(tmp_path / "out.tflite")]) == 2
    assert "before it is written" in capsys.readouterr().err and not (tmp_path / "out.tflite").exists()
    assert check([str(path)]) in (0, 1)  # it runs files in a process of its own anyway


def test_numbers_that_point_nowhere_are_one_sentence(tmp_path, capsys):
    path = tmp_path / "far.tflite"
    path.write_bytes(changed(far))
    for opening in (open_engine, evaluate.open_network):
        with pytest.raises(UsageError, match="Received: far.tflite"):
            opening(str(path))
    assert check([str(path), "--rules_only"]) == 2
    assert capsys.readouterr().err.startswith("error: Expected a whole TFLite file")


def test_a_file_that_takes_too_much_memory_is_refused(monkeypatch):
    monkeypatch.setattr(trial, "tried", trial.tried.__wrapped__)
    # What is bounded is the process that runs it: a bound that its input explains is none.
    harmless, reason = trial.tried("tflite", changed(large))
    assert reason


@pytest.mark.parametrize(("code", "fatal"), [(0, False), (1, True), (0xC0000005, True), (-11, True)])
def test_a_process_that_ends_by_itself_is_not_one_that_was_well(monkeypatch, code, fatal):
    monkeypatch.setattr(trial, "tried", trial.tried.__wrapped__)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], code, b""))
    content = registry.preset_file("fsrcnn_s_x2", ".tflite").read_bytes()
    if fatal:
        with pytest.raises(UsageError, match=r"it ends the process that runs it \((exit code 0x|SIGSEGV)"):
            trial.survive(content, "crash.tflite", runs=False)
    else:
        trial.survive(content, "well.tflite")


def test_a_file_that_does_not_end_is_refused(monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 1e-3)
    monkeypatch.setattr(trial, "tried", trial.tried.__wrapped__)
    with pytest.raises(UsageError, match="it is not done after 0.001 s"):
        trial.survive(registry.preset_file("fsrcnn_s_x2", ".tflite").read_bytes(), "slow.tflite")


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "m.keras"
    zoo.create_model("fsrcnn_s", scale=2).save(path)
    return path


@pytest.mark.parametrize("batch", [None, 24])
def test_a_free_batch_is_tried_with_one_picture(batch):
    """One of these pictures takes 260 MB at most, 24 take more than there is for a file of that size."""

    def many_maps(x):
        maps = tf.tile(x, (1, 1, 1, 8000))
        return tf.reduce_mean(maps * maps, axis=-1)

    content = convert(many_maps, (batch, 64, 64, 1))
    if batch is None:
        trial.survive(content, "free")
    else:
        with pytest.raises(UsageError, match="that can be run. Received: fixed: "):
            trial.survive(content, "fixed")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["a map", "weights"])
def test_a_keras_file_that_takes_too_much_memory_is_refused(tmp_path, keras_file, kind):
    path = tmp_path / "large.keras"
    if kind == "a map":
        image = keras.Input((None, None, 1))
        keras.Model(image, keras.layers.UpSampling2D(4096)(image)).save(path)
    else:
        config = json.loads(zipfile.ZipFile(keras_file).read("config.json"))
        first = next(each for each in config["config"]["layers"] if each["class_name"] == "Conv2D")
        first["config"]["filters"] = 1 << 31
        path.write_bytes(archive(keras_file.read_bytes(), config=json.dumps(config).encode()))
    with pytest.raises(UsageError, match="that can be run. Received: large.keras: it takes more memory"):
        registry.open_model(str(path))
    # Control, by the process that has just seen another one die.
    assert registry.open_model(str(keras_file)).name


def test_how_a_trial_of_a_keras_file_ended():
    """A process' own status, as the system gives it."""
    endings = {
        "os._exit(0)": "",
        "os._exit(1)": "",
        "os._exit(4)": "it takes more memory than its size explains",
        "os.abort()": "it ends the process that opens it (SIGABRT)",
        "signal.raise_signal(14)": "it is not done",
    }
    for code, words in endings.items():
        child = subprocess.Popen([sys.executable, "-c", f"import os, signal; {code}"], stderr=subprocess.DEVNULL)
        reason = keras_file_module.reason_of(os.waitpid(child.pid, 0)[1])
        assert reason.startswith(words) and bool(reason) == bool(words)


def test_what_a_trial_does_not_know_is_left_to_this_process(tmp_path, monkeypatch):
    class Mine(keras.layers.Layer):
        def call(self, images):
            return images + 0.5

    image = keras.Input((None, None, 1))
    keras.Model(image, keras.layers.UpSampling2D(2)(Mine()(image))).save(tmp_path / "mine.keras")
    with pytest.raises(UsageError, match="of known layers. Received: mine.keras: .*Mine"):
        registry.open_model(str(tmp_path / "mine.keras"))
    monkeypatch.setitem(keras.saving.get_custom_objects(), "Mine", Mine)
    assert registry.open_model(str(tmp_path / "mine.keras")).output_shape[-1] == 1


def test_an_onnx_file_that_takes_too_much_memory_is_refused(tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import helper

    def expanded(side: int) -> bytes:
        shape = onnx.numpy_helper.from_array(np.array([1, 1, side, side]), "shape")
        node = helper.make_node("Expand", ["x", "shape"], ["y"])
        ends = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1, size, size])
            for name, size in (("x", 1), ("y", side))
        ]
        graph = helper.make_graph([node], "g", ends[:1], ends[1:], [shape])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()

    trial.survive_onnx(expanded(100), "small.onnx")
    (tmp_path / "large.onnx").write_bytes(expanded(100_000))
    assert rewrite([str(tmp_path / "large.onnx"), str(tmp_path / "out.onnx")]) == 2
    assert "an ONNX file that can be run. Received: large.onnx: it takes more than" in capsys.readouterr().err


DAMAGE = {
    "a byte in the weights": lambda content: content[:30000] + b"X" + content[30001:],
    "half": lambda content: content[: len(content) // 2],
    "no archive": lambda content: b"text",
    "no weights": lambda content: archive(content, lambda name: name != "model.weights.h5"),
    "weights of nothing": lambda content: archive(content, weights=b""),
    "weights of noise": lambda content: archive(content, weights=bytes(range(256)) * 40),
    "no configuration": lambda content: archive(content, config=b"[1]"),
}


def archive(content, keep=lambda name: True, weights=None, config=None) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        for name in filter(keep, old.namelist()):
            other = {"model.weights.h5": weights, "config.json": config}.get(name)
            new.writestr(name, old.read(name) if other is None else other)
    return written.getvalue()


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_keras_file_is_one_sentence(keras_file, tmp_path, kind):
    path = tmp_path / "bad.keras"
    content = DAMAGE[kind](keras_file.read_bytes())
    assert content != keras_file.read_bytes()
    path.write_bytes(content)
    with pytest.raises(UsageError, match="Expected a .keras file of known layers. Received: bad.keras: "):
        registry.open_model(str(path))


def test_weights_that_are_no_numbers_are_named(tmp_path):
    model = zoo.create_model("fsrcnn_s", scale=2)
    variable = model.trainable_variables[2]
    variable.assign(np.full(variable.shape, np.nan))
    model.save(tmp_path / "nan.keras")
    with pytest.raises(UsageError, match=r"Expected finite weights. Received: nan.keras: \S+ is not finite"):
        registry.open_model(str(tmp_path / "nan.keras"))
