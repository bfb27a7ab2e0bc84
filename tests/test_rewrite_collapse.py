"""--collapse: linear operations as one convolution, in TFLite and ONNX files, borders included; the command."""

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import helper
from rewrite_onnx_cases import kinds, model, values, weights
from rewrite_tflite_cases import converted, names

from zoo.graphs import tflite
from zoo.rewrite import linear, onnx_collapse, onnx_difference, tflite_collapse, tflite_difference
from zoo.rewrite.__main__ import main

rng = np.random.default_rng(8)


def kernel(rows, columns, inputs, outputs):
    return (rng.normal(size=(rows, columns, inputs, outputs)) / (rows * columns * inputs) ** 0.5).astype(np.float32)


def conv(x, rows, outputs, bias=True, padding="SAME", columns=None):
    x = tf.nn.conv2d(x, kernel(rows, columns or rows, x.shape[-1], outputs), 1, padding)
    return tf.nn.bias_add(x, rng.normal(size=outputs).astype(np.float32)) if bias else x


def normalised(x):
    return x * rng.normal(size=x.shape[-1]).astype(np.float32) + rng.normal(size=x.shape[-1]).astype(np.float32)


def repvgg(x):
    return tf.nn.relu(normalised(conv(x, 3, 4, bias=False)) + normalised(conv(x, 1, 4, bias=False)) + normalised(x))


# Name → the function, and how many convolutions it becomes.
CASES = {
    "k×k, then 1×1": (lambda x: conv(conv(x, 3, 16), 1, 4), 1),
    "SESR: wide, narrow, and a skip": (lambda x: tf.nn.relu(conv(conv(x, 5, 64), 1, 4) + x), 1),
    "RepVGG": (lambda x: repvgg(repvgg(x)), 2),
    "1×1 without a bias, then k×k": (lambda x: conv(conv(x, 1, 32, bias=False), 3, 4), 1),
    "1×1 with a bias that zeros carry": (lambda x: conv(conv(x, 1, 4), 3, 4), 1),
    "anything, then valid": (lambda x: conv(conv(x, 3, 32, padding="VALID"), 3, 4, padding="VALID"), 1),
    "pad, then valid": (lambda x: conv(tf.pad(x, [(0, 0), (2, 1), (1, 3), (0, 0)]), 3, 4, padding="VALID"), 1),
    "branches": (lambda x: conv(x, 3, 4) + conv(x, 1, 4) + conv(conv(x, 5, 9), 1, 4, columns=1), 1),
}


def collapsed(content, border="exact"):
    file = tflite.parse(content, "x")
    rows = tflite_collapse.collapsed(file, border)
    return tflite.parse(file.packed(), "y"), rows


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_same_at_every_pixel(name):
    function, convolutions = CASES[name]
    content = converted(function, (2, 9, 7, 4))
    file, rows = collapsed(content)
    assert names(file).count("CONV_2D") == convolutions and not {"ADD", "MUL"} & set(names(file))
    assert ("SUB" in names(file)) == ("zeros carry" in name)
    assert all(row.action == "moved" and row.macs_after <= row.macs for row in rows)
    for each in tflite_difference.differences(tflite.parse(content, "x"), file):
        assert each.value <= each.allowed, str(each)


def depthwise(x, side, maps=1):
    weights = rng.normal(size=(side, side, x.shape[-1], maps)).astype(np.float32)
    x = tf.nn.depthwise_conv2d(x, weights, (1, 1, 1, 1), "SAME")
    return tf.nn.bias_add(x, rng.normal(size=x.shape[-1]).astype(np.float32))


@pytest.mark.parametrize("channels", [4, 1])
def test_depthwise_branches_are_one_depthwise_convolution(channels):
    def function(x):
        x = tf.nn.relu(depthwise(x, 3) + depthwise(x, 1) + x)
        return depthwise(tf.nn.relu(depthwise(depthwise(x, 5, maps=2), 1)), 1)

    content = converted(function, (2, 9, 7, channels))
    file, rows = collapsed(content)
    kind = "DEPTHWISE_CONV_2D" if channels > 1 else "CONV_2D"
    left = names(file)
    assert left[0] == kind and len(left) == 3 and left.count("DEPTHWISE_CONV_2D") == 3 - (channels == 1) * 2
    assert [row.action for row in rows] == ["moved"] * 2
    for each in tflite_difference.differences(tflite.parse(content, "x"), file):
        assert each.value <= each.allowed, str(each)


