"""Never wrong in silence: what a model made anew takes over, and the comparison before it is handed out."""

import warnings
from types import SimpleNamespace

import keras
import numpy as np
import oracle
import pytest
from keras import layers, ops
from rewrite_cases import network

from export.prepare import in_float32
from zoo import rewrite
from zoo.errors import UsageError
from zoo.layers import SubpixelUpsampler
from zoo.rewrite import copies, replace
from zoo.rewrite.blocks import for_cpu
from zoo.rewrite.same import check_same


def leaky_relu(x):
    return ops.leaky_relu(x, 0.01)


def gelu(x):
    return ops.gelu(x, approximate=True) + 0.01 * x


def relu(x):
    return ops.clip(x, 0, 0.1)


def mish(x):
    return x * ops.tanh(x)


def relu6(x):
    return ops.clip(x, 0, 1)


def silu(x):
    return x * ops.sigmoid(1.702 * x)


def softmax(x):
    return ops.softmax(2 * x)


# Functions of one's own under the names of Keras' functions, in every kind of layer that keeps one.
HOLDERS = {
    "Conv2D": lambda f: [layers.Conv2D(8, 3, activation=f, name="own")],
    "Activation": lambda f: [layers.Conv2D(4, 3), layers.Activation(f, name="own")],
    "Dense": lambda f: [layers.Dense(4, activation=f, name="own")],
    "EinsumDense": lambda f: [layers.EinsumDense("bhwc,cd->bhwd", (None, None, 4), activation=f, name="own")],
    "DepthwiseConv2D": lambda f: [layers.DepthwiseConv2D(3, activation=f, name="own")],
    "SeparableConv2D": lambda f: [layers.SeparableConv2D(4, 3, activation=f, name="own")],
    "a nested model": lambda f: [keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(3, 3, activation=f)])],
    "a layer that holds it": lambda f: [layers.TimeDistributed(layers.Conv1D(4, 3, activation=f), name="own")],
    "between": lambda f: [layers.UpSampling2D(2), layers.Activation(f, name="own"), layers.Conv2D(4, 3)],
}


def values(height=7, width=9, channels=3):
    return np.random.default_rng(0).normal(size=(2, height, width, channels)).astype("float32")


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_function_under_the_name_of_another(holder):
    model = network(*HOLDERS[holder](leaky_relu), height=7, width=9)
    keras_own = network(*HOLDERS[holder]("leaky_relu"), height=7, width=9)
    keras_own.set_weights(model.get_weights())
    expected = model(values())
    for made in (rewrite.to_lr_space(model), rewrite.to_lr_space(model, whole=True), for_cpu(model)):
        assert oracle.relative(made(values()), expected) <= 1e-5
    # Control: the function that the name stands for in Keras.
    assert oracle.relative(keras_own(values()), expected) > 1e-3


@pytest.mark.parametrize("function", (gelu, relu, mish, relu6, silu, softmax), ids=lambda each: each.__name__)
def test_other_names(function):
    model = network(layers.Conv2D(8, 3, activation=function), layers.Activation(function))
    assert oracle.relative(rewrite.to_lr_space(model)(values()), model(values())) <= 1e-5


def test_the_very_function_against_loops():
    model = network(layers.Activation(leaky_relu))
    kernel, bias = model.get_weights()
    images = values().astype(np.float64)
    expected = oracle.scatter(np.where(images > 0, images, 0.01 * images), kernel, 2, bias)
    assert oracle.relative(rewrite.to_lr_space(model)(values()), expected) <= 1e-5


def test_cells_of_recurrent_layers():
    start = keras.Input((6, 3))
    lstm = layers.LSTM(4, activation=mish, recurrent_activation=silu, return_sequences=True)
    x = layers.Reshape((6, 1, 8))(layers.Bidirectional(lstm)(start))
    model = keras.Model(start, layers.Conv2DTranspose(2, 4, 2, padding="same")(x))
    sequences = values()[..., 0][:, :6, :3]
    assert oracle.relative(rewrite.to_lr_space(model)(sequences), model(sequences)) <= 1e-5


