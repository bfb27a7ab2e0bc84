"""Each rule by itself: every kind of transposed convolution, enlargement and convolution, borders included, float64."""

import itertools

import keras
import numpy as np
import oracle
import pytest
from keras import layers
from rewrite_cases import kinds

from benchmarks.networks import randomise
from zoo import identities, rewrite
from zoo.identities.lr_convolution import keras_transposed, lr_convolution, resized_convolution
from zoo.layers import FixedUpsampler
from zoo.targets.choice import EVERYTHING

TOLERANCE = 1e-12
F64 = {"dtype": "float64"}
# TensorFlow's bicubic: Keys' a, and the places of its table of weights.
TABLE = -0.5, 1024


def model_of(*steps, channels=3, seed=0):
    """A chain of float64 layers with random weights, biases and slopes."""
    image = keras.Input((None, None, channels), dtype="float64")
    x = image
    for step in steps:
        x = step(x)
    return randomise(keras.Model(image, x), seed)


def images(height=5, width=7, channels=3, seed=3):
    return np.random.default_rng(seed).normal(size=(2, height, width, channels))


def check(model, x, border="exact"):
    """Rewrites, compares at every pixel, and returns the only row and the rewritten model."""
    rewritten = rewrite.to_lr_space(model, EVERYTHING, border)
    assert oracle.relative(rewritten(x), model(x)) <= TOLERANCE
    (row,) = rewrite.explain(model, EVERYTHING, border).rows
    return row, rewritten


TRANSPOSED = [
    *itertools.product(((9, 9), (4, 4), (3, 3), (2, 2), (1, 1), (5, 2)), (2, 3, 4), ("same", "valid"), (None,)),
    ((3, 3), 2, "same", 1),
    ((3, 3), 2, "same", 0),
    ((4, 4), 2, "same", 1),
    ((3, 5), 3, "valid", (2, 1)),
    ((16, 16), 8, "same", None),
    ((7, 1), 5, "same", None),
]


