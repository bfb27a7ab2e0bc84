"""What follows an enlargement, computed before it: float64 against NumPy, with the wrong order as a control."""

import keras
import numpy as np
import oracle
import pytest
from keras import layers

from benchmarks.networks import randomise
from zoo import rewrite
from zoo.layers import FixedUpsampler
from zoo.rewrite.commute import commuted
from zoo.targets.choice import EVERYTHING
from zoo.targets.xnnpack import speedup_of_commuting

TOLERANCE = 1e-12
F64 = {"dtype": "float64"}


def image(channels=6):
    return keras.Input((None, None, channels), dtype="float64")


def values(channels=6, height=5, width=7, seed=3):
    return np.random.default_rng(seed).normal(size=(2, height, width, channels))


def up(scale=2, method="nearest"):
    return FixedUpsampler(method, scale, **F64) if method != "nearest" else layers.UpSampling2D(scale, **F64)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if not isinstance(layer, layers.InputLayer)]


def rewritten(model, inputs, tolerance=TOLERANCE):
    """The rewritten model and its rows, after it gave the same at every pixel."""
    made, explanation = rewrite.rewritten(model)
    assert oracle.relative(made(inputs), model(inputs)) <= tolerance
    assert made.output_names == model.output_names
    return made, explanation.rows


def enlarged(x, method, scale):
    return oracle.interpolate(x, method, scale, "mirror" if method == "bicubic" else "replicate")


@pytest.mark.parametrize("channels, outputs", ((1, 1), (3, 1), (6, 4)))
@pytest.mark.parametrize("method, scale", (("nearest", 3), ("bilinear", 2), ("bicubic", 4)))
def test_a_matrix_for_each_pixel(method, scale, channels, outputs):
    """W·up(x) + b = up(W·x + b), A and B of the identities."""
    layer = layers.Conv2D(outputs, 1, activation="sigmoid", name="head", **F64)
    start = image(channels)
    model = randomise(keras.Model(start, layer(up(scale, method)(start))))
    made, rows = rewritten(model, values(channels))
    kernel, bias = (np.array(weight) for weight in layer.weights)
    x = values(channels)
    expected = 1 / (1 + np.exp(-oracle.convolve(enlarged(x, method, scale), kernel, bias)))
    assert oracle.relative(made(x), expected) <= TOLERANCE
    # Control: an activation does not commute with an interpolation, and a bias is not scaled by it.
    inside = enlarged(1 / (1 + np.exp(-oracle.convolve(x, kernel, bias))), method, scale)
    assert (oracle.relative(inside, expected) > 1e-4) == (method != "nearest")
    assert oracle.relative(made(x), 1 / (1 + np.exp(-oracle.convolve(enlarged(x, method, scale), kernel)))) > 1e-3
    convolution = next(layer for layer in made.layers if type(layer) is layers.Conv2D)
    assert convolution.kernel.shape == (1, 1, channels, outputs), "no copies of one kernel"
    assert rows[0].layer == "head" and rows[0].macs == scale**2 * rows[0].macs_after
    assert [name for name in kinds(made) if name != "Activation"] == ["Conv2D", "FixedUpsampler"]


def test_dense_and_keras_bilinear():
    start = image()
    model = randomise(
        keras.Model(start, layers.Dense(2, **F64)(layers.UpSampling2D(2, interpolation="bilinear")(start)))
    )
    made, _ = rewritten(model, values(), tolerance=1e-6)  # Keras resizes in float32
    assert kinds(made)[0] == "Dense" and len(made.weights) == 2


def test_one_by_one_in_front_of_a_convolution():
    """It goes into LR space with what is between, though it gives more maps than it takes."""
    start = image(4)
    x = up(2)(start)
    for layer in (
        layers.Conv2D(40, 1, name="wide", **F64),
        layers.BatchNormalization(**F64),
        layers.ReLU(**F64),
        layers.Conv2D(3, 3, padding="same", **F64),
    ):
        x = layer(x)
    made, _ = rewritten(randomise(keras.Model(start, x)), values(4))
    assert kinds(made)[:3] == ["Conv2D", "BatchNormalization", "ReLU"] and "DepthToSpace" in kinds(made)


