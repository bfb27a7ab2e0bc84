"""Small networks in float64 with random weights, and what became of their layers."""

import keras
import numpy as np

from benchmarks.networks import randomise

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
