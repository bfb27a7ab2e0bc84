"""Shuffles spelt as RESHAPE and TRANSPOSE, and zeros put between pixels by hand, in TFLite files."""

import numpy as np
import oracle
import pytest
import tensorflow as tf
from rewrite_tflite_cases import apart, converted, names, rewritten

from zoo.graphs import run, tflite
from zoo.rewrite import tflite_difference, tflite_file, tflite_moves, tflite_shuffles

rng = np.random.default_rng(2)
KERNEL = rng.normal(size=(3, 2, 4, 12)).astype(np.float32)
BIAS = rng.normal(size=12).astype(np.float32)
WIDE = rng.normal(size=(5, 4, 4, 3)).astype(np.float32)


def convolved(x):
    return tf.nn.bias_add(tf.nn.conv2d(x, KERNEL, 1, "SAME"), BIAS)


def tensorflows(x):
    n, h, w = x.shape[:3]
    x = tf.transpose(tf.reshape(x, (n, h, w, 2, 2, 3)), (0, 1, 3, 2, 4, 5))
    return tf.reshape(x, (n, 2 * h, 2 * w, 3))


def pytorchs(x):
    """PixelShuffle: the map outside, the phases inside; a layout of its own around it."""
    n, h, w = x.shape[:3]
    x = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (n, 3, 2, 2, h, w))
    x = tf.reshape(tf.transpose(x, (0, 1, 4, 2, 5, 3)), (n, 3, 2 * h, 2 * w))
    return x


def by_axis(x):
    """Columns first and rows then, each of rank 5."""
    n, h, w = x.shape[:3]
    x = tf.reshape(x, (n, h, w, 2, 6))
    x = tf.reshape(tf.transpose(x, (0, 1, 3, 2, 4)), (n, 2 * h, w, 2, 3))
    return tf.reshape(x, (n, 2 * h, 2 * w, 3))


SPELLINGS = {
    "tensorflow": (tensorflows, ["CONV_2D", "DEPTH_TO_SPACE"]),
    "pytorch, channels first": (pytorchs, ["CONV_2D", "DEPTH_TO_SPACE", "TRANSPOSE"]),
    "pytorch": (lambda x: tf.transpose(pytorchs(x), (0, 2, 3, 1)), ["CONV_2D", "DEPTH_TO_SPACE"]),
    "axis by axis": (by_axis, ["CONV_2D", "DEPTH_TO_SPACE"]),
}


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("name", SPELLINGS)
def test_a_spelt_out_shuffle_is_one_operation(name, int8):
    spelling, left = SPELLINGS[name]
    content = converted(lambda x: spelling(convolved(x)), (2, 7, 10, 4), int8=int8)
    assert "DEPTH_TO_SPACE" not in names(tflite.parse(content, "x"))
    file, (row,) = rewritten(content)
    assert row.action == "moved" and names(file) == left
    for each in tflite_difference.differences(tflite.parse(content, "x"), file):
        assert each.value == 0, str(each)


def sides(x):
    """Of a picture of any size, as numbers that the graph computes."""
    return x.shape[0] or 1, *(x.shape[axis] or tf.shape(x)[axis] for axis in (1, 2))


def tensorflows_free(x):
    n, h, w = sides(x)
    return tf.reshape(tf.transpose(tf.reshape(x, (n, h, w, 2, 2, 3)), (0, 1, 3, 2, 4, 5)), (n, 2 * h, 2 * w, 3))


def pytorchs_free(x):
    n, h, w = sides(x)
    x = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (n, 3, 2, 2, h, w))
    x = tf.reshape(tf.transpose(x, (0, 1, 4, 2, 5, 3)), (n, 3, 2 * h, 2 * w))
    return tf.transpose(x, (0, 2, 3, 1))


def by_transpose_of_4(x):
    """Rows and their phases are one axis, as the way back spells it."""
    n, h, w = sides(x)
    x = tf.transpose(tf.reshape(x, (n * h, w, 2, 6)), (0, 2, 1, 3))
    return tf.reshape(x, (n, 2 * h, 2 * w, 3))


@pytest.mark.parametrize("spelling", [tensorflows_free, pytorchs_free, by_transpose_of_4])
def test_a_shuffle_of_a_free_size_is_one_operation_too(spelling):
    content = converted(lambda x: spelling(convolved(x)), (1, None, None, 4))
    assert {"SHAPE", "PACK", "RESHAPE"} & set(names(tflite.parse(content, "x")))
    file, (row,) = rewritten(content)
    assert row.action == "moved" and names(file) == ["CONV_2D", "DEPTH_TO_SPACE"]
    assert len({each.size for each in tflite_difference.differences(tflite.parse(content, "x"), file)}) == 2
    assert apart(content, file) == []