@pytest.mark.parametrize("side, scale, padding, output_padding", TRANSPOSED)
def test_transposed_convolution(side, scale, padding, output_padding):
    model = model_of(
        layers.Conv2DTranspose(2, side, scale, padding=padding, output_padding=output_padding, name="up", **F64)
    )
    row, rewritten = check(model, images())
    assert row.action == "moved" and rewritten.layers[-1].name == "up"
    assert row.macs == side[0] * side[1] * 3 * 2 and row.macs_quoted == scale**2 * row.macs
    assert row.macs_after == rewritten.get_layer("up_lr").kernel.shape.num_elements()
    # Every weight is one of the taps, and the rest are structural zeros.
    assert row.taps - row.zeros == side[0] * side[1]
    ceiling = -(-side[0] // scale), -(-side[1] // scale)
    assert all(taps <= most + 1 for taps, most in zip(row.facts.lr_kernel, ceiling))


def test_windows_have_no_zero_taps_where_a_crop_avoids_them():
    for side, scale, taps, zeros in ((4, 2, 2, 0), (9, 2, 5, 19), (9, 3, 3, 0), (9, 4, 3, 63), (16, 8, 2, 0)):
        lr = lr_convolution(keras_transposed(np.ones((side, side, 1, 1)), scale, "same", None))
        assert lr.kernel.shape == (taps, taps, 1, scale**2) and lr.zeros == zeros
    # Without the crop the paper's 4×4, stride 2 takes 3×3 windows with 20 of 36 taps zero.
    lr = lr_convolution(keras_transposed(np.ones((4, 4, 1, 1)), 2, "same", None), crop=False)
    assert lr.kernel.shape[:2] == (3, 3) and lr.zeros == 20


def test_multiplications_at_5_taps_and_scale_3():
    lr = lr_convolution(resized_convolution(np.ones((5, 5, 1, 1)), "nearest", 3))
    assert round(9 * 25 / lr.kernel.size, 1) == 2.8


@pytest.mark.parametrize("side, scale, padding", itertools.product((2, 3, 4, 5, (3, 1), 9), (2, 3), ("same", "valid")))
def test_nearest_then_convolution(side, scale, padding):
    up, conv = layers.UpSampling2D(scale, **F64), layers.Conv2D(2, side, padding=padding, name="conv", **F64)
    row, rewritten = check(model_of(up, conv), images(6, 7))
    assert row.action == "moved" and row.macs_after <= row.macs and "UpSampling2D" not in kinds(rewritten)


def test_nearest_then_convolution_against_loops():
    kernel, bias = np.random.default_rng(0).normal(size=(3, 3, 3, 2)), np.array([0.5, -1.0])
    model = model_of(layers.UpSampling2D(3, **F64), layers.Conv2D(2, 3, padding="same", **F64))
    model.set_weights([kernel, bias])
    expected = oracle.convolve(oracle.nearest(images(), 3), kernel, bias)
    assert oracle.relative(rewrite.to_lr_space(model)(images()), expected) <= TOLERANCE
    assert oracle.relative(rewrite.to_lr_space(model)(images()), np.flip(expected, 1)) > 0.1


@pytest.mark.parametrize(
    "between",
    [
        [layers.ReLU],
        [lambda **k: layers.PReLU(shared_axes=[1, 2], **k)],
        [layers.BatchNormalization, lambda **k: layers.Activation("tanh", **k)],
        [lambda **k: layers.LeakyReLU(0.3, **k), lambda **k: layers.ZeroPadding2D(((1, 2), (0, 3)), **k)],
        [lambda **k: layers.ZeroPadding2D(2, **k)],
    ],
)
def test_what_is_between_moves_too(between):
    model = model_of(
        layers.UpSampling2D(2, **F64), *(make(**F64) for make in between), layers.Conv2D(2, 3, **F64, activation="elu")
    )
    row, rewritten = check(model, images())
    assert row.action == "moved" and kinds(rewritten)[-1] in ("DepthToSpace", "Cropping2D")


def test_dilated_convolution():
    up, conv = layers.UpSampling2D(2, **F64), layers.Conv2D(2, 3, padding="same", dilation_rate=(2, 3), **F64)
    row, _ = check(model_of(up, conv), images(6, 9))
    assert row.zeros > 0


@pytest.mark.parametrize("activation", (None, "relu", "softmax", "sigmoid"))
def test_activations(activation):
    """A softmax looks at all output maps of a pixel, and must not run over the phases."""
    model = model_of(layers.Conv2DTranspose(4, 4, 2, padding="same", activation=activation, name="up", **F64))
    _, rewritten = check(model, images())
    assert ("Activation" in kinds(rewritten)) == (activation == "softmax")
    assert rewritten.layers[-1].name == "up"


@pytest.mark.parametrize("position", (0, 1))
@pytest.mark.parametrize("activation, padding", ((None, "same"), ("relu", "valid"), ("softmax", "same")))
@pytest.mark.parametrize("use_bias", (True, False))
def test_concatenation_with_hr_maps(position, activation, padding, use_bias):
    low, high = keras.Input((None, None, 3), dtype="float64"), keras.Input((None, None, 2), dtype="float64")
    parts = [layers.UpSampling2D(2, **F64)(low), high]
    x = layers.Concatenate(**F64)(parts if position == 0 else parts[::-1])
    options = {"padding": padding, "activation": activation, "use_bias": use_bias}
    x = layers.Conv2D(4, 3, name="joined", **options, **F64)(x)
    model = keras.Model([low, high], x)
    model.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in model.get_weights()])
    rewritten = rewrite.to_lr_space(model)
    pair = [images(5, 7), images(10, 14, 2)]
    assert oracle.relative(rewritten(pair), model(pair)) <= TOLERANCE
    assert rewritten.layers[-1].name == "joined"
    (row,) = rewrite.explain(model).rows
    assert (row.facts.inputs, row.facts.macs_rest) == (3, 4 * 9 * 2 * 4)
    assert (row.macs, row.macs_after) == (4 * 9 * 3 * 4, 16 * 3 * 4)
    # Control: the parts' kernels changed for one another.
    low_first = rewritten.get_layer("joined_lr")
    low_first.set_weights([w[..., ::-1, :] if w.ndim == 4 else w for w in low_first.get_weights()])
    assert oracle.relative(rewritten(pair), model(pair)) > 1e-3


def test_an_activation_with_weights_is_copied():
    """A PReLU given as `activation=` belongs to the layer; the rewritten model has slopes of its own."""
    activation = layers.PReLU(shared_axes=[1, 2], **F64)
    model = model_of(layers.Conv2DTranspose(4, 4, 2, padding="same", activation=activation, name="up", **F64))
    _, rewritten = check(model, images())
    assert type(rewritten.get_layer("up")) is layers.PReLU and rewritten.get_layer("up") is not activation
    before = np.asarray(model(images()))
    rewritten.get_layer("up").set_weights([np.full((1, 1, 4), 0.9)])
    assert np.array_equal(model(images()), before) and oracle.relative(rewritten(images()), before) > 1e-3


