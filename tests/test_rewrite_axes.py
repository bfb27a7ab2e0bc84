"""Strides that differ per axis, sequences and stride 1: float64 against NumPy, and what the files hold."""

import itertools

import keras
import numpy as np
import oracle
import pytest
from keras import layers
from layer_contract import keeps_the_contract
from rewrite_cases import F64, kinds, made_of, values

from benchmarks.networks import randomise
from zoo import rewrite
from zoo.graphs import tflite
from zoo.identities.axes import transposed_along_axes, turned
from zoo.identities.lr_convolution import keras_transposed, lr_convolution
from zoo.layers import DepthToAxis, Repeat
from zoo.reach import keras_model
from zoo.targets import gpu_delegate

TOLERANCE = 1e-12


def moved(model, x):
    """The rewritten model, equal and without what it replaces, and its first row."""
    made, explanation = rewrite.rewritten(model)
    assert oracle.relative(made(x), model(x)) <= TOLERANCE
    assert not [kind for kind in kinds(made) if "Transpose" in kind or "UpSampling" in kind]
    assert made.output_names == model.output_names and explanation.rows[0].action in ("moved", "swapped")
    return made, explanation.rows[0]


@pytest.mark.parametrize("channels", (pytest.param(1, marks=pytest.mark.slow), 3))
@pytest.mark.parametrize(
    "sides, strides, padding",
    [
        *itertools.product(((5, 3), (2, 4)), ((2, 1), (1, 4)), ("same", "valid")),
        ((15, 1), (4, 1), "same"),
        ((1, 25), (1, 4), "same"),
        ((1, 2), (3, 1), "same"),
        ((5, 4), (2, 3), "same"),
        ((5, 4), (3, 2), "valid"),
    ],
)
def test_strides_that_differ(sides, strides, padding, channels):
    layer = layers.Conv2DTranspose(2, sides, strides, padding=padding, name="up", **F64)
    model, x = made_of(layer, shape=(None, None, channels)), values(5, 7, channels)
    made, row = moved(model, x)
    kernel, bias = (np.array(weight) for weight in layer.weights)
    assert oracle.relative(made(x), oracle.scattered(x, kernel, strides, padding) + bias) <= TOLERANCE
    other = np.flip(kernel, 0 if sides[0] > 1 else 1)
    assert oracle.relative(made(x), oracle.scattered(x, other, strides, padding) + bias) > 1e-2
    assert row.macs_quoted == strides[0] * strides[1] * row.macs
    # A phase has a tap of its own for each of the kernel's; the rest are structural zeros.
    convolution = next(layer for layer in made.layers if type(layer) is layers.Conv2D)
    assert np.count_nonzero(convolution.kernel) == kernel.size
    assert keras_model.reach(made).radius <= keras_model.reach(model).radius + 1


@pytest.mark.parametrize("activation", ("tanh", "softmax"))
def test_activations_and_output_padding(activation):
    layer = layers.Conv2DTranspose(4, 5, (3, 1), padding="same", output_padding=(1, 0), activation=activation, **F64)
    made, _ = moved(made_of(layer, shape=(None, None, 3)), values(5, 7, 3))
    assert ("Activation" in kinds(made)) == (activation == "softmax")


@pytest.mark.filterwarnings("ignore:.*was not compared")
def test_a_shared_layer_stays_one():
    one, other = (keras.Input((None, None, 3), dtype="float64") for _ in range(2))
    layer = layers.Conv2DTranspose(3, 4, (2, 1), padding="same", **F64)
    model = randomise(keras.Model([one, other], layers.Add(**F64)([layer(layer(one)), layer(other)])))
    pair = [values(5, 7, 3), values(10, 7, 3)]
    made = rewrite.to_lr_space(model)
    assert oracle.relative(made(pair), model(pair)) <= TOLERANCE
    assert len(made.weights) == 2


@pytest.mark.parametrize("side, stride", ((1, 2), (3, 2), (4, 2), (5, 3), (16, 8)))
@pytest.mark.parametrize("padding", ("same", "valid"))
def test_sequences(side, stride, padding):
    layer = layers.Conv1DTranspose(2, side, stride, padding=padding, activation="relu", **F64)
    x = values(11, 3)
    made, _ = moved(made_of(layer, shape=(None, 3)), x)
    kernel, bias = (np.array(weight) for weight in layer.weights)
    expected = oracle.scattered(x[:, :, None], kernel[:, None], (stride, 1), padding)[:, :, 0]
    assert oracle.relative(made(x), np.maximum(expected + bias, 0)) <= TOLERANCE
    assert "DepthToAxis" in kinds(made) and "Conv1D" in kinds(made)


