"""The way back in ONNX files: shuffles as transposed convolutions without pads, cropped."""

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator
from rewrite_onnx_cases import deconvolution, kinds, model, values, weights

from zoo.rewrite import onnx_difference, onnx_file, onnx_transposed
from zoo.rewrite.__main__ import main


def shuffled(mode="DCR", scale=2, outputs=3, group=1, bias="alike", before=(), **options):
    """A Conv and a DepthToSpace."""
    channels = outputs * scale**2
    constants = {"w": weights(channels, 4 // group, *options.pop("kernel", (3, 2)))}
    if bias:
        each = weights(channels if bias == "free" else outputs)
        alike = np.tile(each, scale**2) if mode == "DCR" else each.repeat(scale**2)
        constants["b"] = each if bias == "free" else alike
    nodes = [
        helper.make_node("Conv", ["x", *constants], ["lr"], group=group, **options),
        *before,
        helper.make_node("DepthToSpace", ["lr" if not before else "m"], ["y"], name="up", blocksize=scale, mode=mode),
    ]
    return model(nodes, constants)


CASES = {
    "DCR": {"pads": [1, 0, 1, 1]},
    "CRD, by 3": {"mode": "CRD", "scale": 3, "kernel": (4, 4), "auto_pad": "SAME_LOWER"},
    "no pads, one map": {"outputs": 1, "bias": None},
    "groups": {"mode": "CRD", "group": 2, "outputs": 4, "pads": [1, 1, 1, 0]},
    "depthwise": {"mode": "CRD", "group": 4, "outputs": 4, "kernel": (1, 1)},
}


def check(proto, row):
    image = weights(2, 4, 7, 10)
    assert row.action == "moved" and "DepthToSpace" not in kinds(proto)
    onnx.checker.check_model(proto, full_check=True)
    return image


@pytest.mark.parametrize("name", CASES)
def test_a_convolution_and_a_shuffle_are_one_node(name):
    proto = shuffled(**CASES[name])
    before = proto.SerializeToString()
    (row,) = onnx_transposed.to_transposed(proto)
    image = check(proto, row)
    assert "Conv" not in kinds(proto) and row.note == ""
    (node,) = [each for each in proto.graph.node if each.op_type == "ConvTranspose"]
    assert "pads" not in {each.name for each in node.attribute}
    for each in onnx_difference.differences(before, proto.SerializeToString()):
        assert each.value <= each.allowed
    if CASES[name].get("group", 1) == 1:  # onnx's evaluator takes no groups
        expected = values(onnx.load_model_from_string(before), image)
        np.testing.assert_allclose(values(proto, image), expected, rtol=0, atol=1e-5 * np.ptp(expected))


relu = helper.make_node("Relu", ["lr"], ["m"])
ALONE = {
    "biases of their own": {"bias": "free"},
    "no Conv stands before it alone": {"before": (relu,), "mode": "CRD"},
    "strides or dilations": {"strides": [2, 2]},
    "groups of the Conv": {"group": 2, "outputs": 4},
}


@pytest.mark.parametrize("reason", ALONE)
def test_a_shuffle_alone_is_a_kernel_of_ones(reason):
    proto = shuffled(**ALONE[reason])
    before = proto.SerializeToString()
    (row,) = onnx_transposed.to_transposed(proto)
    check(proto, row)
    assert reason in row.note and {"Conv", "ConvTranspose"} <= set(kinds(proto))
    for each in onnx_difference.differences(before, proto.SerializeToString()):
        assert each.value <= 1e-6


def test_a_shuffle_of_levels_stays():
    levels = helper.make_node("Cast", ["lr"], ["m"], to=onnx.TensorProto.UINT8)
    proto = shuffled(before=(levels,))
    proto.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    before = proto.SerializeToString()
    (row,) = onnx_transposed.to_transposed(proto)
    assert row.action == "stays" and "integers" in row.note and proto.SerializeToString() == before


def test_a_wrong_order_is_seen():
    proto = shuffled("CRD")
    image = weights(2, 4, 7, 10)
    expected = values(proto, image)
    (node,) = [each for each in proto.graph.node if each.op_type == "DepthToSpace"]
    next(each for each in node.attribute if each.name == "mode").s = b"DCR"
    onnx_transposed.to_transposed(proto)
    assert not np.allclose(values(proto, image), expected, atol=1e-1)


def test_there_and_back(tmp_path, capsys):
    proto = deconvolution(kernel=(9, 9), strides=[2, 2], pads=[4, 4, 3, 3])
    paths = [tmp_path / f"{name}.onnx" for name in ("in", "lr", "hr")]
    onnx.save(proto, str(paths[0]))
    assert main([str(paths[0]), str(paths[1])]) == 0
    assert main([str(paths[1]), str(paths[2]), "--target=mediatek"]) == 0
    assert "ConvTranspose 9×9, crop" in capsys.readouterr().out
    image = weights(2, 4, 7, 10)
    expected, received = (ReferenceEvaluator(str(path)).run(None, {"x": image})[0] for path in (paths[0], paths[2]))
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * np.ptp(expected))
    assert onnx_file.to_lr_space(onnx.load(str(paths[2])))[0].action == "moved"


def test_what_is_in_a_subgraph_is_named():
    inner = helper.make_graph(
        [helper.make_node("DepthToSpace", ["x"], ["z"], name="inner", blocksize=2)],
        "then",
        [],
        [helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [None] * 4)],
    )
    proto = model(
        [helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner)], {"yes": np.array(True)}
    )
    for row in onnx_transposed.to_transposed(proto):
        assert row.layer == "inner" and row.action == "stays" and "subgraph" in row.note
