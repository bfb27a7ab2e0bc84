"""Where weights come from: the interpolation start, the fitted upsampler, presets and files, a frozen body."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.data import imresize
from zoo.errors import UsageError
from zoo.layers import Upsampler
from zoo.training import TrainConfig, start
from zoo.training.fit import fit_upsampler
from zoo.training.recipes import network_of

RANDOM = np.random.default_rng(1)


def picture(height=30, width=26, channels=1):
    """A smooth random image in [0.1, 0.9], (1, height, width, channels)."""
    noise = RANDOM.uniform(size=(height + 8, width + 8, channels))
    smooth = sum(noise[y : y + height, x : x + width] for y in range(8) for x in range(8)) / 64
    low, high = smooth.min(), smooth.max()
    return (0.1 + 0.8 * (smooth - low) / (high - low))[None].astype(np.float32)


def far_from_bicubic(model, scale, channels, inside=8):
    """The largest difference from MATLAB's bicubic, away from the border, relative to that of the nearest pixel."""
    lr = picture(channels=channels)
    bicubic = imresize(lr[0].astype(np.float64), scale)
    nearest = lr[0].repeat(scale, axis=0).repeat(scale, axis=1)
    crop = slice(inside * scale, -inside * scale)
    difference = np.abs(model(lr).numpy()[0] - bicubic)[crop, crop].max()
    return difference / np.abs(nearest - bicubic)[crop, crop].max()


# Exact where the window holds bicubic's taps; a 3×3 window and two tanh cost what stands here.
@pytest.mark.parametrize(
    "name, scale, channels, options, bound",
    [
        ("fsrcnn", 2, 1, {}, 1e-4),
        ("fsrcnn", 2, 3, {"upsampler": "subpixel"}, 1e-4),
        ("fsrcnn", 3, 1, {"upsampler": "zero_interleaved"}, 0.15),
        ("fsrcnn_s", 4, 1, {}, 0.3),
        ("fsrcnn", 2, 1, {"upsampler": "bicubic"}, 1e-4),
        ("espcn", 3, 3, {"activation": "relu"}, 0.15),
        ("espcn", 3, 1, {}, 0.3),
        ("espcn_residual", 3, 1, {}, 1e-4),
        ("srcnn", 3, 3, {}, 1e-4),
        ("srcnn", 2, 1, {"upsampler": "transposed"}, 1e-4),
        ("espcn", 2, 1, {"upsampler": "resize"}, 1.3),
        ("gecko", 2, 1, {"kernel_size": 10}, 1e-4),
        ("gecko", 3, 3, {}, 0.15),
        ("gecko", 3, 3, {"depth": 2, "expand": 9}, 0.15),
        ("gecko", 2, 1, {"depth": 1, "kernel_size": 10, "expand": 5}, 1e-4),
        ("gecko", 2, 1, {"maps": 6, "depth": 2, "kernel_size": 10, "separable": True}, 1e-4),
        ("gecko", 3, 3, {"maps": 6, "depth": 3, "separable": True}, 0.15),
        ("gecko_s", 2, 1, {"depth": 1}, 0.3),
        ("gecko", 2, 1, {"depth": 0, "kernel_size": 10}, 1e-4),
        ("espcn", 2, 1, {"activation": "relu", "kernel_size": 10}, 1e-4),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
def test_a_network_starts_as_bicubic(name, scale, channels, options, bound):
    keras.utils.set_random_seed(2)
    model = zoo.create_model(name, scale, channels=channels, **options)
    if name != "espcn_residual":
        assert far_from_bicubic(model, scale, channels) > 2
    start.start_as_interpolation(model, scale, channels)
    assert far_from_bicubic(model, scale, channels) < bound


def test_every_weight_that_interpolation_leaves_at_rest_has_a_gradient():
    model = zoo.create_model("fsrcnn_s", 2)
    start.start_as_interpolation(model, 2, 1)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(picture()) - 0.5))
    gradient = tape.gradient(loss, model.layers[-1].kernel.value).numpy()
    assert (np.abs(gradient).max(axis=(0, 1, 2)) > 0).sum() > gradient.shape[-1] // 4


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kernel_size", [6, 9, 12])
def test_the_line_fitted_to_bicubic(kernel_size, scale):
    line = start.fit_bicubic(kernel_size, scale)
    sums = [line[phase::scale].sum() for phase in range(scale)]
    np.testing.assert_allclose(sums, 1, rtol=1e-12)
    truncated = zoo.identities.interpolation_to_transposed("bicubic", kernel_size, scale)[..., 0, 0]
    # The fit must come closer to bicubic than bicubic cut to the same taps, on pictures that it has not seen.
    layer = zoo.layers.SubpixelUpsampler(1, kernel_size, scale)
    lr = picture(40, 40)
    layer.build(lr.shape)
    errors = []
    for kernel in (np.outer(line, line), truncated):
        layer.kernel.assign(kernel[..., None, None])
        difference = layer(lr).numpy()[0] - imresize(lr[0].astype(np.float64), scale)
        errors.append(np.sqrt(np.mean(difference[8 * scale : -8 * scale, 8 * scale : -8 * scale] ** 2)))
    assert errors[0] <= errors[1] * 1.001 + 1e-7


