"""No grey frame: beyond its border a picture goes on mirrored, as far as the network reaches."""

import re

import numpy as np
import pytest
from upscale_cases import photo, picture, with_border

import zoo
from zoo import registry
from zoo.engines import mirrored, tiles
from zoo.engines.engine import Engine
from zoo.engines.keras import KerasEngine
from zoo.evaluate import evaluate
from zoo.upscale import Chain, open_engine, upscale


def frame(result: np.ndarray, scale: int) -> int:
    """How much a result of one colour differs from its middle, phase by phase, levels."""
    height, width = (side // scale // 2 * scale for side in result.shape[:2])
    within = result[height : height + scale, width : width + scale].astype(int)
    repeats = (result.shape[0] // scale, result.shape[1] // scale) + (1,) * (result.ndim - 2)
    return np.abs(result - np.tile(within, repeats)).max()


@pytest.mark.parametrize("name", registry.list_presets())
def test_a_white_picture_has_no_frame(name, monkeypatch):
    engine = open_engine(name)
    white = np.full((33, 46, 3), 255, np.uint8)
    for image in (white, white[..., 0], white[:1, :1, 0], white[:2, :3]):
        assert frame(upscale(image, engine), engine.scale) <= 1
    # Control: the network's own border.
    monkeypatch.setattr(mirrored, "margin", lambda engine: None)
    assert frame(upscale(white, engine), engine.scale) > 1


@pytest.mark.parametrize("shape", [(20, 31), (1, 1), (1, 40), (3, 2)])
@pytest.mark.parametrize("name", ["luma", "rgb", "thin"])
def test_the_border_is_that_of_a_picture_that_goes_on_mirrored(tflite, name, shape):
    engine = open_engine(tflite(name))
    image = photo(*shape, engine.channels).astype(np.float32) / 255
    expected = with_border(engine.run, image, engine.scale).clip(0, 1)
    result = upscale(image, engine).reshape(expected.shape)
    assert np.abs(result - expected).max() <= 1e-5
    # Control: zeros, and the picture mirrored without the edge pixel's repetition.
    assert np.abs(engine.run(image).clip(0, 1) - expected).max() > 1e-3
    if min(shape) > 10:
        assert np.abs(with_border(engine.run, image, engine.scale, "reflect").clip(0, 1) - expected).max() > 1e-3


def test_networks_with_strides_keep_to_their_grid():
    import keras

    random = np.random.default_rng(2)
    image = keras.Input((None, None, 1))
    maps = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="tanh")(image)
    maps = keras.layers.Conv2DTranspose(4, 4, strides=2, padding="same")(maps)
    model = keras.Model(image, keras.layers.Conv2DTranspose(1, 4, strides=2, padding="same")(maps))
    model.set_weights([random.normal(0, 0.3, weights.shape) for weights in model.get_weights()])
    engine = KerasEngine(model)
    assert engine.step == 2
    for shape in ((20, 30, 1), (2, 44, 1)):
        lr_image = photo(*shape).astype(np.float32) / 255
        expected = with_border(engine.run, lr_image, 2).clip(0, 1)
        for tile in (None, 7, (5, 4)):
            assert np.abs(upscale(lr_image, engine, tile) - expected).max() < 1e-5


def test_windows_keep_the_picture_once_and_reach_far_enough(tflite):
    engine, cells = open_engine(tflite("nearest")), open_engine(tflite("luma"))
    for height, width in ((1, 1), (5, 30), (97, 400), (1, 2000)):
        for given in (engine, cells):
            for tile in (None, 9, (64, 500)):
                planned = mirrored.tiles_of(height, width, given, tile)
                counted = np.zeros((height, width), int)
                for rows, columns in planned:
                    counted[rows.keep_start : rows.keep_stop, columns.keep_start : columns.keep_stop] += 1
                    for part in (rows, columns):
                        assert part.keep_start - part.start >= given.radius <= part.stop - part.keep_stop
                assert (counted == 1).all()
    assert mirrored.indices(tiles.Part(-5, 5, 0, 2), 2).tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 0, 0]


