"""The way back in Keras: convolutions and shuffles as transposed convolutions of padding 'valid', cropped."""

import keras
import numpy as np
import oracle
import pytest
from keras import layers

import zoo
from benchmarks.networks import randomise
from zoo import identities, rewrite
from zoo.layers import DepthToSpace
from zoo.rewrite import transposed
from zoo.rewrite.__main__ import main


def model_of(*parts, channels=4):
    image = keras.Input((None, None, channels))
    x = image
    for part in parts:
        x = part(x)
    return randomise(keras.Model(image, x))


def alike_phases(model, outputs, scale):
    """The same bias for each phase, as what came from a deconvolution has."""
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D) and layer.use_bias and layer.filters == outputs * scale**2:
            layer.bias.assign(np.tile(layer.bias.numpy()[:outputs], scale**2))
    return model


def images(channels=4):
    return np.random.default_rng(0).normal(size=(2, 7, 10, channels)).astype("float32")


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


CASES = {
    "3x3 by 2": ((3, 3), 2, {"padding": "same"}),
    "even by 3": ((4, 2), 3, {"padding": "same", "activation": "tanh"}),
    "valid": ((5, 3), 2, {"activation": "relu"}),
    "one tap by 4": ((1, 1), 4, {"use_bias": False}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_convolution_and_a_shuffle_are_one_layer(name, outputs):
    kernel, scale, options = CASES[name]
    model = model_of(layers.Conv2D(outputs * scale**2, kernel, **options), DepthToSpace(scale, name="hr"))
    alike_phases(model, outputs, scale)
    result, explanation = transposed.turned(model)
    (row,) = explanation.rows
    assert row.action == "moved" and "Conv2DTranspose" in kinds(result) and "DepthToSpace" not in kinds(result)
    assert result.layers[-1].name == "hr"
    assert oracle.relative(result(images()).numpy(), model(images()).numpy()) <= 1e-5
    # There and back again: the kernel that it was.
    again = rewrite.to_lr_space(result)
    assert oracle.relative(again(images()).numpy(), model(images()).numpy()) <= 1e-5


def test_it_is_the_scattered_sum():
    model = model_of(zoo.layers.SubpixelUpsampler(3, 5, 2))
    layer = model.layers[-1]
    result = rewrite.to_transposed(model)
    assert kinds(result)[1:] == ["Conv2DTranspose", "Cropping2D"]
    wanted = oracle.scatter(images(), layer.kernel.numpy(), 2, layer.bias.numpy())
    np.testing.assert_allclose(result(images()).numpy(), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 9])
@pytest.mark.parametrize("form", ["subpixel", "transposed", "zero_interleaved"])
def test_the_zoos_own_layers(kernel_size, form):
    model = model_of(zoo.layers.make_upsampler(form, 3, kernel_size, 3))
    result = rewrite.to_transposed(model)
    assert oracle.relative(result(images()).numpy(), model(images()).numpy()) <= 1e-5
    np.testing.assert_array_equal(result.layers[1].kernel.numpy(), model.layers[-1].kernel.numpy())


def test_a_wrong_crop_is_seen(monkeypatch):
    model = model_of(zoo.layers.SubpixelUpsampler(3, 5, 2))
    monkeypatch.setattr(transposed, "same_offset", lambda *sides: identities.same_offset(*sides) + 1)
    with pytest.raises(zoo.errors.UsageError, match="to be the same function"):
        rewrite.to_transposed(model)


@pytest.mark.parametrize("kernel_size", [1, 2, 5])
@pytest.mark.parametrize("options", [{}, {"output_padding": 2}, {"activation": "softmax"}])
def test_padding_same_becomes_valid(options, kernel_size):
    model = model_of(layers.Conv2DTranspose(3, kernel_size, strides=3, padding="same", **options))
    result = rewrite.to_transposed(model)
    assert result.layers[1].padding == "valid"
    assert oracle.relative(result(images()).numpy(), model(images()).numpy()) <= 1e-5


def shared():
    convolution = layers.Conv2D(8, 3, padding="same")
    image, other = keras.Input((None, None, 4)), keras.Input((None, None, 4))
    return keras.Model([image, other], [DepthToSpace(2)(convolution(image)), convolution(other)])


ALONE = {
    "biases of their own": lambda: model_of(layers.Conv2D(12, 3, padding="same"), DepthToSpace(2)),
    "no Conv2D stands": lambda: model_of(layers.ReLU(), DepthToSpace(2)),
    "strides, dilations or groups": lambda: model_of(layers.Conv2D(12, 3, strides=2), DepthToSpace(2)),
    "other channels": lambda: model_of(layers.Conv2D(12, 3, activation="softmax", use_bias=False), DepthToSpace(2)),
    "used elsewhere": shared,
}


@pytest.mark.parametrize("reason", ALONE)
def test_a_shuffle_alone_is_a_kernel_of_ones(reason):
    model = ALONE[reason]()
    result, explanation = transposed.turned(model)
    (row,) = explanation.rows
    assert row.action == "moved" and reason in row.note and "DepthToSpace" not in kinds(result)
    given = images() if len(model.inputs) == 1 else [images(), images()]
    for one, other in zip(*(keras.tree.flatten(each(given)) for each in (model, result)), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=1e-6)
    assert "Conv2DTranspose" in kinds(result) and len(result.trainable_weights) == len(model.trainable_weights)


def test_what_stays_is_named():
    model = model_of(zoo.layers.FixedUpsampler("bicubic", 2))
    result, explanation = transposed.turned(model)
    (row,) = explanation.rows
    assert row.action == "stays" and "without weights" in row.note and kinds(result) == kinds(model)


def test_inside_a_model_inside():
    inner = alike_phases(model_of(layers.Conv2D(12, 3, padding="same"), DepthToSpace(2)), 3, 2)
    outer = model_of(layers.Conv2D(4, 3), inner)
    alike_phases(inner, 3, 2)
    result, explanation = transposed.turned(outer)
    (row,) = explanation.rows
    assert row.action == "moved" and row.layer.startswith(inner.name)
    assert oracle.relative(result(images()).numpy(), outer(images()).numpy()) <= 1e-5


def test_the_command(tmp_path, capsys):
    source, target = tmp_path / "in.keras", tmp_path / "out.keras"
    zoo.create_model("espcn", 3, upsampler="subpixel").save(source)
    assert main([str(source), str(target), "--form=transposed"]) == 0
    printed = capsys.readouterr().out
    assert "Conv2DTranspose 9×9 valid, crop" in printed and "of the largest output" in printed
    assert "Conv2DTranspose" in kinds(keras.models.load_model(target))
    assert main([str(source), str(tmp_path / "x.keras"), "--form=transposed", "--whole"]) == 2
    assert "Expected --form=transposed alone" in capsys.readouterr().err and not (tmp_path / "x.keras").exists()
