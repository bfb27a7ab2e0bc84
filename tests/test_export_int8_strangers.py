"""int8 of networks that no preset is: layers that share constants, dilated kernels, one slope for all maps."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from export import int8
from export.int8 import fitting, prelu, skip
from export.int8.pictures import Crops
from export.int8.simulation import Simulation
from zoo.evaluate import open_network

IMAGES = np.random.default_rng(5).random((2, 9, 14, 1), np.float32)
CROPS = Crops(IMAGES, np.ones(2, np.float32), np.zeros(2, int))


def network(*between: layers.Layer) -> keras.Model:
    """×2, with layers between the first convolution, of 6 maps, and the last one; pictures come out."""
    image = keras.Input((None, None, 1))
    x = conv(activation="relu")(image)
    for layer in between:
        x = layer(x)
    last = layers.Conv2D(4, 3, padding="same")
    model = keras.Model(image, zoo.layers.DepthToSpace(2)(last(x)))
    rng = np.random.default_rng(6)
    for weight in model.weights:
        if "alpha" not in weight.path:
            weight.assign(rng.normal(scale=0.3, size=weight.shape))
    # int8 files clip to [0, 1].
    last.kernel.assign(0.15 * last.kernel / np.std(model(IMAGES)))
    last.bias.assign(last.bias * 0)
    last.bias.assign([0.5 - np.mean(model(IMAGES))] * 4)
    return model


def conv(**settings) -> layers.Layer:
    return layers.Conv2D(6, 3, padding="same", **settings)


def content(model: keras.Model) -> bytes:
    return int8.float_file(model, IMAGES.shape[1:3])


def output(of: Simulation, *settings) -> np.ndarray:
    return of.run(IMAGES, *settings)[of.output].numpy()


def shared(kind: str) -> keras.Model:
    """Two layers that have in common the zeros of a missing bias, these and their slopes, or all that they have."""
    if kind == "bias":
        return network(*(conv(use_bias=False, activation="relu") for _ in range(2)))
    if kind == "slopes":
        prelu = [layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2]) for _ in range(2)]
        return network(conv(use_bias=False), prelu[0], conv(use_bias=False), prelu[1])
    twice = conv(activation="relu")
    return network(twice, twice)


@pytest.mark.parametrize("kind", ["bias", "slopes", "layer"])
def test_layers_that_share_a_constant_are_fitted_each_by_itself(kind, tmp_path):
    model = shared(kind)
    tuning = int8.tune(model, CROPS, more=0)
    graph = int8.simulated(content(model), tuning)
    expected = np.array(model(IMAGES)).clip(0, 1)

    def error(constants):
        """A root mean square, in levels."""
        off = output(graph, tuning.ranges, constants).clip(0, 1) - expected
        return 255 * np.sqrt(np.mean(off**2))

    first, second = [bias for _, _, bias, _ in graph.weighted()][1:3]
    assert error(tuning.constants) < 0.6
    # Control: both with the bias that was fitted last.
    assert error(tuning.constants | {first: tuning.constants[second]}) > 1.3 * error(tuning.constants)
    int8.write_int8(model, tmp_path / "int8.tflite", IMAGES.shape[1:3], tuning, IMAGES, "float")
    run = open_network(str(tmp_path / "int8.tflite")).run
    simulated = output(graph, tuning.ranges, tuning.constants).clip(0, 1)
    assert np.abs(np.stack([run(image) for image in IMAGES]) - simulated).max() <= 2.01 / 255


@pytest.mark.parametrize(
    "padding, dilations, depthwise", [("same", (1, 2), (2, 2)), ("same", (3, 1), (1, 2)), ("valid", (2, 1), (2, 2))]
)
def test_dilated_kernels_reach_as_far_as_the_networks_own(padding, dilations, depthwise):
    model = network(
        layers.Conv2D(6, 3, padding=padding, dilation_rate=dilations),
        layers.DepthwiseConv2D(3, padding=padding, dilation_rate=depthwise),
    )
    graph = Simulation(content(model))
    expected = np.array(model(IMAGES))
    assert np.abs(output(graph) - expected).max() <= 1e-5 * np.abs(expected).max()
    # Controls: neither is left out.
    for name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        dense = Simulation(content(model))
        (options,) = [of for kind, _, _, of in dense.operations if kind == name and _dilated(of)]
        options.dilationHFactor = options.dilationWFactor = 1
        received = output(dense)
        assert received.shape != expected.shape or np.abs(received - expected).max() > 0.01 * np.abs(expected).max()


def _dilated(options) -> bool:
    return (options.dilationHFactor, options.dilationWFactor) != (1, 1)


@pytest.mark.parametrize("settings", [{"strides": (1, 2)}, {"strides": (2, 1)}, {"dilation_rate": (1, 2)}])
def test_a_convolution_with_a_stride_or_dilation_along_either_axis_is_not_fitted(settings):
    """The windows that weights are fitted to are dense; nor does the image join one that is not fitted."""
    image = keras.Input((None, None, 1))
    for own, plain in (({}, True), (settings, False)):
        x = layers.Conv2D(4, 3, padding="same", **own)(layers.Conv2D(6, 3, padding="same")(image))
        graph = Simulation(content(keras.Model(image, zoo.layers.DepthToSpace(2)(x))))
        first, last = [number for number, *_ in graph.weighted()]
        assert fitting.plain(graph, first) and fitting.plain(graph, last) == plain
        assert (skip.place(graph) is not None) == plain


def test_a_prelu_with_one_slope_for_all_maps_folds_away():
    model = network(conv(), layers.PReLU(keras.initializers.Constant(-0.4), shared_axes=[1, 2, 3]))
    graph = Simulation(content(model))
    (number,) = [number for number, (name, *_) in enumerate(graph.operations) if name == "PRELU"]
    assert graph.constants[graph.operations[number][1][1]].size == 1
    assert prelu.matters(graph, IMAGES)[number].tolist() == [0, 1, 2, 3, 4, 5]
    expected = np.array(model(IMAGES))
    folded = Simulation(prelu.fold(Simulation(content(model)), {number: np.arange(6)}))
    assert "PRELU" not in {name for name, *_ in folded.operations}
    assert np.abs(output(folded) - expected).max() <= 1e-5 * np.abs(expected).max()
    # Control: without the last map's negative side.
    without = Simulation(prelu.fold(Simulation(content(model)), {number: np.arange(5)}))
    assert np.abs(output(without) - expected).max() > 0.01 * np.abs(expected).max()
