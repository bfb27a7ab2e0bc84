"""The way back in TFLite files: shuffles as transposed convolutions or transposes, for chips without DEPTH_TO_SPACE."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from rewrite_tflite_cases import apart, converted, names

from zoo.graphs import run, tflite
from zoo.rewrite import tflite_difference, tflite_file, tflite_target, tflite_transposed
from zoo.rewrite.__main__ import main
from zoo.targets import records

rng = np.random.default_rng(11)


def subpixel(kernel=(3, 2), scale=2, padding="SAME", shape=(1, 7, 10, 4), outputs=3, bias="alike", **options):
    """A converted file of a convolution and a shuffle; its kernel and bias."""
    channels = outputs * scale**2
    weights = (rng.normal(size=(*kernel, 4, channels)) / np.prod(kernel)).astype(np.float32)
    added = rng.normal(size=channels if bias == "free" else outputs).astype(np.float32)
    added = added if bias == "free" else np.tile(added, scale**2)

    def function(x):
        result = tf.nn.conv2d(x, weights, 1, padding)
        result = tf.nn.bias_add(result, added) if bias else result
        result = tf.nn.relu(result) if options.get("relu") else result
        return tf.nn.depth_to_space(result, scale)

    content = converted(function, shape, *(options.get(kind, False) for kind in ("half", "int8", "dynamic")))
    return content, weights, added


def back(content: bytes, target: str = "mediatek"):
    """The file for a target, and the rows."""
    file = tflite.parse(content, "x")
    rows = tflite_target.for_target(file, records.named(target))
    return tflite.parse(file.packed(), "y"), rows


CASES = {
    "3x2 by 2": {},
    "4x4 by 3, a batch of two": {"kernel": (4, 4), "scale": 3, "shape": (2, 7, 10, 4), "outputs": 1},
    "valid": {"kernel": (5, 3), "padding": "VALID", "relu": True},
    "one tap": {"kernel": (1, 1), "scale": 4, "bias": None},
    "half": {"kernel": (3, 3), "half": True},
}


@pytest.mark.parametrize("name", CASES)
def test_a_convolution_and_a_shuffle_are_one_transposed_convolution(name):
    options = CASES[name]
    content, *_ = subpixel(**options)
    file, (row,) = back(content)
    left = set(names(file))
    assert row.action == "moved" and "TRANSPOSE_CONV" in left and not left & {"DEPTH_TO_SPACE", "CONV_2D"}
    assert apart(content, file) == [] and (("RELU" in left) == options.get("relu", False))
    for operation in file.operations:
        if operation.name == "TRANSPOSE_CONV":
            assert operation.options.padding == schema.Padding.VALID and not operation.options.fusedActivationFunction
    assert not records.named("mediatek").check(file)


def test_it_is_the_scattered_sum():
    """In NumPy: each LR pixel scatters the phases of its window."""
    content, weights, bias = subpixel((3, 3), 2)
    file, _ = back(content)
    image = run.noise(file)[0]
    received = run.Run(file, [image]).value(file.outputs[0])
    padded = np.pad(image.astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    wanted = np.zeros((1, 14, 20, 3)) + bias[:3]
    for y, x, a, b in np.ndindex(7, 10, 2, 2):
        phase = weights[..., 3 * (2 * a + b) :][..., :3]
        wanted[:, 2 * y + a, 2 * x + b] += np.einsum("nyxi,yxio->no", padded[:, y : y + 3, x : x + 3], phase)
    np.testing.assert_allclose(received, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("spoilt", ["phase", "crop"])
def test_a_wrong_way_back_is_seen(monkeypatch, spoilt):
    content, *_ = subpixel((3, 3), 3)
    as_transposed = tflite_transposed.as_transposed

    def wrong(lr):
        right = as_transposed(lr)
        if spoilt == "crop":
            return right._replace(offsets=(right.offsets[0] + 1, right.offsets[1]))
        return right._replace(kernel=right.kernel[:, :, [1, 0, 2]])

    monkeypatch.setattr(tflite_transposed, "as_transposed", wrong)
    assert apart(content, back(content)[0])


def test_there_and_back_is_the_kernel_it_was():
    """9×9 by 2 is 5×5 in LR space, with a row of zeros that the way back leaves out."""
    weights = rng.normal(size=(9, 9, 3, 4)).astype(np.float32)
    content = converted(lambda x: tf.nn.conv2d_transpose(x, weights, (1, 14, 20, 3), 2, "SAME"), (1, 7, 10, 4))
    file = tflite.parse(content, "x")
    tflite_file.to_lr_space(file)
    moved = file.packed()
    assert "DEPTH_TO_SPACE" in names(tflite.parse(moved, "x"))
    file, (row,) = back(moved)
    assert row.becomes.startswith("TRANSPOSE_CONV 9×9") and apart(content, file) == []
    (operation,) = [each for each in file.operations if each.name == "TRANSPOSE_CONV"]
    (before,) = [each for each in tflite.parse(content, "x").operations if each.name == "TRANSPOSE_CONV"]
    np.testing.assert_array_equal(operation.inputs[1].values, before.inputs[1].values)


def test_integers_that_went_there_come_back_to_the_same_bits():
    weights = rng.normal(size=(9, 9, 3, 4)).astype(np.float32)

    def function(x):
        return tf.nn.relu(tf.nn.conv2d_transpose(x, weights, (1, 14, 20, 3), 2, "SAME") + np.float32([0.1, -0.2, 0.3]))

    content = converted(function, (1, 7, 10, 4), int8=True)
    file = tflite.parse(content, "x")
    tflite_file.to_lr_space(file)
    moved = file.packed()
    file, (row,) = back(moved)
    assert row.becomes.startswith("TRANSPOSE_CONV 9×9") and "DEPTH_TO_SPACE" not in names(file)
    for each in tflite_difference.differences(tflite.parse(moved, "x"), file):
        assert each.value <= each.allowed, str(each)
    assert apart(content, file) == []


ALONE = {
    "scales of their own": {"int8": True},
    "biases of their own": {"bias": "free"},
    "no CONV_2D": {"function": lambda x: tf.nn.depth_to_space(tf.nn.max_pool2d(x, 3, 1, "SAME"), 2)},
    "read elsewhere": {"function": lambda x: (tf.nn.depth_to_space(y := tf.nn.conv2d(x, KERNEL, 1, "SAME"), 2), y)},
    "strides or dilations": {"function": lambda x: tf.nn.depth_to_space(tf.nn.conv2d(x, KERNEL, 2, "SAME"), 2)},
}
KERNEL = rng.normal(size=(3, 3, 4, 8)).astype(np.float32)


@pytest.mark.parametrize("reason", ALONE)
def test_a_shuffle_alone_is_a_transpose_of_rank_4(reason):
    options = ALONE[reason]
    content = converted(options["function"], (2, 7, 10, 4)) if "function" in options else subpixel(**options)[0]
    file, (row,) = back(content, "samsung")
    assert row.action == "moved" and reason in row.note and "DEPTH_TO_SPACE" not in names(file)
    assert {"RESHAPE", "TRANSPOSE"} <= set(names(file))
    assert max(len(tensor.shape) for each in file.operations for tensor in each.tensors()) == 4
    for each in tflite_difference.differences(tflite.parse(content, "x"), file):
        assert each.value == 0, str(each)


def test_a_free_size_stays():
    content, *_ = subpixel(shape=(1, None, None, 4))
    file, (row,) = back(content)
    assert row.action == "stays" and "its size is free" in row.note and "DEPTH_TO_SPACE" in names(file)


@pytest.mark.parametrize("int8", [False, True])
def test_what_is_transposed_already_becomes_valid(int8):
    weights = rng.normal(size=(5, 4, 3, 4)).astype(np.float32)

    def function(x):
        return tf.nn.relu(tf.nn.conv2d_transpose(x, weights, (1, 20, 30, 3), 3, "SAME"))

    content = converted(function, (1, 7, 10, 4), int8=int8)
    before = tflite.parse(content, "x")
    (old,) = [each for each in before.operations if each.name == "TRANSPOSE_CONV"]
    assert old.options.padding == schema.Padding.SAME
    file, (row,) = back(content)
    assert row.action == "moved" and apart(content, file) == []
    (new,) = [each for each in file.operations if each.name == "TRANSPOSE_CONV"]
    assert new.options.padding == schema.Padding.VALID and not records.named("mediatek").check(file)


def test_an_output_beyond_the_taps_stays():
    weights = rng.normal(size=(3, 5, 3, 4)).astype(np.float32)
    content = converted(lambda x: tf.nn.conv2d_transpose(x, weights, (1, 22, 34, 3), 3, "VALID"), (1, 7, 10, 4))
    file = tflite.parse(content, "x")
    (operation,) = file.operations
    operation.options.fusedActivationFunction = schema.ActivationFunctionType.RELU
    operation.version = 4
    file, (row,) = back(file.packed())
    assert row.action == "stays" and "larger than what its taps reach" in row.note and names(file) == ["TRANSPOSE_CONV"]


@pytest.mark.parametrize("shared", [True, False])
def test_activations_that_a_chip_does_not_take(shared):
    slopes = rng.normal(size=(1, 1, 8) if shared else (7, 10, 8)).astype(np.float32)

    def function(x):
        x = tf.nn.conv2d(x, KERNEL, 1, "SAME")
        x = tf.reduce_max(tf.nn.relu(x) + -slopes * tf.nn.relu(-x), 3, keepdims=True)
        return tf.nn.relu6(x)

    content = converted(function, (1, 7, 10, 4))
    assert "PRELU" in names(tflite.parse(content, "x"))
    for target in ("samsung", "mediatek"):
        record = records.named(target)
        file, rows = back(content, target)
        assert rows and all(row.action == "moved" for row in rows) and apart(content, file) == []
        assert not [each for each in record.check(file) if each.rule == "operation" and "CONV_2D" not in each.place]
        # Nothing is rounded that the activation did not round.
        for each in tflite_difference.differences(tflite.parse(content, "x"), file):
            assert each.value == 0, str(each)


def test_integers_keep_their_activation():
    slopes = rng.normal(size=(1, 1, 8)).astype(np.float32)

    def function(x):
        x = tf.nn.conv2d(x, KERNEL, 1, "SAME")
        return tf.nn.relu(x) + -slopes * tf.nn.relu(-x)

    content = converted(function, (1, 7, 10, 4), int8=True)
    file, (row,) = back(content, "samsung")
    assert row.action == "stays" and "rounded" in row.note and "PRELU" in names(file)


def test_the_command_takes_a_form_or_a_target(tmp_path, capsys):
    source, target = tmp_path / "in.tflite", tmp_path / "out.tflite"
    source.write_bytes(subpixel((3, 3), 2)[0])
    assert main([str(source), str(target), "--target=mediatek"]) == 0
    printed = capsys.readouterr().out
    assert "TRANSPOSE_CONV 6×6 valid, crop" in printed and "MediaTek NPU, never run here" in printed
    assert "largest difference" in printed and "DEPTH_TO_SPACE" not in names(tflite.read(target))
    assert main([str(target), str(tmp_path / "again.tflite"), "--form=subpixel"]) == 0
    assert "DEPTH_TO_SPACE" in names(tflite.read(tmp_path / "again.tflite"))
    assert main([str(source), str(tmp_path / "x.tflite"), "--target=npu"]) == 2
    assert main([str(source), str(tmp_path / "x.tflite"), "--target=intel", "--form=subpixel"]) == 2
    assert not (tmp_path / "x.tflite").exists()
