"""The same layers under other names, and layers around layers: said plainly, then rewritten; against NumPy."""

import functools

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from keras import layers, ops
from layer_contract import keeps_the_contract
from rewrite_cases import F64, kinds, made_of, values

from zoo import rewrite
from zoo.errors import UsageError
from zoo.layers import FoldSteps, UnfoldSteps
from zoo.rewrite.__main__ import main
from zoo.rewrite.plain import said_plainly

TOLERANCE = 1e-12


def moved(model, x, tolerance=TOLERANCE):
    made, explanation = rewrite.rewritten(model)
    assert oracle.relative(made(x), model(x)) <= tolerance
    assert explanation.plainly and f"said plainly: {explanation.plainly[0]}" in str(explanation)
    return made, explanation


CONVOLVE = {"padding": "same", "name": "next", **F64}
NEAREST = {
    "Resizing": layers.Resizing(10, 14, interpolation="nearest", **F64),
    "ops.image.resize": lambda x: ops.image.resize(x, (10, 14), interpolation="nearest"),
    "ops.repeat": lambda x: ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=-2),
}


@pytest.mark.parametrize("name", NEAREST)
def test_nearest_under_other_names(name):
    model, x = made_of(NEAREST[name], layers.ReLU(**F64), layers.Conv2D(2, 3, **CONVOLVE)), values(5, 7, 3)
    made, explanation = moved(model, x)
    assert "DepthToSpace" in kinds(made) and explanation.rows[-1].action == "moved"
    kernel, bias = model.get_weights()
    assert oracle.relative(made(x), oracle.convolve(np.maximum(oracle.nearest(x, 2), 0), kernel, bias)) <= TOLERANCE
    assert oracle.relative(made(x), oracle.convolve(np.maximum(oracle.nearest(x, 2), 0), kernel[::-1], bias)) > 1e-2


@pytest.mark.parametrize(
    "resize",
    (
        lambda x: ops.image.resize(x, (10, 14)),
        layers.Resizing(10, 14, dtype="float64"),
        lambda x: ops.image.resize(x, (10, 7), interpolation="bicubic"),
    ),
)
def test_other_interpolations(resize):
    """A head of one map in front of the interpolation, whatever that is called."""
    made, _ = moved(made_of(resize, layers.Conv2D(1, 1, **CONVOLVE)), values(5, 7, 3), 1e-3)
    assert kinds(made)[0] == "Conv2D"


def test_what_is_no_whole_multiple_stays():
    for resize in (
        layers.Resizing(9, 14, **F64),
        layers.Resizing(10, 14, antialias=True, **F64),
        layers.Resizing(10, 14, crop_to_aspect_ratio=True, **F64),
        lambda x: ops.repeat(x, 2, axis=-1),
    ):
        model = made_of(resize)
        assert said_plainly(model) == (model, [])
    free = made_of(lambda x: ops.image.resize(x, (10, 14)), shape=(None, None, 3))
    assert said_plainly(free)[1] == []
    assert [row.action for row in rewrite.explain(free).rows] == ["stays"]
    # To the size that it has, nothing is enlarged.
    assert rewrite.explain(made_of(layers.Resizing(5, 7, **F64))).rows == []


def shuffles():
    """x → the same shuffle in operations and in layers, and one in another order."""

    def operations(x, order=(0, 1, 3, 2, 4, 5)):
        return ops.reshape(ops.transpose(ops.reshape(x, (-1, 5, 7, 2, 2, 3)), order), (-1, 10, 14, 3))

    def as_layers(x):
        x = layers.Permute((1, 3, 2, 4, 5), **F64)(layers.Reshape((5, 7, 2, 2, 3), **F64)(x))
        return layers.Reshape((10, 14, 3), name="shuffled", **F64)(x)

    return operations, as_layers, lambda x: operations(x, (0, 1, 4, 2, 3, 5))