def test_a_file_of_fixed_size_is_cut_where_the_margin_does_not_fit(tflite):
    fixed, free = open_engine(tflite("luma", (24, 32))), open_engine(tflite("luma"))
    for shape in ((24, 32), (9, 40), (20, 28), (1, 1)):
        image = photo(*shape)
        assert np.abs(upscale(image, fixed).astype(int) - upscale(image, free)).max() <= 1
    assert len(mirrored.tiles_of(24 - 2 * fixed.radius, 32 - 2 * fixed.radius, fixed)) == 1
    assert len(mirrored.tiles_of(24, 32, fixed)) == 4


class Narrow(Engine):
    """An engine of one size that leaves nothing between two margins, or whose reach is not known."""

    def __init__(self, engine, radius, unbounded, size):
        super().__init__(engine.name, engine.scale, engine.channels, radius, unbounded, size)
        self.run = engine.run


@pytest.mark.parametrize(
    ("radius", "unbounded", "size", "words"),
    [
        (None, "MEAN", None, r"sees its own padding .*--radius states it, in LR px\): MEAN"),
        (12, "", (24, 32), "its size, 32×24, is no more than twice its reach"),
    ],
    ids=["unknown reach", "small"],
)
def test_where_it_is_not_possible_the_border_is_the_networks_own_and_that_is_said(
    tflite, radius, unbounded, size, words
):
    engine = open_engine(tflite("luma"))
    own = Narrow(engine, radius, unbounded, size)
    image = photo(24, 32, 1).astype(np.float32) / 255
    assert np.array_equal(upscale(image, own), engine.run(image).clip(0, 1))
    assert re.search(words, mirrored.remark(own)) and mirrored.remark(engine) == ""


def test_the_command_says_it_once(upscale_command, tmp_path):
    import keras

    image = keras.Input((None, None, 1))
    mean = keras.ops.mean(image, axis=(1, 2), keepdims=True)
    keras.Model(image, keras.layers.UpSampling2D(2)(image + 0 * mean)).save("mean.keras")
    for name in "ab":
        picture(tmp_path / "in" / f"{name}.png")
    code, _, errors = upscale_command("in", "--output=out", model="mean.keras")
    assert code == 0 and errors.count("sees its own padding") == 1
    assert upscale_command("in", "--output=other")[2] == ""


def test_a_chain_is_extended_once(tflite):
    first, second = open_engine(tflite("luma3")), open_engine(tflite("luma"))
    chain = Chain([first, second])
    image = photo(26, 19, 1).astype(np.float32) / 255

    def both(padded):
        return chain.engines[1].run(chain.engines[0].run(padded).clip(0, 1))

    expected = with_border(both, image, 6).clip(0, 1)
    assert np.abs(upscale(image, chain) - expected).max() < 1e-5
    # Control: each by itself mirrors what the first made.
    assert np.abs(upscale(upscale(image, first), second) - expected).max() > 1e-3


def test_the_protocol_measures_the_networks_own_border(tflite):
    engine = open_engine(tflite("luma"))
    pictures = [("a", photo(40, 62))]
    (row,) = evaluate(engine, pictures, 2, "y_unshaved")
    (own,) = evaluate(lambda lr_image: engine.run(lr_image), pictures, 2, "y_unshaved")
    assert (row.psnr, row.ssim) == (own.psnr, own.ssim)
    (shown,) = evaluate(lambda lr_image: upscale(lr_image, engine), pictures, 2, "y_unshaved")
    assert abs(shown.psnr - own.psnr) > 1e-3


def test_a_network_of_one_pixel_has_no_margin():
    model = zoo.create_model("espcn", scale=2)
    engine = Narrow(KerasEngine(model), 0, "", None)
    assert mirrored.margin(engine) == 0
    assert [tuple(part) for tile in mirrored.tiles_of(3, 4, engine) for part in tile] == [(0, 3, 0, 3), (0, 4, 0, 4)]
