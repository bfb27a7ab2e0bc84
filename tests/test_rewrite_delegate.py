"""Rewritten networks on the real LiteRT GPU delegate: right, where the originals are refused or silently wrong."""

import tempfile

import keras
import pytest
from keras import layers

from benchmarks.networks import NETWORKS, randomise
from export import delegate
from export.tflite import write_tflite
from zoo import rewrite
from zoo.rewrite.__main__ import main

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def driver():
    with tempfile.TemporaryDirectory() as folder:
        if not delegate.environments(folder):
            pytest.skip(delegate.NO_DRIVER)


def verdicts(model, size, folder):
    """What the delegate makes of the model, and of the rewritten one."""
    results = []
    for name, each in (("before", model), ("after", rewrite.to_lr_space(model))):
        write_tflite(each, folder / f"{name}.tflite", size)
        results.append(delegate.run(folder / f"{name}.tflite")["gpu"]["verdict"])
    return results


@pytest.mark.parametrize("name", ("unet_upsampling", "vae_decoder"))
def test_networks(name, tmp_path):
    """Enlargement by UpSampling2D, and transposed convolutions with a fused ReLU: refused, and right afterwards."""
    network = NETWORKS[name]
    model = randomise(network.build(0.25))
    assert verdicts(model, (5 * network.multiple, 7 * network.multiple), tmp_path) == ["refused", "right"]


def test_wrong_without_a_word_and_right_afterwards(tmp_path):
    """The published case: a 9×9 deconvolution ×3 of an image whose width is 1 more than a multiple of 3."""
    image = keras.Input((None, None, 4))
    model = randomise(keras.Model(image, layers.Conv2DTranspose(1, 9, strides=3, padding="same")(image)))
    assert verdicts(model, (6, 7), tmp_path) == ["wrong", "right"]


@pytest.mark.parametrize("strides", [(3, 2), (1, 4)])
def test_a_file_whose_strides_differ(strides, tmp_path):
    image = keras.Input((None, None, 4))
    layer = layers.Conv2DTranspose(3, (5, 9), strides=strides, padding="same", activation="relu")
    before, after = tmp_path / "before.tflite", tmp_path / "after.tflite"
    write_tflite(randomise(keras.Model(image, layer(image))), before, (8, 7))
    assert main([str(before), str(after)]) == 0
    assert [delegate.run(path)["gpu"]["verdict"] for path in (before, after)] == ["refused", "right"]