def test_a_shuffle_of_reshapes():
    x = values(5, 7, 12)
    *right, wrong = shuffles()
    for shuffle in right:
        model = made_of(shuffle, shape=(5, 7, 12))
        made, _ = moved(model, x)
        assert kinds(made) == ["DepthToSpace"]
        assert oracle.relative(made(x), oracle.shuffle(x, 2)) == 0
    assert made.output_names == ["shuffled"]
    other = made_of(wrong, shape=(5, 7, 12))
    assert oracle.relative(other(x), oracle.shuffle(x, 2)) > 0.1
    assert said_plainly(other)[1] == []


def test_steps_as_one_batch():
    """A mask head: convolutions of each of several regions, an enlargement, and a head."""
    distributed = [
        layers.Conv2D(4, 3, padding="same", activation="relu", **F64),
        layers.Conv2DTranspose(4, 2, 2, activation="relu", **F64),
        layers.UpSampling2D(2, **F64),
        layers.Conv2D(2, 3, padding="same", **F64),
    ]
    steps = [layers.TimeDistributed(layer, name=f"step_{n}", **F64) for n, layer in enumerate(distributed)]
    model, x = made_of(*steps, shape=(3, 5, 7, 3)), values(3, 5, 7, 3)
    made, explanation = moved(model, x)
    each = [functools.reduce(lambda maps, layer: layer(maps), distributed, x[:, n]) for n in range(3)]
    expected = np.stack(each, axis=1)
    assert oracle.relative(made(x), expected) <= TOLERANCE
    assert oracle.relative(made(x), expected[:, ::-1]) > 1e-2
    assert kinds(made)[0] == "FoldSteps" and kinds(made)[-1] == "UnfoldSteps" and kinds(made).count("FoldSteps") == 1
    assert kinds(made).count("DepthToSpace") == 2 and made.output_names == model.output_names
    assert len(explanation.plainly) == 2


def test_a_network_of_steps_is_saved_and_loaded_again(tmp_path, capsys):
    """The layers around the steps have the precision of the layer that they stand for, an object and no name."""
    up = layers.Conv2DTranspose(2, 4, 2, padding="same", **F64)
    model = made_of(layers.TimeDistributed(up, **F64), shape=(3, 5, 7, 3))
    model.save(tmp_path / "in.keras")
    assert main([str(tmp_path / "in.keras"), str(tmp_path / "out.keras")]) == 0
    assert "largest difference" in capsys.readouterr().out
    x = values(3, 5, 7, 3)
    assert oracle.relative(keras.models.load_model(tmp_path / "out.keras")(x), model(x)) <= TOLERANCE


def test_steps_that_are_not_folded():
    """Of unknown number; or with statistics that training takes of each step by itself, which stay apart."""
    up = layers.Conv2DTranspose(2, 4, 2, padding="same", **F64)
    inner = keras.Sequential([keras.Input((5, 7, 3), dtype="float64"), up, layers.BatchNormalization(**F64)])
    for layer, steps in ((up, None), (inner, 3)):
        model = made_of(layers.TimeDistributed(layer, **F64), shape=(steps, 5, 7, 3))
        assert said_plainly(model)[1] == []
        made, x = rewrite.to_lr_space(model), values(3, 5, 7, 3)
        for training in (False, True):
            received, expected = (each(x, training=training) for each in (made, model))
            assert oracle.relative(received, expected) <= TOLERANCE


def test_layers_of_steps(tmp_path):
    x = values(3, 5, 4)
    folded = x.reshape(6, 5, 4)
    keeps_the_contract(FoldSteps(**F64), x, folded, tmp_path)
    keeps_the_contract(UnfoldSteps(3, **F64), folded, x, tmp_path)
    with pytest.raises(UsageError):
        UnfoldSteps(0)


