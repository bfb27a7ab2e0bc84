"""The upsamplers under one contract: against Keras' own layer and a NumPy scatter loop, in float64."""

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from layer_contract import keeps_the_contract

from zoo import layers
from zoo.errors import UsageError
from zoo.registry import create_model

TOLERANCE = 1e-12


def built(form, filters, side, scale, inputs, seed=0, **options):
    """A float64 layer with random kernel and bias, and those weights."""
    layer = layers.make_upsampler(form, filters, side, scale, dtype="float64", **options)
    layer.build((None, None, None, inputs))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer, layer.get_weights()


@pytest.mark.parametrize("scale", (2, 3, 4))
@pytest.mark.parametrize("filters", (1, 3))
def test_three_forms_one_function(scale, filters):
    images = np.random.default_rng(3).normal(size=(2, 5, 7, 2))
    for side in range(1, 12):
        _, (kernel, bias) = built("transposed", filters, side, scale, 2, seed=side)
        truth = keras.layers.Conv2DTranspose(filters, side, strides=scale, padding="same", dtype="float64")
        truth.build(images.shape)
        truth.set_weights([kernel, bias])
        for form in layers.EXACT:
            layer, _ = built(form, filters, side, scale, 2)
            layer.set_weights([kernel, bias])
            sr = layer(images)
            assert oracle.relative(sr, oracle.scatter(images, kernel, scale, bias)) <= TOLERANCE, (form, side)
            assert oracle.relative(sr, truth(images)) <= TOLERANCE, (form, side)
            assert layer.compute_output_shape(images.shape) == sr.shape


@pytest.mark.parametrize("scale", (2, 3, 4))
@pytest.mark.parametrize("filters", (1, 3))
def test_resize_form(scale, filters):
    images = np.random.default_rng(4).normal(size=(2, 5, 7, 2))
    for side in (1, 2, 3, 4, 5, 9):
        layer, (kernel, bias) = built("resize", filters, side, scale, 2, seed=side)
        expected = oracle.convolve(oracle.nearest(images, scale), kernel, bias)
        assert oracle.relative(layer(images), expected) <= TOLERANCE, side


@pytest.mark.parametrize("scale", (2, 3, 4))
@pytest.mark.parametrize("method", ("nearest", "bilinear", "bicubic"))
@pytest.mark.parametrize("border", layers.BORDERS)
def test_fixed_against_a_matrix(scale, method, border):
    rng = np.random.default_rng(5)
    for shape in ((2, 5, 7, 3), (2, 4, 9, 1), (1, 1, 5, 1), (1, 2, 1, 3)):
        images = rng.normal(size=shape)
        layer = layers.FixedUpsampler(method, scale, border, dtype="float64")
        assert oracle.relative(layer(images), oracle.interpolate(images, method, scale, border)) <= TOLERANCE, shape


@pytest.mark.parametrize("scale, tolerance", [(2, 1e-5), (3, 6e-4), (4, 1e-5)])
def test_fixed_against_tensorflow(scale, tolerance):
    # TensorFlow looks bicubic weights up in a table of 1,024 phases, which holds no third: hence the 6e-4 at ×3.
    images = np.random.default_rng(6).random((2, 9, 7, 3), dtype=np.float32)
    size = (9 * scale, 7 * scale)
    bicubic = layers.FixedUpsampler("bicubic", scale, "renormalise")(images)
    assert np.abs(bicubic - tf.image.resize(images, size, "bicubic")).max() <= tolerance
    bilinear = layers.FixedUpsampler("bilinear", scale)(images)
    assert np.abs(bilinear - tf.image.resize(images, size, "bilinear")).max() <= 1e-6
    # Control: another border is not the same.
    assert np.abs(layers.FixedUpsampler("bicubic", scale)(images) - bicubic).max() > 1e-2


@pytest.mark.parametrize("scale", (2, 3, 4))
def test_bicubic_is_matlabs(scale):
    from zoo.data import imresize

    images = np.random.default_rng(7).random((11, 13, 3), dtype=np.float32)
    layer = layers.FixedUpsampler("bicubic", scale)
    for border, close in (("mirror", True), ("replicate", False)):
        error = np.abs(layer(images[None])[0] - imresize(images, scale=scale, border=border)).max()
        assert (error <= 1e-5) == close