class Forgetful(layers.Layer):
    """Its configuration leaves out what it was made with, and no attribute shows it."""

    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.hidden = SimpleNamespace(factor=factor)

    def call(self, x):
        return self.hidden.factor * x

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def nested(*inner):
    start = x = keras.Input((None, None, 3))
    for step in inner:
        x = step(x)
    decoder = keras.Model(start, x, name="decoder")
    return network(layers.Conv2D(3, 3, padding="same"), decoder, layers.Activation("tanh"))


def makers():
    """What makes a model anew and takes no layer over whose copy computes something else."""
    return {
        "convert": lambda model: rewrite.convert(model, "transposed"),
        "for_cpu": for_cpu,
        "in_float32": in_float32,
    }


@pytest.mark.parametrize("maker", makers())
def test_a_configuration_that_forgets_is_named(maker):
    steps = [layers.ReLU(), Forgetful(3.0, name="forgets", dtype="float64")]
    for model, name in ((network(*steps, SubpixelUpsampler(3, 4, 2)), "forgets"), (nested(*steps), "decoder/forgets")):
        if maker == "convert" and "/" in name:
            continue  # no learned upsampling of the zoo in it
        with pytest.raises(UsageError, match=f"a difference of [0-9.e+-]+ of the .* behind layer '{name}' .Forgetful"):
            makers()[maker](model)
    # Control: what it forgets is what it would be anyway.
    makers()[maker](network(Forgetful(1.0, dtype="float64"), SubpixelUpsampler(3, 4, 2)))


@pytest.mark.parametrize("whole", (False, True))
def test_what_a_copy_forgets_is_taken_over(whole):
    """The comparison finds it out, and the very layer comes along."""
    steps = [layers.ReLU(), Forgetful(3.0, name="forgets"), SubpixelUpsampler(3, 4, 2)]
    for model in (network(*steps), nested(*steps)):
        made, explanation = rewrite.rewritten(model, whole=whole)
        assert oracle.relative(made(values()), model(values())) <= 1e-5
        (shared,) = explanation.shared
        assert "'forgets' (Forgetful): its copy computes something else" in shared and shared in str(explanation)
        assert oracle.relative(rewrite.to_lr_space(model, check=False)(values()), model(values())) > 0.1


def test_whoever_must():
    model = network(Forgetful(3.0))
    assert oracle.relative(rewrite.to_lr_space(model, check=False)(values()), model(values())) > 0.1


@pytest.mark.parametrize("path", ("", "decoder/"))
def test_a_broken_rewrite_is_caught(monkeypatch, path):
    """Two taps of the LR kernel changed for one another, a bias left out, a wrong size."""
    up = layers.Conv2DTranspose(3, 5, 2, padding="same", name="first")
    model = nested(up) if path else network(up)
    rewrite.to_lr_space(model)
    add = replace.Cascade.add

    def swapped(cascade, role, kind, *weights, **options):
        weights = [np.concatenate([w[:, 1::-1], w[:, 2:]], axis=1) if w.ndim == 4 else w for w in weights]
        add(cascade, role, kind, *weights, **options)

    def without_bias(cascade, role, kind, *weights, **options):
        add(cascade, role, kind, *[0 * w if w.ndim == 1 else w for w in weights], **options)

    for broken in (swapped, without_bias):
        monkeypatch.setattr(replace.Cascade, "add", broken)
        with pytest.raises(UsageError, match=f"behind layer '{path}first' .Conv2DTranspose"):
            rewrite.to_lr_space(model)
    monkeypatch.setattr(replace, "of_sign", lambda pairs, sign: None)
    monkeypatch.setattr(replace.Cascade, "add", add)
    with pytest.raises((UsageError, ValueError)):
        rewrite.to_lr_space(network(layers.Conv2DTranspose(3, 5, 2, padding="valid", name="first")))


def test_activations_not_taken_over_are_caught(monkeypatch):
    monkeypatch.setattr(copies, "take_over_activations", lambda source, target: None)
    with pytest.raises(UsageError, match="behind layer 'own'"):
        rewrite.to_lr_space(network(*HOLDERS["Conv2D"](leaky_relu)))