def test_what_is_a_shuffle_at_one_size_alone_is_none(monkeypatch):
    """The control: what is not the same at both sizes."""
    content = converted(lambda x: tensorflows_free(convolved(x)), (1, None, None, 4))
    recognised = tflite_moves.shuffle

    def at_one_size(move):
        return recognised(move) if move.image.shape[1] == 23 else None

    monkeypatch.setattr(tflite_shuffles, "shuffle", at_one_size)
    file, (row,) = rewritten(content)
    assert row.action == "stays" and "no shuffle" in row.note and "DEPTH_TO_SPACE" not in names(file)
    # A file that LiteRT does not run at these sizes: its own are not known.
    monkeypatch.setattr(tflite_file, "at_sizes", lambda file: [])
    file, (row,) = rewritten(content)
    assert row.action == "stays" and "its sizes are free" in row.note


def test_scales_go_with_the_channels():
    content = converted(lambda x: pytorchs(convolved(x)), (1, 7, 10, 4), int8=True)
    before = tflite.parse(content, "x").operations[0].inputs[1].raw.quantization.scale
    after = rewritten(content)[0].operations[0].inputs[1].raw.quantization.scale
    order = np.arange(12).reshape(3, 2, 2).transpose(1, 2, 0).ravel()
    np.testing.assert_array_equal(after, np.asarray(before)[order])


def test_a_wrong_order_is_seen(monkeypatch):
    content = converted(lambda x: pytorchs(convolved(x)), (1, 7, 10, 4))
    reorder = tflite_shuffles.reorder
    monkeypatch.setattr(tflite_shuffles, "reorder", lambda graph, image, order: reorder(graph, image, order[::-1]))
    assert apart(content, rewritten(content)[0])


def test_an_order_without_a_convolution_stays_and_others_do_not():
    file, (row,) = rewritten(converted(pytorchs, (1, 7, 10, 12)))
    assert row.action == "stays" and "no CONV_2D stands before it" in row.note and "DEPTH_TO_SPACE" not in names(file)
    content = converted(tensorflows, (1, 7, 10, 12))
    file, (row,) = rewritten(content)
    assert names(file) == ["DEPTH_TO_SPACE"] and apart(content, file) == []

    def twice(x):
        x = convolved(x)
        return pytorchs(x), tf.nn.relu(x)

    file, (row,) = rewritten(converted(twice, (1, 7, 10, 4)))
    assert row.action == "stays" and "something else reads them too" in row.note


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize(
    "before, kept",
    [
        (lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]), "PAD"),
        (lambda x: x[:, 1:-1, 2:], "STRIDED_SLICE"),
        (lambda x: tf.pad(x[:, 1:], [[0, 0], [1, 0], [0, 0], [0, 0]]), "PAD"),
    ],
    ids=["pad", "slice", "both"],
)
def test_what_is_moved_before_a_shuffle_does_not_hide_it(before, kept, free):
    spelling = tensorflows_free if free else tensorflows
    content = converted(lambda x: spelling(before(convolved(x))), (1, None, None, 4) if free else (2, 7, 10, 4))
    assert "DEPTH_TO_SPACE" not in names(tflite.parse(content, "x"))
    file, (row,) = rewritten(content)
    assert row.action == "moved" and names(file)[-2:] == [kept, "DEPTH_TO_SPACE"]
    for each in tflite_difference.differences(tflite.parse(content, "x"), file):
        assert each.value == 0, str(each)
    # Control: another order of channels, which nothing can take over across what is moved.
    if not free:
        _, (row,) = rewritten(converted(lambda x: pytorchs(before(convolved(x))), (2, 7, 10, 4)))
        assert row.action == "stays" and "no CONV_2D stands before it" in row.note


def test_what_is_no_shuffle_is_named():
    def mixed(x):
        x = tf.transpose(tf.reshape(x, (1, 7, 10, 2, 2, 3)), (0, 2, 3, 1, 4, 5))
        return tf.reshape(x, (1, 20, 14, 3))

    file, (row,) = rewritten(converted(mixed, (1, 7, 10, 12)))
    assert row.action == "stays" and "no shuffle" in row.note and "TRANSPOSE" in names(file)


def padded(x):
    """Zeros on axes of their own, columns first."""
    n, h, w, c = x.shape
    x = tf.pad(tf.reshape(x, (n * h, w, 1, c)), [(0, 0), (0, 0), (0, 2), (0, 0)])
    x = tf.pad(tf.reshape(x, (n, h, 1, 3 * w * c)), [(0, 0), (0, 0), (0, 2), (0, 0)])
    return tf.reshape(x, (n, 3 * h, 3 * w, c))


