"""The contract of engines: what an engine says of itself is true when it is made, and stays."""

import dataclasses

import numpy as np
import pytest
from upscale_cases import network, photo

import zoo
from zoo.engines import Chain, Engine, open_engine
from zoo.engines.keras import KerasEngine
from zoo.engines.tflite import TFLiteEngine
from zoo.engines.tiles import run_picture
from zoo.errors import UsageError


@pytest.fixture(scope="module")
def home_made():
    """5×5, 3×3 and a shuffle of its own, which nobody can see through in Keras."""
    import keras
    import tensorflow as tf

    class PixelShuffle(keras.layers.Layer):
        def call(self, maps):
            return tf.nn.depth_to_space(maps, 2)

        def compute_output_shape(self, shape):
            return (shape[0], shape[1] and 2 * shape[1], shape[2] and 2 * shape[2], shape[3] // 4)

    image = keras.Input((None, None, 1))
    maps = keras.layers.Conv2D(8, 5, padding="same", activation="relu")(image)
    model = keras.Model(image, PixelShuffle()(keras.layers.Conv2D(4, 3, padding="same")(maps)), name="home_made")
    rng = np.random.default_rng(0)
    for weights in model.weights:
        weights.assign(rng.normal(0, 0.3, weights.shape))
    return model


def test_a_chain_of_a_network_with_an_unknown_reach_is_not_cut(home_made):
    engine = open_engine(home_made)
    assert engine.radius is None and "PixelShuffle" in engine.unbounded
    chain = Chain([engine, engine])
    assert all(each.radius is None and each.unbounded for each in (chain, *chain.engines))
    lr_image = photo(200, 300, 1).astype(np.float32) / 255
    once = engine.run(lr_image)
    assert np.abs(run_picture(chain, lr_image) - engine.run(once.clip(0, 1))).max() < 1e-5 * np.ptp(once)
    with pytest.raises(UsageError, match="reach is known.*PixelShuffle"):
        run_picture(chain, lr_image, 64)


def test_a_chain_of_a_network_with_a_stated_reach_is_cut_exactly(home_made):
    lr_image = photo(200, 300, 1).astype(np.float32) / 255
    apart = []
    for radius in (3, 1):
        engine = open_engine(home_made, radius=radius)
        chain = Chain([engine, engine])
        assert chain.radius == radius + -(-radius // 2)
        whole = run_picture(chain, lr_image, 300)
        apart.append(np.abs(run_picture(chain, lr_image, 64) - whole).max() / np.ptp(whole))
    # Control: a reach that is less than the network's shows.
    assert apart[0] < 1e-5 and apart[1] > 1e-2


def test_what_a_network_tells_of_its_reach_goes_before_what_is_stated(tflite, tmp_path):
    import tensorflow as tf

    kernel = np.random.default_rng(0).normal(0, 0.3, (3, 3, 1, 1)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 96, 96, 1))])
    def strided(x):
        return tf.nn.depth_to_space(tf.tile(tf.nn.conv2d(x, kernel, 2, "SAME"), [1, 1, 1, 16]), 4)

    path = tmp_path / "strided.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([strided.get_concrete_function()]).convert())
    pairs = [(open_engine(file), open_engine(file, radius=40)) for file in (path, tflite("luma"))]
    model = network("luma")
    for told, stated in [*pairs, (KerasEngine(model), KerasEngine(model, 40))]:
        assert told.radius < 40 and (stated.radius, stated.step) == (told.radius, told.step)
    assert open_engine(path, radius=40).step == 2
    # Control: whoever makes the engine says it.
    assert TFLiteEngine(path.read_bytes(), "strided", radius=40).radius == 40


def test_a_picture_that_a_keras_network_does_not_take_is_one_sentence():
    import keras

    def enlarged(image, *layers):
        x = image
        for layer in layers:
            x = layer(x)
        return keras.Model(image, x, name="mine")

    fixed = KerasEngine(enlarged(keras.Input((24, 32, 1)), keras.layers.UpSampling2D()))
    with pytest.raises(UsageError, match="Expected a picture of 24×32 px, which mine takes. Received: 23×32"):
        fixed.run(np.zeros((23, 32, 1), np.float32))
    image = keras.Input((None, None, 1))
    halved = keras.layers.UpSampling2D()(keras.layers.AveragePooling2D(2)(image))
    even = KerasEngine(
        enlarged(keras.Input((None, None, 1)), keras.Model(image, halved + image), keras.layers.UpSampling2D())
    )
    assert even.run(np.zeros((8, 6, 1), np.float32)).shape == (16, 12, 1)
    with pytest.raises(UsageError, match="Expected a picture that mine takes. Received: 9×6: "):
        even.run(np.zeros((9, 6, 1), np.float32))
    with pytest.raises(UsageError, match="both sides free or none"):
        KerasEngine(enlarged(keras.Input((None, 32, 1)), keras.layers.UpSampling2D()))


def test_keras_networks_of_one_name_are_told_apart(tmp_path):
    first = network("luma")
    marks = [KerasEngine(first).fingerprint()]
    first.save(tmp_path / "first.keras")
    marks.append(KerasEngine(zoo.open_model(str(tmp_path / "first.keras"))).fingerprint())
    first.weights[0].assign(first.weights[0] + 1e-3)
    marks.append(KerasEngine(first).fingerprint())
    assert marks[0] == marks[1] != marks[2]


def test_an_engine_stays_what_it_was_when_it_was_made(tflite):
    for engine in (open_engine(tflite("luma")), Chain([open_engine(tflite("luma"))])):
        for name in ("name", "scale", "channels", "radius", "unbounded", "size", "cell"):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(engine, name, getattr(engine, name))


def test_an_engine_has_a_radius_or_says_why_not():
    for radius, unbounded in ((None, ""), (3, "MEAN")):
        with pytest.raises(ValueError, match="Expected an engine's radius, or the reason"):
            Engine("mine", 2, 1, radius, unbounded)
    assert Engine("mine", 2, 1, None, "MEAN").size is None and Engine("mine", 2, 1, 0).radius == 0


@pytest.mark.slow
def test_a_file_of_one_size_is_resized_only_where_that_is_asked_for(tflite):
    content = tflite("luma", (24, 32)).read_bytes()
    lr_image = photo(37, 50, 1).astype(np.float32) / 255
    assert TFLiteEngine(content, "fixed").size == (24, 32)
    resized = TFLiteEngine(content, "resized", any_size=True)
    expected = TFLiteEngine(tflite("luma").read_bytes(), "free").run(lr_image)
    assert resized.size is None and np.abs(resized.run(lr_image) - expected).max() < 1e-5 * np.ptp(expected)


def test_a_file_that_holds_to_its_size_is_refused_in_one_sentence():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 20, 24, 1))])
    def enlarge(image):
        return tf.reshape(tf.repeat(tf.repeat(tf.reshape(image, (20, 24)), 2, 0), 2, 1), (1, 40, 48, 1))

    content = tf.lite.TFLiteConverter.from_concrete_functions([enlarge.get_concrete_function()]).convert()
    assert TFLiteEngine(content, "rigid").scale == 2
    with pytest.raises(UsageError, match="Expected a TFLite file .*Received: rigid: ") as refused:
        TFLiteEngine(content, "rigid", any_size=True)
    assert "\n" not in str(refused.value)
