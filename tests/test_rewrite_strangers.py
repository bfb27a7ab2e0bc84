"""Never refused for a stranger: layers that cannot be made anew, subclassed models, and layers that hold others."""

import functools

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from keras import layers, ops

from benchmarks.networks import randomise
from zoo import rewrite
from zoo.errors import UsageError
from zoo.rewrite.blocks import for_cpu


def values(height=6, width=7, channels=3):
    return np.random.default_rng(0).normal(size=(2, height, width, channels)).astype("float32")


def network(*steps, height=None, width=None):
    """The steps, then a transposed convolution, with random weights."""
    start = x = keras.Input((height, width, 3))
    for step in (*steps, layers.Conv2DTranspose(4, 4, 2, padding="same", name="up")):
        x = step(x)
    return randomise(keras.Model(start, x))


class Clip:
    """A constraint without a configuration, as Wasserstein GANs have it."""

    def __call__(self, weights):
        return ops.clip(weights, -0.9, 0.9)


class Plain(layers.Layer):
    """A layer without a configuration."""

    def __init__(self, function):
        super().__init__(name="own")
        self.function = function

    def call(self, x):
        return self.function(x)


class Block(keras.Model):
    """A subclassed model called as a layer, without upsampling."""

    def __init__(self, maps):
        super().__init__(name="own")
        self.first, self.second = layers.Conv2D(maps, 3, padding="same"), layers.Conv2D(maps, 1)

    def call(self, x, training=False):
        return self.second(ops.relu(self.first(x)), training=training)


class Uneven(layers.Layer):
    """Made from its configuration it has other weights."""

    def __init__(self, parts=1, **options):
        super().__init__(**options)
        self.denses = [layers.Dense(3) for _ in range(parts)]

    def call(self, x):
        return functools.reduce(lambda value, dense: dense(value), self.denses, x)

    def get_config(self):
        return {"name": self.name}


class Breaking(layers.Layer):
    """Made from its configuration it cannot be called."""

    def __init__(self, size=None, **options):
        super().__init__(**options)
        self.size = size

    def call(self, x):
        return ops.pad(x, [(0, 0), (self.size, 0), (0, 0), (0, 0)])

    def get_config(self):
        return {"name": self.name}


def scaled(x, by):
    return by * ops.tanh(x)


STRANGERS = {
    "tf.nn.softmax": lambda: layers.Conv2D(3, 1, activation=tf.nn.softmax, name="own"),
    "tf.nn.swish": lambda: layers.Conv2D(3, 1, activation=tf.nn.swish, name="own"),
    "a lambda": lambda: layers.Dense(3, activation=lambda x: ops.sin(x), name="own"),
    "a partial": lambda: layers.Dense(3, activation=functools.partial(scaled, by=3.0), name="own"),
    "an initializer": lambda: layers.Conv2D(3, 3, kernel_initializer=lambda shape, dtype: tf.ones(shape), name="own"),
    "a regularizer": lambda: layers.Conv2D(3, 3, kernel_regularizer=lambda w: ops.sum(w * w), name="own"),
    "a constraint": lambda: layers.Conv2D(3, 3, kernel_constraint=Clip(), name="own"),
    "no configuration": lambda: Plain(lambda x: 2.0 * x),
    "a subclassed model": lambda: Block(3),
    "other weights": lambda: Uneven(2, name="own"),
    "a call that breaks": lambda: Breaking(1, name="own"),
}


# One that no configuration makes, one that cannot be called, one of other weights, a model; the others are alike.
QUICK = ("tf.nn.softmax", "a constraint", "a subclassed model", "other weights", "a call that breaks")


