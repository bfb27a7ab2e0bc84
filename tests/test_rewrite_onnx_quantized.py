"""ONNX files quantized by onnxruntime, and files that other tools write: tf2onnx, PyTorch's exporters."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from rewrite_onnx_cases import deconvolution, kinds, model, values, weights

from zoo.rewrite import onnx_constants, onnx_difference, onnx_file


class Pictures(CalibrationDataReader):
    def __init__(self):
        self.left = [{"x": weights(2, 4, 7, 10)} for _ in range(3)]

    def get_next(self):
        return self.left.pop() if self.left else None


def quantized(tmp_path, per_channel, weight_type=QuantType.QInt8, proto=None, **options):
    path, target = tmp_path / "float.onnx", tmp_path / "q.onnx"
    onnx.save(proto or deconvolution(opset=21, **options), str(path))
    quantize_static(
        str(path),
        str(target),
        Pictures(),
        quant_format=QuantFormat.QDQ,
        per_channel=per_channel,
        weight_type=weight_type,
        activation_type=QuantType.QUInt8,
    )
    return onnx.load(str(target))


CASES = {
    "per tensor": {"kernel": (4, 4), "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "per channel": {"kernel": (9, 9), "strides": [3, 3], "pads": [3, 3, 3, 3]},
    "no bias": {"kernel": (5, 4), "strides": [2, 2], "bias": False},
    "unsigned": {"kernel": (5, 5), "strides": [2, 2], "pads": [2, 2, 1, 1]},
    "per channel, strides that differ": {"kernel": (5, 4), "strides": [3, 2], "pads": [1, 0, 1, 1]},
}


@pytest.mark.parametrize("name", CASES)
def test_the_quantization_is_carried_over(tmp_path, name):
    kind = QuantType.QUInt8 if name == "unsigned" else QuantType.QInt8
    proto = quantized(tmp_path, name.startswith("per channel"), kind, **CASES[name])
    assert "DequantizeLinear" in kinds(proto) and "ConvTranspose" in kinds(proto)
    before, old = proto.SerializeToString(), onnx.load_model_from_string(proto.SerializeToString())
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "moved" and "int8" in row.found and "ConvTranspose" not in kinds(proto)
    onnx.checker.check_model(proto, full_check=True)
    # The levels stand between the convolution and the shuffle, where engines look for them.
    steps = kinds(proto)
    shuffle = "Reshape" if name.endswith("differ") else "DepthToSpace"
    assert steps[steps.index(shuffle) - 3 :][:3] == ["Conv", "QuantizeLinear", "DequantizeLinear"]
    for each in onnx_difference.differences(before, proto.SerializeToString()):
        assert each.value <= each.allowed
    image = weights(2, 4, 7, 10)
    expected, received = values(old, image), values(proto, image)
    level = np.min(np.diff(np.unique(expected)))
    # A sum on the edge of two levels goes either way; of all values a handful does.
    apart = np.abs(received - expected)
    assert apart.max() <= 1.01 * level and np.mean(apart > level / 2) < 1e-3
    # Nothing is left of the old weights.
    read = {name for node in proto.graph.node for name in node.input} | {"y"}
    assert all(name in read for node in proto.graph.node for name in node.output)
    # As many weights as before, in 8 bits, and zeros where a phase has no tap.
    held = {each.name: each for each in proto.graph.initializer}
    (kept,) = [onnx.numpy_helper.to_array(each) for name, each in held.items() if name.endswith("weights_q")]
    assert kept.dtype in (np.int8, np.uint8)


def test_weights_of_one_scale_need_no_axis_which_older_operation_sets_lack(tmp_path):
    proto = quantized(tmp_path, False, proto=deconvolution(opset=21, strides=[2, 2], pads=[1, 1, 1, 1]))
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "moved"
    made = [node for node in proto.graph.node if node.op_type == "DequantizeLinear" and "weights" in node.input[0]]
    assert len(made) == 1 and not made[0].attribute
    # Control: several scales say along which axis.
    several = quantized(tmp_path, True, proto=deconvolution(opset=21, strides=[2, 2], pads=[1, 1, 1, 1]))
    onnx_file.to_lr_space(several)
    (made,) = [node for node in several.graph.node if node.op_type == "DequantizeLinear" and "weights" in node.input[0]]
    assert [(each.name, each.i) for each in made.attribute] == [("axis", 0)]


def test_a_quantized_enlargement_is_named(tmp_path):
    """Between the repeated pixels and the convolution onnxruntime's quantizer puts levels again."""
    options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nodes = [
        helper.make_node("Resize", ["x", "", "s"], ["hr"], name="up", **options),
        helper.make_node("Conv", ["hr", "w"], ["y"], name="conv", pads=[1, 1, 1, 1]),
    ]
    constants = {"s": np.float32((1, 1, 2, 2)), "w": weights(3, 4, 3, 3)}
    proto = quantized(tmp_path, True, proto=model(nodes, constants, opset=21))
    steps = kinds(proto)
    assert steps[steps.index("Resize") :][:4] == ["Resize", "QuantizeLinear", "DequantizeLinear", "Conv"]
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    assert row.layer == "up" and row.action == "stays" and "need not fit in 8 bits" in row.note
    assert proto.SerializeToString() == before


