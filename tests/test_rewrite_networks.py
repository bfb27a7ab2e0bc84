"""Networks as others write them, rewritten: the same function at every pixel, in float64."""

import warnings

import keras
import numpy as np
import oracle
import pytest

from benchmarks import decoders
from benchmarks.networks import NETWORKS, randomise
from zoo import rewrite
from zoo.errors import UsageError
from zoo.layers import DepthToSpace
from zoo.rewrite import same

pytestmark = pytest.mark.usefixtures("float64")
TOLERANCE = 1e-12
# Upsamplings that stay (transposed convolutions of stride 1 are convolutions, bilinear is right and fast as it is), and
# those that move or are swapped.
EXPECTED = {
    "dcgan": (1, 4),
    "unet": (0, 2),
    "unet_upsampling": (0, 2),
    "unet_upconv": (0, 2),
    "fcn8s": (0, 3),
    "cyclegan": (0, 2),
    "pix2pix": (0, 4),
    "autoencoder": (0, 2),
    "mobilenet_decoder": (0, 5),
    "segnet": (0, 3),
    "vae_decoder": (0, 3),
    "depth_decoder": (2, 0),
    "style_transfer": (0, 2),
    "pose_heads": (0, 3),
    "espcn_deconvolution": (0, 1),
    "fsrcnn_x2": (0, 1),
    "fsrcnn_x3": (0, 1),
    "fsrcnn_x4": (0, 1),
}
SLOW = {
    "unet",
    "fsrcnn_x4",
    "mobilenet_decoder",
    "fcn8s",
    "cyclegan",
    "unet_upconv",
    "segnet",
    "vae_decoder",
    "style_transfer",
}


def inputs_of(model, network, sides, seed=1):
    """Two random inputs of odd, non-square size, as far as the network's own strides let it be odd."""
    height, width = (side * network.multiple for side in sides)
    return np.random.default_rng(seed).normal(size=(2, height, width, model.input_shape[-1]))


def outputs(model, images):
    return [np.asarray(each) for each in keras.tree.flatten(model(images, training=False))]


def worst(model, rewritten, images):
    pairs = zip(outputs(rewritten, images), outputs(model, images), strict=True)
    return max(oracle.relative(received, expected) for received, expected in pairs)


def layers_of(model):
    return model._flatten_layers(include_self=False, recursive=True)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in NETWORKS])
def test_the_same_function(name):
    network = NETWORKS[name]
    model = randomise(network.build(0.125))
    before, calls = model.get_weights(), [len(layer._inbound_nodes) for layer in layers_of(model)]
    rewritten, explanation = rewrite.rewritten(model, check=False)
    stays = [row.action for row in explanation.rows].count("stays")
    assert (stays, len(explanation.rows) - stays) == EXPECTED[name]
    for sides in ((3, 5), (5, 2)):
        assert worst(model, rewritten, inputs_of(model, network, sides)) <= TOLERANCE, sides
    assert rewritten.output_names == model.output_names and rewritten.name == model.name
    assert rewritten.input_shape == model.input_shape and rewritten.output_shape == model.output_shape
    # The original is as it was: its weights, and no call more.
    assert [len(layer._inbound_nodes) for layer in layers_of(model)] == calls
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    if EXPECTED[name][1]:
        assert not any(isinstance(layer, keras.layers.UpSampling2D) for layer in layers_of(rewritten))


def lr_layers(model):
    return [layer for layer in layers_of(model) if layer.name.endswith("_lr")]


def swap_taps(layer):
    kernel, *rest = layer.get_weights()
    kernel[0, 0], kernel[-1, -1] = kernel[-1, -1].copy(), kernel[0, 0].copy()
    layer.set_weights([kernel, *rest])


def swap_phases(layer):
    kernel, *rest = layer.get_weights()
    phases = kernel.reshape(*kernel.shape[:3], 4, -1)[..., [0, 2, 1, 3], :]
    layer.set_weights([phases.reshape(kernel.shape), *rest])


def pytorch_order(layer):
    kernel, *rest = layer.get_weights()
    phases = kernel.reshape(*kernel.shape[:3], 4, -1)
    layer.set_weights([phases.swapaxes(3, 4).reshape(kernel.shape), *rest])


@pytest.mark.parametrize("damage", (swap_taps, swap_phases, pytorch_order))
@pytest.mark.parametrize("name", ("dcgan", "unet_upsampling"))
def test_the_comparison_can_fail(name, damage):
    network = NETWORKS[name]
    model = randomise(network.build(0.125))
    rewritten = rewrite.to_lr_space(model)
    images = inputs_of(model, network, (3, 5))
    assert worst(model, rewritten, images) <= TOLERANCE
    damage(lr_layers(rewritten)[-1])
    assert worst(model, rewritten, images) > 1e-3


def test_a_decoder_is_rewritten_level_by_level():
    model = NETWORKS["pix2pix"].build(0.125)
    rewritten = rewrite.to_lr_space(model)
    assert sum(isinstance(layer, DepthToSpace) for layer in layers_of(rewritten)) == 4
    for row in rewrite.explain(model).rows:
        # The paper's figure: 2×2 windows for a 4×4 kernel of stride 2, none of their weights a structural zero.
        assert row.facts.lr_kernel[:2] == (2, 2) and row.zeros == 0 and row.macs_after == row.macs
        assert row.macs_quoted == 4 * row.macs


@pytest.mark.parametrize("name", ("fsrcnn_x3", "dcgan", pytest.param("mobilenet_decoder", marks=pytest.mark.slow)))
def test_float32(name):
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    network = NETWORKS[name]
    model = randomise(network.build(0.25))
    rewritten = rewrite.to_lr_space(model)
    images = inputs_of(model, network, (3, 5)).astype("float32")
    assert 0 < worst(model, rewritten, images) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in decoders.NETWORKS if name not in NETWORKS])
def test_more_networks(name):
    """Bilinear is computed by Keras in float32, also where it stays."""
    network = decoders.NETWORKS[name]
    model = randomise(network.build(0.125))
    rewritten = rewrite.to_lr_space(model, check=False)
    sides = network.size if None not in model.input_shape[1:3] else (3 * network.multiple, 5 * network.multiple)
    images = np.random.default_rng(1).normal(size=(2, *sides, model.input_shape[-1]))
    bilinear = any(getattr(layer, "interpolation", "") == "bilinear" for layer in model.layers)
    assert worst(model, rewritten, images) <= (1e-5 if bilinear else TOLERANCE)
    assert len(decoders.NETWORKS) >= 30


# Those whose sizes are multiples of 16 and 32, as published; the others slim.
WIDE = ("fpn", "bifpn", "mobilenet_decoder")


@pytest.mark.parametrize(
    "name, width",
    [pytest.param("bifpn", 0.125)]
    + [pytest.param(name, 1.0, marks=pytest.mark.slow) for name in WIDE]
    + [pytest.param(name, 0.125, marks=pytest.mark.slow) for name in decoders.NETWORKS if name != "bifpn"],
)
def test_every_network_is_compared(name, width, monkeypatch):
    """Within its second a network is compared with the original, whatever its sizes are multiples of."""
    compared, compare = [], same.compare
    monkeypatch.setattr(same, "compare", lambda *given: compared.append(given[2]) or compare(*given))
    model = randomise(decoders.NETWORKS[name].build(width))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        rewritten = rewrite.to_lr_space(model)
    assert compared
    moved = lr_layers(rewritten)
    if moved and name in WIDE:
        swap_taps(moved[-1])
        with pytest.raises(UsageError, match="a difference of"):
            same.check_same(model, rewritten)
