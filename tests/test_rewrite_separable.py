"""Depthwise and separable convolutions of an enlargement, their first part in LR space: float64 against NumPy."""

import itertools

import numpy as np
import oracle
import pytest
from keras import layers
from rewrite_cases import F64, kinds, made_of, values

from zoo import rewrite


def depthwise(images, kernel):
    """Each map by its own kernels, padding 'same': (N, H, W, I), (K, K, I, M) → (N, H, W, I·M)."""
    maps = [oracle.convolve(images[..., c : c + 1], kernel[:, :, c : c + 1]) for c in range(images.shape[-1])]
    return np.concatenate(maps, axis=-1)


@pytest.mark.parametrize(
    "side, scale, multiplier, channels",
    [(3, 2, 1, 1), (3, 2, 2, 3), (3, 3, 1, 3), (5, 2, 2, 3), (5, 3, 1, 5), (4, 2, 1, 3)],
)
def test_depthwise(side, scale, multiplier, channels):
    layer = layers.DepthwiseConv2D(side, padding="same", depth_multiplier=multiplier, name="depthwise", **F64)
    model, x = made_of(layers.UpSampling2D(scale, **F64), layer, shape=(None, None, channels)), values(6, 7, channels)
    made, explanation = rewrite.rewritten(model)
    kernel, bias = (np.array(weight) for weight in layer.weights)
    expected = depthwise(oracle.nearest(x, scale), kernel) + bias
    for network_ in (model, made):
        assert oracle.relative(network_(x), expected) <= 1e-12
    assert oracle.relative(made(x), depthwise(oracle.nearest(x, scale), kernel[::-1]) + bias) > 1e-2
    assert "FixedUpsampler" not in kinds(made) and made.output_names == ["depthwise"]
    (row,) = explanation.rows
    assert row.action == "moved" and row.macs_after < row.macs
    assert row.weights_after == sum(int(np.prod(w.shape)) for w in made.weights)


@pytest.mark.parametrize("padding, activation", itertools.product(("same", "valid"), ("relu", "softmax", None)))
def test_separable(padding, activation):
    """With what is per channel before it, as in BiFPN and mobile decoders; its 1×1 stays in HR space."""
    layer = layers.SeparableConv2D(4, 3, padding=padding, depth_multiplier=2, activation=activation, name="next", **F64)
    steps = [layers.UpSampling2D(2, **F64), layers.BatchNormalization(**F64), layers.ReLU(**F64), layer]
    model, x = made_of(*steps, shape=(None, None, 3)), values(6, 7, 3)
    made, explanation = rewrite.rewritten(model)
    for training in (False, True):
        assert oracle.relative(made(x, training=training), model(x, training=training)) <= 1e-12
    assert kinds(made)[:2] == ["BatchNormalization", "ReLU"] and "FixedUpsampler" not in kinds(made)
    assert made.output_names == ["next"] and explanation.rows[-1].becomes.endswith("Conv2D 1×1")
    # Control: two maps of the depthwise part changed for one another.
    part = made.get_layer("next_lr")
    part.set_weights([part.get_weights()[0][:, :, ::-1]])
    assert oracle.relative(made(x), model(x)) > 1e-3


def test_what_does_not_pay_is_only_swapped():
    """One of 3×2 saves a third of the taps and has to be cropped; strides and 1×1 have nothing to take in."""
    for layer in (
        layers.DepthwiseConv2D((3, 2), padding="same", **F64),
        layers.DepthwiseConv2D(3, strides=2, padding="same", **F64),
        layers.DepthwiseConv2D(1, **F64),
    ):
        model = made_of(layers.UpSampling2D(2, **F64), layer, shape=(None, None, 3))
        made = rewrite.to_lr_space(model)
        assert oracle.relative(made(values(6, 7, 3)), model(values(6, 7, 3))) <= 1e-12
        assert kinds(made)[0] == "FixedUpsampler"