def test_a_zero_point_that_is_passed_over_is_seen(tmp_path, monkeypatch):
    proto = quantized(tmp_path, False, QuantType.QUInt8, **CASES["unsigned"])
    before = proto.SerializeToString()
    again = onnx_constants.Constant.again

    def spoilt(self, steps, what, values, channels):
        self._zeros = self._zeros * 0 if what == "weights" else self._zeros
        return again(self, steps, what, np.abs(values) % 256, channels)

    monkeypatch.setattr(onnx_constants.Constant, "again", spoilt)
    onnx_file.to_lr_space(proto)
    found = onnx_difference.differences(before, proto.SerializeToString())
    assert any(each.value > each.allowed for each in found)


def test_tf2onnx_writes_what_moves():
    tf2onnx = pytest.importorskip("tf2onnx")
    image = keras.Input((None, None, 4))
    x = keras.layers.Conv2DTranspose(3, 5, strides=2, padding="same", activation="relu")(image)
    network = keras.Model(image, keras.layers.Conv2DTranspose(2, 4, strides=2, padding="same")(x))
    import tensorflow as tf

    signature = [tf.TensorSpec((1, 7, 10, 4), tf.float32, name="x")]
    function = tf.function(lambda x: network(x))
    proto, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=17)
    before = proto.SerializeToString()
    rows = onnx_file.to_lr_space(proto)
    assert [row.action for row in rows] == ["moved", "moved"] and "ConvTranspose" not in kinds(proto)
    for each in onnx_difference.differences(before, proto.SerializeToString()):
        assert each.value <= each.allowed


def test_a_processor_that_cuts_off_sums_is_said_and_does_not_count(monkeypatch):
    whole, cut_off = (onnx_difference.Difference((1, 3), 0.0, 0.01, by_default) for by_default in (0.0, 0.3))
    assert "session.x64quantprecision" not in str(whole) and "3.0e-01 unless session.x64quantprecision" in str(cut_off)
    # Weights so large that two products of a light image are over 16 bits.
    kernel = np.full((8, 4, 2, 2), 127, np.int8)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "image_step", "zero"], ["levels"]),
        helper.make_node("DequantizeLinear", ["levels", "image_step", "zero"], ["image"]),
        helper.make_node("DequantizeLinear", ["kernel", "one", "weights_zero"], ["weights"]),
        helper.make_node("Conv", ["image", "weights"], ["sums"]),
        helper.make_node("QuantizeLinear", ["sums", "step", "zero"], ["output_levels"]),
        helper.make_node("DequantizeLinear", ["output_levels", "step", "zero"], ["y"]),
    ]
    constants = {"one": np.float32(1), "image_step": np.float32(1 / 255), "step": np.float32(8)}
    constants |= {"zero": np.uint8(0), "weights_zero": np.int8(0), "kernel": kernel}
    content = model(nodes, constants, shape=(1, 4, 9, 12)).SerializeToString()
    opened = []
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *given, **more: opened.append(1) or session(*given, **more)
    )
    (difference,) = onnx_difference.differences(content, content)
    assert len(opened) == 3
    assert difference.value == 0 and (difference.by_default > difference.allowed) == ("unless" in str(difference))
    # Where nothing is quantized the setting changes nothing.
    floats = model([helper.make_node("Relu", ["x"], ["y"])], {}, shape=(1, 4, 9, 12)).SerializeToString()
    onnx_difference.differences(floats, floats)
    assert len(opened) == 5


