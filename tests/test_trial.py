"""Strangers' files: what would end the process, take the memory or never end is refused in a sentence."""

import io
import zipfile

import numpy as np
import pytest

import zoo
from export.check import main as check
from zoo import evaluate, registry
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


def cyclic_file(tmp_path):
    path = tmp_path / "cycle.tflite"
    path.write_bytes(changed(cycle))
    return path


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
    def large(model, graph):
        # A picture of 40,000×40,000: 6.4 GB, and the maps behind it.
        graph.tensors[0].shapeSignature = graph.tensors[0].shape = np.array([1, 40000, 40000, 1], np.int32)

    monkeypatch.setattr(trial, "tried", trial.tried.__wrapped__)
    # What is bounded is the process that runs it: a bound that its input explains is none.
    harmless, reason = trial.tried("tflite", changed(large))
    assert reason


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
