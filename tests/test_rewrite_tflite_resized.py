"""Nearest-neighbour enlargements of TFLite files move with the convolutions that read them, or stay with a reason."""

import numpy as np
import oracle
import pytest
import tensorflow as tf
from rewrite_tflite_cases import apart, converted, names, rewritten

from zoo.graphs import run, tflite
from zoo.rewrite import tflite_difference, tflite_resized

rng = np.random.default_rng(9)


def enlarged(kernel=(3, 3), scale=2, padding="SAME", shape=(1, 7, 10, 4), twice=False, **options):
    """A converted file of an enlargement and a convolution, and its kernel (Ky, Kx, I, O)."""
    weights = (rng.normal(size=(*kernel, 4, 3)) / np.prod(kernel)).astype(np.float32)
    if options.get("corners"):
        # No two of its taps fall on one LR pixel: they need not be summed.
        weights[1], weights[:, 1] = 0, 0

    def function(x):
        sides = [x.shape[axis] or tf.shape(x)[axis] for axis in (1, 2)]
        size = options.get("wanted") or [side * scale for side in sides]
        centres = {"half_pixel_centers": options.get("centres", True), "align_corners": options.get("aligned", False)}
        x = tf.raw_ops.ResizeNearestNeighbor(images=x, size=size, **centres)
        result = tf.nn.conv2d(x, weights, options.get("strides", 1), padding, dilations=options.get("dilation", 1))
        return (result, tf.tanh(x)) if twice else result

    content = converted(function, shape, options.get("half", False), options.get("int8", False))
    return content, weights


MOVES = {
    "3x3": {},
    "valid, a batch of two": {"kernel": (5, 4), "scale": 3, "padding": "VALID", "shape": (2, 7, 10, 4)},
    "free sizes": {"shape": (1, None, None, 4)},
    "centres as in older files": {"centres": False, "scale": 3},
    "dilated": {"dilation": 2},
    "one tap": {"kernel": (1, 1)},
    "half": {"half": True},
    "int8": {"int8": True, "corners": True},
}


@pytest.mark.parametrize("name", MOVES)
def test_it_moves_with_its_convolution(name, monkeypatch):
    content, _ = enlarged(**MOVES[name])
    file, (row,) = rewritten(content)
    left = names(file)
    assert "RESIZE_NEAREST_NEIGHBOR" not in left and "DEPTH_TO_SPACE" in left and "SHAPE" not in left
    assert row.action == "moved" and row.facts.kind == "resized" and row.found.startswith("RESIZE_NEAREST_NEIGHBOR")
    assert apart(content, file) == []
    if name == "int8":
        assert all(each.value == 0 for each in tflite_difference.differences(tflite.parse(content, "x"), file))
    # Control: the phases turned round.
    lr_convolution = tflite_resized.lr_convolution

    def wrong(transposed):
        lr = lr_convolution(transposed)
        return lr._replace(kernel=lr.kernel[..., ::-1])

    monkeypatch.setattr(tflite_resized, "lr_convolution", wrong)
    assert apart(content, rewritten(content)[0])


def test_it_is_a_convolution_of_repeated_pixels():
    content, weights = enlarged((5, 3), 3)
    file, _ = rewritten(content)
    image = run.noise(file)[0]
    wanted = oracle.convolve(oracle.nearest(image.astype(np.float64), 3), weights)
    received = run.Run(file, [image]).value(file.outputs[0])
    np.testing.assert_allclose(received, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())


STAYS = {
    "repeat each pixel alike": {"centres": False, "aligned": True},
    "by one whole number": {"wanted": (14, 30)},
    "has strides": {"strides": 2},
    "do not fit in int8": {"int8": True},
}


@pytest.mark.parametrize("words", STAYS)
def test_what_stays_says_why(words):
    content, _ = enlarged(**STAYS[words])
    file, (row,) = rewritten(content)
    assert row.action == "stays" and words in row.note
    assert "RESIZE_NEAREST_NEIGHBOR" in names(file) and "DEPTH_TO_SPACE" not in names(file)


@pytest.mark.parametrize(
    ("method", "between", "words"),
    [("nearest", True, "no CONV_2D reads it"), ("bilinear", False, "no copies of pixels")],
)
def test_an_enlargement_that_no_convolution_takes_in_is_named(method, between, words):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 8 if between else 4, 4)).astype(np.float32)

    def function(x):
        large = tf.image.resize(x, (14, 20), method)
        return tf.nn.conv2d(tf.concat([large, tf.nn.relu(large)], -1) if between else large, kernel, 1, "SAME")

    content = converted(function, (1, 7, 10, 4))
    file, (row,) = rewritten(content)
    assert row.action == "stays" and words in row.note and file.packed() == tflite.parse(content, "x").packed()


def test_an_enlargement_that_others_read_stays_for_them():
    content, _ = enlarged(twice=True)
    file, (row,) = rewritten(content)
    assert row.action == "moved" and {"RESIZE_NEAREST_NEIGHBOR", "DEPTH_TO_SPACE"} <= set(names(file))
    assert apart(content, file) == []