def test_half_precision_weights_too():
    content = converted(lambda x: conv(conv(x, 3, 16), 1, 4), (1, 9, 7, 4), half=True)
    file, (row,) = collapsed(content)
    assert names(file).count("CONV_2D") == 1
    for each in tflite_difference.differences(tflite.parse(content, "x"), file):
        assert each.value <= each.allowed, str(each)


def test_k_by_k_behind_k_by_k_stays_with_its_reason_and_goes_in_the_interior():
    content = converted(lambda x: conv(conv(x, 3, 32), 3, 4), (1, 9, 11, 4))
    file, (row,) = collapsed(content)
    assert row.action == "stays" and "a border of 1×1 px" in row.note and names(file).count("CONV_2D") == 2
    file, (row,) = collapsed(content, "interior")
    assert row.action == "moved" and row.inexact == 1 and names(file).count("CONV_2D") == 1
    from zoo.graphs.run import Run

    before = tflite.parse(content, "x")
    image = rng.normal(size=(1, 9, 11, 4)).astype(np.float32)
    expected, received = (Run(each, [image]).value(each.outputs[0]) for each in (before, file))
    apart = np.abs(expected - received) > 1e-4
    assert not apart[:, 1:-1, 1:-1].any() and apart[:, 0].any() and apart[:, :, -1].any()


def test_what_would_multiply_more_or_is_read_elsewhere_stays():
    file, (row,) = collapsed(converted(lambda x: conv(conv(x, 3, 2), 1, 64), (1, 9, 7, 4)))
    assert row.action == "stays" and "multiply more" in row.note and names(file).count("CONV_2D") == 2

    def twice(x):
        y = conv(x, 3, 16)
        return conv(y, 1, 4), y

    content = converted(twice, (1, 9, 7, 4))
    file, rows = collapsed(content)
    assert rows == [] and names(file).count("CONV_2D") == 2
    assert collapsed(converted(lambda x: conv(tf.nn.relu(conv(x, 3, 16)), 1, 4), (1, 9, 7, 4)))[1] == []


def test_integers_stay():
    content = converted(lambda x: conv(conv(x, 3, 16), 1, 4), (1, 9, 7, 4), int8=True)
    file, (row,) = collapsed(content)
    assert row.action == "stays" and "rounded to integers" in row.note and names(file).count("CONV_2D") == 2


def test_a_wrong_collapse_is_seen(monkeypatch):
    content = converted(lambda x: conv(conv(x, 3, 16), 1, 4), (1, 9, 7, 4))
    in_a_row = linear.collapse.in_a_row

    def wrong(first, second):
        joined = in_a_row(first, second)
        return joined._replace(convolution=joined.convolution._replace(bias=second.bias))

    monkeypatch.setattr(linear.collapse, "in_a_row", wrong)
    found = tflite_difference.differences(tflite.parse(content, "x"), collapsed(content)[0])
    assert any(each.value > each.allowed for each in found)


