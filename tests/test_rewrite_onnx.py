"""ONNX files with deconvolutions: in LR space the same in onnxruntime, onnx's reference evaluator and a NumPy loop."""

import sys

import numpy as np
import onnx
import oracle
import pytest
from onnx import TensorProto, helper, numpy_helper
from rewrite_onnx_cases import deconvolution, kinds, model, values, weights

from zoo.graphs import onnx_graph
from zoo.rewrite import onnx_difference, onnx_file
from zoo.rewrite.__main__ import main


def without_groups(proto):
    """The same deconvolution by a kernel of blocks: onnx's evaluator takes no groups."""
    (node,) = proto.graph.node
    (group,) = [each for each in node.attribute if each.name == "group"]
    held = numpy_helper.to_array(proto.graph.initializer[0])
    inputs, outputs = held.shape[0] // group.i, held.shape[1]
    kernel = np.zeros((held.shape[0], outputs * group.i, *held.shape[2:]), np.float32)
    for each in range(group.i):
        rows = slice(each * inputs, (each + 1) * inputs)
        kernel[rows, each * outputs : (each + 1) * outputs] = held[rows]
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(kernel, "w"))
    group.i = 1
    return proto


DECONVOLUTIONS = {
    "4x4 by 2": {"strides": [2, 2], "pads": [1, 1, 1, 1]},
    "9x9 by 3, opset 11": {"kernel": (9, 9), "strides": [3, 3], "pads": [3, 3, 3, 3], "opset": 11},
    "5x5 by 2, opset 26": {"kernel": (5, 5), "strides": [2, 2], "pads": [2, 1, 2, 1], "opset": 26},
    "asymmetric pads": {"kernel": (5, 4), "strides": [2, 2], "pads": [0, 2, 1, 1]},
    "output padding": {"kernel": (3, 5), "strides": [2, 2], "pads": [1, 2, 1, 2], "output_padding": [1, 1]},
    "a kernel below its stride": {"kernel": (2, 3), "strides": [4, 4], "output_padding": [2, 1], "bias": False},
    "same upper": {"kernel": (5, 5), "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    "valid": {"kernel": (5, 3), "strides": [3, 3], "auto_pad": "VALID"},
    "same lower": {"kernel": (4, 5), "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    "output shape": {"strides": [2, 2], "output_shape": [14, 20], "auto_pad": "SAME_UPPER"},
    "dilations": {"kernel": (3, 2), "strides": [2, 2], "dilations": [2, 3], "pads": [1, 0, 2, 1]},
    "groups": {"kernel": (4, 3), "strides": [2, 2], "group": 2, "outputs": 6, "pads": [1, 1, 1, 0]},
    "depthwise": {"kernel": (4, 4), "strides": [2, 2], "group": 4, "outputs": 4, "pads": [1, 1, 1, 1]},
    "much cropped": {"kernel": (3, 3), "strides": [2, 2], "pads": [5, 3, 2, 4]},
    "stride one": {"kernel": (4, 3), "strides": [1, 1], "pads": [1, 1, 1, 1]},
    "free sizes": {"strides": [2, 2], "pads": [1, 1, 1, 1], "shape": ("N", 4, "H", "W")},
}


@pytest.mark.parametrize("options", DECONVOLUTIONS.values(), ids=DECONVOLUTIONS)
def test_a_deconvolution_is_the_same(options):
    proto = deconvolution(**options)
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "moved" and "ConvTranspose" not in kinds(proto)
    onnx.checker.check_model(proto, full_check=True)
    for each in onnx_difference.differences(before, proto.SerializeToString()):
        assert each.value <= each.allowed
    image = weights(2, 4, 7, 10)
    expected = values(without_groups(onnx.load_model_from_string(before)), image)
    assert np.allclose(values(proto, image), expected, rtol=0, atol=1e-5 * np.ptp(expected))


def test_an_output_shape_alone_is_the_same():
    # onnx's evaluator takes no output_shape without auto_pad.
    proto = deconvolution(strides=[2, 2], output_shape=[14, 20])
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    (difference,) = onnx_difference.differences(before, proto.SerializeToString())
    assert row.action == "moved" and difference.value <= difference.allowed


def test_a_deconvolution_is_the_scattered_sum():
    proto = deconvolution(kernel=(4, 4), strides=[2, 2], pads=[1, 1, 1, 1])
    kernel, bias = (numpy_helper.to_array(each) for each in proto.graph.initializer)
    onnx_file.to_lr_space(proto)
    image = weights(2, 4, 7, 10)
    expected = oracle.scatter(image.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0), 2, bias)
    assert np.allclose(values(proto, image).transpose(0, 2, 3, 1), expected, atol=1e-4)
    # A phase swapped is seen.
    (shuffle,) = [node for node in proto.graph.node if node.op_type == "DepthToSpace"]
    next(each for each in shuffle.attribute if each.name == "mode").s = b"CRD"
    assert not np.allclose(values(proto, image).transpose(0, 2, 3, 1), expected, atol=1e-1)


STAY = {
    "neither one- nor two-dimensional": {"kernel": (3, 2, 2), "strides": [2, 2, 2], "shape": (2, 4, 3, 4, 5)},
    "on which side": {"kernel": (5, 5), "strides": [2, 2], "output_shape": [14, 20]},
    "one size and its input any": {"strides": [2, 2], "output_shape": [14, 20], "shape": (1, 4, None, None)},
}


@pytest.mark.parametrize("reason", STAY)
def test_what_has_no_exact_form_stays(reason):
    proto = deconvolution(**STAY[reason])
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "stays" and reason in row.note and proto.SerializeToString() == before


def enlarged(way="asymmetric", rounding="floor", factors=(1, 1, 2, 2), group=1, axes=None, sizes=None, **options):
    named = {} if axes is None else {"axes": axes}
    nodes = [
        helper.make_node(
            "Resize",
            ["x", "", "s"] if sizes is None else ["x", "", "", "s"],
            ["hr"],
            mode="nearest",
            coordinate_transformation_mode=way,
            nearest_mode=rounding,
            **named,
        ),
        helper.make_node("Conv", ["hr", "w", "b"], ["y"], group=group, **options),
    ]
    size = np.float32(factors) if sizes is None else np.int64(sizes)
    constants = {"s": size, "w": weights(4, 4 // group, 5, 3), "b": weights(4)}
    return model(nodes, constants, opset=17 if axes is None else 18)


RESIZED = [
    {"pads": [2, 1, 2, 1]},
    {"pads": [0, 1, 3, 0], "dilations": [2, 1]},
    {"auto_pad": "SAME_LOWER", "way": "half_pixel", "rounding": "round_prefer_floor", "factors": (1, 1, 3, 3)},
    {"group": 4, "pads": [2, 1, 2, 1]},
    {"pads": [2, 1, 2, 1], "axes": [2, 3], "factors": (2, 2)},
    {"pads": [2, 1, 2, 1], "axes": [3, 2], "sizes": (30, 21)},
]


@pytest.mark.parametrize("options", RESIZED)
def test_an_enlargement_and_its_convolution_are_the_same(options):
    proto = enlarged(**options)
    before, image = proto.SerializeToString(), weights(2, 4, 7, 10)
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "moved" and "Resize" not in kinds(proto)
    for each in onnx_difference.differences(before, proto.SerializeToString()):
        assert each.value <= each.allowed
    assert np.allclose(values(proto, image), values(onnx.load_model_from_string(before), image), atol=1e-4)


OTHERWISE = [{"rounding": "ceil"}, {"way": "align_corners"}, {"factors": (1, 1, 2, 3)}]
OTHERWISE += [{"axes": [3], "factors": (2,)}, {"axes": [1, 3], "factors": (2, 2)}, {"axes": [2, 3], "sizes": (14, 21)}]


@pytest.mark.parametrize("options", OTHERWISE)
def test_an_enlargement_that_repeats_otherwise_stays(options):
    (row,) = onnx_file.to_lr_space(enlarged(pads=[2, 1, 2, 1], **options))
    assert row.action == "stays" and row.note


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_a_spelt_out_shuffle_is_one_node(mode):
    inner = (2, 2, 2, 3, 5, 7) if mode == "DCR" else (2, 3, 2, 2, 5, 7)
    order = [0, 3, 4, 1, 5, 2] if mode == "DCR" else [0, 1, 4, 2, 5, 3]
    nodes = [
        helper.make_node("Reshape", ["x", "i"], ["a"]),
        helper.make_node("Transpose", ["a"], ["t"], perm=order),
        helper.make_node("Reshape", ["t", "o"], ["y"]),
    ]
    proto = model(nodes, {"i": np.int64(inner), "o": np.int64((2, 3, 10, 14))}, (2, 12, 5, 7))
    image = weights(2, 12, 5, 7)
    expected = values(proto, image)
    onnx_file.to_lr_space(proto)
    assert kinds(proto) == ["DepthToSpace"] and not proto.graph.initializer
    assert np.array_equal(values(proto, image), expected)


def test_shared_weights_serve_who_stays_and_subgraphs_are_named():
    inner = helper.make_graph(
        [helper.make_node("ConvTranspose", ["x", "w"], ["z"], name="inner", strides=[2, 2])],
        "then",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [None] * 4)],
    )
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up", strides=[2, 2]),
        helper.make_node("If", ["yes"], ["v"], then_branch=inner, else_branch=inner),
    ]
    proto = model(nodes, {"w": weights(4, 3, 4, 4), "yes": np.array(True)}, outputs=("y", "v"))
    before = proto.SerializeToString()
    rows = onnx_file.to_lr_space(proto)
    assert {row.layer: row.action for row in rows} == {"inner": "stays", "up": "moved"}
    assert "w" in {each.name for each in proto.graph.initializer}
    for each in onnx_difference.differences(before, proto.SerializeToString()):
        assert each.value <= each.allowed