def normalised(dtype=None, channels=3):
    """A network behind a Normalization that was adapted to levels of 0 to 255."""
    layer = layers.Normalization(name="normalised", dtype=dtype)
    model = network(layer, channels=channels)
    layer.adapt(np.random.default_rng(2).uniform(0, 255, (64, 1, 1, channels)).astype("float32"))
    return model


def test_adapted_statistics_come_along():
    model = normalised()
    levels = 255 * np.abs(values())
    expected = model(levels)
    for made in (rewrite.to_lr_space(model), for_cpu(model), rewrite.to_lr_space(for_cpu(model), whole=True)):
        assert oracle.relative(made(levels), expected) <= 1e-5
    # They are the new model's own.
    made = rewrite.to_lr_space(model)
    made.get_layer("normalised").adapt(np.zeros((4, 1, 1, 3), "float32"))
    assert oracle.relative(model(levels), expected) == 0


def test_adapted_statistics_in_half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = normalised()
    finally:
        keras.config.set_dtype_policy("float32")
    levels = 255 * np.abs(values())
    made = in_float32(model)
    assert {layer.compute_dtype for layer in made.layers} == {"float32"}
    assert oracle.relative(made(levels), model(levels)) <= 1e-2


def test_statistics_left_behind_are_caught(monkeypatch):
    monkeypatch.setattr(layers.Normalization, "load_own_variables", lambda self, store: None)
    for make in (rewrite.to_lr_space, for_cpu):
        with pytest.raises(UsageError, match="behind layer 'normalised' .Normalization"):
            make(normalised())


def test_other_layers_with_state_of_their_own():
    """Boundaries that were adapted, LoRA, and a normalised kernel: kept outside of the weights, or twice."""
    bins = layers.Discretization(num_bins=5, output_mode="one_hot")
    bins.adapt(np.random.default_rng(0).normal(size=500))
    start = keras.Input((6, 8, 1))
    table = keras.Model(start, layers.Conv2DTranspose(2, 4, 2, padding="same")(layers.Reshape((6, 8, 5))(bins(start))))
    pictures = values(6, 8, 1)
    assert oracle.relative(rewrite.to_lr_space(table)(pictures), table(pictures)) <= 1e-5

    dense = layers.Dense(4, name="dense")
    spectral = layers.SpectralNormalization(layers.Conv2D(3, 3, name="inner"), name="spectral")
    model = network(dense, spectral)
    dense.enable_lora(2)
    dense.lora_kernel_b.assign(np.ones(dense.lora_kernel_b.shape))
    made = rewrite.to_lr_space(model)
    assert oracle.relative(made(values()), model(values())) <= 1e-5
    for name in ("lora_kernel_a", "lora_kernel_b", "_kernel"):
        assert np.array_equal(getattr(made.get_layer("dense"), name), getattr(dense, name))


class Sampler(layers.Layer):
    """Draws, as a variational network does; its configuration forgets how far."""

    def __init__(self, spread=1.0, **options):
        super().__init__(**options)
        self.spread, self.generator = spread, keras.random.SeedGenerator(3)

    def call(self, x):
        return x + self.spread * keras.random.normal(ops.shape(x), seed=self.generator)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def test_what_draws_is_compared_with_equal_seeds():
    sampler = Sampler(name="sampler")
    model = network(sampler, layers.Conv2D(3, 3))
    before = np.array(ops.convert_to_numpy(sampler.generator.state))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        rewrite.to_lr_space(model)
    assert np.array_equal(ops.convert_to_numpy(sampler.generator.state), before), "the original's seed is not used up"
    far = network(Sampler(2.0, name="sampler"))
    with pytest.raises(UsageError, match="behind layer 'sampler' .Sampler"):
        check_same(far, rewrite.to_lr_space(network(Sampler(name="sampler")), check=False))
    assert rewrite.to_lr_space(far).get_layer("sampler") is far.get_layer("sampler")
    both = rewrite.rewritten(network(Sampler(name="sampler"), Forgetful(3.0, name="forgets")))
    assert len(both.explanation.shared) == 1 and "'forgets'" in both.explanation.shared[0]
