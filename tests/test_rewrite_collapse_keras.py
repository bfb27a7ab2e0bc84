"""--collapse of Keras networks: blocks, depthwise and grouped layers as one convolution each, borders included."""

import keras
import numpy as np
import oracle
import pytest
from keras import layers

from benchmarks.networks import randomise
from zoo.rewrite import collapsing

rng = np.random.default_rng(8)


def keras_repvgg(x, channels):
    branches = [layers.Conv2D(channels, side, padding="same", use_bias=False)(x) for side in (3, 1)]
    return layers.Add()([layers.BatchNormalization()(each) for each in (*branches, x)])


def keras_network():
    image = keras.Input((None, None, 4))
    x = layers.ReLU()(keras_repvgg(image, 4))
    # SESR: wide, narrow, and what came in.
    y = layers.Conv2D(4, 1, name="narrow")(layers.Conv2D(64, 3, padding="same")(x))
    x = layers.PReLU(shared_axes=[1, 2])(y + x)
    x = layers.Conv2D(8, 1)(layers.Conv2D(16, 5)(layers.ZeroPadding2D((2, 1))(x)))
    return randomise(keras.Model(image, layers.Conv2D(8, 3, padding="same", activation="tanh", name="last")(x)))


@pytest.fixture
def double():
    """Identities are tested in float64."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(policy)


def test_a_keras_network(double):
    network = keras_network()
    result, explanation = collapsing.collapsed(network)
    images = rng.normal(size=(2, 9, 7, 4))
    assert oracle.relative(result(images).numpy(), network(images).numpy()) <= 1e-12
    left = [type(layer).__name__ for layer in result.layers]
    assert left.count("Conv2D") == 4 and not {"Add", "BatchNormalization"} & set(left)
    # 5×5 and 3×3 stay two: the map between them is padded with zeros.
    (stays,) = [row for row in explanation.rows if row.action == "stays"]
    assert stays.layer == "last" and "--collapse=interior" in stays.note
    assert result.count_params() < network.count_params() / 2
    inside, explanation = collapsing.collapsed(network, "interior")
    apart = np.abs(inside(images).numpy() - network(images).numpy()).max(axis=(0, 3)) > 1e-4
    ring = max(row.inexact for row in explanation.rows)
    assert ring > 0 and apart.any() and not apart[ring:-ring, ring:-ring].any()


def test_depthwise_and_grouped_layers_with_their_normalisation(double):
    """MobileOne's block: depthwise branches, each normalised, and what came in; then one in groups."""
    image = keras.Input((None, None, 6))
    branches = [layers.DepthwiseConv2D(side, padding="same", use_bias=False)(image) for side in (3, 1)]
    x = layers.Add()([layers.BatchNormalization()(each) for each in (*branches, image)])
    x = layers.ReLU()(x)
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(5, padding="valid", depth_multiplier=2)(x))
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.BatchNormalization(name="grouped")(layers.Conv2D(9, 3, groups=3, padding="same")(x))
    x = layers.ReLU()(x)
    # Carried by the padding: behind an activation, before a depthwise convolution that pads with zeros.
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(layers.BatchNormalization(name="carried")(x))
    # To one map: fewer multiplications without groups.
    x = layers.Conv2D(1, 1)(layers.DepthwiseConv2D(3, padding="same", name="to_one")(x))
    network = randomise(keras.Model(image, layers.Activation("tanh")(x)))
    result, explanation = collapsing.collapsed(network)
    images = rng.normal(size=(2, 11, 13, 6))
    assert oracle.relative(result(images).numpy(), network(images).numpy()) <= 1e-12
    left = [type(layer).__name__ for layer in result.layers]
    assert not {"Add", "BatchNormalization"} & set(left) and left.count("DepthwiseConv2D") == 3
    assert left.count("Conv2D") == 2 and left.count("Rescaling") == 1
    assert all(row.action == "moved" and row.macs_after <= row.macs for row in explanation.rows)