def as_pytorch_writes_it(scale=2):
    """nn.Upsample(scale_factor=2), Conv2d, and the view, permute, reshape of a pixel shuffle by hand."""
    nodes = [
        helper.make_node("Constant", [], ["scales"], value=onnx.numpy_helper.from_array(np.float32([1, 1, 2, 2]))),
        helper.make_node(
            "Resize",
            ["x", "", "scales"],
            ["hr"],
            name="/up/Resize",
            coordinate_transformation_mode="asymmetric",
            mode="nearest",
            nearest_mode="floor",
        ),
        helper.make_node("Conv", ["hr", "w", "b"], ["one"], name="/conv/Conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["hr", "v"], ["two"], name="/side/Conv", kernel_shape=[1, 1]),
        helper.make_node("Concat", ["one", "two"], ["both"], axis=1),
        helper.make_node("Reshape", ["both", "i"], ["six"], name="/Reshape"),
        helper.make_node("Transpose", ["six"], ["turned"], name="/Transpose", perm=[0, 1, 4, 2, 5, 3]),
        helper.make_node("Reshape", ["turned", "o"], ["y"], name="/Reshape_1"),
    ]
    constants = {"w": weights(6, 4, 3, 3), "b": weights(6), "v": weights(2, 4, 1, 1)}
    constants |= {"i": np.int64((2, 2, 2, 2, 14, 20)), "o": np.int64((2, 2, 28, 40))}
    return model(nodes, constants)


def test_a_resize_that_two_convolutions_read():
    proto = as_pytorch_writes_it()
    before = proto.SerializeToString()
    rows = onnx_file.to_lr_space(proto)
    assert {row.layer: row.action for row in rows} == {
        name: "moved" for name in ("/conv/Conv", "/side/Conv", "/Reshape_1")
    }
    assert "Resize" not in kinds(proto) and kinds(proto).count("DepthToSpace") == 3
    onnx.checker.check_model(proto, full_check=True)
    image = weights(2, 4, 7, 10)
    expected = values(onnx.load_model_from_string(before), image)
    assert np.allclose(values(proto, image), expected, rtol=0, atol=1e-5 * np.ptp(expected))


def test_a_resize_that_something_else_reads_stays_for_that():
    proto = as_pytorch_writes_it()
    (side,) = [node for node in proto.graph.node if node.name == "/side/Conv"]
    side.CopyFrom(helper.make_node("Slice", ["hr", "from", "to", "axis"], ["two"], name="/side/Slice"))
    for name, value in (("from", [0]), ("to", [2]), ("axis", [1])):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.int64(value), name))
    before = proto.SerializeToString()
    rows = onnx_file.to_lr_space(proto)
    assert rows[0].action == "moved" and "Resize" in kinds(proto)
    for each in onnx_difference.differences(before, proto.SerializeToString()):
        assert each.value <= each.allowed


@pytest.mark.parametrize(("mode", "words"), [("linear", "inside the picture only"), ("nearest", "Relu")])
def test_a_resize_without_a_convolution_is_named(mode, words):
    nodes = [
        helper.make_node("Resize", ["x", "", "s"], ["hr"], name="up", mode=mode, nearest_mode="floor"),
        helper.make_node("Relu", ["hr"], ["y"]),
    ]
    nodes[0].attribute.append(helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
    (row,) = onnx_file.to_lr_space(model(nodes, {"s": np.float32((1, 1, 2, 2))}))
    assert row.layer == "up" and row.action == "stays" and words in row.note


def test_a_shuffle_of_computed_size_is_named():
    nodes = [
        helper.make_node("Shape", ["x"], ["n"], start=0, end=1),
        helper.make_node("Concat", ["n", "i"], ["in"], axis=0),
        helper.make_node("Reshape", ["x", "in"], ["six"]),
        helper.make_node("Transpose", ["six"], ["turned"], perm=[0, 1, 4, 2, 5, 3]),
        helper.make_node("Concat", ["n", "o"], ["out"], axis=0),
        helper.make_node("Reshape", ["turned", "out"], ["y"], name="last"),
    ]
    proto = model(nodes, {"i": np.int64((1, 2, 2, 7, 10)), "o": np.int64((1, 14, 20))}, ("N", 4, "H", "W"))
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    assert row.layer == "last" and row.action == "stays" and "computed" in row.note
    assert proto.SerializeToString() == before


def test_nothing_is_left_behind_where_a_bias_is_computed():
    proto = deconvolution(strides=[2, 2], bias=False)
    (node,) = proto.graph.node
    node.input.append("b")
    proto.graph.node.insert(0, helper.make_node("Neg", ["c"], ["b"]))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weights(3), "c"))
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "stays" and "computed" in row.note and proto.SerializeToString() == before