class Teacher:
    """A source whose HR patches are what a network makes of random LR patches."""

    def __init__(self, model, scale):
        self.model, self.scale = model, scale

    def patches(self, batch, lr_size, seed, **_):
        def make(step):
            shape = (batch, lr_size, lr_size, self.model.input_shape[-1])
            lr = tf.random.stateless_uniform(shape, tf.stack([tf.constant(seed, tf.int64), step]))
            return lr, self.model(lr)

        return tf.data.Dataset.range(1 << 40).map(make)


@pytest.mark.parametrize(
    "name, scale, channels, options",
    [
        ("fsrcnn", 2, 1, {"d": 6, "s": 4, "m": 1}),
        ("fsrcnn", 3, 3, {"d": 6, "s": 4, "m": 1, "upsampler": "subpixel"}),
        pytest.param("fsrcnn", 4, 1, {"d": 6, "s": 4, "m": 1, "kernel_size": 10}, marks=pytest.mark.slow),
        # A window of one pixel, which no border cuts.
        ("fsrcnn", 2, 1, {"d": 6, "s": 4, "m": 1, "kernel_size": 2}),
        ("espcn_residual", 2, 1, {}),
        ("gecko", 2, 1, {"maps": 6, "depth": 2}),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
def test_the_fit_finds_the_upsampler_that_made_the_data(name, scale, channels, options):
    teacher = zoo.create_model(name, scale, channels=channels, **options)
    upsampler = next(layer for layer in teacher.layers if layer.name == "upsampler")
    upsampler.kernel.assign(RANDOM.normal(size=upsampler.kernel.shape, scale=0.1))
    upsampler.bias.assign(RANDOM.normal(size=upsampler.bias.shape))
    student = zoo.create_model(name, scale, channels=channels, **options)
    student.set_weights(teacher.get_weights())
    next(layer for layer in student.layers if layer.name == "upsampler").kernel.assign(0 * upsampler.kernel)
    lr = picture(channels=channels)
    before = np.std(student(lr) - teacher(lr))
    fit_upsampler(student, Teacher(teacher, scale).patches(8, 20, 0).take(12), shave=0)
    assert np.std((student(lr) - teacher(lr))[:, 8:-8, 8:-8]) < 0.02 * before


def test_the_fit_is_best_although_the_phases_want_different_biases():
    model = zoo.create_model("fsrcnn", 2, d=6, s=4, m=1)
    upsampler = model.get_layer("upsampler")
    offsets = tf.constant([[0.3, -0.2], [0.7, 0.1]])[None, :, :, None]
    batches = [
        (lr, tf.repeat(tf.repeat(lr, 2, 1), 2, 2) + tf.tile(offsets, [1, 20, 20, 1]))
        for lr, _ in Teacher(model, 2).patches(8, 20, 0).take(4)
    ]

    def gradient():
        with tf.GradientTape() as tape:
            loss = sum(tf.reduce_mean((hr - model(lr))[:, 8:-8, 8:-8] ** 2) for lr, hr in batches)
        return np.concatenate([np.ravel(each) for each in tape.gradient(loss, [upsampler.kernel, upsampler.bias])])

    before = np.linalg.norm(gradient())
    fit_upsampler(model, batches, shave=8)
    assert np.linalg.norm(gradient()) < 1e-3 * before
    upsampler.bias.assign(upsampler.bias + 0.01)
    assert np.linalg.norm(gradient()) > 1e-3 * before


def test_the_fit_refuses_a_network_that_does_not_end_in_an_upsampler():
    with pytest.raises(UsageError, match="ends in an upsampling layer. Received: srcnn_x2"):
        fit_upsampler(zoo.create_model("srcnn", 2), [], 0)


def trained(scale, path, **options):
    model = zoo.create_model("fsrcnn", scale, **{"d": 6, "s": 4, "m": 1, **options})
    for variable in model.variables:
        variable.assign(variable + 0.01)
    model.save(path) if path.suffix == ".keras" else model.save_weights(path)
    return model


OPTIONS = {"model": "fsrcnn", "model_options": "d=6,s=4,m=1", "lr_size": 24}


@pytest.mark.parametrize("file", ["m.keras", "m.weights.h5"])
def test_a_run_starts_from_the_weights_of_a_file(tmp_path, file):
    theirs = trained(2, tmp_path / file, upsampler="transposed")
    config = TrainConfig(scale=2, weights=str(tmp_path / file), **OPTIONS)
    ours = start.build_model(config)
    assert start.initial_weights(ours, config, None, 0) == f"the weights {tmp_path / file}"
    lr = picture()
    np.testing.assert_allclose(ours(lr), theirs(lr), atol=1e-6)
    assert ours.layers[-1].__class__.__name__ == "SubpixelUpsampler"


def test_a_run_starts_from_the_body_of_another_scale(tmp_path):
    theirs = trained(3, tmp_path / "m.keras")
    config = TrainConfig(scale=2, weights=str(tmp_path / "m.keras"), **OPTIONS)
    ours = start.build_model(config)
    said = start.initial_weights(ours, config, Teacher(zoo.create_model("srcnn", 2), 2), 14)
    assert said.endswith("the upsampler fitted to scale 2")
    for mine, other in zip(ours.layers, theirs.layers, strict=True):
        if not isinstance(mine, Upsampler):
            for a, b in zip(mine.get_weights(), other.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)


def test_patches_that_leave_no_pixel_to_fit_are_refused(tmp_path):
    """A kernel of 9 looks two LR pixels far at scale 2; what is left out of the loss is not fitted either."""
    trained(3, tmp_path / "m.keras")
    source = Teacher(zoo.create_model("srcnn", 2), 2)
    for shave, most in ((0, 4), (5, 6)):

        def started(lr_size, shave=shave):
            config = TrainConfig(scale=2, weights=str(tmp_path / "m.keras"), **{**OPTIONS, "lr_size": lr_size})
            return start.initial_weights(start.build_model(config), config, source, shave)

        with pytest.raises(UsageError, match=f"Expected lr_size above {most}, .* Received: lr_size={most}"):
            started(most)
        assert started(most + 1).endswith("the upsampler fitted to scale 2")


def test_the_upsampler_is_fitted_to_patches_such_as_the_run_draws(tmp_path):
    trained(3, tmp_path / "m.keras")
    asked = []

    class Asked(Teacher):
        def patches(self, batch, lr_size, seed, **options):
            asked.append(options)
            return super().patches(batch, lr_size, seed)

    source = Asked(zoo.create_model("srcnn", 2), 2)
    # What is left as it is, a source of one's own need not know.
    for chosen in ({"min_detail": 1.5, "degradation": "jpeg"}, {}):
        config = TrainConfig(scale=2, weights=str(tmp_path / "m.keras"), **OPTIONS, **chosen)
        start.initial_weights(start.build_model(config), config, source, 0)
    assert asked == [{"min_detail": 1.5, "degradation": "jpeg"}, {}]


@pytest.mark.parametrize(
    "file, options, sentence",
    [
        ("missing.keras", OPTIONS, "Expected weights in a .keras or .weights.h5 file. Received"),
        (
            "m.keras",
            {**OPTIONS, "model_options": "d=7,s=4,m=1"},
            r"variables of the network that is trained; --model, .* Received: \d+, feature/kernel of ",
        ),
        ("m.weights.h5", {**OPTIONS, "model_options": "d=7,s=4,m=1"}, "Expected weights of fsrcnn_x2"),
        # The network of the file goes on where this one ends.
        ("deeper.weights.h5", OPTIONS, "Expected weights of fsrcnn_x2"),
        ("text.keras", OPTIONS, "Expected a .keras file"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, file, options, sentence):
    trained(2, tmp_path / "m.keras")
    trained(2, tmp_path / "m.weights.h5")
    trained(2, tmp_path / "deeper.weights.h5", m=2)
    (tmp_path / "text.keras").write_text("no zip")
    config = TrainConfig(scale=2, weights=str(tmp_path / file), **options)
    with pytest.raises(UsageError, match=sentence):
        start.initial_weights(start.build_model(config), config, None, 0)


def test_an_interpolation_needs_a_map_for_each_channel():
    config = TrainConfig(model="fsrcnn", scale=2, channels=3, model_options="s=2")
    with pytest.raises(UsageError, match="start=random, or layers of at least 3 maps.* Received: shrink.* with 2"):
        start.initial_weights(start.build_model(config), config, None, 0)
    config = dataclasses.replace(config, start="random")
    assert start.initial_weights(start.build_model(config), config, None, 0) == "scratch, at random"


@pytest.mark.parametrize("activation", ["gelu", "sigmoid", "softsign"])
def test_an_interpolation_needs_activations_that_leave_the_picture(activation):
    config = TrainConfig(model="espcn", scale=2, model_options=f"activation={activation}")
    with pytest.raises(UsageError, match=f"start=random, or activations that .* Received: {activation}"):
        start.initial_weights(start.build_model(config), config, None, 0)


@pytest.mark.parametrize("preset", ["espcn_x3", "gecko_x3", "gecko_rgb_x3", "gecko_s_x4", "srcnn_x2"])
def test_a_presets_card_makes_its_network(preset):
    config = TrainConfig(preset=preset, **network_of(preset))
    model = start.build_model(config)
    assert start.initial_weights(model, config, None, 0) == f"the preset {preset}"
    image = np.random.default_rng(0).random((2, 9, 13, config.channels), np.float32)
    # The constraint of `even` rounds once more.
    np.testing.assert_allclose(model(image), zoo.load(preset)(image), rtol=0, atol=1e-6)


def test_a_preset_with_another_activation_is_refused():
    """Its weights would fit, and compute something else."""
    config = TrainConfig(model="espcn", scale=3, preset="espcn_x3")
    with pytest.raises(UsageError, match="--model_options makes it. Received: relu in place of tanh in feature"):
        start.initial_weights(start.build_model(config), config, None, 0)
    with pytest.raises(UsageError, match="Received: relu in place of tanh"):
        config = TrainConfig(model="espcn", scale=2, preset="espcn_x3")
        start.initial_weights(start.build_model(config), config, None, 0)


def test_an_unknown_preset_is_refused():
    config = TrainConfig(preset="edsr_x7")
    with pytest.raises(UsageError, match="Expected the preset to be one of"):
        start.initial_weights(start.build_model(config), config, None, 0)


def test_a_frozen_body_leaves_only_the_upsampler():
    model = zoo.create_model("fsrcnn_s", 2)
    start.freeze_body(model)
    assert [v.path for v in model.trainable_variables] == ["upsampler/kernel", "upsampler/bias"]
    with pytest.raises(UsageError, match="trained upsampling layer for freeze_body. Received: srcnn_x2"):
        start.freeze_body(zoo.create_model("srcnn", 2))


def test_weights_of_elsewhere_are_brought_to_where_a_constraint_holds(tmp_path):
    theirs = zoo.create_model("gecko_s", 3, channels=3, depth=1)
    theirs.save(tmp_path / "theirs.keras")
    spread = {}
    for even in (True, False):
        options = f"depth=1,even={even}"
        config = TrainConfig(
            model="gecko_s", scale=3, channels=3, model_options=options, weights=str(tmp_path / "theirs.keras")
        )
        model = start.build_model(config)
        start.initial_weights(model, config, None, 0)
        kernel = model.layers[-1].kernel.numpy()
        sums = np.array([kernel[i::3, j::3].sum((0, 1)) for i in range(3) for j in range(3)])
        spread[even] = np.ptp(sums, axis=0).max()
    assert spread[True] < 1e-6
    assert spread[False] > 1e-2, "control: without the constraint the weights are taken as they are"