@pytest.mark.filterwarnings("ignore:.*lambda")
@pytest.mark.parametrize(
    "stranger", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in STRANGERS]
)
def test_a_stranger_is_taken_over(stranger):
    model = network(layers.Conv2D(3, 1), STRANGERS[stranger](), layers.ReLU())
    made, explanation = rewrite.rewritten(model)
    expected = model(values())
    assert oracle.relative(made(values()), expected) <= 1e-5
    assert "Conv2DTranspose" not in [type(layer).__name__ for layer in made.layers]
    (shared,) = rewrite.explain(model).shared
    assert (
        shared.startswith("'own' (") and len(shared) < 250 and f"shared with the original: {shared}" in str(explanation)
    )
    assert made.get_layer("own") is model.get_layer("own")
    assert made.layers[1] is not model.layers[1], "the others are copies"
    assert oracle.relative(for_cpu(made)(values()), expected) <= 1e-5
    assert oracle.relative(rewrite.to_lr_space(model, whole=True)(values()), expected) <= 1e-5


def test_strangers_in_layers_that_are_replaced():
    """An activation that is a layer of one's own, on a deconvolution; a constraint on a head that comes before."""
    start = keras.Input((None, None, 3))
    up = layers.Conv2DTranspose(4, 4, 2, padding="same", activation=Plain(ops.sin), name="up")
    x = layers.UpSampling2D(2, interpolation="bilinear")(up(start))
    head = layers.Conv2D(
        1, 1, activation="relu", kernel_constraint=Clip(), kernel_regularizer=lambda w: 0.0, name="head"
    )
    model = randomise(keras.Model(start, head(x)))
    made, explanation = rewrite.rewritten(model)
    assert oracle.relative(made(values()), model(values())) <= 1e-5
    assert explanation.shared == ["'own' (Plain): the activation of 'up'"]
    assert made.get_layer("head_lr").output.shape[-1] == 1 and made.output_names == ["head"]


def test_a_shared_stranger_and_a_nested_one():
    own = layers.Conv2D(3, 1, activation=tf.nn.softmax, name="own")
    inner = keras.Sequential([keras.Input((None, None, 3)), own, layers.UpSampling2D(2), layers.Conv2D(3, 3)])
    start = keras.Input((None, None, 3))
    model = randomise(keras.Model(start, inner(own(own(start)))))
    made, explanation = rewrite.rewritten(model)
    assert oracle.relative(made(values()), model(values())) <= 1e-5
    assert len(explanation.shared) == 1 and len(made.weights) == len(model.weights)
    # One layer of both models: what trains in one has changed in the other.
    own.kernel.assign(0 * own.kernel)
    assert oracle.relative(made(values()), model(values())) <= 1e-5


def test_copies_of_keras_layers_are_not_shared():
    model = network(layers.Conv2D(3, 1, activation="relu"), layers.BatchNormalization())
    made, explanation = rewrite.rewritten(model)
    assert explanation.shared == [] and "taken over" not in str(explanation)
    ours = {id(weight) for weight in model.weights}
    assert not [weight.path for weight in made.weights if id(weight) in ours]


class Decoder(keras.Model):
    """A subclassed network, as books write them."""

    def __init__(self, scale=2):
        super().__init__(name="decoder")
        self.before = layers.Conv2D(4, 3, padding="same", activation="relu", name="before")
        self.normal = layers.BatchNormalization(name="normal")
        self.up = layers.Conv2DTranspose(3, 4, scale, padding="same", name="up")

    def call(self, x, training=False):
        return ops.tanh(self.up(self.normal(self.before(x), training=training))) + 0.5


def test_a_subclassed_model():
    decoder = Decoder()
    with pytest.raises(UsageError, match="'decoder', a Decoder: call it on a picture"):
        rewrite.to_lr_space(decoder)
    decoder(values())
    model = randomise(decoder)
    made, explanation = rewrite.rewritten(model)
    assert oracle.relative(made(values(9, 5)), model(values(9, 5))) <= 1e-5, "of another size than it was built with"
    assert [(row.layer, row.action) for row in explanation.rows] == [("up", "moved")]
    assert oracle.relative(rewrite.to_lr_space(model, whole=True)(values()), model(values())) <= 1e-5
    # The statistics of its batch normalisation move in training, as they did.
    before = np.array(made.get_layer("normal").moving_mean)
    made(values(), training=True)
    assert np.abs(before - np.array(made.get_layer("normal").moving_mean)).max() > 0


