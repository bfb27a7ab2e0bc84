"""The receptive field by following one axis: what is exact, what has no bound, and that tiles by it are exact."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tflite_cases import convert

from zoo import reach
from zoo.engines import tiles
from zoo.engines.chain import Chain
from zoo.engines.engine import Engine
from zoo.engines.keras import KerasEngine
from zoo.errors import UsageError
from zoo.graphs import tflite
from zoo.reach import keras_model, tflite_file

ROOT = Path(__file__).parent.parent
NOISE = np.random.default_rng(3).random((150, 132, 1), np.float32)


def chain(*parts, size=(None, None)):
    image = keras.Input((*size, 1))
    x = image
    for part in parts:
        x = part(x)
    return keras.Model(image, x)


# Networks ×2 whose tiles have to begin on a grid, or whose border is wider than what a pixel reads.
NETWORKS = {
    "hourglass": lambda: chain(
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.Conv2D(4, 3, padding="same"),
        layers.Conv2DTranspose(1, 8, strides=4, padding="same"),
    ),
    "two strides": lambda: chain(
        layers.AveragePooling2D(3),
        layers.Conv2D(1, 3, strides=2, padding="same"),
        layers.UpSampling2D(12),
    ),
    "one side": lambda: chain(layers.MaxPooling2D((2, 1)), layers.UpSampling2D((4, 2))),
    "a frame of zeros": lambda: chain(layers.Cropping2D(5), layers.ZeroPadding2D(5), layers.UpSampling2D(2)),
    "mirrored": lambda: chain(
        lambda x: keras.ops.pad(x, [(0, 0), (4, 4), (4, 4), (0, 0)], mode="symmetric"),
        layers.Conv2D(1, 9),
        layers.UpSampling2D(2),
    ),
    "a border of its own rows": lambda: chain(
        lambda x: keras.ops.concatenate([x[:, 1:4][:, ::-1], x], axis=1)[:, :-3], layers.UpSampling2D(2)
    ),
}


def test_maps_that_are_rounded_by_the_range_of_the_window_have_no_bound():
    """What `Optimize.DEFAULT` alone writes: LiteRT rounds the maps at run time, by what the whole window holds."""
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(3, 3, *maps)).astype(np.float32) for maps in ((1, 32), (32, 32), (32, 4))]

    def network(x):
        for kernel in kernels:
            x = tf.nn.conv2d(x, kernel, 1, "SAME")
        return tf.nn.depth_to_space(x, 2)

    content = [convert(network, (1, 96, 96, 1), dynamic=dynamic) for dynamic in (False, True)]
    plain, rounded = (tflite.parse(each, "file") for each in content)
    assert tflite_file.reach(plain).radius == 3
    with pytest.raises(reach.Unbounded, match="CONV_2D whose maps are rounded by the range"):
        tflite_file.reach(rounded)


def test_a_network_that_does_not_take_the_size_tried_has_no_reach_and_says_so():
    image = keras.Input((256, 256, 1))
    x, kept = image, []
    for _ in range(5):
        kept.append(x)
        x = layers.MaxPooling2D(padding="same")(x)
    for before in reversed(kept):
        x = layers.Add()([before, layers.UpSampling2D()(x)])
    with pytest.raises(UsageError, match="Expected a network whose layers can be followed at 144×144"):
        keras_model.reach(keras.Model(image, x))


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_are_the_whole_picture(name):
    keras.utils.set_random_seed(1)
    engine = KerasEngine(NETWORKS[name]())
    assert engine.radius is not None
    for height, width in ((144, 132), (150, 126)):
        picture = NOISE[:height, :width]
        expected = engine.run(picture)
        for tile in (17, (40, 23)):
            received = tiles.run_picture(engine, picture, tile)
            assert np.abs(received - expected).max() < 1e-5 * np.abs(expected).max()
    # Control: windows that begin anywhere, or that overlap by less, give other pixels or none.
    spoilt = dataclasses.replace(copy_of(engine), step=1, radius=engine.radius - (engine.step == 1))
    try:
        received = tiles.run_picture(spoilt, picture, 17)
    except ValueError:
        return
    assert np.abs(received - expected).max() > 1e-3 * np.abs(expected).max()


def copy_of(engine) -> Engine:
    """The same network as an engine that can be copied with something else said of it."""

    class Copied(Engine):
        run = staticmethod(engine.run)

    return Copied("copy", engine.scale, engine.channels, engine.radius)


def test_steps():
    assert keras_model.reach(NETWORKS["hourglass"]()).step == 2
    assert keras_model.reach(NETWORKS["two strides"]()).step == 6
    assert keras_model.reach(NETWORKS["a frame of zeros"]()) == (5, 1)


def test_a_chain_begins_where_each_of_its_networks_may():
    half = KerasEngine(NETWORKS["hourglass"]())
    sixth = KerasEngine(NETWORKS["two strides"]())
    assert (Chain([half, half]).step, Chain([half, sixth]).step, Chain([sixth, half]).step) == (2, 6, 6)
    picture = NOISE[:72, :78]
    chained = Chain([half, sixth])
    expected = chained.run(picture)
    assert np.abs(tiles.run_picture(chained, picture, 12) - expected).max() < 1e-5 * np.abs(expected).max()


class DepthToSpace(layers.Layer):
    """Somebody's own shuffle, under the name of the zoo's."""

    def call(self, x):
        return keras.ops.repeat(keras.ops.repeat(x, 2, axis=1), 2, axis=2)


class Named(layers.Conv2D):
    """A convolution by Keras' own `call`."""


