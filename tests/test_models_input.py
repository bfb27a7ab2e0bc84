"""Wrong pictures into a network of the zoo get a sentence, however they come in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.errors import UsageError
from zoo.layers import Network

rng = np.random.default_rng(2)
PICTURES = rng.random((2, 9, 7, 1), np.float32)
LEVELS = (255 * PICTURES).astype(np.uint8)
WRONG = {
    "levels": (LEVELS, "Expected floating point in .0, 1.. Received: uint8; divide by 255.0"),
    "sixteen_bits": (LEVELS.astype(np.uint16), "Received: uint16; divide by 65535.0"),
    "integers": (LEVELS.astype(np.int64), "Received: int64"),
    "float_levels": (LEVELS.astype(np.float32), r"Expected values in \[0, 1\]. Received: values from .* to 25[0-9]"),
    "no_batch": (PICTURES[0], r"Expected pictures \(N, H, W, 1\). Received: shape \(9, 7, 1\); images\[None\]"),
    "no_axes": (PICTURES[0, ..., 0], r"Received: shape \(9, 7\); image\[None, :, :, None\]"),
    "channels_first": (PICTURES.transpose(0, 3, 1, 2), r"shape \(2, 1, 9, 7\); .* images.transpose\(0, 2, 3, 1\)"),
    "rgb": (np.repeat(PICTURES, 3, -1), r"Received: shape \(2, 9, 7, 3\); this network takes luma, zoo.upscale"),
}


@pytest.fixture(scope="module")
def model():
    return zoo.create_model("fsrcnn_s", scale=2, upsampler="subpixel")


@pytest.mark.parametrize("name", WRONG)
def test_wrong_pictures_get_a_sentence(model, name):
    images, sentence = WRONG[name]
    with pytest.raises(UsageError, match=sentence):
        model(images)
    trained = zoo.create_model("fsrcnn_s", scale=2)
    trained.compile("adam", "mse")
    for keras_own in (model.predict, trained.fit, trained.evaluate):
        with pytest.raises(UsageError, match=sentence):
            keras_own(images, verbose=0)
    # Tensors, also in a graph, show their types and shapes, and no values.
    if name != "float_levels":
        with pytest.raises(UsageError, match=sentence):
            model(tf.constant(images))
        with pytest.raises(UsageError, match=sentence.partition(". Received")[0]):
            tf.function(model, autograph=False)(tf.constant(images))


def test_also_after_another_batch_and_in_fit(model):
    rgb = zoo.create_model("espcn", scale=3, channels=3)
    assert rgb(np.repeat(PICTURES, 3, -1)).shape == (2, 27, 21, 3)
    with pytest.raises(UsageError, match="this network takes RGB"):
        rgb(PICTURES)
    trained = zoo.create_model("fsrcnn_s", scale=2)
    trained.compile("adam", "mse")
    with pytest.raises(UsageError, match="Received: uint8"):
        trained.fit(LEVELS, np.repeat(np.repeat(PICTURES, 2, 1), 2, 2), verbose=0)


def test_what_is_right_comes_through(model, tmp_path):
    expected = np.asarray(model(PICTURES))
    for images in (PICTURES.astype(np.float64), tf.constant(PICTURES), PICTURES.tolist()):
        np.testing.assert_allclose(
            model(tf.constant(images) if isinstance(images, list) else images), expected, atol=1e-6
        )
    np.testing.assert_allclose(model.predict(PICTURES, verbose=0), expected, atol=1e-6)
    # Noise around 0, as tests of layers have it, is no picture and no levels either.
    assert model(rng.normal(size=(1, 5, 6, 1))).shape == (1, 10, 12, 1)
    assert np.isnan(np.asarray(model(np.full((1, 5, 6, 1), np.nan, np.float32)))).any()


def test_the_file_a_copy_and_a_model_around_it_are_guarded_too(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    copy = keras.models.clone_model(model)
    assert type(again) is type(copy) is Network
    for each in (again, copy):
        with pytest.raises(UsageError, match="Received: uint8"):
            each(LEVELS)
    image = keras.Input((None, None, 1))
    around = keras.Model(image, model(image))
    np.testing.assert_allclose(around(PICTURES), model(PICTURES), atol=1e-6)


@pytest.mark.parametrize("name", ["espcn_x3", "gecko_x3", "srcnn_x3"])
def test_channels_first_in_keras_settings_changes_nothing(name, monkeypatch):
    images = rng.random((1, 9, 7, 1), np.float32)
    expected = np.asarray(zoo.load(name)(images))
    keras.config.set_image_data_format("channels_first")
    try:
        received = np.asarray(zoo.load(name)(images))
    finally:
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_allclose(received, expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_fit_validates_on_whole_pictures_by_the_protocol(channels):
    """Keras' own `fit` gives the figure of `zoo.evaluate`."""
    source = zoo.data.sample(3, channels, split="heldout")
    dataset = source.whole_pictures()
    assert len(dataset) == 1
    model = zoo.create_model("fsrcnn_s", scale=3, channels=channels)
    model.compile("adam", "mse", metrics=[zoo.metrics.PSNR(shave=3)])
    patches = source.patches(batch=2, lr_size=12, seed=0).take(1)
    history = model.fit(patches, validation_data=dataset, verbose=0).history
    pictures = [(name, hr[..., 0] if channels == 1 else hr) for name, _, hr in source.pictures()]
    expected = zoo.evaluate.mean(zoo.evaluate.evaluate(model, pictures, 3)).psnr
    assert history["val_psnr"][0] == pytest.approx(expected, abs=2e-3)


