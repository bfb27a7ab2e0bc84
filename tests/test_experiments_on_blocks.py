"""HR layers on blocks of pixels: the same answers and gradients as the layers have, and only where blocks fit."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import equal, networks, on_blocks

SPACES = [name for name in equal.SPACES if name.startswith("hr_")]


@pytest.fixture
def float64():
    before = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(before)


def at_random(space, scale, channels=1):
    sides = equal.sides_of(space, "paper", scale)
    model = networks.in_space(scale, channels, space=space, widths=(2, 3, 2), sides=sides)
    rng = np.random.default_rng(scale)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0.1, 0.3, weight.shape))
    return model


def answer_and_gradient(model, images, training):
    with tf.GradientTape() as tape:
        answer = model(images, training=training)
        loss = tf.reduce_sum(answer**2)
    return [answer.numpy(), *(each.numpy() for each in tape.gradient(loss, model.trainable_variables))]


@pytest.mark.parametrize("scale, channels", [(2, 1), (3, 3), (4, 1)])
@pytest.mark.parametrize("space", SPACES)
def test_the_same_answers_and_gradients(float64, space, scale, channels):
    model = at_random(space, scale, channels)
    images = np.random.default_rng(0).uniform(-1, 2, (2, 12, 20, channels))
    with mock.patch.object(on_blocks, "space_to_depth", wraps=on_blocks.space_to_depth) as used:
        blocks = answer_and_gradient(model, images, training=True)
        assert used.call_count == 1
        plain = answer_and_gradient(model, images, training=False)
        assert used.call_count == 1
    for one, other in zip(blocks, plain, strict=True):
        assert np.abs(one - other).max() <= 1e-12 * np.abs(other).max()
    # Control: a weight that moves moves the answer.
    last = model.get_layer("layer_4").kernel
    last.assign(np.asarray(last) * 1.001)
    assert np.abs(model(images, training=True) - plain[0]).max() > 1e-6


def test_pictures_that_blocks_do_not_fit_are_computed_as_built():
    model = at_random("hr_nearest", 3)
    images = np.random.default_rng(0).uniform(0, 1, (1, 5, 7, 1)).astype("float32")
    np.testing.assert_array_equal(model(images, training=True), model(images, training=False))


def test_only_large_kernels_in_hr_space_are_computed_so(tmp_path):
    assert type(networks.in_space(3, space="hr_nearest")) is not on_blocks.OnBlocks
    assert type(networks.in_space(3, space="lr", sides=(9, 9, 9, 9))) is not on_blocks.OnBlocks
    model = at_random("hr_nearest", 3)
    assert type(model) is on_blocks.OnBlocks
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    images = np.random.default_rng(0).uniform(0, 1, (1, 5, 7, 1)).astype("float32")
    np.testing.assert_array_equal(again(images), model(images))
