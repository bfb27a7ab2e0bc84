"""Files that enlarge first and are then a row of convolutions: read back in the form that the network was made in."""

import numpy as np
import pytest
import tensorflow as tf
from tflite_cases import convert
from upscale_cases import bicubic

import zoo
from zoo.engines.tflite import TFLiteEngine
from zoo.graphs import enlarged_rows, tflite
from zoo.graphs.rows import NoRow
from zoo.identities.blocks import block_kernel
from zoo.registry import preset_file

NOISE = np.random.default_rng(0).random((13, 18, 1), np.float32)


@pytest.mark.parametrize("name", ["srcnn_x2", "srcnn_x3"])
def test_a_preset_gives_its_own_layers_and_the_bicubic_picture(name):
    layers, enlargement = enlarged_rows.read(tflite.read(preset_file(name, ".tflite")))
    model = zoo.load(name)
    kept = [layer for layer in model.layers if hasattr(layer, "kernel") and hasattr(layer, "filters")]
    assert len(kept) == len(layers) == 3
    for ours, theirs in zip(layers, kept):
        np.testing.assert_array_equal(ours.kernel, np.asarray(theirs.kernel))
        np.testing.assert_array_equal(ours.bias, np.asarray(theirs.bias))
        assert ours.activation == theirs.activation.__name__ and ours.added is None
    enlarged = TFLiteEngine(enlargement, "enlargement")
    ours = enlarged.run(NOISE)[..., 0]
    assert enlarged.scale == int(name[-1])
    np.testing.assert_allclose(ours, bicubic(NOISE[..., 0], enlarged.scale), atol=1e-6)


def _kernel(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(0, 0.3, shape).astype(np.float32)


def _convolve(x, kernel, step: int = 1, padding: str = "SAME"):
    return tf.nn.conv2d(x, kernel, step, padding)


def _enlarged(x):
    return tf.nn.depth_to_space(_convolve(x, _kernel(3, 3, 1, 4)), 2)


def _whole(x, last):
    return last(tf.nn.relu(_convolve(_enlarged(x), _kernel(9, 9, 1, 16))))


ROW = np.eye(9, dtype=np.float32)[None, :, None]
SHIFTED = np.roll(ROW, 1, -1)
BLOCKS = block_kernel(_kernel(5, 5, 16, 1), 2)
CHANGED = BLOCKS.copy()
CHANGED[5, 5, 3, 0] = 0.1


def test_layers_in_either_form_are_the_same():
    plain = _whole, lambda x: _convolve(x, _kernel(5, 5, 16, 1))

    def fitted(x):
        gathered = _convolve(_convolve(_enlarged(x), ROW), _kernel(9, 9, 1, 16).transpose(0, 2, 1, 3))
        return tf.nn.depth_to_space(_convolve(tf.nn.relu(gathered), BLOCKS, 2), 2)

    shape = (1, 16, 20, 1)
    read = [
        enlarged_rows.read(tflite.parse(convert(each, shape), "made"))[0]
        for each in (lambda x: plain[0](x, plain[1]), fitted)
    ]
    assert [layer.kernel.shape for layer in read[0]] == [(9, 9, 1, 16), (5, 5, 16, 1)]
    for ours, theirs in zip(*read):
        np.testing.assert_array_equal(ours.kernel, theirs.kernel)
        np.testing.assert_array_equal(ours.bias, theirs.bias)
        assert ours.activation == theirs.activation


REFUSED = {
    "gathered otherwise": lambda x: _convolve(_convolve(_enlarged(x), SHIFTED), _kernel(9, 1, 9, 1)),
    "a gathering that ends there": lambda x: _convolve(_enlarged(x), ROW[..., :1]),
    "a row of another length": lambda x: _convolve(_convolve(_enlarged(x), ROW), _kernel(7, 1, 9, 1)),
    "blocks of another kernel each": lambda x: _whole(x, lambda y: tf.nn.depth_to_space(_convolve(y, CHANGED, 2), 2)),
    "blocks of another bias each": lambda x: _whole(
        x, lambda y: tf.nn.depth_to_space(_convolve(y, BLOCKS, 2) + np.float32([1, 1, 1, 2]), 2)
    ),
    "even kernels": lambda x: _whole(x, lambda y: _convolve(y, _kernel(4, 4, 16, 1))),
    "a sum past the layers": lambda x: _enlarged(x) + _convolve(_enlarged(x), _kernel(3, 3, 1, 1)),
    "an activation of another kind": lambda x: _whole(x, lambda y: tf.nn.relu6(_convolve(y, _kernel(3, 3, 16, 1)))),
    "no enlargement": lambda x: _convolve(x, _kernel(3, 3, 1, 1)),
    "nothing behind the enlargement": _enlarged,
    "layers before the shuffle": lambda x: tf.nn.depth_to_space(
        _convolve(tf.nn.relu(_convolve(x, _kernel(3, 3, 1, 8))), _kernel(3, 3, 8, 4)), 2
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_ends_otherwise_is_refused(name):
    with pytest.raises(NoRow):
        enlarged_rows.read(tflite.parse(convert(REFUSED[name], (1, 16, 20, 1)), name))
