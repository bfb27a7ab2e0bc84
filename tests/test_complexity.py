"""Costs against the published tables, receptive fields against what a changed input pixel really changes."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo.layers as zoo_layers
from zoo import complexity, registry
from zoo.errors import UsageError
from zoo.registry import create_model, list_models

# arXiv 1501.00092, 1608.00367 and 1609.05158: weights without bias.
WEIGHTS = {
    ("srcnn", 3, (9, 1, 5)): 8_032,
    ("srcnn", 3, (9, 3, 5)): 24_416,
    ("srcnn", 3, (9, 5, 5)): 57_184,
    ("espcn", 2, None): 21_184,
    ("espcn", 3, None): 22_624,
    ("espcn", 4, None): 24_640,
}
# GMAC for a 1280×720 output at ×2/×3/×4: form A (transposed), form C (subpixel), and as FSRCNN's paper counts (B).
GMACS = {
    ("fsrcnn", "transposed", "macs"): (2.87, 1.28, 0.72),
    ("fsrcnn", "subpixel", "macs"): (3.12, 1.28, 0.92),
    ("fsrcnn", "transposed", "macs_quoted"): (6.0, 5.0, 4.6),
    ("fsrcnn", "zero_interleaved", "macs"): (6.0, 5.0, 4.6),
    ("fsrcnn_s", "transposed", "macs"): (0.91, 0.40, 0.23),
    ("fsrcnn_s", "subpixel", "macs"): (1.05, 0.40, 0.34),
    ("espcn", "subpixel", "macs"): (4.88, 2.32, 1.42),
    ("espcn", "transposed", "macs"): (4.88, 2.32, 1.42),
    ("srcnn", "bicubic", "macs"): (7.40, 7.40, 7.40),
}


def weights_without_bias(model) -> int:
    return sum(int(np.prod(w.shape)) for w in model.weights if len(w.shape) == 4)


@pytest.mark.parametrize("name, scale, kernels", WEIGHTS, ids=str)
def test_parameters_are_the_papers(name, scale, kernels):
    model = create_model(name, scale=scale, **({"kernels": kernels} if kernels else {}))
    assert weights_without_bias(model) == WEIGHTS[name, scale, kernels]
    # The papers' figures leave the biases out: 64 + 32 + 1 of them in either network.
    assert complexity.count(model)["parameters"] == WEIGHTS[name, scale, kernels] + 97


@pytest.mark.parametrize("name, upsampler, key", GMACS, ids=str)
def test_macs_reproduce_the_published_table(name, upsampler, key):
    published = GMACS[name, upsampler, key]
    counted = [complexity.count(create_model(name, scale=scale, upsampler=upsampler))[key] / 1e9 for scale in (2, 3, 4)]
    digits = 1 if key == "macs_quoted" or upsampler == "zero_interleaved" else 2
    assert [round(each, digits) for each in counted] == list(published)
    # The control: the true count of the deconvolution is not the quoted one.
    if key == "macs_quoted":
        assert counted[0] > 2 * GMACS["fsrcnn", "transposed", "macs"][0]


@pytest.mark.parametrize("kernels, gmac", [((9, 1, 5), 7.40), ((9, 3, 5), 22.5), ((9, 5, 5), 52.7)], ids=str)
def test_srcnn_costs_what_its_variants_cost(kernels, gmac):
    counted = complexity.count(create_model("srcnn", scale=3, kernels=kernels))
    assert counted["macs"] / 1e9 == pytest.approx(gmac, rel=2e-3)
    # 25 taps for each of 9 phases per LR pixel: the bicubic start, apart from the network's own.
    assert counted["macs_fixed"] == 25 * 720 * 1280


def test_the_table_and_the_cards_have_the_same_gmac():
    costs = {(row["model"], row["scale"]): row for row in complexity.rows()}
    compared = 0
    for card in map(registry.card, registry.list_presets()):
        if card["options"].keys() <= {"channels", "activation", "upsampler"} and card["channels"] == 1:
            assert card["macs_720p"] == costs[card["model"], card["scale"]]["macs_lr"], card["name"]
            compared += 1
    assert compared >= 10
    # Control: FSRCNN's deconvolution without its zeros costs less than the LR form, whose kernels have some.
    assert (
        costs["fsrcnn", 2]["macs"] < costs["fsrcnn", 2]["macs_lr"]
        and costs["srcnn", 2]["macs"] == costs["srcnn", 2]["macs_lr"]
    )


def test_macs_of_usual_layers_by_hand():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(8, (3, 5), padding="same", groups=1)(image)
    x = layers.Conv2D(8, 3, padding="same", groups=4)(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    x = layers.SeparableConv2D(6, 3, padding="same")(x)
    x = layers.Conv2DTranspose(4, 4, strides=2, padding="same")(x)
    x = layers.Conv2D(5, 1, strides=2)(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    counted = complexity.count(keras.Model(image, x), height=20, width=40)
    lr = 10 * 20
    before = 15 * 3 * 8 + 9 * 8 // 4 * 8 + 9 * 16 + (9 * 16 + 16 * 6)
    assert counted["macs"] == lr * (before + 16 * 6 * 4 + 4 * 5)
    assert counted["macs_quoted"] - counted["macs"] == lr * 3 * 16 * 6 * 4
    assert counted["macs_fixed"] == 4 * lr * 5 * 4


def test_a_valid_convolution_is_counted_at_the_size_it_works_at():
    image = keras.Input((None, None, 1))
    counted = complexity.count(keras.Model(image, layers.Conv2D(2, 5)(layers.Conv2D(3, 3)(image))), 10, 20)
    assert counted["macs"] == 14 * 24 * 9 * 3 + 10 * 20 * 25 * 3 * 2


def test_peak_memory_by_hand():
    lr = 240 * (1280 / 3)
    # ESPCN: 64 and 32 maps at once. FSRCNN: 56 and 12, PReLU in place. SRCNN: 64 and 32 in HR space.
    assert complexity.count(create_model("espcn", scale=3))["peak_memory"] == round(4 * lr * 96)
    assert complexity.count(create_model("fsrcnn", scale=3))["peak_memory"] == round(4 * lr * 68)
    assert complexity.count(create_model("srcnn", scale=3))["peak_memory"] == 4 * 720 * 1280 * 96
    # The zero-interleaved form holds 56 maps in HR space beside the 56 it was given.
    interleaved = create_model("fsrcnn", scale=3, upsampler="zero_interleaved")
    assert complexity.count(interleaved)["peak_memory"] == round(4 * lr * 56 * 10)
    # A map that a later layer reads stays alive: the LR image beside both.
    assert complexity.count(create_model("espcn_residual", scale=3))["peak_memory"] == round(4 * lr * 97)


def test_the_table_holds_the_registry():
    rows = complexity.rows(scales=(3,))
    assert [row["model"] for row in rows] == list_models()
    assert all(row["macs"] > 0 and row["receptive_field"] > 0 and row["peak_memory"] > 0 for row in rows)


def test_the_command_prints_every_model(capsys):
    complexity.summary(scales=(2,))
    printed = capsys.readouterr().out
    assert all(name in printed for name in list_models())
    assert "6.01" in printed and "2.87" in printed
    assert "presets may have other options" in printed and "`zoo presets`" in printed


def measured_radius(model, scale: float, size: int = 32) -> int:
    """Changes single input pixels and looks which output pixels differ. All weights positive: nothing cancels."""
    random = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape) / max(1, np.prod(weight.shape[:-1])))
    image = random.uniform(0.2, 0.8, (1, size, size, model.input_shape[-1])).astype("float32")
    before = np.asarray(model(image))
    radius = 0
    # Four neighbours on each axis show every phase of a stride up to 4; rows and columns may differ.
    for pixel in range(size // 2, size // 2 + 4):
        changed = image.copy()
        changed[:, pixel, pixel] += 1.0
        _, y, x, _ = np.nonzero(np.abs(np.asarray(model(changed)) - before))
        for axis, positions in ((1, y), (2, x)):
            offset = (before.shape[axis] - scale * size) / 2
            radius = max(radius, np.abs(np.floor((positions - offset) / scale) - pixel).max())
    return int(radius)


ZOO = [(name, scale, {}) for name in list_models() for scale in (2, 3, 4)] + [
    ("espcn", 3, {"upsampler": form, "kernel_size": side, "channels": 3})
    for form in zoo_layers.LEARNED
    for side in (2, 4, 8, 11)
]


@pytest.mark.slow
@pytest.mark.parametrize("name, scale, options", ZOO, ids=lambda value: str(value).replace(" ", ""))
def test_receptive_field_of_the_zoo_is_exact(float64, name, scale, options):
    model = create_model(name, scale=scale, **options)
    assert complexity.receptive_field(model) == measured_radius(model, scale)


def chain(*parts):
    image = keras.Input((None, None, 2))
    x = image
    for part in parts:
        x = part(x)
    return keras.Model(image, x)


def residual():
    image = keras.Input((None, None, 2))
    inner = chain(layers.Conv2D(4, 3, padding="same"), layers.LeakyReLU(), layers.Conv2D(2, 3, padding="same"))
    x = layers.Add()([inner(inner(image)), image]) * 0.5
    return keras.Model(image, keras.ops.relu(keras.ops.concatenate([x, image], axis=-1)))


def sliced():
    image = keras.Input((None, None, 2))
    x = keras.ops.pad(image, [(0, 0), (3, 1), (3, 1), (0, 0)], mode="reflect")
    return keras.Model(image, layers.Conv2D(2, 3)(x)[:, 1:-1, 1:-1])


USUAL = {
    "dilated": (1, lambda: chain(layers.Conv2D(4, 3, padding="same", dilation_rate=3))),
    "oblong": (1, lambda: chain(layers.Conv2D(4, (3, 9), padding="same"))),
    "valid": (1, lambda: chain(layers.Conv2D(4, 5), layers.Conv2D(4, 3))),
    "separable": (
        1,
        lambda: chain(layers.SeparableConv2D(4, 5, padding="same"), layers.DepthwiseConv2D(3, padding="same")),
    ),
    "pad and crop": (1, lambda: chain(layers.ZeroPadding2D(3), layers.Conv2D(4, 5), layers.Cropping2D(1))),
    "hourglass": (
        1,
        lambda: chain(
            layers.Conv2D(4, 3, strides=2, padding="same"),
            layers.Conv2D(4, 3, padding="same"),
            layers.Conv2DTranspose(2, 4, strides=2, padding="same"),
        ),
    ),
    "pooled": (0.5, lambda: chain(layers.AveragePooling2D(2), layers.Conv2D(4, 3, padding="same"))),
    "transposed, even kernel": (2, lambda: chain(layers.Conv2DTranspose(2, 6, strides=2, padding="same"))),
    "transposed, valid and cropped": (
        2,
        lambda: chain(layers.Conv2DTranspose(2, 6, strides=2, padding="valid"), layers.Cropping2D(2)),
    ),
    "nearest, then HR convolution": (3, lambda: chain(layers.UpSampling2D(3), layers.Conv2D(2, 5, padding="same"))),
    "bilinear": (2, lambda: chain(layers.UpSampling2D(2, interpolation="bilinear"))),
    "shuffles": (
        2,
        lambda: chain(
            layers.Conv2D(8, 3, padding="same"),
            zoo_layers.DepthToSpace(2),
            layers.Conv2D(2, 3, padding="same"),
            zoo_layers.SpaceToDepth(2),
            zoo_layers.DepthToSpace(2),
        ),
    ),
    "residual, nested and shared": (1, residual),
    "padded and sliced": (1, sliced),
    "sequential": (
        1,
        lambda: keras.Sequential([keras.Input((None, None, 2)), layers.Conv2D(2, 7, padding="same"), layers.ReLU()]),
    ),
}


@pytest.mark.parametrize("case", USUAL)
def test_receptive_field_of_usual_layers_is_exact(float64, case):
    scale, build = USUAL[case]
    model = build()
    assert complexity.receptive_field(model) == measured_radius(model, scale)


def test_a_larger_kernel_is_seen():
    # The control of the measurement itself: it is not blind to one more tap.
    small, large = (chain(layers.Conv2D(2, side, padding="same")) for side in (3, 5))
    assert measured_radius(small, 1) == 1 and measured_radius(large, 1) == 2


def test_what_reads_the_whole_picture_or_is_unknown_is_refused_by_name():
    image = keras.Input((None, None, 4))
    gate = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(image))
    attention = keras.Model(image, layers.Multiply()([image, gate]), name="attention")
    with pytest.raises(UsageError, match="Expected a bounded receptive field. Received: 'attention'"):
        complexity.receptive_field(attention)
    assert complexity.count(attention, 8, 8)["receptive_field"] is None

    class Mystery(layers.Layer):
        def call(self, x):
            return x

    with pytest.raises(UsageError, match="Received: 'odd', Mystery"):
        complexity.receptive_field(chain(Mystery(name="odd")))
    with pytest.raises(UsageError, match="Expected a functional or built Sequential model"):
        complexity.receptive_field(keras.Sequential([layers.Conv2D(2, 3)]))