def repvgg_node(x, name, channels=4):
    """A block as PyTorch's exporter writes it: 3×3, 1×1 and x, each normalised, added."""
    nodes, constants = [], {}
    for number, (source, side) in enumerate(((x, 3), (x, 1), (x, 0))):
        if side:
            constants[f"{name}w{number}"] = weights(channels, channels, side, side)
            source = f"{name}c{number}"
            pads = [side // 2] * 4
            nodes.append(helper.make_node("Conv", [x, f"{name}w{number}"], [source], name=source, pads=pads))
        keys = [f"{name}{key}{number}" for key in ("g", "b", "m", "v")]
        constants |= {key: np.abs(weights(channels)) + 0.1 for key in keys}
        nodes.append(
            helper.make_node("BatchNormalization", [source, *keys], [f"{name}n{number}"], name=f"{name}n{number}")
        )
    nodes.append(helper.make_node("Add", [f"{name}n0", f"{name}n1"], [f"{name}s"]))
    nodes.append(helper.make_node("Add", [f"{name}s", f"{name}n2"], [f"{name}t"], name=f"{name}sum"))
    return nodes, constants


def test_onnx_blocks_are_one_convolution_each():
    first, held = repvgg_node("x", "one")
    second, more = repvgg_node("r", "two")
    nodes = [*first, helper.make_node("Relu", ["onet"], ["r"]), *second, helper.make_node("Relu", ["twot"], ["y"])]
    proto = model(nodes, held | more)
    before, image = proto.SerializeToString(), weights(2, 4, 7, 10)
    rows = onnx_collapse.collapsed(proto)
    assert [row.action for row in rows] == ["moved"] * 2 and kinds(proto) == ["Conv", "Relu"] * 2
    assert len(proto.graph.initializer) == 4
    onnx.checker.check_model(proto, full_check=True)
    for each in onnx_difference.differences(before, proto.SerializeToString()):
        assert each.value <= each.allowed
    expected = values(onnx.load_model_from_string(before), image)
    np.testing.assert_allclose(values(proto, image), expected, rtol=0, atol=1e-5 * np.ptp(expected))


def row_of_onnx(sides, channels, bias=True, pads=None):
    nodes, constants, x, inputs = [], {}, "x", 4
    for number, (side, outputs) in enumerate(zip(sides, channels)):
        constants |= {f"w{number}": weights(outputs, inputs, side, side), f"b{number}": weights(outputs)}
        names = [x, f"w{number}", f"b{number}"][: 2 + bias]
        x, inputs = "y" if number == len(sides) - 1 else f"t{number}", outputs
        around = [side // 2] * 4 if pads is None else pads
        nodes.append(helper.make_node("Conv", names, [x], name=f"conv{number}", pads=around))
    return model(nodes, constants if bias else {key: each for key, each in constants.items() if key[0] == "w"})


@pytest.mark.parametrize(
    ("sides", "channels", "options", "left"),
    [
        ((3, 1), (32, 4), {}, ["Conv"]),
        ((1, 3), (4, 4), {}, ["Sub", "Conv"]),
        ((1, 3), (32, 4), {"bias": False}, ["Conv"]),
        ((3, 5), (64, 4), {"pads": [0] * 4}, ["Conv"]),
        ((3, 1, 3), (32, 4, 4), {}, ["Conv", "Conv"]),
        ((1, 3), (32, 4), {}, ["Conv", "Conv"]),
    ],
)
def test_onnx_rows(sides, channels, options, left):
    proto = row_of_onnx(sides, channels, **options)
    before, image = proto.SerializeToString(), weights(2, 4, 7, 10)
    rows = onnx_collapse.collapsed(proto)
    assert kinds(proto) == left and ("stays" in {row.action for row in rows}) == (left == ["Conv", "Conv"])
    expected = values(onnx.load_model_from_string(before), image)
    np.testing.assert_allclose(values(proto, image), expected, rtol=0, atol=1e-5 * np.ptp(expected))


def test_onnx_groups_with_their_normalisation():
    keys = ("g", "b", "m", "v")
    held = {"w": weights(8, 2, 3, 3), "u": weights(8, 2, 1, 1), "p": weights(8, 8, 1, 1)}
    held |= {f"{key}{number}": np.abs(weights(8)) + 0.1 for number in (0, 1) for key in keys}

    def normalised_node(source, number):
        names = [source, *(f"{key}{number}" for key in keys)]
        return helper.make_node("BatchNormalization", names, [f"n{number}"], name=f"norm{number}")

    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="wide", group=4, pads=[1] * 4),
        normalised_node("c", 0),
        helper.make_node("Conv", ["x", "u"], ["d"], name="narrow", group=4),
        helper.make_node("Add", ["n0", "d"], ["s"], name="sum"),
        helper.make_node("Conv", ["s", "p"], ["q"], name="mix"),
        helper.make_node("Relu", ["q"], ["r"], name="relu"),
        normalised_node("r", 1),
        helper.make_node("Relu", ["n1"], ["y"]),
    ]
    proto = model(nodes, held, shape=(2, 8, 7, 10))
    before, image = proto.SerializeToString(), weights(2, 8, 7, 10)
    rows = onnx_collapse.collapsed(proto)
    assert kinds(proto) == ["Conv", "Conv", "Relu", "BatchNormalization", "Relu"]
    assert {row.layer: row.action for row in rows} == {"sum": "moved", "mix": "stays", "norm1": "stays"}
    assert rows[0].becomes == "convolution 3×3, 4 groups" and "could take it in" in rows[-1].note
    onnx.checker.check_model(proto, full_check=True)
    expected = values(onnx.load_model_from_string(before), image)
    np.testing.assert_allclose(values(proto, image), expected, rtol=0, atol=1e-5 * np.ptp(expected))