def test_a_projection_stays():
    """From 1×1 to 4×4: as a convolution it would compute each of the 16 taps 16 times, 15 of them on zeros."""
    model = made_of(layers.Conv2DTranspose(2, 4, name="project", **F64), shape=(1, 1, 3))
    (row,) = rewrite.explain(model).rows
    assert row.action == "stays" and "nothing is upsampled" in row.note
    assert kinds(rewrite.to_lr_space(model)) == ["Conv2DTranspose"]


@pytest.mark.parametrize("padding", ("same", "valid", "causal"))
def test_repeated_steps(padding):
    """A vocoder's UpSampling1D and Conv1D: one convolution of the short sequence."""
    steps = [layers.UpSampling1D(3, **F64), layers.ReLU(**F64)]
    model = made_of(*steps, layers.Conv1D(2, 4, padding=padding, dilation_rate=2, **F64), shape=(None, 3))
    x = values(11, 3)
    made, row = moved(model, x)
    assert "Repeat" not in kinds(made) and row.found.startswith("nearest ×3, then Conv1D")
    kernel, bias = model.get_weights()
    long = np.maximum(x, 0).repeat(3, axis=1)
    before, after = {"same": (3, 3), "valid": (0, 0), "causal": (6, 0)}[padding]
    long = np.pad(long, [(0, 0), (before, after), (0, 0)])
    length = long.shape[1] - 6
    expected = sum(long[:, 2 * k : 2 * k + length] @ kernel[k] for k in range(4)) + bias
    assert oracle.relative(made(x), expected) <= TOLERANCE


@pytest.mark.parametrize("channels", (1, 3))
def test_steps_repeated_twice(channels):
    """Steps ×2 and then ×3 are steps ×6, in one convolution of the short sequence."""
    steps = [layers.UpSampling1D(2, **F64), layers.ReLU(**F64), layers.UpSampling1D(3, **F64)]
    model = made_of(*steps, layers.Conv1D(2, 3, **F64), shape=(None, channels))
    x = values(11, channels)
    made, row = moved(model, x)
    assert row.becomes == "one enlargement ×6"
    assert kinds(made).count("Conv1D") == kinds(made).count("DepthToAxis") == 1 and "Repeat" not in kinds(made)
    kernel, bias = model.get_weights()
    expected, other = (
        sum(long[:, k : k + long.shape[1] - 2] @ kernel[k] for k in range(3)) + bias
        for long in (np.maximum(x, 0).repeat(6, axis=1), np.tile(np.maximum(x, 0), (1, 6, 1)))
    )
    assert oracle.relative(made(x), expected) <= TOLERANCE < oracle.relative(made(x), other)


@pytest.mark.parametrize("size", ((2, 1), (1, 3), (2, 3)))
@pytest.mark.parametrize("padding", ("same", "valid"))
def test_repeated_along_one_axis(size, padding):
    up = layers.UpSampling2D(size, **F64)
    steps = [up, layers.BatchNormalization(**F64), layers.Conv2D(2, (3, 2), padding=padding, **F64)]
    made, _ = moved(made_of(*steps, shape=(None, None, 3)), values(5, 7, 3))
    assert "Repeat" not in kinds(made)
    x = values(5, 7, 3)
    alone, row = moved(made_of(layers.UpSampling2D(size, name="up", **F64), shape=(None, None, 3)), x)
    assert kinds(alone) == ["Repeat"] and row.layer == "up"
    assert oracle.relative(alone(x), x.repeat(size[0], axis=1).repeat(size[1], axis=2)) == 0
    assert oracle.relative(alone(x), np.flip(x.repeat(size[0], axis=1).repeat(size[1], axis=2), 1)) > 0.1