def test_more_maps_are_not_enlarged_than_before():
    """By the costs a head that makes 40 maps of 3 stays behind the enlargement; one that makes 3 of 40 does not."""
    assert speedup_of_commuting(3, 40, 4, "repeated") < 1 < speedup_of_commuting(40, 3, 4, "repeated")
    for channels, outputs, first in ((3, 40, "FixedUpsampler"), (40, 3, "Conv2D")):
        start = image(channels)
        model = randomise(keras.Model(start, layers.Conv2D(outputs, 1, **F64)(up(2)(start))))
        made, _ = rewritten(model, values(channels))
        assert kinds(made)[0] == first, kinds(made)


NORMS = {
    "GroupNormalization": lambda: layers.GroupNormalization(3, **F64),
    "InstanceNormalization": lambda: layers.GroupNormalization(-1, **F64),
    "LayerNormalization": lambda: layers.LayerNormalization(**F64),
    "RMSNormalization": lambda: layers.RMSNormalization(**F64),
    "UnitNormalization": lambda: layers.UnitNormalization(axis=-1, **F64),
    "Softmax": lambda: layers.Softmax(**F64),
    "Rescaling": lambda: layers.Rescaling(0.5, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], **F64),
    "SpatialDropout2D": lambda: layers.SpatialDropout2D(0.5, **F64),
    "a constant": lambda: lambda x: 2.5 * x - np.arange(6.0),
}


@pytest.mark.parametrize("norm", NORMS)
def test_what_repetition_does_not_change(norm):
    """norm(up(x)) = up(norm(x)), C of the identities, in training too."""
    start = image()
    x = layers.ReLU(**F64)(NORMS[norm]()(up(2)(start)))
    model = randomise(keras.Model(start, layers.Conv2D(2, 3, padding="same", **F64)(x)))
    made, _ = rewritten(model, values())
    assert "FixedUpsampler" not in kinds(made) and kinds(made)[-1] in ("DepthToSpace", "Cropping2D")
    if norm != "SpatialDropout2D":
        received, expected = (each(values(), training=True) for each in (made, model))
        assert oracle.relative(received, expected) <= TOLERANCE


def test_group_normalisation_against_numpy():
    start = image()
    layer = layers.GroupNormalization(2, epsilon=0.01, **F64)
    model = randomise(keras.Model(start, layer(up(3)(start))))
    gamma, beta = (np.array(weight) for weight in layer.weights)
    x = values()

    def normalised(maps):
        groups = maps.reshape(*maps.shape[:3], 2, 3)
        mean, variance = (f(groups, axis=(1, 2, 4), keepdims=True) for f in (np.mean, np.var))
        return ((groups - mean) / np.sqrt(variance + 0.01)).reshape(maps.shape) * gamma + beta

    made, _ = rewritten(model, x)
    assert oracle.relative(made(x), normalised(oracle.nearest(x, 3))) <= TOLERANCE
    # Control: an interpolation changes the variance.
    assert oracle.relative(oracle.interpolate(normalised(x), "bilinear", 3, "replicate"),
                           normalised(oracle.interpolate(x, "bilinear", 3, "replicate"))) > 1e-2  # fmt: skip
    start = image()
    interpolated = randomise(keras.Model(start, layers.GroupNormalization(2, **F64)(up(3, "bilinear")(start))))
    assert kinds(rewritten(interpolated, values())[0])[-1] == "GroupNormalization"


def test_a_map_of_its_own_for_each_pixel_does_not_commute():
    """A constant picture, a normalisation over a picture's axes, softmax along rows, dropout: behind it."""
    picture = np.random.default_rng(0).normal(size=(10, 14, 6))
    for function in (
        lambda x: x * picture,
        lambda x: layers.Add(**F64)([x, picture[None]]),
        layers.LayerNormalization(axis=[1, 2, 3], **F64),
        layers.Softmax(axis=1, **F64),
        layers.Dropout(0.5, **F64),
    ):
        start = keras.Input((5, 7, 6), dtype="float64")
        made, _ = rewritten(randomise(keras.Model(start, function(up(2)(start)))), values())
        assert kinds(made)[0] == "FixedUpsampler"