def stacked(x):
    x = tf.concat([x, tf.zeros_like(x), tf.zeros_like(x)], -1)
    n, h, w, c = x.shape
    x = tf.reshape(x, (n, h, 3 * w, c // 3))
    x = tf.concat([x, tf.zeros_like(x), tf.zeros_like(x)], 2)
    return tf.reshape(x, (n, 3 * h, 3 * w, c // 3))


def shuffled(x):
    return tf.nn.depth_to_space(tf.pad(x, [(0, 0), (0, 0), (0, 0), (0, 8 * x.shape[3])]), 3)


def cut(x):
    """No zeros behind the last pixel, and a border of them."""
    x = padded(x)
    return tf.pad(x[:, :-2, :-2], [(0, 0), (2, 3), (1, 4), (0, 0)])


def padded_free(x):
    (n, h, w), c = sides(x), x.shape[3]
    x = tf.pad(tf.reshape(x, (n * h, w, 1, c)), [(0, 0), (0, 0), (0, 2), (0, 0)])
    x = tf.pad(tf.reshape(x, (n, h, 1, 3 * w * c)), [(0, 0), (0, 0), (0, 2), (0, 0)])
    return tf.reshape(x, (n, 3 * h, 3 * w, c))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    ("spelling", "shape"),
    [("padded_free", (1, None, None, 4)), ("shuffled", (1, None, None, 4)), ("shuffled", (None, 7, 10, 4))],
)
def test_zeros_in_a_picture_of_any_size_too(padding, spelling, shape):
    def function(x):
        return tf.nn.bias_add(tf.nn.conv2d(globals()[spelling](x), WIDE, 1, padding), BIAS[:3])

    content = converted(function, shape)
    file, (row,) = rewritten(content)
    assert row.action == "moved" and row.facts.kind == "zero_interleaved" and apart(content, file) == []
    assert set(names(file)) <= {"CONV_2D", "DEPTH_TO_SPACE", "PAD", "STRIDED_SLICE"}


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("spelling", [padded, stacked, shuffled, cut])
def test_zeros_between_pixels_and_a_convolution_are_an_lr_convolution(spelling, padding, int8):
    def function(x):
        return tf.nn.bias_add(tf.nn.conv2d(spelling(x), WIDE, 1, padding), BIAS[:3])

    content = converted(function, (2, 7, 10, 4), int8=int8)
    file, rows = rewritten(content)
    assert [row.action for row in rows] == ["moved"] and rows[0].facts.kind == "zero_interleaved"
    assert set(names(file)) <= {"CONV_2D", "DEPTH_TO_SPACE", "PAD", "STRIDED_SLICE"}
    (convolution,) = [each for each in file.operations if each.name == "CONV_2D"]
    assert max(convolution.inputs[1].shape[1:3]) <= 3 and apart(content, file) == []


def repeated(x):
    n, h, w, c = x.shape
    return tf.reshape(tf.tile(tf.reshape(x, (n, h, 1, w, 1, c)), (1, 1, 2, 1, 2, 1)), (n, 2 * h, 2 * w, c))


def resized(x):
    size = [2 * side for side in x.shape[1:3]]
    return tf.raw_ops.ResizeNearestNeighbor(images=x, size=size, half_pixel_centers=True)


@pytest.mark.parametrize(("enlarged", "int8"), [(resized, False), (repeated, False), (padded, False), (padded, True)])
def test_a_convolution_of_an_enlargement_takes_the_order_over_too(enlarged, int8):
    """Its channels get another order, and then it goes to LR space itself."""

    def function(x):
        return tf.transpose(pytorchs(convolved(enlarged(x))), (0, 2, 3, 1))

    content = converted(function, (2, 7, 9, 4), int8=int8)
    file, rows = rewritten(content)
    assert [row.action for row in rows] == ["moved"] * 2 and names(file).count("DEPTH_TO_SPACE") == 2
    assert apart(content, file) == []


def test_it_is_the_paper_s_sub_pixel_convolution():
    """By the oracle: the same as the scattered sum with the kernel turned round."""
    content = converted(lambda x: tf.nn.conv2d(shuffled(x), WIDE[:, :3], 1, "SAME"), (1, 7, 10, 4))
    file, _ = rewritten(content)
    image = run.noise(file)[0]
    received = run.Run(file, [image]).value(file.outputs[0])
    # Taps 5×3 of stride 3, 'same' over the HR image: K - 1 - (K - 1) // 2 rows and columns are dropped.
    full = np.pad(WIDE[::-1, :3][:, ::-1].transpose(0, 1, 3, 2), [(0, 0), (1, 1), (0, 0), (0, 0)])
    wanted = oracle.scatter(np.pad(image, [(0, 0), (0, 1), (0, 1), (0, 0)]).astype(np.float64), full, 3)
    # The oracle drops one row of a 5×5 kernel, two are wanted, and one column and one more of the zeros around it.
    np.testing.assert_allclose(received, wanted[:, 1:22, 1:31], rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_zeros_that_something_else_reads_stay():
    def function(x):
        x = padded(x)
        return tf.nn.conv2d(x, WIDE, 1, "SAME"), tf.nn.relu(x)

    file, rows = rewritten(converted(function, (1, 7, 10, 4)))
    assert rows == [] and "DEPTH_TO_SPACE" not in names(file)


def test_strides_after_zeros_stay_and_are_named():
    file, (row,) = rewritten(converted(lambda x: tf.nn.conv2d(padded(x), WIDE, 2, "SAME"), (1, 7, 10, 4)))
    assert row.action == "stays" and "strides" in row.note
