"""Files whose networks do not take every size and every number: `zoo rewrite` looks for what they take."""

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper
from rewrite_onnx_cases import model, weights
from rewrite_tflite_cases import converted, names

from zoo.graphs import onnx_graph, tflite
from zoo.graphs.sizes import fitting
from zoo.rewrite import onnx_difference, onnx_file
from zoo.rewrite.__main__ import main

FREE = ["n", 4, "h", "w"]


def halved_thrice_in_onnx():
    """A U-Net: sides must be multiples of 8."""
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [helper.make_node("MaxPool", [f"x{n or ''}"], [f"x{n + 1}"], **pool) for n in range(3)]
    for n in (3, 2, 1):
        nodes.append(
            helper.make_node("ConvTranspose", [f"x{n}" if n == 3 else f"z{n}", "w"], [f"u{n}"], strides=[2, 2])
        )
        nodes.append(helper.make_node("Add", [f"u{n}", f"x{n - 1 or ''}"], [f"z{n - 1}" if n > 1 else "y"]))
    return model(nodes, {"w": weights(4, 4, 2, 2)}, FREE)


def halved_thrice_in_tflite():
    kernel = tf.constant(weights(2, 2, 4, 4))

    def network(x):
        maps = [x]
        for _ in range(3):
            maps.append(tf.nn.max_pool2d(maps[-1], 2, 2, "VALID"))
        y = maps[-1]
        for skip in maps[2::-1]:
            n, h, w, _ = tf.unstack(tf.shape(y))
            y = tf.nn.conv2d_transpose(y, kernel, [n, 2 * h, 2 * w, 4], 2)
            y = tf.concat([y, skip], -1)[..., :4]
        return y

    return converted(network, (1, None, None, 4))


def taken(content, suffix, tmp_path, capsys):
    """What the command prints; the path of what it writes."""
    path, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    path.write_bytes(content)
    code = main([str(path), str(target)])
    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    return printed.out, target


def test_a_size_that_fits_is_looked_for():
    tried = []

    def run(size):
        tried.append(size)
        if size[2] % 8 or size[3] % 8:
            raise RuntimeError

    sizes = ((2, 3, 23, 18), (1, 3, 14, 37))
    assert fitting(sizes, 2, run) == ((2, 3, 40, 24), (1, 3, 16, 56)) and tried[0] == sizes[0]
    assert fitting(sizes, 2, lambda size: None) == fitting(sizes, 2, lambda size: 1 / 0) == sizes


def test_a_network_of_free_size_that_takes_multiples(tmp_path, capsys):
    printed, target = taken(halved_thrice_in_onnx().SerializeToString(), ".onnx", tmp_path, capsys)
    assert "ConvTranspose" not in {node.op_type for node in onnx.load(target).graph.node}
    assert "onnxruntime, 2×4×40×24: largest difference" in printed
    printed, target = taken(halved_thrice_in_tflite(), ".tflite", tmp_path, capsys)
    assert "TRANSPOSE_CONV" not in names(tflite.read(target))
    assert "reference kernels, 40×24: largest difference" in printed


def test_a_place_in_a_table_is_one_that_the_table_has(tmp_path, capsys):
    """A generator for classes; the table of two ends before almost any number."""
    table, kernel = weights(2, 4), weights(4, 4, 3, 4)

    def network(x, label):
        y = x + tf.gather(table, label)[:, None, None]
        return tf.nn.conv2d_transpose(y, kernel, [1, 14, 10, 3], 2)

    signature = [tf.TensorSpec((1, 7, 5, 4)), tf.TensorSpec((1,), tf.int32)]
    concrete = tf.function(network, input_signature=signature).get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    _, target = taken(content, ".tflite", tmp_path, capsys)
    assert "TRANSPOSE_CONV" not in names(tflite.read(target))


@pytest.mark.parametrize("kind", ["INT64", "INT32", "BOOL"])
def test_what_is_no_picture_is_given_too(kind, tmp_path, capsys):
    nodes = [
        helper.make_node("Cast", ["label"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "place"], ["row"]),
        helper.make_node("Mul", ["x", "row"], ["z"]),
        helper.make_node("ConvTranspose", ["z", "w"], ["y"], strides=[2, 2]),
    ]
    proto = model(nodes, {"table": weights(2, 4, 1, 1), "w": weights(4, 3, 4, 4)})
    proto.graph.input.append(helper.make_tensor_value_info("label", getattr(TensorProto, kind), [2]))
    _, target = taken(proto.SerializeToString(), ".onnx", tmp_path, capsys)
    assert "ConvTranspose" not in {node.op_type for node in onnx.load(target).graph.node}


def test_new_names_are_none_that_a_subgraph_has():
    inner = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["up_lr_Conv"]), helper.make_node("Abs", ["up_lr_Conv"], ["up_lr_weights"])],
        "then",
        [],
        [helper.make_tensor_value_info("up_lr_weights", TensorProto.FLOAT, [None] * 4)],
    )
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up", strides=[2, 2]),
        helper.make_node("If", ["yes"], ["v"], then_branch=inner, else_branch=inner),
    ]
    proto = model(nodes, {"w": weights(4, 3, 4, 4), "yes": np.array(True)}, outputs=("y", "v"))
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "moved"
    for each in onnx_difference.differences(before, onnx_graph.packed(proto)):
        assert each.value <= each.allowed
