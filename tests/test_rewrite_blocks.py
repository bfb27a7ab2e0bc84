"""Convolutions aligned for CPUs: the same function at every pixel, and only where the rule says so."""

import keras
import numpy as np
import pytest
from keras import layers

from zoo.errors import UsageError
from zoo.layers import DepthToSpace, SubpixelUpsampler
from zoo.registry import create_model
from zoo.rewrite import blocks, to_lr_space
from zoo.rewrite.blocks import block_kernel, for_cpu
from zoo.targets.xnnpack import best_block, vectors

pytestmark = pytest.mark.usefixtures("float64")


def randomised(model):
    random = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(random.normal(0, 1 / max(1, np.prod(weight.shape[:-1])) ** 0.5, weight.shape))
    return model


def difference(model, other, height, width):
    image = np.random.default_rng(4).random((2, height, width, model.input_shape[-1]))
    expected, received = np.asarray(model(image)), np.asarray(other(image))
    assert received.shape == expected.shape
    return np.abs(received - expected).max() / np.abs(expected).max()


def strides(model) -> list[int]:
    found = []
    for layer in model._flatten_layers(include_self=False):
        if type(layer) is layers.Conv2D and layer.strides[0] > 1:
            found.append(layer.strides[0])
    return found


# Model, scale, options → the blocks that the rule is expected to choose.
CASES = [
    ("srcnn", 2, {}, [2]),
    ("srcnn", 3, {}, [3]),
    ("srcnn", 4, {}, [4]),
    ("srcnn", 3, {"channels": 3, "kernels": (9, 3, 5)}, [3]),
    ("espcn", 2, {}, []),
    ("espcn", 3, {}, []),
    ("espcn", 4, {}, []),
    ("fsrcnn", 2, {}, []),
    ("fsrcnn", 2, {"channels": 3}, []),
    ("fsrcnn", 3, {}, []),
    ("espcn_residual", 2, {}, []),
]


@pytest.mark.parametrize("name, scale, options, chosen", CASES, ids=str)
def test_the_function_stays_at_every_pixel(name, scale, options, chosen):
    model = randomised(create_model(name, scale=scale, **options))
    new = for_cpu(to_lr_space(model))
    assert difference(model, new, 13, 18) < 1e-12
    assert strides(new) == chosen
    assert new.input_shape == model.input_shape and new.output_shape == model.output_shape


@pytest.mark.parametrize("block", [2, 3, 4])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_the_kernel_against_a_loop(side, block):
    kernel = np.random.default_rng(5).random((side, side, 2, 3))
    image = np.random.default_rng(6).random((4 * block + side - 1, 3 * block + side - 1, 2))
    wide = block_kernel(kernel, block)
    expected = np.zeros((4 * block, 3 * block, 3))
    for y, x in np.ndindex(*expected.shape[:2]):
        expected[y, x] = np.einsum("ijc,ijco->o", image[y : y + side, x : x + side], kernel)
    received = np.zeros_like(expected)
    reach = side + block - 1
    for y, x in np.ndindex(4, 3):
        window = image[y * block : y * block + reach, x * block : x * block + reach]
        values = np.einsum("ijc,ijco->o", window, wide).reshape(block, block, 3)
        received[y * block : (y + 1) * block, x * block : (x + 1) * block] = values
    np.testing.assert_allclose(received, expected, rtol=1e-12)
    # The control: rows and columns of the block exchanged.
    exchanged = wide.reshape(*wide.shape[:3], block, block, 3).swapaxes(3, 4).reshape(wide.shape)
    values = np.einsum("ijc,ijco->o", image[:reach, :reach], exchanged).reshape(block, block, 3)
    assert not np.allclose(values, expected[:block, :block])


def test_the_two_shuffles_become_one_in_the_right_order(monkeypatch):
    image = keras.Input((None, None, 1))
    x = DepthToSpace(2)(layers.Conv2D(4 * 32, 3, padding="same")(image))
    model = randomised(keras.Model(image, SubpixelUpsampler(1, 9, 2)(x)))
    assert strides(for_cpu(model)) == [2]
    assert difference(model, for_cpu(model), 9, 11) < 1e-12
    monkeypatch.setattr(blocks, "shuffled_with", lambda kernel, bias, block, scale: [kernel, bias])
    with pytest.raises(UsageError, match="behind layer 'subpixel_upsampler"):
        for_cpu(model)


def test_nested_models_bias_less_layers_and_activations():
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(32, 9, padding="same", use_bias=False, activation="sigmoid")(image)
    inner_image = keras.Input((None, None, 32))
    inner = keras.Model(inner_image, layers.Conv2D(1, 5, padding="same", activation="tanh")(inner_image), name="inner")
    model = randomised(keras.Model(image, layers.Add()([inner(x), image])))
    new = for_cpu(model)
    assert difference(model, new, 11, 14) < 1e-12
    # Nothing divides the sides of a nested model's image: no blocks.
    assert strides(new) == []
    sides = [layer.kernel_size for layer in new._flatten_layers(include_self=False) if type(layer) is layers.Conv2D]
    assert (1, 9) in sides and (9, 1) in sides


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2},
        {"dilation_rate": 2},
        {"padding": "valid"},
        {"kernel_size": (3, 5)},
        {"kernel_size": 4},
        {"groups": 2, "filters": 2},
        {"activation": "softmax", "filters": 2},
    ],
    ids=str,
)
def test_what_it_does_not_know_it_leaves(options):
    image = keras.Input((None, None, 16))
    arguments = {"filters": 1, "kernel_size": 5, "padding": "same", **options}
    model = randomised(keras.Model(image, layers.Conv2D(**arguments)(image)))
    new = for_cpu(model)
    assert difference(model, new, 12, 15) == 0
    assert strides(new) == [side for side in [options.get("strides")] if side]


def test_the_rule_by_hand():
    # SRCNN's last layer: 25 taps for one of sixteen maps, against 64 taps for sixteen of sixteen on a sixteenth.
    assert vectors(1, 5, 1) == 25 * 16 and vectors(1, 5, 4) == 64
    assert best_block(1, 5, 32, 4) == 4 and best_block(1, 5, 32, 3) == 3 and best_block(1, 5, 32, 1) == 1
    # Sixteen maps are full; twelve would have to become forty-eight; an image of one channel is cheap anyway.
    assert best_block(16, 3, 32, 1) == best_block(12, 3, 12, 1) == best_block(1, 5, 1, 4) == 1


def test_a_file_of_any_size_is_right_at_odd_sizes(tmp_path):
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    for name, options in (("espcn", {}), ("srcnn", {})):
        model = randomised(create_model(name, scale=2, **options))
        signature = [tf.TensorSpec((1, None, None, 1), tf.float32)]
        for_cpu(to_lr_space(model)).export(
            tmp_path / "m.tflite", format="litert", verbose=False, input_signature=signature
        )
        interpreter = Interpreter(str(tmp_path / "m.tflite"))
        for size in ((11, 16), (14, 13)):
            image = np.random.default_rng(1).random((1, *size, 1)).astype("float32")
            entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
            interpreter.resize_tensor_input(entry["index"], image.shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(entry["index"], image)
            interpreter.invoke()
            expected = np.asarray(model(image))
            received = interpreter.get_tensor(result["index"])
            assert received.shape == expected.shape
            np.testing.assert_allclose(received, expected, atol=1e-5 * np.abs(expected).max())
