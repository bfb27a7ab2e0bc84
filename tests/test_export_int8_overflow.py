"""Channels that reach beyond their range: further ones take what lies above it, chosen where pictures show it."""

import keras
import numpy as np
import pytest

from export import int8
from export.int8 import copies, overflow, pictures, simulation
from zoo.data import sample


@pytest.fixture(scope="module")
def crops():
    return pictures.mixed(sample(2).pictures(), 1, 16)


@pytest.fixture(scope="module")
def content():
    """Two convolutions; the first one's last channel reaches 2.5 times as far as the others, on single pixels alone."""
    image = keras.Input((None, None, 1))
    first = keras.layers.Conv2D(3, 3, padding="same", activation="relu")
    last = keras.layers.Conv2D(1, 1)
    model = keras.Model(image, last(first(image)))
    kernel = np.zeros((3, 3, 1, 3), np.float32)
    kernel[1, 1, 0] = 1.0, 0.5, 2.5
    kernel[:, :, 0, 2] -= 0.3
    kernel[1, 1, 0, 2] += 0.3
    first.set_weights([kernel, np.float32([0, 0.1, 0])])
    last.set_weights([np.float32([[[[0.3], [0.2], [0.2]]]]), np.float32([0])])
    return int8.float_file(model, (48, 48))


def _hidden(graph) -> int:
    return next(number for number, (name, *_) in enumerate(graph.operations) if name == "CONV_2D")


def _ranges(graph) -> dict:
    return {group: (0.0, 1.0) for group in graph.groups.values()} | graph.fixed


def _output(graph, images, *rest) -> np.ndarray:
    return np.asarray(graph.run(images, *rest)[graph.output])


def test_further_ranges_keep_the_function_up_to_their_ends(content, crops):
    graph = simulation.Simulation(content)
    images, ranges = crops.images, _ranges(graph)
    number = _hidden(graph)
    reach = np.asarray(graph.run(images)[graph.operations[number][2][0]]).max(axis=(0, 1, 2))
    assert reach[2] > 2 and reach[:2].max() < 1.2
    expected = _output(graph, images)
    more = overflow.insert(simulation.Simulation(content), {number: np.array([2, 2, 3])}, ranges)
    assert more.graph.tensors[more.operations[number][2][0]].shape[-1] == 7
    assert np.abs(_output(more, images) - expected).max() < 1e-6
    # In int8 too: the step is that of the range, however far the channel reaches. Control: one range clips it.
    off = [np.abs(_output(each, images, _ranges(each)) - expected.clip(0, 1)).max() for each in (more, graph)]
    assert off[0] < 4 / 255 and off[1] > 20 / 255


def test_further_ranges_pass_a_depthwise_convolution_that_moves_them_into_its_range(crops):
    image = keras.Input((None, None, 1))
    layers = [
        keras.layers.Conv2D(2, 1, activation="relu"),
        keras.layers.DepthwiseConv2D(3, padding="same"),
        keras.layers.Conv2D(1, 1),
    ]
    model = keras.Sequential([image, *layers])
    edges = np.full((3, 3, 2, 1), -0.05, np.float32)
    edges[1, 1] = 0.4
    for layer, kernel, bias in zip(layers, ([[[[1.0, 2.5]]]], edges, [[[[0.5], [0.2]]]]), ([0, 0], [0.5, 0.4], [0])):
        layer.set_weights([np.float32(kernel), np.float32(bias)])
    content = int8.float_file(model, (48, 48))
    graph = simulation.Simulation(content)
    number, images = _hidden(graph), crops.images
    expected = _output(graph, images)
    more = overflow.insert(simulation.Simulation(content), {number: np.array([1, 3])}, _ranges(graph))
    assert np.abs(_output(more, images) - expected).max() < 1e-6
    off = [np.abs(_output(more, images, _ranges(more)) - expected.clip(0, 1)).max()]
    # Control: unmoved, half of what they hand on lies below the range.
    (by_map, last) = (more.operations[number + further][1] for further in (1, 2))
    more.constants[last[2]] = more.constants[last[2]] + more.constants[last[1]][:, 0, 0, 2:].sum() * np.float32(0.4)
    more.constants[by_map[2]] = more.constants[by_map[2]] * np.float32([1, 1, 0, 0])
    assert np.abs(_output(more, images) - expected).max() < 1e-6
    off.append(np.abs(_output(more, images, _ranges(more)) - expected.clip(0, 1)).max())
    assert off[0] < 3 / 255 and off[1] > 10 / 255


def test_what_is_added_is_what_shows(content, crops, monkeypatch):
    graph = simulation.Simulation(content)
    number, hard = _hidden(graph), crops.only("hardest").images
    chosen = overflow.choose(graph, _ranges(graph), hard, [number], 2.0)
    assert chosen[number].tolist()[1:] == [1, 2]
    # As far as the goal asks: what lies above two ranges moves the pictures by less than a level.
    monkeypatch.setattr(overflow, "GOAL", 0.01)
    assert overflow.choose(graph, _ranges(graph), hard, [number], 2.0)[number].tolist()[1:] == [1, 3]
    # Control: nothing to choose from, nothing to pay with, nothing that is clipped.
    assert overflow.choose(graph, _ranges(graph), hard, [], 2.0) == {}
    assert overflow.choose(graph, _ranges(graph), hard, [number], 0.0) == {}
    wide = {group: (0.0, 4.0) for group in graph.groups.values()} | graph.fixed
    assert overflow.choose(graph, wide, hard, [number], 2.0) == {}


def test_in_what_order_they_lie(content):
    graph = simulation.Simulation(content)
    counts = np.array([1, 3, 2])
    ranges = {group: (0.0, 2.0) for group in graph.groups.values()}
    assert overflow.below(graph, ranges, _hidden(graph), counts).tolist() == [0, 0, 0, -2, -4, -2]
    assert copies.repeated(np.array([[5, 6, 7]]), counts).tolist() == [[5, 6, 7, 6, 6, 7]]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_hardest_are_edges_of_two_colours_at_every_place(channels):
    found = pictures.hardest(channels, 24)
    assert found.shape == (24, 48, 48, channels) and found.dtype == np.float32
    assert set(np.unique(found)) == {0.0, 1.0}
    pairs = [len(np.unique(each.reshape(-1, channels), axis=0)) for each in found]
    assert pairs.count(2) >= 20 and max(pairs) == 2
    assert not np.array_equal(found, pictures.hardest(channels, 24, seed=1))