# Undilated with padding "valid" it grows, and stays.
@pytest.mark.parametrize(
    "dilation, padding",
    [
        ((1, 1), "same"),
        ((2, 3), "same"),
        ((2, 3), "valid"),
        pytest.param((2, 1), "same", marks=pytest.mark.slow),
        pytest.param((2, 1), "valid", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("sides", [(3, 3), (2, 5), (4, 1)])
@pytest.mark.filterwarnings("ignore:.*was not compared")
def test_stride_one(sides, padding, dilation):
    """TensorFlow does not even run a dilated one on a CPU; as a convolution it runs, and exports."""
    layer = layers.Conv2DTranspose(2, sides, dilation_rate=dilation, padding=padding, name="same_size", **F64)
    made, explanation = rewrite.rewritten(made_of(layer, shape=(None, None, 3)))
    kernel, bias = (np.array(weight) for weight in layer.weights)
    x = values(9, 12, 3)
    expected = oracle.scattered(x, kernel, (1, 1), padding, dilation) + bias
    assert oracle.relative(made(x), expected) <= TOLERANCE
    assert (
        oracle.relative(made(x), oracle.scattered(x, np.flip(kernel, (0, 1)), (1, 1), padding, dilation) + bias) > 1e-2
    )
    assert kinds(made) in (["Conv2D"], ["ZeroPadding2D", "Conv2D"]) and made.layers[-1].name == "same_size"
    assert explanation.rows[0].macs == explanation.rows[0].macs_after


def test_an_enlargement_merges_with_what_was_turned():
    steps = [layers.UpSampling2D(2, **F64), layers.Conv2DTranspose(2, 3, padding="same", **F64)]
    made, _ = moved(made_of(*steps, shape=(None, None, 3)), values(5, 7, 3))
    assert "DepthToSpace" in kinds(made)


def test_by_cost():
    """A target that decides by costs leaves a wide kernel of many maps alone, and says that it is slower."""
    start = keras.Input((16, 16, 3))
    model = keras.Model(start, layers.Conv2DTranspose(1, (2, 1), (2, 1), padding="same", name="up")(start))
    rows = rewrite.explain(model, target="xnnpack").rows
    assert [row.action for row in rows] in (["moved"], ["stays"])
    assert (rows[0].action == "stays") == ("DepthToAxis" not in kinds(rewrite.to_lr_space(model, target="xnnpack")))


def test_identities():
    kernel = np.random.default_rng(0).normal(size=(5, 3, 2, 4))
    lr = transposed_along_axes(kernel, (2, 2), "same")
    square = lr_convolution(keras_transposed(kernel, 2, "same", None))
    assert np.array_equal(lr.kernel, square.kernel) and (lr.pads, lr.crops) == (square.pads, square.crops)
    back, zeros = turned(turned(kernel, (1, 1), "same")[0], (1, 1), "same")
    assert np.array_equal(back, kernel) and zeros == [(2, 2), (1, 1)]


def test_layers(tmp_path):
    maps = values(3, 5, 12)
    for axis in (1, 2):
        shuffled = np.asarray(DepthToAxis(3, axis, **F64)(maps))
        for phase in range(3):
            part = shuffled[:, phase::3] if axis == 1 else shuffled[:, :, phase::3]
            assert np.array_equal(part, maps[..., 4 * phase : 4 * phase + 4])
        along = np.stack(np.split(maps, 3, axis=-1), axis=axis + 1)
        along = along.reshape(2, 9, 5, 4) if axis == 1 else along.reshape(2, 3, 15, 4)
        keeps_the_contract(DepthToAxis(3, axis, **F64), maps, along, tmp_path)
    x = values(3, 5, 4)
    keeps_the_contract(Repeat((2, 3), **F64), x, x.repeat(2, axis=1).repeat(3, axis=2), tmp_path)
    with pytest.raises(ValueError, match="multiple of 3"):
        DepthToAxis(3, 1)(keras.Input((None, None, 4)))


@pytest.mark.slow
def test_on_the_delegate(tmp_path):
    """The file holds nothing that the delegate computes wrongly or refuses; the original does."""
    start = keras.Input((15, 16, 8), batch_size=1)
    layer = layers.Conv2DTranspose(8, 5, strides=(2, 1), padding="same")
    model = randomise(keras.Model(start, layers.UpSampling2D((1, 2))(layer(start))))
    for name, network, bad in (("before", model, True), ("after", rewrite.to_lr_space(model), False)):
        path = tmp_path / f"{name}.tflite"
        network.export(path, format="litert", verbose=False)
        severities = {finding.severity for finding in gpu_delegate.check(tflite.read(path))}
        assert bool(severities & {"wrong", "refused"}) == bad, (name, severities)
