"""`zoo.upscale.upscale` on arrays: exact tiles, the definition of colours, alpha, 8 and 16 bits, ensemble, chains."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from upscale_cases import bicubic, half_up, network, photo, with_border

from zoo import registry
from zoo.engines import tiles
from zoo.engines.keras import KerasEngine
from zoo.engines.tflite import TFLiteEngine
from zoo.errors import UsageError
from zoo.upscale import Chain, Engine, open_engine, upscale

SHAPES = [(45, 61), (38, 23, 3), (31, 50, 4), (40, 33, 2), (33, 41, 1)]


class Claims(Engine):
    """An engine that claims another radius than its own."""

    def __init__(self, engine, radius, unbounded=""):
        super().__init__(engine.name, engine.scale, engine.channels, radius, unbounded)
        self.run = engine.run


@pytest.mark.parametrize("name", ["luma", "rgb", "thin"])
def test_tiles_do_not_change_a_bit(tflite, name):
    engine = open_engine(tflite(name))
    for shape, dtype in itertools.product(SHAPES, (np.uint8, np.uint16)):
        image = photo(*shape[:2], *(shape[2:] or (1,)), dtype=dtype).reshape(shape)
        if shape[-1] in (2, 4):
            image[5:20, 3:15, -1] = 0
        whole = upscale(image, engine, tile=1000)
        assert whole.shape == (shape[0] * engine.scale, shape[1] * engine.scale, *shape[2:])
        assert np.array_equal(upscale(image, engine, tile=(12, 17)), whole)


@pytest.mark.parametrize("name", ["luma", "rgb", "thin"])
def test_the_overlap_is_needed_and_no_larger_than_needed(tflite, name):
    keras = KerasEngine(network(name))
    for engine, tolerance in ((open_engine(tflite(name)), 0), (keras, 2e-6)):
        lr_image = photo(60, 71, engine.channels).astype(np.float32) / 255
        whole = engine.run(lr_image)
        assert np.abs(tiles.run_picture(engine, lr_image, 13) - whole).max() <= tolerance * np.abs(whole).max()
        narrow = tiles.run_picture(Claims(engine, keras.radius - 1), lr_image, 13)
        assert np.abs(narrow - whole).max() > 1e-4


@pytest.mark.parametrize("name", registry.list_presets())
def test_presets_tile_exactly_by_the_radius_of_their_card(name):
    engine = open_engine(name)
    assert engine.radius == registry.card(name)["radius"]
    lr_image = photo(70, 83, engine.channels).astype(np.float32) / 255
    assert np.array_equal(tiles.run_picture(engine, lr_image, 19), engine.run(lr_image))


def test_keras_models_run_as_tflite_in_lr_space_where_they_can(tflite):
    image = photo(50, 37)
    for name in ("luma", "rgb"):
        model = network(name)
        engine = open_engine(model)
        assert not isinstance(engine, KerasEngine)
        assert (engine.scale, engine.radius) == (2, KerasEngine(model).radius)
        converted = upscale(image, engine, tile=20)
        assert np.array_equal(converted, upscale(image, engine))
        # Sums in another order: rounding may go the other way where a value lies half-way.
        by_keras = upscale(image, KerasEngine(model))
        difference = np.abs(by_keras.astype(int) - converted)
        assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


def test_a_layer_that_tflite_lacks_runs_by_keras():
    import keras

    picture = keras.Input((None, None, 1))
    model = keras.Model(picture, keras.ops.erf(keras.layers.UpSampling2D(2)(picture)))
    engine = open_engine(model)
    assert isinstance(engine, KerasEngine)
    image = photo(20, 30, 1)[..., 0]
    assert upscale(image, engine).shape == (40, 60)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(17, 26, 3), (1, 1, 3), (1, 40, 3), (3, 2, 3)])
def test_the_definition_of_colours(tflite, dtype, shape):
    """Y by the network (here: nearest), Cb and Cr by bicubic, in BT.601 written out anew in float64."""
    image = photo(*shape, dtype=dtype)
    maximum = np.iinfo(dtype).max
    red, green, blue = np.moveaxis(image / maximum, -1, 0)
    y = 16 + 65.481 * red + 128.553 * green + 24.966 * blue
    cb = 128 - 37.797 * red - 74.203 * green + 112 * blue
    cr = 128 + 112 * red - 93.786 * green - 18.214 * blue
    y = y.repeat(2, 0).repeat(2, 1) - 16
    cb, cr = bicubic(cb, 2) - 128, bicubic(cr, 2) - 128
    # The usual inverse: Kr = 0.299, Kb = 0.114 and their exact quotients.
    rgb = np.stack(
        [
            y / 219 + cr / 224 * 2 * (1 - 0.299),
            y / 219 - cb / 224 * 2 * (1 - 0.114) * 0.114 / 0.587 - cr / 224 * 2 * (1 - 0.299) * 0.299 / 0.587,
            y / 219 + cb / 224 * 2 * (1 - 0.114),
        ],
        -1,
    )
    expected = half_up(rgb * maximum, dtype).astype(int)
    difference = np.abs(upscale(image, tflite("nearest")) - expected)
    # float32 against float64, and BT.601's constants rounded to three digits: a value half-way may fall either way.
    assert difference.max() <= (1 if dtype == np.uint8 else 3) and (difference > 0).mean() <= 0.3
    if dtype == np.uint8:
        assert (difference > 0).mean() < 5e-3
    # Control: the red and blue planes of the result are not exchanged, nor is full range taken for studio range.
    if shape[0] > 3:
        assert np.abs(upscale(image[..., ::-1], tflite("nearest")) - expected).max() > 20


@pytest.mark.parametrize("name", ["bicubic", "bicubic3"])
def test_a_bicubic_network_gives_bicubic_rgb(tflite, name):
    image, scale = photo(29, 18), 3 if name == "bicubic3" else 2
    expected = half_up(np.stack([bicubic(image[..., channel], scale) for channel in range(3)], -1), np.uint8)
    difference = np.abs(upscale(image, tflite(name), tile=9).astype(int) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


def test_grey_is_y_as_it_is_and_rgb_networks_take_it_too(tflite):
    image = photo(20, 31, 1)[..., 0]
    assert np.array_equal(upscale(image, tflite("nearest")), image.repeat(2, 0).repeat(2, 1))
    engine = open_engine(tflite("rgb"))
    result = with_border(engine.run, np.repeat(image[..., None], 3, 2).astype(np.float32) / 255, engine.scale)
    expected = half_up(result.astype(np.float64).mean(-1) * 255, np.uint8)
    assert np.abs(upscale(image, engine).astype(int) - expected).max() <= 1


def test_transparency_leaves_no_dark_fringe(tflite, monkeypatch):
    image = np.zeros((40, 44, 4), np.uint8)
    rows, columns = np.mgrid[:40, :44]
    disc = (rows - 19) ** 2 + (columns - 21) ** 2 < 150
    image[disc] = (250, 240, 230, 255)
    image[18:22, 18:22, 3] = 130
    result = upscale(image, tflite("bicubic"), tile=11)
    visible = result[..., 3] > 0
    assert np.abs(result[visible][:, :3].astype(int) - (250, 240, 230)).max() <= 1
    expected = half_up(bicubic(image[..., 3], 2), np.uint8)
    assert np.abs(result[..., 3].astype(int) - expected).max() <= 1
    # Control: with the hidden black left where it is, the edge is dark.
    monkeypatch.setattr("zoo.upscale.planes.spread_colours", lambda *_: None)
    dark = upscale(image, tflite("bicubic"))
    assert dark[visible][:, :3].min() < 150


def test_the_colours_of_opaque_and_half_visible_pixels_are_left_alone(tflite):
    image = photo(25, 30, 4)
    image[..., 3] = np.where(image[..., 3] > 120, 255, 7)
    result = upscale(image, tflite("luma"))
    assert np.array_equal(result[..., :3], upscale(image[..., :3], tflite("luma")))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ensemble_is_the_mean_of_eight(tflite, dtype):
    engine = open_engine(tflite("luma"))
    image = photo(21, 34, 1, dtype)[..., 0]
    lr_image = (image.astype(np.float32) / np.float32(np.iinfo(dtype).max))[..., None]
    total = np.zeros((42, 68, 1))
    for transpose in (False, True):
        for vertical in (1, -1):
            for horizontal in (1, -1):
                turned = lr_image.transpose(1, 0, 2) if transpose else lr_image
                turned = np.ascontiguousarray(turned[::vertical, ::horizontal])
                sr_image = with_border(engine.run, turned, engine.scale)[::vertical, ::horizontal]
                total += sr_image.transpose(1, 0, 2) if transpose else sr_image
    maximum = np.iinfo(dtype).max
    expected = half_up(total[..., 0] / 8 * maximum, dtype).astype(int)
    result = upscale(image, engine, ensemble=True)
    assert np.abs(result - expected).max() <= 1
    assert np.array_equal(upscale(image, engine, tile=(6, 11), ensemble=True), result)
    assert np.abs(upscale(image, engine) - expected).max() > maximum // 100


def test_a_chain_is_one_network_after_another(tflite):
    first, second = open_engine(tflite("luma3")), open_engine(tflite("luma"))
    chain = Chain([first, second])
    first, second = chain.engines
    assert (chain.scale, chain.channels, chain.radius) == (6, 1, 4 + 2)
    image = photo(26, 19)
    grey = image[..., 0]
    lr_image = grey[..., None].astype(np.float32) / 255
    sr_image = with_border(lambda padded: second.run(np.clip(first.run(padded), 0, 1)), lr_image, 6)
    assert np.array_equal(upscale(grey, chain), half_up(sr_image[..., 0] * 255, np.uint8))
    assert np.array_equal(upscale(image, chain, tile=5), upscale(image, chain))
    with pytest.raises(UsageError, match="same number of channels"):
        Chain([first, open_engine(tflite("rgb"))])


def test_a_file_of_fixed_size_is_cut_to_its_size(tflite):
    fixed, free = (TFLiteEngine(tflite("luma", size).read_bytes(), "luma") for size in ((24, 32), None))
    assert fixed.size == (24, 32) and free.size is None
    for shape in ((24, 32, 3), (25, 90, 3), (71, 33, 3)):
        image = photo(*shape)
        assert np.array_equal(upscale(image, fixed), upscale(image, free))
    # Smaller: mirrored beyond its border.
    image = photo(9, 40)
    assert np.array_equal(upscale(image, fixed), upscale(image, free))
    with pytest.raises(UsageError, match="square size"):
        upscale(image, fixed, ensemble=True)


def test_windows_cover_the_picture_once():
    for length in (1, 5, 30, 31, 97, 400):
        for window in (9, 16, 64, 500):
            for radius in (0, 1, 4):
                covered = []
                for part in tiles.windows(length, window, radius):
                    covered += range(part.keep_start, part.keep_stop)
                    assert 0 <= part.start <= part.keep_start and part.keep_stop <= part.stop <= length
                    assert part.stop - part.start == min(window, length)
                    assert part.start == 0 or part.keep_start - part.start >= radius
                    assert part.stop == length or part.stop - part.keep_stop >= radius
                assert covered == list(range(length))


def test_a_network_that_reads_the_whole_picture_gets_it_whole_or_not_at_all(tflite):
    engine = Claims(open_engine(tflite("nearest")), None, "MEAN")
    image = photo(20, 30)
    assert np.array_equal(upscale(image, engine), upscale(image, tflite("nearest")))
    with pytest.raises(UsageError, match=r"reach is known.*MEAN"):
        upscale(image, engine, tile=10)
    with pytest.raises(UsageError, match=r"reach is known.*MEAN"):
        upscale(np.zeros((1100, 1000), np.uint8), engine)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 5, 5), np.uint8), r"shape=\(4, 5, 5\)"),
        (np.zeros((0, 5), np.uint8), r"shape=\(0, 5\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"shape=\(2, 4, 5, 3\)"),
        (np.zeros(7, np.uint8), r"shape=\(7,\)"),
        (np.full((4, 5), 2.0), "float64"),
        (np.zeros((4, 5), np.int16), "int16"),
    ],
    ids=["five channels", "empty", "batch", "vector", "float", "signed"],
)
def test_arrays_of_another_kind_are_refused(tflite, image, words):
    with pytest.raises(UsageError, match=f"Expected .*Received: .*{words}"):
        upscale(image, tflite("luma"))


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("a.png", "Expected a picture as an array, .* Received: the path 'a.png'$"),
        (Path("in") / "a.png", "Received: the path 'in/a.png'$"),
        (
            np.zeros((3, 20, 30)),
            r"shape=\(3, 20, 30\); where the channels come first, give image.transpose\(1, 2, 0\)$",
        ),
        (np.zeros((2, 20, 30, 3)), r"shape=\(2, 20, 30, 3\); give one picture of a batch at a time$"),
        (
            np.full((20, 30), 255.0),
            r"Expected image as uint8 in 0 to 255 or floating point in \[0, 1\] .*\[255, 255\]$",
        ),
        (np.zeros((20, 30), np.int64), r"Expected uint8, uint16 or floating point in \[0, 1\]. Received: dtype int64$"),
    ],
    ids=["path", "Path", "channels first", "batch", "0-255", "int64"],
)
def test_what_people_give_by_mistake_is_named(tflite, image, sentence):
    with pytest.raises(UsageError, match=sentence):
        upscale(image, tflite("luma"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["luma", "rgb"])
def test_floats_give_what_bytes_give_but_for_the_rounding(tflite, name, shape, dtype):
    image, engine = photo(*shape[:2], *(shape[2:] or (1,))).reshape(shape), open_engine(tflite(name))
    if shape[-1] in (2, 4):
        image[5:20, 3:15, -1] = 0
    result = upscale(image.astype(dtype) / 255, engine, tile=(12, 17))
    assert result.dtype == dtype and result.min() >= 0 and result.max() <= 1
    expected = upscale(image, engine)
    assert result.shape == expected.shape
    # Half a level, and what float32 loses on the way.
    assert np.abs(result * 255 - expected).max() <= 0.5 + 1e-3
    assert np.abs(result * 255 - np.round(result * 255)).max() > 0.4  # control: nothing was rounded


@pytest.mark.parametrize("tile", [0, -3, (4, 0), (1, 2, 3)])
def test_tiles_of_no_size_are_refused(tflite, tile):
    with pytest.raises(UsageError, match="Expected tile"):
        upscale(photo(8, 8), tflite("luma"), tile=tile)


def test_no_tensorflow_for_tflite(tflite):
    code = (
        "import sys, numpy, zoo.upscale; "
        f"zoo.upscale.upscale(numpy.zeros((30, 40, 3), 'uint8'), {str(tflite('thin'))!r}); "
        "sys.exit(', '.join({'keras', 'tensorflow'} & set(sys.modules)) or 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
