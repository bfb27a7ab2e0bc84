"""Channels computed several times: the same function, finer levels, chosen where the noise is."""

import numpy as np
import pytest

import zoo
from export import int8
from export.int8 import copies, errors, pictures, prelu, ranges, readers, simulation, skip, sums
from zoo.data import sample


@pytest.fixture(scope="module")
def crops():
    return pictures.mixed(sample(2).pictures(), 1, 8)


@pytest.fixture(scope="module")
def content(crops):
    """A small FSRCNN in LR form, its PReLU in ReLU, whose first channel counts most by far."""
    model = zoo.create_model("fsrcnn_s", 2, upsampler="subpixel", d=6, s=4)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(scale=0.3, size=weight.shape))
    kernel, bias = model.layers[-1].weights
    kernel.assign(np.array(kernel) * np.float32([3, 1, 1, 1, 1, 1]))
    # An output like a picture's: int8 files clip to [0, 1].
    kernel.assign(0.15 * kernel / np.std(model(crops.images[:4])))
    bias.assign([0.5])
    graph = simulation.Simulation(int8.float_file(model, (48, 48)))
    everything = {number: np.arange(graph.constants[inputs[1]].size) for number, inputs in _prelus(graph)}
    folded = simulation.Simulation(prelu.fold(graph, everything))
    ranges.equalize(folded, crops.images)
    return folded.content()


def _prelus(graph):
    return [(number, inputs) for number, (name, inputs, *_) in enumerate(graph.operations) if name == "PRELU"]


def _hidden(graph) -> list[int]:
    return [number for number, (name, *_) in enumerate(graph.operations) if name == "CONV_2D"][:-1]


def test_copies_divided_keep_the_function(content, crops):
    graph = simulation.Simulation(content)
    expected = graph.run(crops.images)[graph.output].numpy()
    rng = np.random.default_rng(1)
    chosen = {
        number: rng.integers(1, 4, graph.graph.tensors[graph.operations[number][2][0]].shape[-1])
        for number in _hidden(graph)
    }
    more = simulation.Simulation(copies.insert(simulation.Simulation(content), chosen))
    assert np.abs(more.run(crops.images)[more.output].numpy() - expected).max() < 1e-5 * np.abs(expected).max()
    for number, counts in chosen.items():
        assert more.constants[more.operations[number][1][1]].shape[0] == counts.sum()
    # Control: a copy too many that nothing is divided for.
    (weights, *_) = (more.operations[number][1][1] for number in list(chosen)[1:])
    more.constants[weights] = 1.1 * more.constants[weights]
    assert np.abs(more.run(crops.images)[more.output].numpy() - expected).max() > 0.01 * np.abs(expected).max()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_copies_apart_have_finer_levels_together(count):
    values = np.random.default_rng(2).uniform(-0.5, 0.9, (5000, 2)).astype(np.float32)
    counts, step = np.array([1, count]), np.float32(1 / 255)
    moved = copies.repeated(values, counts) + copies.shifts(counts, step)
    rounded = np.asarray(simulation.fake_quantize(np.maximum(moved, 0), 0.0, 1.0))
    together = np.stack([rounded[:, 0], rounded[:, 1:].mean(axis=1)], axis=1)
    off = np.abs(together - np.maximum(values, 0))
    # Half a step of one, half a step of all together.
    assert off[:, 0].max() == pytest.approx(step / 2, rel=0.02)
    assert off[:, 1].max() == pytest.approx(step / 2 / count, rel=0.02)
    # What is far below zero is exactly zero, in every copy.
    assert (rounded[values[:, 1] < -step][:, 1:] == 0).all()
    # Control: copies that lie at one place gain nothing.
    same = np.asarray(simulation.fake_quantize(np.maximum(copies.repeated(values, counts), 0), 0.0, 1.0))
    assert np.abs(same[:, 1:].mean(axis=1) - np.maximum(values[:, 1], 0)).max() > 0.9 * step / 2


@pytest.fixture(scope="module")
def chosen_ranges(content, crops):
    return ranges.choose_ranges(simulation.Simulation(content), crops)


def maps_noise(graph, chosen_ranges, crops) -> float:
    """How far the rounding of all maps moves photographs, in levels; weights as they are."""
    found = errors.layer_errors(graph, chosen_ranges, {}, crops.images[crops.kinds == 0])
    maps = [graph.graph.tensors[graph.operations[number][2][0]].name for number in _hidden(graph)]
    return float(np.sqrt(sum(found[name] ** 2 for name in maps)))