@pytest.mark.parametrize("before", (False, True))
def test_a_normalised_kernel(before):
    """At inference the kernel that it wraps is a constant."""
    if before:
        inner = layers.Conv2D(2, 3, padding="same", name="inner", **F64)
        steps = [layers.UpSampling2D(2, **F64), layers.ReLU(**F64)]
    else:
        inner, steps = layers.Conv2DTranspose(2, 4, 2, padding="same", name="inner", **F64), []
    model = made_of(*steps, layers.SpectralNormalization(inner, name="spectral", **F64))
    x = values(5, 7, 3)
    for _ in range(3):
        model(x, training=True)  # the kernel is normalised in place
    made, explanation = moved(model, x)
    assert "DepthToSpace" in kinds(made) and made.output_names == ["spectral"]
    assert "no longer normalised" in explanation.plainly[0]
    kernel, bias = (np.array(weight) for weight in (inner.kernel, inner.bias))
    if before:
        expected = oracle.convolve(np.maximum(oracle.nearest(x, 2), 0), kernel, bias)
    else:
        expected = oracle.scatter(x, kernel, 2, bias)
    assert oracle.relative(made(x), expected) <= TOLERANCE
    assert oracle.relative(made(x), expected * 1.01) > 1e-3
    # Away from any enlargement it stays what it is, in training too.
    away = made_of(layers.SpectralNormalization(layers.Conv2D(2, 3, **F64), **F64), layers.UpSampling2D(2, **F64))
    assert "SpectralNormalization" in kinds(rewrite.to_lr_space(away))


class Enlarges(layers.Layer):
    """A layer of one's own without weights."""

    def call(self, x):
        return ops.repeat(ops.repeat(x, 3, axis=1), 3, axis=2)


class Weighs(layers.Layer):
    """One that resizes behind a layer, or behind weights that are its own."""

    def __init__(self, inner=True, **options):
        super().__init__(**options)
        self.inner = layers.Conv2D(2, 1) if inner else None
        self.own = None if inner else self.add_weight(shape=(12,), initializer="ones", name="own")

    def call(self, x):
        return ops.image.resize(self.inner(x) if self.inner else x * self.own, (10, 14), interpolation="nearest")


FREE = (None, None, 12)
FUNCTIONS = {
    "nearest": (layers.Lambda(lambda x: tf.image.resize(x, (10, 14), "nearest")), (5, 7, 12), "swapped"),
    "of a free size": (layers.Lambda(lambda x: tf.image.resize(x, 2 * tf.shape(x)[1:3], "nearest")), FREE, "swapped"),
    "bilinear": (layers.Lambda(lambda x: tf.image.resize(x, (10, 14))), (5, 7, 12), "stays"),
    "a shuffle": (layers.Lambda(lambda x: tf.nn.depth_to_space(x, 2)), FREE, "already in LR space"),
    "a layer of one's own": (Enlarges(), FREE, "swapped"),
    "to a fixed size": (layers.Lambda(lambda x: tf.image.resize(x, (32, 33))), FREE, "stays"),
    "in another way": (layers.Lambda(lambda x: tf.image.resize(x, (10, 14), "mitchellcubic")), (5, 7, 12), "stays"),
    "behind a layer": (Weighs(), (5, 7, 12), "swapped"),
    "behind own weights": (Weighs(inner=False), (5, 7, 12), "stays"),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_function_of_ones_own_has_a_row(case):
    layer, shape, action = FUNCTIONS[case]
    start = keras.Input(shape)
    model, x = keras.Model(start, layer(start)), values(5, 7, 12).astype("float32")
    made, explanation = rewrite.rewritten(model)
    assert [row.action for row in explanation.rows] == [action], str(explanation)
    assert oracle.relative(made(x), model(x)) <= 1e-6 and made.output_names == model.output_names
    (row,) = explanation.rows
    assert row.note or action == "already in LR space"


def test_functions_that_do_not_enlarge_have_none():
    for function in (
        lambda x: tf.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], "REFLECT"),
        lambda x: tf.nn.space_to_depth(x[:, :4, :4], 2),
        lambda x: tf.reduce_mean(x, (1, 2), keepdims=True),
        tf.nn.relu,
    ):
        start = keras.Input(FREE)
        explanation = rewrite.explain(keras.Model(start, layers.Lambda(function)(start)))
        assert not explanation.rows and not explanation.plainly