@pytest.mark.parametrize("method", ("nearest", "bilinear"))
@pytest.mark.parametrize("merge", (layers.Add, layers.Subtract, layers.Average, layers.Concatenate, layers.Multiply))
def test_several_enlarged_alike(merge, method):
    """up(x) + up(y) = up(x + y), F of the identities; a product only where pixels are repeated."""
    pair = image(), image()
    x = merge(**F64)([up(2, method)(each) for each in pair])
    model = randomise(keras.Model(list(pair), layers.Conv2D(2, 1, **F64)(x)))
    inputs = [values(), values(seed=4)]
    made, _ = rewritten(model, inputs)
    alike = method == "nearest" or merge is not layers.Multiply
    assert kinds(made).count("FixedUpsampler") == (1 if alike else 2)
    # Control: of other sizes they are not one.
    pair = image(), image()
    x = layers.Add(**F64)([up(4, method)(pair[0]), up(2, method)(pair[1])])
    other = randomise(keras.Model(list(pair), x))
    made, _ = rewritten(other, [values(), values(height=10, width=14)])
    assert kinds(made).count("FixedUpsampler") == 2


def test_an_attention_to_maps():
    start, weights = image(), keras.Input((1, 1, 6), dtype="float64")
    x = layers.Multiply(**F64)([up(2)(start), weights])
    model = randomise(keras.Model([start, weights], layers.Conv2D(2, 3, padding="same", **F64)(x)))
    made, _ = rewritten(model, [values(), values(6, 1, 1)])
    assert "FixedUpsampler" not in kinds(made)


def test_one_enlargement_of_two():
    """Nearest ×2 and then ×3 is nearest ×6, G of the identities; an interpolation twice is not one."""
    start = image(3)
    x = up(3)(layers.ReLU(**F64)(up(2)(start)))
    model = randomise(keras.Model(start, layers.Conv2D(2, 3, padding="same", **F64)(x)))
    made, rows = rewritten(model, values(3))
    assert "FixedUpsampler" not in kinds(made) and kinds(made).count("DepthToSpace") == 1
    assert "×6" in rows[0].becomes
    kernel, bias = (np.array(weight) for weight in model.layers[-1].weights)
    expected = oracle.convolve(oracle.nearest(np.maximum(values(3), 0), 6), kernel, bias)
    assert oracle.relative(made(values(3)), expected) <= TOLERANCE
    start = image(3)
    twice = keras.Model(start, up(2, "bilinear")(up(2, "bilinear")(start)))
    assert kinds(rewritten(twice, values(3))[0]).count("FixedUpsampler") == 2


@pytest.mark.parametrize("position", (0, 1))
@pytest.mark.parametrize("method", ("nearest", "bilinear"))
def test_one_by_one_of_a_concatenation(position, method):
    """W·[up(x), y] = up(Wx·x) + Wy·y, B of the identities inside a concatenation."""
    low, high = image(24), image(5)
    parts = [up(2, method)(low), high][:: 1 - 2 * position]
    layer = layers.Conv2D(16, 1, activation="tanh", name="lateral", **F64)
    model = randomise(keras.Model([low, high], layer(layers.Concatenate(**F64)(parts))))
    pair = [values(24), values(5, 10, 14)]
    made, rows = rewritten(model, pair)
    kernel, bias = (np.array(weight) for weight in layer.weights)
    both = [enlarged(pair[0], method, 2), pair[1]][:: 1 - 2 * position]
    assert oracle.relative(made(pair), np.tanh(oracle.convolve(np.concatenate(both, -1), kernel, bias))) <= TOLERANCE
    assert oracle.relative(made(pair), np.tanh(oracle.convolve(np.concatenate(both[::-1], -1), kernel, bias))) > 1e-2
    assert rows[0].layer == "lateral" and "of the 24 enlarged maps" in rows[0].becomes
    assert made.get_layer("lateral_lr").kernel.shape == (1, 1, 24, 16)


@pytest.mark.parametrize("position", (0, 1))
def test_what_is_per_channel_of_a_concatenation(position):
    """f([up(x), y]) = [up(fx(x)), fy(y)], E of the identities, in training too; then the convolution takes it in."""
    low, high = image(3), image(2)
    x = layers.Concatenate(**F64)([up(2)(low), high][:: 1 - 2 * position])
    for layer in (
        layers.BatchNormalization(**F64),
        layers.PReLU(shared_axes=[1, 2], **F64),
        layers.Activation("elu", **F64),
        keras.ops.tanh,
        layers.Conv2D(4, 3, padding="same", name="joined", **F64),
    ):
        x = layer(x)
    model = randomise(keras.Model([low, high], x))
    pair = [values(3), values(2, 10, 14)]
    made, rows = rewritten(model, pair)
    assert "FixedUpsampler" not in kinds(made) and "UpSampling2D" not in kinds(made)
    assert kinds(made).count("BatchNormalization") == 2
    assert sum(int(np.prod(w.shape)) for w in made.weights) > sum(int(np.prod(w.shape)) for w in model.weights)
    assert oracle.relative(made(pair, training=True), model(pair, training=True)) <= TOLERANCE
    # Control: the parts' statistics changed for one another.
    norms = [layer for layer in made.layers if type(layer) is layers.BatchNormalization]
    norms[0].set_weights([weight + 1 for weight in norms[0].get_weights()])
    assert oracle.relative(made(pair), model(pair)) > 1e-3