def test_the_command_reads_external_data_and_writes_one_file(tmp_path, capsys):
    proto = deconvolution(strides=[2, 2], pads=[1, 1, 1, 1])
    path, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    onnx.save(proto, str(path), save_as_external_data=True, location="in.data", size_threshold=0)
    assert main([str(path), str(target)]) == 0
    assert "largest difference" in capsys.readouterr().out and kinds(onnx.load(str(target)))[-1] != "ConvTranspose"
    target.unlink()
    (tmp_path / "in.data").unlink()
    assert main([str(path), str(target)]) == 2
    assert "Expected a whole and valid ONNX file" in capsys.readouterr().err and not target.exists()


def test_a_wrong_result_is_not_written(tmp_path, monkeypatch, capsys):
    path, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    onnx.save(deconvolution(strides=[2, 2], output_padding=[1, 1]), str(path))
    right = onnx_file.deconvolution

    def other_side(graph, node):
        each = right(graph, node)
        return each._replace(forms=[form._replace(crops=tuple(cut[::-1] for cut in form.crops)) for form in each.forms])

    monkeypatch.setattr(onnx_file, "deconvolution", other_side)
    assert main([str(path), str(target)]) == 1
    assert "wrote nothing" in capsys.readouterr().err and not target.exists()


@pytest.mark.parametrize("content", [b"", b"not a model", "cut", "old"])
def test_bad_files_are_refused_in_a_sentence(content, tmp_path, capsys):
    if isinstance(content, str):
        proto = deconvolution(strides=[2, 2], opset=10 if content == "old" else 17)
        content = proto.SerializeToString()[: -100 if content == "cut" else None]
    path, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    path.write_bytes(content)
    assert main([str(path), str(target)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: Expected") and error.count("\n") == 1 and not target.exists()


@pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
def test_a_missing_package_is_a_sentence(name, tmp_path, monkeypatch, capsys):
    path, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    onnx.save(deconvolution(strides=[2, 2]), str(path))
    monkeypatch.setitem(sys.modules, name, None)
    assert main([str(path), str(target)]) == 2
    assert f"Expected {name} " in capsys.readouterr().err and not target.exists()


def test_a_model_is_read_as_it_is(tmp_path):
    path = tmp_path / "in.onnx"
    onnx.save(deconvolution(strides=[2, 2]), str(path))
    assert onnx_graph.packed(onnx_graph.read(path)) == path.read_bytes()
