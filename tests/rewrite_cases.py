"""Small networks with random weights, and what became of their layers."""

import keras
import numpy as np
import oracle
from keras import layers

from benchmarks.networks import randomise
from zoo import rewrite

F64 = {"dtype": "float64"}


def values(*shape, seed=3):
    return np.random.default_rng(seed).normal(size=(2, *shape))


def made_of(*steps, shape=(5, 7, 3)):
    start = x = keras.Input(shape, dtype="float64")
    for step in steps:
        x = step(x)
    return randomise(keras.Model(start, x))


def kinds(model):
    return [type(layer).__name__ for layer in model.layers[1:]]


def compare(model, inputs, tolerance=1e-12):
    """The rewritten model, after it gave the same outputs in the same structure."""
    rewritten = rewrite.to_lr_space(model)
    received, expected = rewritten(inputs), model(inputs)
    keras.tree.assert_same_structure(received, expected)
    for one, other in zip(keras.tree.flatten(received), keras.tree.flatten(expected), strict=True):
        assert oracle.relative(one, other) <= tolerance
    return rewritten


def network(*steps, channels=3, height=None, width=None):
    """The steps, then a transposed convolution, with random weights."""
    start = x = keras.Input((height, width, channels))
    for step in (*steps, layers.Conv2DTranspose(2, 4, 2, padding="same", name="up")):
        x = step(x)
    model = keras.Model(start, x)
    rng = np.random.default_rng(1)
    model.set_weights([0.3 * rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model
