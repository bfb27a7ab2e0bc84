"""Shaders compute what Keras does: on libplacebo, the real thing, at odd sizes, borders included."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import shader_programs

import zoo
from export import measure
from export.__main__ import main
from export.shaders import libplacebo
from export.shaders.mpv import shader, write_shader
from export.shaders.passes import passes
from export.shaders.row import read_row
from zoo.errors import UsageError
from zoo.layers import DepthToSpace, FixedUpsampler

LAVAPIPE = Path("/usr/share/vulkan/icd.d/lvp_icd.x86_64.json")


@pytest.fixture
def driver(monkeypatch):
    if LAVAPIPE.is_file():
        monkeypatch.setenv("VK_ICD_FILENAMES", str(LAVAPIPE))
    lacking = libplacebo.missing()
    if lacking:
        pytest.skip(f"shaders need {lacking}")


def computed(row, image):
    """The row in NumPy, zeros around every layer."""
    maps = []
    x = image.astype(np.float64)

    def convolved(x, layer, **padding):
        side = layer.kernel.shape[0]
        padded = np.pad(x, [(side // 2, side // 2)] * 2 + [(0, 0)], **padding)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
        return np.einsum("hwcij,ijco->hwo", windows, layer.kernel) + layer.bias

    for number, layer in enumerate(row.layers):
        x = convolved(x, layer, constant_values=0.0 if number else row.outside)
        if layer.activation == "tanh":
            x = np.tanh(x)
        elif layer.activation == "relu":
            x = np.maximum(x, 0)
        elif layer.activation == "prelu":
            x = np.where(x > 0, x, layer.slopes * x)
        maps.append(x)
        if number in row.added:
            x = maps[-1] = x + maps[row.added[number]]
    if row.base is not None:
        x = x + convolved(image, row.base, mode={"mirror": "symmetric", "replicate": "edge"}[row.base_border])
    height, width, scale = *image.shape[:2], row.scale
    x = x.reshape(height, width, scale, scale, row.channels).transpose(0, 2, 1, 3, 4)
    return x.reshape(height * scale, width * scale, row.channels)


def random(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        values = rng.normal(scale=0.2, size=weight.shape)
        weight.assign(abs(values) + 0.5 if weight.name == "moving_variance" else values)
    return model


def home_made():
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", use_bias=False)(image)
    x = keras.layers.LeakyReLU(0.2)(keras.layers.Conv2D(5, 1, padding="same")(x))
    return keras.Model(image, DepthToSpace(2)(keras.layers.Conv2D(4, 3, padding="same")(x)), name="home_made")


def by_map():
    """Depthwise convolutions, of one and of two maps for each, and a separable one."""
    image = keras.Input((None, None, 3))
    x = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu")(image)
    x = keras.layers.Conv2D(5, 1)(x)
    x = keras.layers.PReLU(shared_axes=(1, 2))(keras.layers.DepthwiseConv2D(5, padding="same", use_bias=False)(x))
    x = keras.layers.SeparableConv2D(6, 3, padding="same", activation="tanh")(x)
    return keras.Model(image, DepthToSpace(2)(keras.layers.Conv2D(12, 3, padding="same")(x)), name="by_map")


def normalised_by_map():
    """As MobileNet's blocks are: batch normalisation behind a separable convolution without a bias."""
    image = keras.Input((None, None, 1))
    x = keras.layers.SeparableConv2D(6, 3, padding="same", use_bias=False)(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.SeparableConv2D(5, 3, padding="same")(x)
    x = keras.layers.LeakyReLU()(keras.layers.BatchNormalization(scale=False, center=False)(x))
    return keras.Model(image, DepthToSpace(2)(keras.layers.Conv2D(4, 3, padding="same")(x)), name="normalised_by_map")


def as_trained():
    """Branches, normalisation and what is for training alone, as RepVGG and SESR have them."""
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(6, 3, padding="same", use_bias=False)(image)
    x = keras.layers.SpatialDropout2D(0.2)(keras.layers.ReLU()(keras.layers.BatchNormalization()(x)))
    wide = keras.layers.Conv2D(6, 1)(keras.layers.Conv2D(20, 3, padding="same")(x))
    x = keras.layers.PReLU(shared_axes=(1, 2))(keras.layers.Add()([wide, keras.layers.Conv2D(6, 1)(x), x]))
    x = keras.layers.GaussianNoise(0.1)(keras.layers.Dropout(0.2)(x))
    return keras.Model(image, DepthToSpace(2)(keras.layers.Conv2D(4, 3, padding="same")(x)), name="as_trained")


def beside(method, channels=1, **options):
    """A small network beside a fixed enlargement, its input rescaled."""
    image = keras.Input((None, None, channels))
    x = keras.layers.Rescaling(2.0, offset=-1.0)(image)
    x = keras.layers.Conv2D(5, 3, padding="same", activation="relu")(x)
    x = DepthToSpace(2)(keras.layers.Conv2D(4 * channels, 3, padding="same")(x))
    fixed = FixedUpsampler(method, 2, name="fixed", **options)(image)
    return keras.Model(image, keras.layers.Add()([fixed, x]), name=f"beside_{method}")


@pytest.mark.parametrize(
    "model",
    [
        lambda: zoo.create_model("espcn", 3, channels=3),
        *(lambda scale=scale: zoo.create_model("fsrcnn_s", scale, upsampler="subpixel") for scale in (2, 3, 4)),
        lambda: zoo.create_model("gecko_s", 2, maps=6, depth=2),
        lambda: zoo.create_model("espcn_residual", 3),
        lambda: zoo.create_model("espcn_residual", 2, channels=3),
        lambda: beside("nearest"),
        lambda: beside("bilinear", channels=3),
        lambda: zoo.create_model("gecko", 3, maps=6, depth=3, separable=True),
        home_made,
        as_trained,
        by_map,
        normalised_by_map,
    ],
)
def test_a_row_is_what_the_model_computes(model):
    model = random(model())
    row = read_row(model)
    image = np.random.default_rng(1).random((7, 10, row.channels), dtype=np.float32)
    expected = np.asarray(model(image[None]))[0]
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(computed(row, image), expected, rtol=0, atol=tolerance)
    # Control: without the last layer's first kernel it is another picture.
    row.layers[-1].kernel[..., 0] = 0
    assert np.abs(computed(row, image) - expected).max() > 100 * tolerance


def shifted(x):
    return keras.layers.BatchNormalization(beta_initializer="ones", name="norm")(x)


def last(x):
    return keras.layers.Conv2D(4, 3, padding="same")(x)


def refused(end):
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(image)
    return keras.Model(image, end(x), name="mine")


@pytest.mark.parametrize(
    ("end", "word"),
    [
        # Zeros beyond the border of what it gives are not those of what it takes.
        (lambda x: DepthToSpace(2)(last(shifted(keras.layers.ReLU()(x)))), "norm"),
        (lambda x: DepthToSpace(2)(keras.layers.Conv2D(4, 2, padding="same", name="even")(x)), "even"),
        (lambda x: DepthToSpace(2)(keras.layers.Conv2D(4, 3, dilation_rate=2, padding="same", name="far")(x)), "far"),
        (lambda x: keras.layers.ReLU(name="after")(DepthToSpace(2)(x)), "after"),
        (lambda x: DepthToSpace(2)(keras.layers.Activation("gelu", name="bell")(x)), "bell"),
    ],
)
def test_the_layer_in_the_way_is_named(tmp_path, end, word):
    with pytest.raises(UsageError, match=f"mine's (layer|2 linear operations:) {word}"):
        write_shader(refused(end), tmp_path / "mine.glsl")
    assert not list(tmp_path.iterdir())


def test_too_many_maps_and_a_false_border_are_refused(tmp_path):
    wide = zoo.create_model("fsrcnn", 2, d=132, upsampler="subpixel")
    with pytest.raises(UsageError, match="at most 128 maps .* Received: 132"):
        write_shader(wide, tmp_path / "wide.glsl")
    with pytest.raises(UsageError, match="border=mirror beside"):
        write_shader(beside("bicubic", border="renormalise"), tmp_path / "mine.glsl", border="zeros")
    with pytest.raises(UsageError, match="border"):
        write_shader(home_made(), tmp_path / "mine.glsl", border="grey")
    assert not list(tmp_path.iterdir())


def test_the_command_writes_a_shader_with_its_terms(tmp_path):
    assert main(["--model=fsrcnn_s_x2", "--formats=glsl", f"--output={tmp_path}", "--border=zeros", "--nocheck"]) == 0
    text = (tmp_path / "fsrcnn_s_x2.glsl").read_text(encoding="utf-8")
    assert "research only" in text and "--border=zeros" in text and text.count("//!HOOK LUMA") == 3


def difference(model, folder, border="zeros", text=None):
    row = read_row(model)
    path = folder / "network.glsl"
    path.write_text(text or shader(row, border), encoding="utf-8")
    image = measure.photographs(row.channels, (45, 67))[0]
    reach = row.radius if border == "mirror" else 0
    padded = np.pad(image, [(reach, reach)] * 2 + [(0, 0)], mode="symmetric")
    cut = slice(reach * row.scale, -reach * row.scale or None)
    expected = np.asarray(model(padded[None]))[0][cut, cut].clip(0, 1)
    return np.abs(libplacebo.run(path, image, row.scale) - expected).max()


# SRCNN's convolutions run in HR space.
PRESETS = [name for name in zoo.list_presets() if not name.startswith("srcnn")]


def test_no_preset_but_those_in_hr_space_is_left_out(tmp_path):
    assert len(zoo.list_presets("srcnn*")) == len(zoo.list_presets()) - len(PRESETS) == 3
    with pytest.raises(UsageError, match=r"srcnn_x2's layer upsampler \(FixedUpsampler\)"):
        write_shader(zoo.load("srcnn_x2"), tmp_path / "srcnn_x2.glsl")


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_libplacebo_computes_what_the_zoo_does_and_loses_nothing(driver, tmp_path, name):
    """Beside `zoo.upscale`, which mirrors the picture likewise; PSNR of a photograph."""
    model = zoo.load(name)
    row = read_row(model)
    _, lr_image, hr_image = next(iter(zoo.data.sample(row.scale, row.channels, split="heldout").pictures()))
    # Odd sides.
    height, width = ((side - 2) // 2 * 2 + 1 for side in lr_image.shape[:2])
    lr_image = lr_image[:height, :width].astype(np.float32) / 255
    hr_image = hr_image[: height * row.scale, : width * row.scale].astype(np.float64) / 255
    path = tmp_path / f"{name}.glsl"
    write_shader(model, path)
    received = libplacebo.run(path, lr_image, row.scale)
    given = lr_image if row.channels == 3 else lr_image[..., 0]
    expected = np.reshape(zoo.upscale.upscale(given, model), received.shape)
    assert np.abs(received - expected).max() < 0.01
    ours, theirs = (-10 * np.log10(np.mean((each - hr_image) ** 2)) for each in (received, expected))
    assert abs(ours - theirs) < 0.02
    # Control: a picture that is mirrored elsewhere is another one.
    assert np.abs(received[::-1] - expected).max() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("border", ["zeros", "mirror"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: zoo.load("fsrcnn_s_x2"),
        lambda: zoo.load("gecko_rgb_x3"),
        lambda: scaled(zoo.create_model("espcn_residual", 3)),
        lambda: scaled(zoo.create_model("espcn_residual", 2, channels=3)),
        lambda: scaled(beside("nearest")),
        lambda: scaled(beside("bilinear", channels=3)),
        lambda: scaled(by_map()),
    ],
)
def test_libplacebo_computes_what_keras_does(driver, tmp_path, make, border):
    assert difference(make(), tmp_path, border) < 0.01


def scaled(model):
    """Random weights that leave most pixels between black and white."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(scale=0.3 / np.sqrt(np.prod(weight.shape[:-1]) or 1), size=weight.shape))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("version", sorted(shader_programs.VERSIONS))
def test_every_pass_compiles_for_phones_and_for_vulkan(version):
    if shader_programs.missing():
        pytest.skip(f"shaders need {shader_programs.missing()}")
    models = zoo.load("gecko_s_x2"), zoo.load("fsrcnn_rgb_x3"), beside("bilinear"), beside("nearest", channels=3)
    for model in models:
        row = read_row(model)
        for border in ("mirror", "zeros"):
            text = shader(row, border)
            assert len(shader_programs.programs(text, version)) == len(passes(row))
            assert shader_programs.errors(text, version) == []
    # Controls: a name that is not there, and a function that ES 3.1 does not have.
    assert shader_programs.errors(text.replace("vec4 a0", "vec4 b0", 1), version)
    odd = text.replace("barrier();", "dvec4 wide; barrier();", 1)
    assert bool(shader_programs.errors(odd, version)) == (version == "es")


def test_a_pass_reads_what_its_text_reads():
    """Reads are counted from the layers, and here from the text: those in a loop by what the loop runs over."""
    rgb = zoo.create_model("fsrcnn", 3, channels=3, upsampler="subpixel")
    separable = zoo.create_model("gecko_s", 2, maps=6, separable=True)
    for model in (zoo.create_model("gecko_s", 2), rgb, separable):
        row = read_row(model)
        steps, parts = passes(row), shader(row).split("//!HOOK ")[1:]
        assert len(steps) == len(parts)
        for step, text in zip(steps, parts):
            loops = re.findall(r"t < (\d+); t \+= 128\) \{\n(.*?)\n\}", text, re.DOTALL)
            inside = sum(int(count) * body.count("texelFetch") for count, body in loops) / 128
            outside = text.count("texelFetch") - sum(body.count("texelFetch") for _, body in loops)
            assert step.reads == inside + outside
            stores = row.scale**2 if step is steps[-1] else step.writes
            assert text.count("imageStore") == stores


@pytest.mark.slow
def test_a_sum_of_maps_on_libplacebo(driver, tmp_path):
    gecko = zoo.create_model("gecko_s", 2)
    image = keras.ops.convert_to_tensor(measure.photographs(1, (45, 67))[0][None])
    # The picture itself: every layer passes on its first map, doubled by the sum.
    for layer in gecko.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = np.zeros(layer.kernel.shape)
            kernel[kernel.shape[0] // 2, kernel.shape[1] // 2, 0, 0] = 0.7
            layer.kernel.assign(kernel)
    assert np.ptp(np.asarray(gecko(image))) > 0.01
    assert difference(gecko, tmp_path) < 0.01
    text = shader(read_row(gecko), "zeros")
    lines = [line for line in text.splitlines() if not line.startswith("a0 += L0_mul")]
    assert len(lines) == text.count("\n") - 1 and difference(gecko, tmp_path, text="\n".join(lines)) > 0.01


@pytest.mark.slow
def test_a_swapped_phase_is_caught(driver, tmp_path):
    network = zoo.load("fsrcnn_s_x2")
    text = shader(read_row(network), "zeros")
    first, second = (f"(group + at) * ivec2(2, 2) + ivec2({place})" for place in ("1, 0", "0, 1"))
    stores = text.rindex("void hook()")
    swapped = text[:stores] + text[stores:].replace(first, "X").replace(second, first).replace("X", second)
    assert swapped != text and difference(network, tmp_path, text=swapped) > 0.03


@pytest.mark.slow
def test_the_report_has_the_difference_from_keras(driver, tmp_path):
    assert main(["--model=fsrcnn_s_x3", "--formats=glsl", f"--output={tmp_path}"]) == 0
    assert "mpv --glsl-shaders" in (tmp_path / "report.md").read_text(encoding="utf-8")
    broken = tmp_path / "broken.glsl"
    broken.write_text((tmp_path / "fsrcnn_s_x3.glsl").read_text(encoding="utf-8").replace("vec4 a0", "vec4 b0", 1))
    with pytest.raises(UsageError, match=r"libplacebo.*broken\.glsl"):
        libplacebo.run(broken, np.zeros((8, 9, 1)), 3)