@pytest.mark.parametrize("scale", (2, 3))
def test_shuffle_is_the_papers_and_not_pytorchs(scale):
    maps = np.random.default_rng(8).normal(size=(2, 3, 5, scale**2 * 3))
    images = layers.DepthToSpace(scale, dtype="float64")(maps)
    assert np.array_equal(images, oracle.shuffle(maps, scale))
    assert not np.array_equal(images, oracle.shuffle(maps, scale, "pytorch"))
    assert np.array_equal(layers.SpaceToDepth(scale, dtype="float64")(images), maps)


def test_a_depthwise_convolution_starts_near_the_identity():
    images = np.random.default_rng(9).normal(size=(2, 9, 7, 48)).astype(np.float32)

    def far(start):
        layer = keras.layers.DepthwiseConv2D(3, padding="same", depthwise_initializer=start)
        return np.std(np.array(layer(images)) - images)

    assert far(layers.NearIdentity(stddev=0.0)) == 0
    # The root of nine taps' variances, less what lies beyond the border.
    assert 0.35 < far(layers.NearIdentity(seed=1)) < 0.45
    # Control: what Keras draws by itself lets little through.
    assert far("glorot_uniform") > 0.9
    config = keras.initializers.serialize(layers.NearIdentity(0.2, seed=1))
    again, first = keras.initializers.deserialize(config), layers.NearIdentity(0.2, seed=1)
    assert np.array_equal(again((3, 3, 4, 1)), first((3, 3, 4, 1)))
    even = np.array(layers.NearIdentity(stddev=0.0)((4, 2, 3, 1)))[..., 0]
    assert even[1, 0].all() and even.sum() == 3


@pytest.mark.parametrize("scale, side", [(2, 6), (3, 9), (4, 12), (2, 4), (2, 9), (3, 5)])
def test_icnr_starts_flat_and_as_nearest(scale, side):
    start = layers.ICNR(scale, "glorot_uniform", seed=1)
    layer = layers.make_upsampler("subpixel", 3, side, scale, kernel_initializer=start)
    flat = np.broadcast_to(np.float32([0.2, 0.5, 0.9]), (2, 9, 9, 3))
    sr = np.array(layer(flat))
    inside = sr[:, 3 * scale : -3 * scale, 3 * scale : -3 * scale]
    assert np.abs(inside - inside[:, :1, :1]).max() <= 1e-6
    # Nearest-neighbour resize of a convolution: every block of a random image is flat too.
    images = np.random.default_rng(9).random((2, 9, 7, 3), dtype=np.float32)
    sr = np.array(layer(images))
    assert np.abs(sr - oracle.nearest(sr[:, ::scale, ::scale], scale)).max() <= 1e-6
    # Control: a Glorot start shows the checkerboard.
    plain = np.array(layers.make_upsampler("subpixel", 3, side, scale)(flat))
    inside = plain[:, 3 * scale : -3 * scale, 3 * scale : -3 * scale]
    assert np.abs(inside - inside[:, :1, :1]).max() > 1e-3


def truth(layer, images):
    """What a form of `zoo.layers.FORMS` computes."""
    if not layer.weights:
        return oracle.interpolate(images, layer.method, layer.scale, layer.border)
    kernel, bias = layer.get_weights()
    if isinstance(layer, layers.ResizeUpsampler):
        return oracle.convolve(oracle.nearest(images, layer.scale), kernel, bias)
    return oracle.scatter(images, kernel, layer.scale, bias)


@pytest.mark.parametrize("form", layers.FORMS)
@pytest.mark.parametrize("scale, side, channels", [(2, 6, 3), (3, 7, 1)])
def test_contract(form, scale, side, channels, tmp_path):
    layer, _ = built(form, channels, side, scale, channels)
    images = np.random.default_rng(10).random((2, 5, 7, channels))
    keeps_the_contract(layer, images, truth(layer, images), tmp_path)
    # Control: a result a row further down is another one.
    with pytest.raises(AssertionError):
        keeps_the_contract(layer, images, np.roll(truth(layer, images), 1, axis=1), tmp_path)


@pytest.mark.parametrize("scale", (2, 3))
def test_contract_of_the_shuffles(scale, tmp_path):
    maps = np.random.default_rng(8).random((2, 3, 5, scale**2 * 3))
    images = oracle.shuffle(maps, scale)
    keeps_the_contract(layers.DepthToSpace(scale, dtype="float64"), maps, images, tmp_path)
    assert np.array_equal(layers.SpaceToDepth(scale, dtype="float64")(images), maps)


