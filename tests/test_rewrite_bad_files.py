"""What no file should do to `zoo rewrite`, whatever is asked of it: one sentence, exit code 2, nothing written."""

import os

import flatbuffers
import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import helper
from rewrite_onnx_cases import deconvolution, model
from rewrite_tflite_cases import converted

from zoo.errors import UsageError
from zoo.graphs import onnx_graph
from zoo.rewrite.__main__ import main

WAYS = ([], ["--form=transposed"], ["--target=mediatek"], ["--collapse"])
KERNEL = np.random.default_rng(0).normal(size=(3, 3, 4, 8)).astype(np.float32)


def shuffled():
    return converted(lambda x: tf.nn.depth_to_space(tf.nn.conv2d(x, KERNEL, 1, "SAME"), 2), (1, 7, 10, 4))


def loop():
    """Three graphs: a loop, its condition and its body."""
    concrete = tf.function(
        lambda x: tf.while_loop(lambda n, _: n < 3, lambda n, x: (n + 1, 2 * x), (0, x))[1]
    ).get_concrete_function(tf.TensorSpec((1, 4, 4, 1)))
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()


def elsewhere(path):
    """External data outside the model's folder."""
    proto = deconvolution(strides=[2, 2])
    held = proto.graph.initializer[0]
    onnx.external_data_helper.set_external_data(held, location="../../etc/passwd")
    held.ClearField("raw_data")
    return proto.SerializeToString()


def missing(path):
    onnx.save(
        deconvolution(strides=[2, 2]), str(path), save_as_external_data=True, location="in.data", size_threshold=0
    )
    (path.parent / "in.data").unlink()
    return path.read_bytes()


CASES = {
    "empty.tflite": lambda path: b"",
    "text.tflite": lambda path: b"no network at all",
    "cut.tflite": lambda path: shuffled()[:-900],
    "other.tflite": lambda path: b"\x1c\0\0\0ABCD" + bytes(64),
    "loop.tflite": lambda path: loop(),
    "empty.onnx": lambda path: b"",
    "text.onnx": lambda path: b"no network at all",
    "cut.onnx": lambda path: deconvolution(strides=[2, 2]).SerializeToString()[:-100],
    "missing.onnx": missing,
    "elsewhere.onnx": elsewhere,
    "text.keras": lambda path: b"no network at all",
}


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
@pytest.mark.parametrize("name", CASES)
def test_a_bad_file_is_one_sentence(name, way, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(CASES[name](path))
    before = sorted(tmp_path.iterdir())
    assert main([str(path), str(tmp_path / f"out{path.suffix}"), *way]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: Expected") and "Received" in error
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("suffix", ["tflite", "onnx", "keras"])
def test_a_pipe_is_not_waited_for(suffix, tmp_path, capsys):
    os.mkfifo(tmp_path / f"in.{suffix}")
    assert main([str(tmp_path / f"in.{suffix}"), str(tmp_path / f"out.{suffix}")]) == 2
    assert capsys.readouterr().err.startswith("error: Expected a")


@pytest.mark.parametrize("way", WAYS[1:3], ids=" ".join)
def test_a_file_of_2_gb_is_one_sentence(way, tmp_path, capsys, monkeypatch):
    path = tmp_path / "in.tflite"
    path.write_bytes(shuffled())
    # So much smaller is the limit here that the file is beyond it.
    monkeypatch.setattr(flatbuffers.Builder, "MAX_BUFFER_SIZE", 1100)
    assert main([str(path), str(tmp_path / "out.tflite"), *way]) == 2
    assert "less than 2 GB" in capsys.readouterr().err and not (tmp_path / "out.tflite").exists()

    class Large:
        def SerializeToString(self):
            raise ValueError("Message onnx.ModelProto exceeds maximum protobuf size of 2GB")

    with pytest.raises(UsageError, match="below 2 GB. Received: Message"):
        onnx_graph.packed(Large())


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_control_flow_in_onnx_is_left_alone_and_runs(way, tmp_path, capsys):
    inner = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["z"], name="inner"), helper.make_node("Relu", ["z"], ["v"])],
        "then",
        [],
        [helper.make_tensor_value_info("v", onnx.TensorProto.FLOAT, [None] * 4)],
    )
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="outer"),
        helper.make_node("If", ["yes"], ["b"], then_branch=inner, else_branch=inner),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    constants = {"w": KERNEL[:1, :1].transpose(3, 2, 0, 1), "yes": np.array(True)}
    path, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    onnx.save(model(nodes, constants), str(path))
    assert main([str(path), str(target), *way]) == 0
    kept = [node.op_type for node in onnx.load(str(target)).graph.node]
    assert kept == ["Conv", "If", "Add"]