def test_whole_pictures_keep_lr_images_of_ones_own(tmp_path):
    from PIL import Image

    for folder, shape in (("HR", (36, 42)), ("LR", (18, 21))):
        (tmp_path / folder).mkdir()
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / folder / "a.png")
    source = zoo.data.from_folder(tmp_path, 2)
    ((lr, hr),) = source.whole_pictures()
    ((_, own, original),) = source.pictures()
    np.testing.assert_allclose(lr[0], own / 255, atol=1e-6)
    np.testing.assert_allclose(hr[0], original / 255, atol=1e-6)
    # Control: made ones are not rounded.
    made = zoo.data.from_folder(tmp_path, 2, lr_data="bicubic")
    ((lr, _),) = made.whole_pictures()
    ((_, rounded, _),) = made.pictures()
    assert 0.4 / 255 < np.abs(lr[0] - rounded / 255).max() < 1.5 / 255


def test_compile_with_the_functions_of_arrays_is_told_of_the_metrics(model):
    trained = zoo.create_model("fsrcnn_s", scale=2)
    trained.compile("adam", "mse", metrics=[zoo.metrics.psnr])
    with pytest.raises(UsageError, match=r"for `compile` there are zoo.metrics.PSNR\(\) and SSIM\(\)"):
        trained.fit(PICTURES, np.repeat(np.repeat(PICTURES, 2, 1), 2, 2), verbose=0)


def test_numpys_integers_are_options_of_pictures_too():
    image = rng.integers(0, 256, (11, 9), np.uint8)
    for tile in (np.int64(4), (np.int32(4), 5)):
        assert zoo.upscale.upscale(image, "fsrcnn_s_x2", tile=tile).shape == (22, 18)
    for options, sentence in (({"tile": "4"}, "Expected tile"), ({"tile": 4.5}, "Expected tile"),
                              ({"threads": 0}, "Expected threads to be an integer of at least 1")):  # fmt: skip
        with pytest.raises(UsageError, match=sentence):
            zoo.upscale.upscale(image, "fsrcnn_s_x2", **options)


def test_a_presets_name_where_a_model_is_wanted():
    from export import export_model

    with pytest.raises(UsageError, match="Expected a Keras model; zoo.open_model opens .* Received: 'fsrcnn_s_x2'"):
        export_model("fsrcnn_s_x2", "nowhere")
    with pytest.raises(UsageError, match="Expected a Keras model, .* Received: 3"):
        zoo.engines.open_engine(3)
    with pytest.raises(UsageError, match="Expected no upsampler for srcnn_x3, whose upsampling is fixed"):
        zoo.load("srcnn_x3", upsampler="subpixel")