class Fixed(Decoder):
    def call(self, x):
        return super().call(x) * float(x.shape[1] * x.shape[2])


class ByValue(Decoder):
    def call(self, x):
        return super().call(x) if float(ops.sum(x)) > 0 else x


class WithOwnWeight(Decoder):
    def build(self, shape):
        self.offset = self.add_weight(name="offset", shape=(3,))

    def call(self, x):
        return super().call(x) + self.offset


class ByTraining(Decoder):
    def call(self, x, training=False):
        return super().call(x) if training else self.up(self.before(x))


class TwoInputs(Decoder):
    def call(self, pair):
        return super().call(pair[0]) + pair[1]


def test_a_subclassed_model_of_one_size():
    model = Fixed()
    model(values())
    made = rewrite.to_lr_space(randomise(model))
    assert made.input_shape == (None, 6, 7, 3)
    assert oracle.relative(made(values()), model(values())) <= 1e-5


def test_a_subclassed_model_of_two_inputs():
    model = TwoInputs()
    pair = [values(), values(12, 14)]
    model(pair)
    made = rewrite.to_lr_space(randomise(model))
    assert oracle.relative(made(pair), model(pair)) <= 1e-5


@pytest.mark.parametrize(
    "kind, words", ((ByValue, "write its graph as"), (WithOwnWeight, "offset"), (ByTraining, "training"))
)
def test_a_subclassed_model_that_draws_no_graph(kind, words):
    model = kind()
    model(np.abs(values()))
    with pytest.raises(UsageError, match="a subclassed one whose call.. keras.ops can follow") as caught:
        rewrite.to_lr_space(model)
    assert words in str(caught.value) and "\n" not in str(caught.value)


class Upsample(layers.Layer):
    """pix2pix's block as a layer: a Sequential and a skip connection inside."""

    def __init__(self, maps, dropout=False, **options):
        super().__init__(**options)
        self.maps = maps
        steps = [layers.Conv2DTranspose(maps, 4, 2, padding="same", use_bias=False), layers.BatchNormalization()]
        self.steps = keras.Sequential([*steps, *([layers.Dropout(0.5)] if dropout else []), layers.ReLU()])

    def call(self, x, skip=None, training=False):
        x = self.steps(x, training=training)
        return x if skip is None else ops.concatenate([x, skip], axis=-1)

    def get_config(self):
        return {**super().get_config(), "maps": self.maps}


def test_layers_that_hold_a_chain():
    start, skip = keras.Input((None, None, 3)), keras.Input((None, None, 2))
    first, second = Upsample(4, True, name="first"), Upsample(5, name="second")
    model = randomise(keras.Model([start, skip], second(first(start, skip))))
    made, explanation = rewrite.rewritten(model)
    pair = [values(), values(12, 14, 2)]
    assert oracle.relative(made(pair), model(pair)) <= 1e-5
    assert [row.action for row in explanation.rows] == ["moved", "moved"] and explanation.shared == []
    assert [row.layer.split("/")[0] for row in explanation.rows] == ["first", "second"]
    assert isinstance(made.get_layer("first"), keras.Model)


class Tokens(layers.Layer):
    """Upsampling beside weights of its own, as SAM's mask decoder."""

    def __init__(self, **options):
        super().__init__(**options)
        self.up = layers.Conv2DTranspose(2, 4, 2, padding="same", name="inner")

    def build(self, shape):
        self.token = self.add_weight(name="token", shape=(2,))

    def call(self, x):
        return self.up(x) * self.token


def test_a_layer_with_weights_of_its_own_stays_closed():
    start = keras.Input((None, None, 3))
    model = randomise(keras.Model(start, Tokens(name="tokens")(start)))
    made, explanation = rewrite.rewritten(model)
    assert oracle.relative(made(values()), model(values())) <= 1e-5
    (row,) = explanation.rows
    assert row.action == "stays" and "'inner' inside Tokens" in row.note