def test_interpolation_start_is_bicubic_inside():
    start = layers.Interpolation("bicubic", 3)
    layer = layers.make_upsampler("transposed", 3, 11, 3, kernel_initializer=start, dtype="float64")
    images = np.random.default_rng(12).normal(size=(2, 7, 9, 3))
    inside = np.s_[:, 6:-6, 6:-6]
    expected = oracle.interpolate(images, "bicubic", 3, "mirror")[inside]
    assert oracle.relative(np.array(layer(images))[inside], expected) <= 1e-6


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: layers.make_upsampler("subpixel", 1, 9, 1), "scale to be an integer of at least 2"),
        (lambda: layers.make_upsampler("bicubic", 1, 9, 1), "scale to be an integer of at least 2"),
        (lambda: layers.make_upsampler("subpixel", 1, 0, 2), "kernel_size to be an integer of at least 1"),
        (lambda: layers.make_upsampler("subpixel", 0, 3, 2), "filters to be an integer of at least 1"),
        (lambda: layers.make_upsampler("deconv", 1, 3, 2), "one of transposed, zero_interleaved, subpixel"),
        (lambda: layers.FixedUpsampler("lanczos", 2), "Expected method to be one of"),
        (lambda: layers.FixedUpsampler("bicubic", 2, "wrap"), "Expected border to be one of"),
        (lambda: layers.ICNR(4)((3, 3, 1, 1)), "kernel_size of at least scale=4"),
        (lambda: layers.Interpolation("bicubic", 2)((8, 8, 1, 3)), "as many outputs as inputs"),
        (lambda: layers.DepthToSpace(2)(keras.Input((4, 4, 6))), "multiple of 4"),
        (lambda: layers.SpaceToDepth(2)(keras.Input((5, 4, 1))), "multiples of 2"),
    ],
)
def test_refusals(make, sentence):
    with pytest.raises(UsageError, match=sentence):
        make()


@pytest.mark.parametrize("side, scale", [(9, 3), (4, 2), (7, 3), (5, 2)])
def test_even_phases_keep_flat_areas_flat(side, scale):
    rng = np.random.default_rng(3)
    flat = np.broadcast_to(rng.normal(size=(2, 1, 1, 4)), (2, 11, 9, 4)).astype(np.float32)
    inside = slice(3 * scale, -3 * scale)
    spread = {}
    for constraint in (None, layers.EvenPhases(scale)):
        layer = layers.SubpixelUpsampler(3, side, scale, kernel_initializer="he_normal", kernel_constraint=constraint)
        layer.build((None, None, None, 4))
        if constraint:
            layer.kernel.assign(layer.kernel.constraint(layer.kernel))
        spread[constraint is None] = np.ptp(np.array(layer(flat))[:, inside, inside], axis=(1, 2)).max()
    assert spread[False] < 1e-5
    assert spread[True] > 1e-2, "control: without it, flat areas get a pattern"


def test_even_phases_take_the_nearest_kernel_and_leave_an_even_one():
    rng, even = np.random.default_rng(4), layers.EvenPhases(3)
    kernel = rng.normal(size=(9, 9, 2, 5))
    nearest = np.array(even(kernel))
    np.testing.assert_allclose(even(nearest), nearest, atol=1e-12)
    # What was changed stands at right angles to every change that keeps all sums: the same at all taps of a phase.
    change = (nearest - kernel).reshape(3, 3, 3, 3, 2, 5)
    np.testing.assert_allclose(change, np.broadcast_to(change[:1, :, :1], change.shape), atol=1e-12)


def test_even_phases_are_kept_in_training_and_in_the_file(tmp_path):
    model = create_model("gecko_s", scale=3, channels=3, depth=1, even=True)
    model.compile("sgd", "mse")
    rng = np.random.default_rng(5)
    model.fit(rng.random((2, 6, 7, 3)), rng.random((2, 18, 21, 3)), verbose=0)
    model.save(tmp_path / "model.keras")
    layer = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    assert isinstance(layer.kernel_constraint, layers.EvenPhases) and layer.kernel_constraint.scale == 3
    sums = np.array([[layer.kernel[i::3, j::3].numpy().sum((0, 1)) for j in range(3)] for i in range(3)])
    np.testing.assert_allclose(sums, np.broadcast_to(sums[:1, :1], sums.shape), atol=1e-6)