CONSTANTS = {
    "a number": lambda x: x + 0.5,
    "a value a channel, first": lambda x: keras.ops.add(np.arange(1.0, x.shape[-1] + 1), x),
    "a picture": lambda x: keras.ops.add(x, np.ones((11, 13, x.shape[-1]))),
    "beside a sum": lambda x: layers.Add()([x, layers.Conv2D(x.shape[-1], 1)(x), np.ones(x.shape)]),
}


@pytest.mark.parametrize("border", ["exact", "interior"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CONSTANTS)
def test_an_added_constant_is_not_lost(double, name, channels, border):
    image = keras.Input((11, 13, channels), batch_size=2)
    x = CONSTANTS[name](layers.Conv2D(channels, 3, padding="same")(image))
    x = layers.Conv2D(1, 1)(layers.Conv2D(20, 3, padding="same")(layers.ReLU()(x)))
    network = randomise(keras.Model(image, x))
    result, explanation = collapsing.collapsed(network, border, check=False)
    images = rng.normal(size=(2, 11, 13, channels))
    assert oracle.relative(result(images).numpy(), network(images).numpy()) <= 1e-12
    # Control: what is linear behind it is one convolution.
    assert [row.action for row in explanation.rows] == ["moved"]


def test_normalisation_that_stays_is_named():
    image = keras.Input((8, 8, 4))
    x = layers.BatchNormalization(name="behind")(layers.SeparableConv2D(4, 3, name="separable")(image))
    shared = layers.BatchNormalization(name="shared")
    x = shared(layers.ReLU()(shared(layers.ReLU()(x))))
    x = layers.BatchNormalization(name="of_numbers")(layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    network = keras.Model(image, x)
    result, explanation = collapsing.collapsed(network)
    notes = {row.layer: row.note for row in explanation.rows}
    assert "separable (SeparableConv2D)" in notes["behind"] and "more than once" in notes["shared"]
    assert "not of a picture" in notes["of_numbers"] and len(result.layers) == len(network.layers)
    assert not any(row.becomes for row in explanation.rows)


def padded(x):
    x = layers.BatchNormalization(name="norm")(layers.ZeroPadding2D(2)(x))
    return layers.Conv2D(4, 3, padding="same")(x)


def added(x):
    return layers.ReLU()(layers.Add()([layers.BatchNormalization(name="norm")(x), x]))


def thrice(x):
    for name in ("first", "second", "norm"):
        x = layers.BatchNormalization(name=name)(x)
    return layers.ReLU()(x)


@pytest.mark.parametrize(("channels", "make"), [(1, padded), (1, added), (1, thrice), (3, thrice)])
def test_linear_layers_without_a_convolution_stay(double, channels, make):
    image = keras.Input((None, None, channels))
    network = randomise(keras.Model(image, make(image)))
    result, explanation = collapsing.collapsed(network)
    images = rng.normal(size=(2, 9, 7, channels))
    assert oracle.relative(result(images).numpy(), network(images).numpy()) <= 1e-12
    assert [type(each) for each in result.layers] == [type(each) for each in network.layers]
    assert "norm" in str(explanation) and not any(row.becomes for row in explanation.rows)
    # Control: with a convolution in front they are one.
    image = keras.Input((None, None, channels))
    behind = randomise(keras.Model(image, thrice(layers.Conv2D(channels, 3, padding="same")(image))))
    (row,) = collapsing.collapsed(behind)[1].rows
    assert row.action == "moved" and row.becomes == "convolution 3×3"


def test_a_layer_that_is_used_twice_stays():
    image = keras.Input((None, None, 4))
    shared = layers.Conv2D(4, 3, padding="same")
    network = keras.Model(image, layers.Conv2D(4, 1)(shared(shared(image))))
    result, explanation = collapsing.collapsed(network)
    assert explanation.rows == [] and len(result.layers) == len(network.layers)