def test_what_is_read_twice_is_computed_once():
    """A 1×1 that a convolution and an output read: in LR space once, enlarged for the output."""
    start = image()
    x = layers.Conv2D(4, 1, name="lateral", **F64)(up(2)(start))
    model = randomise(keras.Model(start, [x, layers.Conv2D(2, 3, padding="same", name="next", **F64)(x)]))
    made, explanation = rewrite.rewritten(model)
    for one, other in zip(made(values()), model(values())):
        assert oracle.relative(one, other) <= TOLERANCE
    assert made.output_names == model.output_names == ["lateral", "next"]
    assert len([layer for layer in made.layers if "lateral" in layer.name and layer.weights]) == 1


def test_shared_layers_and_nested_models():
    low, high = image(), image()
    shared, enlarge = layers.Conv2D(6, 1, name="shared", **F64), up(2)
    inner = keras.Sequential([image(), up(2), layers.Conv2D(4, 1, **F64), layers.Conv2D(2, 3, **F64)], name="inner")
    x = layers.Add(**F64)([shared(enlarge(low)), shared(high)])
    model = randomise(keras.Model([low, high], [inner(x), shared(enlarge(low))]))
    made, explanation = rewrite.rewritten(model)
    pair = [values(), values(height=10, width=14)]
    for one, other in zip(made(pair), model(pair)):
        assert oracle.relative(one, other) <= TOLERANCE
    assert isinstance(made.get_layer("inner"), keras.Sequential)
    assert len(made.weights) == len(model.weights) and any(row.layer.startswith("inner/") for row in explanation.rows)


def test_nothing_to_do_is_the_model_itself():
    start = image()
    model = keras.Model(start, layers.Conv2D(2, 3, **F64)(layers.ReLU(**F64)(up(2)(start))))
    assert commuted(model, EVERYTHING) == (model, set(), [])


ROWS = {
    "a matrix, repeated": ([up(2), layers.Conv2D(2, 1, **F64)], "refused"),
    "a matrix, interpolated": (
        [layers.UpSampling2D(2, interpolation="bilinear", **F64), layers.Dense(1, **F64)],
        "right",
    ),
    "a norm": ([up(2), layers.GroupNormalization(3, **F64), layers.Conv2D(2, 3, padding="same", **F64)], "refused"),
    "twice": ([up(2), up(3), layers.Conv2D(2, 3, padding="same", **F64)], "refused"),
    "depthwise": ([up(2), layers.DepthwiseConv2D(3, padding="same", **F64)], "refused"),
    "along one axis": ([layers.UpSampling2D((2, 1), **F64), layers.Conv2D(2, 3, padding="same", **F64)], "refused"),
    "strides that differ": ([layers.Conv2DTranspose(2, 5, (2, 1), padding="same", **F64)], "wrong"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_says_time_weights_and_verdicts(case):
    steps, verdict = ROWS[case]
    x = start = image()
    for step in steps:
        x = step(x)
    explanation = rewrite.explain(keras.Model(start, x))
    row = explanation.rows[0]
    assert (row.verdict, row.verdict_after) == (verdict, "right") and row.faster > 0 and row.action == "moved"
    assert row.weights_after >= row.weights >= 0 and row.macs >= 0
    assert f"{row.faster:.1f}×" in str(explanation) or f"{1 / row.faster:.1f}×" in str(explanation)
    # Control: behind the rewrite for a chip without a shuffle the enlargement is what it was.
    left = [row for row in rewrite.explain(keras.Model(start, x), "mediatek").rows if row.found.startswith("nearest")]
    assert all(row.verdict_after in ("", "refused") for row in left)
