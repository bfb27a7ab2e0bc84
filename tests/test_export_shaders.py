"""Shaders compute what Keras does: on libplacebo, the real thing, at odd sizes, borders included."""

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from export import measure
from export.__main__ import main
from export.shaders import libplacebo
from export.shaders.mpv import shader, write_shader
from export.shaders.row import read_row
from zoo.errors import UsageError
from zoo.layers import DepthToSpace

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
    for number, layer in enumerate(row.layers):
        side = layer.kernel.shape[0]
        padded = np.pad(x, [(side // 2, side // 2)] * 2 + [(0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
        x = np.einsum("hwcij,ijco->hwo", windows, layer.kernel) + layer.bias
        if layer.activation == "tanh":
            x = np.tanh(x)
        elif layer.activation == "relu":
            x = np.maximum(x, 0)
        elif layer.activation == "prelu":
            x = np.where(x > 0, x, layer.slopes * x)
        maps.append(x)
        if number in row.added:
            x = maps[-1] = x + maps[row.added[number]]
    height, width, scale = *image.shape[:2], row.scale
    x = x.reshape(height, width, scale, scale, row.channels).transpose(0, 2, 1, 3, 4)
    return x.reshape(height * scale, width * scale, row.channels)


def random(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(scale=0.2, size=weight.shape) for weight in model.get_weights()])
    return model


def home_made():
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", use_bias=False)(image)
    x = keras.layers.LeakyReLU(0.2)(keras.layers.Conv2D(5, 1, padding="same")(x))
    return keras.Model(image, DepthToSpace(2)(keras.layers.Conv2D(4, 3, padding="same")(x)), name="home_made")


@pytest.mark.parametrize(
    "model",
    [
        lambda: zoo.create_model("espcn", 3, channels=3),
        *(lambda scale=scale: zoo.create_model("fsrcnn_s", scale, upsampler="subpixel") for scale in (2, 3, 4)),
        lambda: zoo.create_model("gecko_s", 2, maps=6, depth=2),
        home_made,
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


def refused(end):
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(image)
    return keras.Model(image, end(x), name="mine")


@pytest.mark.parametrize(
    ("end", "word"),
    [
        (lambda x: DepthToSpace(2)(keras.layers.BatchNormalization(name="norm")(x)), "norm"),
        (lambda x: DepthToSpace(2)(keras.layers.Conv2D(4, 2, padding="same", name="even")(x)), "even"),
        (lambda x: DepthToSpace(2)(keras.layers.Conv2D(4, 3, dilation_rate=2, padding="same", name="far")(x)), "far"),
        (lambda x: keras.layers.ReLU(name="after")(DepthToSpace(2)(x)), "after"),
        (lambda x: DepthToSpace(2)(keras.layers.Activation("gelu", name="bell")(x)), "bell"),
    ],
)
def test_the_layer_in_the_way_is_named(tmp_path, end, word):
    with pytest.raises(UsageError, match=f"mine's layer {word}"):
        write_shader(refused(end), tmp_path / "mine.glsl")
    assert not list(tmp_path.iterdir())


def test_too_many_maps_and_a_false_border_are_refused(tmp_path):
    wide = zoo.create_model("fsrcnn", 2, d=68, upsampler="subpixel")
    with pytest.raises(UsageError, match="at most 64 maps .* Received: 68"):
        write_shader(wide, tmp_path / "wide.glsl")
    with pytest.raises(UsageError, match="border"):
        write_shader(home_made(), tmp_path / "mine.glsl", border="grey")
    assert not list(tmp_path.iterdir())


def test_the_command_writes_a_shader_with_its_terms(tmp_path):
    assert main(["--model=fsrcnn_s_x2", "--formats=glsl", f"--output={tmp_path}", "--border=zeros", "--nocheck"]) == 0
    text = (tmp_path / "fsrcnn_s_x2.glsl").read_text(encoding="utf-8")
    assert "research only" in text and "--border=zeros" in text and text.count("//!HOOK LUMA") == 22


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


@pytest.mark.slow
@pytest.mark.parametrize("border", ["zeros", "mirror"])
@pytest.mark.parametrize("name", ["fsrcnn_s_x2", "fsrcnn_s_x3", "fsrcnn_s_x4", "fsrcnn_x2", "espcn_x3", "espcn_rgb_x3"])
def test_libplacebo_computes_what_keras_does(driver, tmp_path, name, border):
    assert difference(zoo.load(name), tmp_path, border) < 0.01


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
    lines = [line for line in text.splitlines() if not line.startswith("sum += L0_0_mul")]
    assert difference(gecko, tmp_path, text="\n".join(lines)) > 0.01


@pytest.mark.slow
def test_a_swapped_phase_is_caught(driver, tmp_path):
    network = zoo.load("fsrcnn_s_x2")
    text = shader(read_row(network), "zeros")
    swapped = text.replace("(phase.y * 2 + phase.x)", "(phase.x * 2 + phase.y)")
    assert swapped != text and difference(network, tmp_path, text=swapped) > 0.03


@pytest.mark.slow
def test_the_report_has_the_difference_from_keras(driver, tmp_path):
    assert main(["--model=fsrcnn_s_x3", "--formats=glsl", f"--output={tmp_path}"]) == 0
    assert "mpv --glsl-shaders" in (tmp_path / "report.md").read_text(encoding="utf-8")
    broken = tmp_path / "broken.glsl"
    broken.write_text((tmp_path / "fsrcnn_s_x3.glsl").read_text(encoding="utf-8").replace("vec4 sum", "vec4 sun", 1))
    with pytest.raises(UsageError, match=r"libplacebo.*broken\.glsl"):
        libplacebo.run(broken, np.zeros((8, 9, 1)), 3)