class Conv2D(layers.Conv2D):
    """One that does something else besides."""

    def call(self, x):
        return super().call(x - keras.ops.mean(x, axis=(1, 2), keepdims=True))


UNKNOWN = {
    "Received: 'depth_to_space': a class of the zoo's name, DepthToSpace": lambda: chain(DepthToSpace()),
    "Conv2D": lambda: chain(Conv2D(1, 3, padding="same")),
    "Softmax along a picture's axis": lambda: chain(layers.Softmax(axis=1)),
    "LayerNormalization along a picture's axis": lambda: chain(layers.LayerNormalization(axis=(1, 2, 3)), size=(8, 8)),
    "PReLU with a number for each pixel": lambda: chain(layers.PReLU(), size=(8, 8)),
    "with a number for each pixel": lambda: chain(lambda x: x * np.ones((8, 8, 1), "float32"), size=(8, 8)),
}


@pytest.mark.parametrize("words", UNKNOWN)
def test_a_class_of_another_is_not_known_by_its_name(words):
    with pytest.raises(reach.Unbounded, match=rf"Expected layers whose reach is known.*{words.split(', ')[-1]}"):
        keras_model.reach(UNKNOWN[words]())


def test_a_subclass_that_computes_as_its_parent_follows_its_rule():
    assert keras_model.reach(chain(Named(1, 5, padding="same"))) == (2, 1)
    assert keras_model.reach(chain(layers.PReLU(shared_axes=(1, 2)), layers.LayerNormalization())) == (0, 1)


def test_what_grows_with_the_picture_has_no_bound():
    for part in (lambda x: x[:, ::-1], lambda x: x - x[:, :1], lambda x: keras.ops.concatenate([x[:, -9:], x], 1)):
        with pytest.raises(reach.Unbounded, match="Expected a bounded receptive field"):
            keras_model.reach(chain(part))


CASES = json.loads((ROOT / "tests" / "reach" / "cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_files_look_as_far_as_is_known(case):
    """The page's own reach reads the same cases in web/tests/reach.test.js."""
    file = tflite.read(ROOT / case["file"])
    if isinstance(case["radius"], str):
        with pytest.raises(reach.Unbounded, match=case["radius"]):
            tflite_file.reach(file)
        return
    found = tflite_file.reach(file)
    assert found == (max(case["radius"]), case["step"])
    assert file.inputs[0].shape[1:3] == tuple(case["size"] or (None, None))


def test_the_files_of_the_cases_are_there():
    named = {case["file"] for case in CASES if case["file"].startswith("tests/")}
    assert named == {str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "reach").glob("*.tflite")}


def test_a_longer_kernel_is_seen_in_a_file():
    file = tflite.read(ROOT / "tests" / "reach" / "row.tflite")
    (kernel,) = (op.inputs[1] for op in file.operations if op.name == "CONV_2D" and op.inputs[1].shape[1] == 5)
    kernel.values = np.pad(kernel.values, [(0, 0), (1, 1), (0, 0), (0, 0)])
    assert tflite_file.reach(file).radius == 4


@pytest.mark.parametrize("size", [(None, None), (40, 56)], ids=str)
def test_sizes_computed_from_the_pictures_are_followed(size):
    def network(x):
        doubled = tf.concat([2 * tf.shape(x)[1:2], tf.shape(x)[2:3] * 2], 0)
        enlarged = tf.image.resize(x, doubled, "nearest")
        shape = tf.stack([1, 2 * tf.shape(x)[1], tf.shape(x)[2] + tf.shape(x)[2], 1])
        return enlarged[:, : 2 * tf.shape(x)[1]] + tf.nn.conv2d_transpose(x, tf.ones((6, 6, 1, 1)), shape, 2)

    file = tflite.parse(convert(network, (1, *size, 1)), "x.tflite")
    assert tflite_file.reach(file) == (1, 1)