def _added(chosen) -> int:
    return sum(int((counts - 1).sum()) for counts in chosen.values())


def test_the_loudest_channels_are_chosen_until_the_goal_or_the_end_of_the_budget(content, crops, chosen_ranges):
    graph = simulation.Simulation(content)
    numbers, noise = _hidden(graph), maps_noise(graph, chosen_ranges, crops)
    some, more = (copies.choose(graph, chosen_ranges, crops, numbers, part * noise, more=10) for part in (0.8, 0.5))
    assert 0 < _added(some) < _added(more)
    assert copies.choose(graph, chosen_ranges, crops, numbers, 1.2 * noise) == {}
    assert copies.choose(graph, chosen_ranges, crops, numbers, more=0) == {}
    # Before the last layer: the channel whose kernels are three times as large, or its mirror image.
    counts = copies.choose(graph, chosen_ranges, crops, numbers[-1:], 0.0, more=0.5)[numbers[-1]]
    assert counts.argmax() in (0, 6) and counts[[0, 6]].sum() > 2 * counts.mean() + 1
    # Only those that were asked for, and as many multiplications as may be added.
    few = copies.choose(graph, chosen_ranges, crops, numbers[:1], 0.0, more=0.1)
    assert set(few) == set(numbers[:1])
    with_copies = simulation.Simulation(copies.insert(simulation.Simulation(content), few))
    before, after = (_multiplications(each) for each in (graph, with_copies))
    assert 1.05 < after / before <= 1.1


def _multiplications(graph) -> int:
    sizes = [
        (graph.graph.tensors[graph.operations[n][2][0]].shape, graph.constants[w].size) for n, w, *_ in graph.weighted()
    ]
    return sum(shape[1] * shape[2] * size for shape, size in sizes)


@pytest.mark.slow
def test_a_channel_whose_weights_set_the_step_of_all_is_copied(crops):
    """Also through two concatenations: a sum's, and the image's."""
    model = zoo.create_model("gecko", 2, maps=4, depth=2, upsampler="subpixel")
    rng = np.random.default_rng(4)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.2))
    graph = simulation.Simulation(sums.unfold(simulation.Simulation(int8.float_file(model, (48, 48)))))
    everything = {number: np.arange(graph.constants[inputs[1]].size) for number, inputs in _prelus(graph)}
    folded = simulation.Simulation(prelu.fold(graph, everything))
    joined = simulation.Simulation(skip.insert(folded, skip.place(folded)))
    numbers = _hidden(joined)
    (behind,) = [each for each in readers.readers(joined, joined.operations[0][2][0]) if len(each.joined) == 2]
    weights = joined.constants[behind.weights]
    even = np.sign(weights) * 0.1
    for factor, copied in ((1.3, 1), (1.9, 2), (9, 3)):
        loud = even.copy()
        loud[..., behind.offset + 2] *= factor
        joined.constants[behind.weights] = loud
        found = copies.choose(joined, ranges.choose_ranges(joined, crops), crops, numbers, goal=1e3)
        assert {number: list(counts) for number, counts in found.items()} == (
            {0: [1, 1, copied] + [1] * (joined.constants[joined.operations[0][1][2]].size - 3)} if copied > 1 else {}
        )
        expected = joined.run(crops.images[:2])[joined.output]
        more = simulation.Simulation(copies.insert(simulation.Simulation(joined.content()), found))
        assert np.abs(more.run(crops.images[:2])[more.output] - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_noise_falls_as_far_as_it_was_to(content, crops, chosen_ranges):
    graph = simulation.Simulation(content)
    noise = maps_noise(graph, chosen_ranges, crops)
    chosen = copies.choose(graph, chosen_ranges, crops, _hidden(graph), 0.5 * noise, more=10)
    more = simulation.Simulation(copies.insert(simulation.Simulation(content), chosen))
    # Control: copies at one place gain nothing.
    assert maps_noise(more, chosen_ranges, crops) > 0.85 * noise
    for number, counts in chosen.items():
        _, (_, _, bias), (after, *_), _ = more.operations[number]
        low, high = chosen_ranges[more.groups[after]]
        more.constants[bias] = more.constants[bias] + copies.shifts(counts, (high - low) / 255)
    assert 0.4 * noise < maps_noise(more, chosen_ranges, crops) < 0.6 * noise
