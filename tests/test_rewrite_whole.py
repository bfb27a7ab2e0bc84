"""The containment argument, constructed: networks that upsample first as networks in LR space, in float64."""

import keras
import numpy as np
import oracle
import pytest
from keras import layers

import zoo
from benchmarks.networks import NETWORKS, randomise
from zoo import rewrite
from zoo.layers import DepthToSpace, FixedUpsampler
from zoo.rewrite.containment import contain_convolution

pytestmark = pytest.mark.usefixtures("float64")
TOLERANCE = 1e-12


def pictures(height, width, channels, seed=1):
    return np.random.default_rng(seed).normal(size=(2, height, width, channels))


def compare(model, x):
    rewritten, explanation = rewrite.rewritten(randomise(model), whole=True, check=False)
    rows = explanation.rows
    for received, expected in zip(keras.tree.flatten(rewritten(x)), keras.tree.flatten(model(x)), strict=True):
        assert oracle.relative(received, expected) <= TOLERANCE
    assert rewritten.output_names == model.output_names
    return rewritten, rows


def sides_of_convolutions(model, x):
    """Heights at which the convolutions of a model give their maps."""
    convolutions = [layer.output for layer in model.layers if isinstance(layer, layers.Conv2D)]
    return [maps.shape[1] for maps in keras.Model(model.input, convolutions)(x)]


@pytest.mark.parametrize("scale", (2, pytest.param(3, marks=pytest.mark.slow)))
@pytest.mark.parametrize("upsampler", zoo.layers.FORMS)
def test_srcnn(upsampler, scale):
    model = zoo.create_model("srcnn", scale=scale, upsampler=upsampler, channels=3 if scale == 2 else 1)
    x = pictures(5, 7, model.input_shape[-1])
    rewritten, rows = compare(model, x)
    # Everything happens in LR space, and one shuffle is the last layer.
    assert set(sides_of_convolutions(rewritten, x)) == {5}
    assert [type(layer) for layer in rewritten.layers if isinstance(layer, (DepthToSpace, FixedUpsampler))] == [
        DepthToSpace
    ]
    assert rewritten.layers[-1].name == "reconstruction" and all(row.action == "moved" for row in rows)


def test_srcnn_in_numbers():
    explanation = rewrite.explain(zoo.create_model("srcnn", scale=3), whole=True)
    hr = [9 * 81 * 64, 9 * 64 * 32, 9 * 25 * 32]
    # 9×9 HR taps reach 5×5 LR pixels from each of 9 phases to each of 9; 1×1 layers are 9 equal groups.
    lr = [25 * 9 * 9 * 64, 9 * 64 * 32, 9 * 81 * 32]
    assert [(row.macs, row.macs_after) for row in explanation.rows[1:]] == list(zip(hr, lr))
    assert explanation.totals["weights"] == 8129  # 8,032 and 97 biases
    assert explanation.totals["weights_after"] == sum(lr) + 9 * 97
    assert explanation.totals["macs_after"] > 2 * explanation.totals["macs"]
    # Written densely, as a network in LR space would hold it, the 1×1 layer makes that 4.4 times as many.
    assert round((sum(lr) + (81 - 9) * 64 * 32) / sum(hr), 1) == 4.4
    assert "all that moved" in str(explanation)


def test_the_papers_example():
    """3×3, scale 2, 2 → 2 maps: 36 free weights of 576."""
    contained = contain_convolution(np.ones((3, 3, 2, 2)), 2, [2], (1, 1))
    assert contained.kernel.shape == (3, 3, 8, 8) and contained.kernel.size == 576
    assert contained.taps == 144 and contained.taps - contained.zeros == 4 * 9


@pytest.mark.parametrize(
    "name",
    [
        "unet_upsampling",
        "autoencoder",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("segnet", "dcgan", "unet", "pix2pix", "cyclegan")),
    ],
)
def test_networks(name):
    network = NETWORKS[name]
    model = network.build(0.06)
    _, rows = compare(model, pictures(3 * network.multiple, 5 * network.multiple, model.input_shape[-1]))
    assert sum(row.action == "moved" for row in rows) >= 2


def test_the_comparison_can_fail():
    model = randomise(zoo.create_model("srcnn", scale=2))
    rewritten = rewrite.to_lr_space(model, whole=True)
    layer = rewritten.get_layer("patches_lr")
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel[:, :, [0, 2, 1, 3]], bias])  # two of the four phases exchanged
    x = pictures(5, 7, 1)
    assert oracle.relative(rewritten(x), model(x)) > 1e-3


def test_every_kind_of_layer_between():
    """Skips, merges, slopes, statistics, dilation, a second upsampling, and a softmax over the maps at the end."""
    low, high = keras.Input((None, None, 2)), keras.Input((None, None, 3))
    x = layers.Conv2DTranspose(3, 4, strides=2, padding="same")(low)
    x = layers.PReLU(shared_axes=[1, 2])(layers.BatchNormalization()(x))
    x = layers.Add()([x, high])
    x = layers.Concatenate()([x, high, layers.Dropout(0.5)(x)])
    x = layers.ReLU()(layers.Conv2D(3, 3, padding="same", dilation_rate=(2, 1))(x))
    x = layers.UpSampling2D(3)(layers.Concatenate()([x, x]))
    x = layers.Conv2D(2, (3, 2), padding="same", activation="tanh")(x)
    x = layers.Multiply()([x, layers.Activation("sigmoid")(x)])
    out = layers.Conv2D(4, 3, padding="same", activation="softmax", name="classes")(x)
    model = keras.Model([low, high], out)
    pair = [pictures(5, 3, 2), pictures(10, 6, 3)]
    rewritten, rows = compare(model, pair)
    assert set(sides_of_convolutions(rewritten, pair)) == {5} and all(row.action == "moved" for row in rows)
    assert rewritten.layers[-1].name == "classes"


def test_what_has_no_form_in_lr_space_is_named():
    start = keras.Input((None, None, 2))
    x = layers.Conv2DTranspose(3, 4, strides=2, padding="same")(start)
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    x = layers.MaxPooling2D(3, name="pool")(shared(shared(x)))
    x = layers.Conv2DTranspose(3, 3, strides=2, padding="valid", name="odd_size")(x)
    model = keras.Model(start, layers.Conv2D(1, 3, name="unpadded")(x))
    _, rows = compare(model, pictures(5, 7, 2))
    stay = {row.layer: row.note for row in rows if row.action == "stays"}
    assert "shares its weights" in stay["shared"]
    # Without a size that is a multiple of the LR image's it moves as it does without `whole`.
    assert [row.becomes for row in rows if row.layer == "odd_size"] == ["pad, Conv2D 2×2, DepthToSpace 2, crop"]
    assert isinstance(rewrite.to_lr_space(model, whole=True).get_layer("pool"), layers.MaxPooling2D)


def test_it_trains_and_loads(tmp_path):
    model = randomise(zoo.create_model("srcnn", scale=2, kernels=(3, 1, 3)))
    rewritten = rewrite.to_lr_space(model, whole=True)
    # The fixed interpolation stays fixed; what was free is free, and so are the structural zeros.
    assert rewritten.count_params() - sum(int(np.prod(w.shape)) for w in rewritten.trainable_weights) == 25 * 4
    rewritten.save(tmp_path / "whole.keras")
    x = pictures(5, 7, 1)
    assert oracle.relative(keras.models.load_model(tmp_path / "whole.keras")(x), model(x)) <= TOLERANCE