def sum_of_one_map():
    """A map and itself normalised: as dear as a 1×1 convolution."""
    held = {key: np.abs(weights(1)) + 0.1 for key in ("g", "b", "m", "v")}
    norm = helper.make_node("BatchNormalization", ["x", *held], ["n"], name="norm")
    return model([norm, helper.make_node("Add", ["x", "n"], ["y"], name="sum")], held, shape=(2, 1, 7, 10))


def three_in_a_row(first):
    """A Conv or a gain, and two gains: of three maps, as dear as a 1×1 convolution."""
    held = {"a": weights(3, 3, 1, 1) if first == "Conv" else weights(3, 1, 1), "b": weights(3, 1, 1)}
    held["c"] = weights(3, 1, 1)
    row = zip((first, "Mul", "Mul"), ("x", "s", "t"), held, ("s", "t", "y"))
    nodes = [helper.make_node(kind, [source, name], [result], name=name) for kind, source, name, result in row]
    return model(nodes, held, shape=(2, 3, 7, 10))


@pytest.mark.parametrize(
    ("make", "channels", "left"),
    [
        (sum_of_one_map, 1, ["BatchNormalization", "Add"]),
        (lambda: three_in_a_row("Mul"), 3, ["Mul"] * 3),
        # The control.
        (lambda: three_in_a_row("Conv"), 3, ["Conv"]),
    ],
)
def test_onnx_nodes_without_a_convolution_stay(make, channels, left):
    proto = make()
    before, image = proto.SerializeToString(), weights(2, channels, 7, 10)
    rows = onnx_collapse.collapsed(proto)
    assert kinds(proto) == left and ("moved" in {row.action for row in rows}) == (left == ["Conv"])
    expected = values(onnx.load_model_from_string(before), image)
    np.testing.assert_allclose(values(proto, image), expected, rtol=0, atol=1e-5 * np.ptp(expected))


@pytest.mark.parametrize("maps", [1, 3])
def test_one_map_that_becomes_several_stays(maps):
    """ONNX repeats it for each value; with three maps it is a gain, the control."""
    held = {"w": weights(maps, 4, 3, 3), "g": weights(3, 1, 1)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["s"], name="conv", pads=[1] * 4),
        helper.make_node("Mul", ["s", "g"], ["y"], name="gain"),
    ]
    proto = model(nodes, held)
    before, image = proto.SerializeToString(), weights(2, 4, 7, 10)
    onnx_collapse.collapsed(proto)
    assert kinds(proto) == (["Conv", "Mul"] if maps == 1 else ["Conv"])
    expected = values(onnx.load_model_from_string(before), image)
    np.testing.assert_allclose(values(proto, image), expected, rtol=0, atol=1e-5 * np.ptp(expected))


@pytest.mark.parametrize("suffix", ["keras", "tflite", "onnx"])
def test_the_command(tmp_path, capsys, suffix):
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    if suffix == "keras":
        image = keras.Input((None, None, 4))
        x = keras.layers.Conv2D(8, 1)(keras.layers.Conv2D(64, 3, padding="same")(image))
        keras.Model(image, keras.layers.Conv2D(4, 3, padding="same", name="last")(x)).save(source)
    elif suffix == "onnx":
        onnx.save(row_of_onnx((3, 1), (32, 4)), str(source))
    else:
        source.write_bytes(converted(lambda x: conv(conv(x, 3, 16), 1, 4), (1, 9, 7, 4)))
    assert main([str(source), str(target), "--collapse"]) == 0
    printed = capsys.readouterr().out
    assert "convolution 3×3" in printed and f"wrote {target}" in printed
    if suffix == "tflite":
        source.write_bytes(converted(lambda x: conv(conv(x, 3, 16), 3, 4), (1, 9, 7, 4)))
    if suffix == "onnx":
        onnx.save(row_of_onnx((3, 3), (32, 4)), str(source))
    assert main([str(source), str(target), "--collapse=interior"]) == 0
    printed = capsys.readouterr().out
    assert "differs in a border of" in printed and f"wrote {target}" in printed
    assert main([str(source), str(target), "--collapse", "--form=transposed"]) == 2
    assert "Expected --collapse alone" in capsys.readouterr().err
