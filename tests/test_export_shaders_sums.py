"""Sums in a shader's row: a layer's maps are added as they leave it, behind its activation and its own sum."""

import keras
import numpy as np
import pytest
from test_export_shaders import computed, random

from export.shaders.row import read_row
from zoo.errors import UsageError
from zoo.layers import DepthToSpace


def convolved(x, activation="linear"):
    return keras.layers.Conv2D(6, 3, padding="same", activation=activation)(x)


def past_an_activation(image):
    """A map, and its ReLU that the next layer reads."""
    before = convolved(image)
    after = keras.layers.ReLU()(before)
    return before, after, convolved(after)


def past_a_sum(image):
    """A map, and its sum with an earlier one, that the next layer reads."""
    first = convolved(image, "relu")
    before = convolved(convolved(first, "relu"))
    after = keras.layers.Add()([before, first])
    return before, after, convolved(convolved(after, "relu"))


def residual(make, channels, which):
    image = keras.Input((None, None, channels))
    *maps, x = make(image)
    x = keras.layers.Add(name="residual")([x, maps[which]])
    return keras.Model(image, DepthToSpace(2)(keras.layers.Conv2D(4 * channels, 3, padding="same")(x)), name="mine")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("make", [past_an_activation, past_a_sum])
def test_only_what_leaves_a_layer_is_added(make, channels):
    with pytest.raises(UsageError, match=r"Received: mine's layer residual \(Add\)"):
        read_row(residual(make, channels, 0))
    model, before = random(residual(make, channels, 1)), random(residual(make, channels, 0))
    image = np.random.default_rng(1).random((7, 10, channels), dtype=np.float32)
    expected, other = (np.asarray(each(image[None]))[0] for each in (model, before))
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(computed(read_row(model), image), expected, rtol=0, atol=tolerance)
    # Control: with the map before its activation or sum it is another picture.
    assert np.abs(other - expected).max() > 100 * tolerance


def relu(x):
    """A function of one's own that is called as one of Keras' is."""
    return keras.ops.clip(x, 0, 0.1)


@pytest.mark.parametrize(
    ("activation", "word"), [(relu, "another relu"), (keras.layers.ReLU(6.0), "ReLU"), ("gelu", "gelu")]
)
def test_an_activation_is_known_by_itself_not_by_its_name(activation, word):
    image = keras.Input((None, None, 1))
    for x in (convolved(image, activation), keras.layers.Activation(activation, name="own")(convolved(image))):
        model = keras.Model(image, DepthToSpace(2)(keras.layers.Conv2D(4, 3, padding="same")(x)), name="mine")
        with pytest.raises(UsageError, match=rf"Received: ({word} at )?mine's layer"):
            read_row(model)


def test_a_sum_of_one_map_with_many_is_refused():
    image = keras.Input((None, None, 1))
    many = convolved(image, "relu")
    one = keras.layers.Conv2D(1, 3, padding="same")(many)
    for terms in ([many, one], [one, many]):
        x = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.Add(name="wide")(terms))
        with pytest.raises(UsageError, match="Received: mine's layer wide"):
            read_row(keras.Model(image, DepthToSpace(2)(x), name="mine"))
