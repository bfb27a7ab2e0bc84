"""int8: who reads what behind a tensor, by itself or beside others, and that further channels reach all of them."""

import keras
import numpy as np
import pytest
from int8_cases import channels, kinds, output

import zoo
from export import int8
from export.int8 import copies, pictures, prelu, ranges, readers, simulation, sums
from zoo.data import sample


@pytest.fixture(scope="module")
def crops():
    return pictures.crops(sample(3).pictures(), 16)


@pytest.mark.parametrize(("expand", "separable"), [(0, False), (6, False), (0, True)])
def test_a_sum_before_the_last_layer_or_one_of_1x1_is_read_from_both_parts(crops, expand, separable):
    options = {"upsampler": "subpixel", "expand": expand, "separable": separable}
    model = zoo.create_model("gecko", 2, maps=4, depth=2, **options)
    rng = np.random.default_rng(4)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.2))
    original = simulation.Simulation(int8.float_file(model, (48, 48)))
    unfolded = simulation.Simulation(sums.unfold(simulation.Simulation(int8.float_file(model, (48, 48)))))
    expected = output(original, crops)
    assert "ADD" in kinds(original) and "ADD" not in kinds(unfolded) and "CONCATENATION" in kinds(unfolded)
    assert np.abs(output(unfolded, crops) - expected).max() <= 1e-5 * np.abs(expected).max()
    # Behind a concatenation PReLU folds and channels level as they do between convolutions.
    chosen = {number: np.arange(0, slopes.size, 2) for number, slopes in channels(unfolded)}
    kept = prelu.matters(simulation.Simulation(unfolded.content()), crops)
    assert set(kept) == set(chosen) and len(chosen) == 3 + bool(expand)
    everything = {number: np.arange(slopes.size) for number, slopes in channels(unfolded)}
    folded = simulation.Simulation(prelu.fold(simulation.Simulation(unfolded.content()), everything))
    assert "PRELU" not in kinds(folded)
    assert np.abs(output(folded, crops) - expected).max() <= 1e-5 * np.abs(expected).max()
    # What leaves a depthwise convolution is levelled by itself.
    assert len(ranges.equalize(folded, crops)) == 3 + bool(expand) + 2 * separable
    assert np.abs(output(folded, crops) - expected).max() <= 1e-5 * np.abs(expected).max()
    # Control: kernels shifted by a channel are another function.
    (reader,) = [each for each in readers.readers(folded, folded.operations[0][2][0]) if each.joined]
    folded.constants[reader.weights] = np.roll(folded.constants[reader.weights], 1, axis=-1)
    assert np.abs(output(folded, crops) - expected).max() > 0.01 * np.abs(expected).max()


def by_map(rng):
    """Depthwise convolutions, with biases, between others, one of them read twice; PReLU before them and behind."""

    def slopes(x):
        return keras.layers.PReLU(shared_axes=[1, 2])(x)

    image = keras.Input((None, None, 1))
    first = slopes(keras.layers.Conv2D(4, 3, padding="same")(image))
    x = keras.layers.DepthwiseConv2D(3, padding="same")(first)
    x = slopes(keras.layers.Conv2D(5, 1)(keras.layers.DepthwiseConv2D(3, padding="same")(x)))
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.Concatenate()([keras.layers.ReLU()(keras.layers.Conv2D(3, 1)(x)), x, first])
    model = keras.Model(image, zoo.layers.DepthToSpace(2)(keras.layers.Conv2D(4, 3, padding="same")(x)))
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.3))
    return model


def test_what_is_added_goes_through_depthwise_convolutions(crops):
    content = int8.float_file(by_map(np.random.default_rng(4)), (48, 48))
    original = simulation.Simulation(content)
    assert sum(readers.is_depthwise(original, number) for number in range(len(original.operations))) == 3
    expected = output(original, crops)
    tolerance = 1e-5 * np.abs(expected).max()
    everything = {number: np.arange(slopes.size) for number, slopes in channels(original)}
    folded = simulation.Simulation(prelu.fold(simulation.Simulation(content), everything))
    assert len(everything) == 2 and "PRELU" not in kinds(folded)
    assert np.abs(output(folded, crops) - expected).max() <= tolerance
    # Control: with the biases counted twice it is another function.
    twice = simulation.Simulation(folded.content())
    (number, *_) = readers.between(readers.readers(twice, twice.operations[0][2][0]))
    bias = twice.operations[number][1][2]
    twice.constants[bias] = np.concatenate([twice.constants[bias][:4], twice.constants[bias][:4]])
    assert np.abs(output(twice, crops) - expected).max() > 100 * tolerance
    # Channels of both signs, of which no range is the half.
    counts = {
        place.number: np.array([2, 1, 3, *[1] * 7])[: folded.graph.tensors[place.after].shape[-1]]
        for place in copies.places(folded)
    }
    assert len(counts) == 3
    several = simulation.Simulation(copies.insert(simulation.Simulation(folded.content()), counts))
    assert np.abs(output(several, crops) - expected).max() <= tolerance
    # Each with all weights behind it, and nothing in it: what `overflow` adds below its ranges' ends.
    added = simulation.Simulation(copies.insert(simulation.Simulation(folded.content()), counts, shared=False))
    for number, count in counts.items():
        for index in added.operations[number][1][1:3]:
            own = added.constants[index]
            added.constants[index] = np.concatenate([own[: len(count)], 0 * own[len(count) :]])
    assert np.abs(output(added, crops) - expected).max() <= tolerance
    assert len(ranges.equalize(folded, crops)) == 6
    assert np.abs(output(folded, crops) - expected).max() <= tolerance
    # What 1×1 convolutions alone read reaches from 0 to 1; what meets a border of zeros has its own zero.
    tensors = folded.run(crops)
    by_maps = [number for number in range(len(folded.operations)) if readers.is_depthwise(folded, number)]
    maps = [tensors[folded.operations[number][2][0]].numpy() for number in by_maps]
    low, high = (np.array([getattr(each, end)((0, 1, 2)) for each in maps[1:2]]) for end in ("min", "max"))
    assert np.abs(low).max() < 1e-5 and np.abs(high - 1).max() < 1e-5
    assert all(each.min() < -0.5 and np.abs(each).max() < 1 + 1e-5 for each in (maps[0], maps[2]))