def test_two_enlargements_in_one_concatenation():
    low, lower = keras.Input((None, None, 3), dtype="float64"), keras.Input((None, None, 2), dtype="float64")
    x = layers.Concatenate(**F64)(
        [layers.UpSampling2D(2, **F64)(low), layers.UpSampling2D(2, **F64)(layers.ReLU(**F64)(low)),
         layers.UpSampling2D(4, **F64)(lower)]
    )  # fmt: skip
    model = keras.Model([low, lower], layers.Conv2D(2, 3, padding="same", activation="tanh", **F64)(x))
    pair = [images(6, 10), images(3, 5, 2)]
    assert oracle.relative(rewrite.to_lr_space(model)(pair), model(pair)) <= TOLERANCE


@pytest.mark.parametrize("method", ("nearest", "bilinear", "bicubic"))
@pytest.mark.parametrize("scale", (2, 3, 4, 5, 7))
def test_interpolations(method, scale):
    """1e-12 against a matrix; Keras itself computes bilinear and bicubic in float32, bicubic from a table."""
    model = model_of(layers.UpSampling2D(scale, interpolation=method, name="up", **F64))
    rewritten = rewrite.to_lr_space(model, EVERYTHING)
    border = "renormalise" if method == "bicubic" else "replicate"
    for x in (images(), images(1, 4), images(2, 1)):
        assert oracle.relative(rewritten(x), oracle.interpolate(x, method, scale, border, *TABLE)) <= TOLERANCE
        assert oracle.relative(rewritten(x), model(x)) <= 1e-6
    if method == "bicubic" and scale not in (2, 4):
        # Control: without the table it is another bicubic.
        assert oracle.relative(oracle.interpolate(x, method, scale, border), model(x)) > 2e-5
    wrong = "mirror" if method == "bicubic" else "renormalise"
    if method != "nearest":
        assert oracle.relative(rewritten(images()), oracle.interpolate(images(), "bicubic", scale, wrong)) > 1e-3
    assert isinstance(rewritten.get_layer("up"), FixedUpsampler)


@pytest.mark.parametrize("method, scale, side", (("bilinear", 2, 3), ("bicubic", 3, 5), ("bilinear", 4, 2)))
def test_interior(method, scale, side):
    """Interpolation and convolution as one LR convolution: equal inside, and not at the border, which is said."""
    model = model_of(
        layers.UpSampling2D(scale, interpolation=method, **F64), layers.Conv2D(2, side, padding="same", **F64)
    )
    x = images(9, 11)
    kernel, bias = model.get_weights()
    border = "renormalise" if method == "bicubic" else "replicate"
    expected = oracle.convolve(oracle.interpolate(x, method, scale, border, *TABLE), kernel, bias)
    assert oracle.relative(rewrite.to_lr_space(model, EVERYTHING)(x), expected) <= TOLERANCE
    (row,) = rewrite.explain(model, EVERYTHING, "interior").rows
    received = np.asarray(rewrite.to_lr_space(model, EVERYTHING, "interior")(x))
    inside = np.s_[:, row.inexact : -row.inexact, row.inexact : -row.inexact]
    assert row.inexact and f"border of {row.inexact} HR px" in row.note
    assert oracle.relative(received[inside], expected[inside]) <= TOLERANCE
    assert oracle.relative(received, expected) > 1e-3


def test_identities_agree():
    """The general map and the room of identities, which has the 'same' cases, give the same LR kernels."""
    rng = np.random.default_rng(0)
    for side, scale in itertools.product((3, 4, 5, 9), (2, 3)):
        kernel = rng.normal(size=(side, side, 2, 3))
        lr = lr_convolution(keras_transposed(kernel, scale, "same", None))
        assert np.array_equal(lr.kernel, identities.transposed_to_subpixel(kernel, scale))
    kernel = rng.normal(size=(5, 5, 2, 3))
    lr = lr_convolution(resized_convolution(kernel, "nearest", 2))
    np.testing.assert_allclose(lr.kernel, identities.resize_to_subpixel(kernel, 2), rtol=1e-12)