@pytest.mark.parametrize("first", ["itself", "by map"])
def test_channels_that_reach_a_layer_by_two_ways_are_added_on_both(crops, first):
    """A map and what a depthwise convolution makes of it, side by side in either order."""
    rng = np.random.default_rng(5)
    image = keras.Input((None, None, 1))
    x = keras.layers.PReLU(shared_axes=[1, 2])(keras.layers.Conv2D(4, 3, padding="same")(image))
    ways = [x, keras.layers.DepthwiseConv2D(3, padding="same")(x)]
    joined = keras.layers.Concatenate()(ways if first == "itself" else ways[::-1])
    model = keras.Model(image, zoo.layers.DepthToSpace(2)(keras.layers.Conv2D(4, 3, padding="same")(joined)))
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.3))
    original = simulation.Simulation(int8.float_file(model, (48, 48)))
    expected = output(original, crops)
    tolerance = 1e-5 * np.abs(expected).max()
    everything = {number: np.arange(slopes.size) for number, slopes in channels(original)}
    folded = simulation.Simulation(prelu.fold(simulation.Simulation(original.file.packed()), everything))
    assert "PRELU" not in kinds(folded)
    assert np.abs(output(folded, crops) - expected).max() <= tolerance
    counts = {place.number: np.array([2, 1, 3, *[1] * 5]) for place in copies.places(folded)}
    several = simulation.Simulation(copies.insert(simulation.Simulation(folded.content()), counts))
    assert len(counts) == 1 and np.abs(output(several, crops) - expected).max() <= tolerance
    (joined_channels,) = [
        several.graph.tensors[outputs[0]].shape[-1]
        for name, _, outputs, _ in several.operations
        if name == "CONCATENATION"
    ]
    assert joined_channels == 2 * (8 + 3)


def test_what_a_tuning_cannot_follow_is_left_to_the_converter(crops):
    image = keras.Input((None, None, 1))
    maps = keras.layers.Conv2D(8, 3, padding="same")(image)
    for body in (
        keras.layers.Conv2D(8, 3, padding="same", groups=2)(maps),
        # Maps below zero beside the image, whose range is that of pixels.
        keras.layers.Concatenate()([image, maps]),
    ):
        model = keras.Model(image, zoo.layers.DepthToSpace(2)(keras.layers.Conv2D(4, 3, padding="same")(body)))
        with pytest.raises(simulation.Unsupported):
            simulation.Simulation(int8.float_file(model, (48, 48)))
        assert int8.tune(model, pictures.mixed(sample(2).pictures(), 1, 8)) is None
    added = keras.layers.Add()([image, keras.layers.Conv2D(1, 3, padding="same")(maps)])
    model = keras.Model(image, zoo.layers.DepthToSpace(2)(keras.layers.Conv2D(4, 3, padding="same")(added)))
    assert "ADD" in kinds(simulation.Simulation(sums.unfold(simulation.Simulation(int8.float_file(model, (48, 48))))))


def test_a_sum_that_others_read_stays_and_one_before_a_wide_kernel_inside(crops):
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    total = x + keras.layers.Conv2D(4, 3, padding="same")(x)
    inner = keras.layers.Conv2D(4, 3, padding="same")(total)
    model = keras.Model(image, zoo.layers.DepthToSpace(2)(inner + total))
    assert "ADD" in kinds(simulation.Simulation(sums.unfold(simulation.Simulation(int8.float_file(model, (9, 8))))))
    last = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inner)
    model = keras.Model(image, zoo.layers.DepthToSpace(2)(last))
    assert "ADD" in kinds(simulation.Simulation(sums.unfold(simulation.Simulation(int8.float_file(model, (9, 8))))))
