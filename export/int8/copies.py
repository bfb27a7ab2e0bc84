"""Channels computed several times, parts of a level apart: two copies together have nine bits.

round(x/s + 1/4) + round(x/s - 1/4) is round(2x/s): the mean of the two has half their step, and zero stays exact. With
n copies a channel's squared rounding error is divided by n², on photographs and drawings alike, for n - 1 kernels more
here and n - 1 inputs more in the layers behind. A few channels make most of the noise.

The copies' weights behind are divided by n. Where one channel's are by far the largest, they set the step of all
weights there, and off photographs that is most of what is lost: such a channel is copied in any case.
"""

from collections.abc import Container, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from export.int8.errors import moved
from export.int8.pictures import Crops
from export.int8.readers import Reader, add_channels, backwards, between, readers, shifted, take_off
from export.int8.simulation import WEIGHTED, Ranges, Simulation, fake_quantize

# How far the rounding of all maps may move photographs: a root mean square, in levels of 255.
GOAL = 0.2
# How many multiplications may be added for it, as a part of those that there are.
MORE = 0.25
# Further copies gain next to nothing.
_MOST = 4
_SAMPLES = 8


class Place(NamedTuple):
    """A convolution that only other convolutions read.

    Attributes:
        number: of the operation.
        after: the tensor that it computes.
        behind: who reads it.
    """

    number: int
    after: int
    behind: list[Reader]


def choose(
    simulation: Simulation,
    ranges: Ranges,
    crops: Crops,
    among: Container[int],
    goal: float = GOAL,
    more: float = MORE,
) -> dict[int, np.ndarray]:
    """Convolution, by the number of its operation → how many times each of its channels is computed, (C,) of int.

    The copies that gain the most for a multiplication, until the rounding of all maps moves photographs by the goal.

    Args:
        among: the numbers of the convolutions to choose from.
        goal: a root mean square, in levels of 255.
        more: how many multiplications may be added, as a part of those that there are.
    """
    if more <= 0:
        return {}
    images = crops.only("photographs").images[:_SAMPLES]
    exact = simulation.run(images)
    found = [place for place in places(simulation) if place.number in among]
    chosen = _dominant(simulation, found)
    offers, left = [], 0.0
    for place in found:
        cost = price(simulation, place)
        for channel, error in enumerate(_errors(simulation, ranges, place, exact)):
            first = chosen[place.number][channel] if place.number in chosen else 1
            left += error / first**2
            for count in range(first, _MOST):
                gain = error * (count**-2 - (count + 1) ** -2)
                offers.append((gain, cost, place, channel))
    budget = more * total(simulation)
    for gain, cost, place, channel in sorted(offers, key=lambda offer: -offer[0] / offer[1]):
        if left <= goal**2 or budget < cost:
            break
        left, budget = left - gain, budget - cost
        _copy(simulation, chosen, place, channel)
    return chosen


def _copy(simulation: Simulation, chosen: dict[int, np.ndarray], place: Place, channel: int) -> None:
    once = np.ones(simulation.graph.tensors[place.after].shape[-1], int)
    chosen.setdefault(place.number, once)[channel] += 1


def _dominant(simulation: Simulation, found: list[Place]) -> dict[int, np.ndarray]:
    """Copies of the channels whose weights alone set the step of all weights in a layer behind.

    One at a time, as long as it halves the mean of that layer's squared steps at least.
    """
    chosen: dict[int, np.ndarray] = {}
    pairs = [(place, reader) for place in found for reader in place.behind]
    for number in dict.fromkeys(reader.number for _, reader in pairs):
        own = [(place, reader) for place, reader in pairs if reader.number == number]
        largest = np.abs(simulation.constants[own[0][1].weights]).max(axis=(1, 2))
        inputs = {
            reader.offset + channel: (place, channel)
            for place, reader in own
            for channel in range(simulation.graph.tensors[place.after].shape[-1])
        }
        while True:
            steps = largest.max(axis=1)
            parts = {}
            for index, (place, channel) in inputs.items():
                count = chosen[place.number][channel] if place.number in chosen else 1
                fewer = largest.copy()
                fewer[:, index] *= count / (count + 1)
                parts[index] = (np.mean(fewer.max(axis=1) ** 2) / np.mean(steps**2), fewer)
            index = min(parts, key=lambda index: parts[index][0])
            if not parts[index][0] <= 0.5:
                break
            largest = parts[index][1]
            _copy(simulation, chosen, *inputs[index])
    return chosen


def _errors(simulation: Simulation, ranges: Ranges, place: Place, exact: dict) -> np.ndarray:
    """By channel, how far its rounding alone moves the pictures of the run `exact`: squared levels of 255.

    Behind a depthwise convolution the channel is rounded once more.
    """
    numbers = [place.number, *between(place.behind)]
    return sum((_errors_at(simulation, ranges, number, exact) for number in numbers), np.zeros(()))


def _errors_at(simulation: Simulation, ranges: Ranges, number: int, exact: dict) -> np.ndarray:
    """The same of one operation's result."""
    after = simulation.operations[number][2][0]
    values = exact[after]
    rounded = fake_quantize(values, *ranges[simulation.groups[after]])
    # What lies behind it is computed again.
    before = {outputs[0] for _, _, outputs, _ in simulation.operations[:number]} | {simulation.input}
    known = {index: exact[index] for index in before}
    channels = np.arange(values.shape[-1])
    return np.array(
        [
            moved(simulation, {}, {**known, after: tf.where(channels == channel, rounded, values)}, exact) ** 2
            for channel in channels
        ]
    )


def insert(simulation: Simulation, chosen: dict[int, np.ndarray], shared: bool = True) -> bytes:
    """The file with these channels' copies behind the others; the same function until `shifts` move them apart.

    Args:
        shared: whether a channel's weights behind are shared out among its copies, else each has all of them.
    """
    graph, constants = simulation.graph, dict(simulation.constants)
    for number, after, behind in places(simulation):
        if number not in chosen:
            continue
        counts, copied = chosen[number], _copied(chosen[number])
        for index in simulation.operations[number][1][1:3]:
            constants[index] = np.concatenate([constants[index], constants[index][copied]])
        # A channel less its range counts behind without a depthwise convolution's bias, which it has all the same where
        # it can be taken off again: all channels share one range, and the bias moves them into it.
        moved_in = [] if shared else shifted(simulation, behind)
        for reader in backwards(behind):
            here, end = constants[reader.weights], reader.offset + len(counts)
            own = here[..., reader.offset : end] / (counts if shared else np.ones_like(counts)).astype(np.float32)
            for by_map in set(reader.between).intersection(moved_in):
                bias = constants[simulation.operations[by_map][1][2]]
                take_off(simulation, constants, reader, own[..., copied], bias[copied])
            parts = here[..., : reader.offset], own, own[..., copied], here[..., end:]
            constants[reader.weights] = np.concatenate(parts, axis=-1)
        add_channels(simulation, constants, behind, copied, between(behind) if shared else moved_in)
        graph.tensors[after].shape = (*graph.tensors[after].shape[:-1], len(counts) + len(copied))
    return simulation.content(constants=constants)


def repeated(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Values by channel (last axis) with those of the copies behind them, as `insert` orders them."""
    return np.concatenate([values, values[..., _copied(counts)]], axis=-1)


def shifts(counts: np.ndarray, step: float) -> np.ndarray:
    """By what each channel and each copy is moved, so that n copies lie step / n apart around the channel's value."""
    many = repeated(counts, counts)
    return (step * (order(counts) - (many - 1) / 2) / many).astype(np.float32)


def order(counts: np.ndarray) -> np.ndarray:
    """Which copy of its channel each is, as `insert` orders them: 1, 3, 2 times gives 0, 0, 0, 1, 2, 1."""
    return np.concatenate([np.zeros(len(counts)), *(np.arange(1, count) for count in counts)])


def _copied(counts: np.ndarray) -> np.ndarray:
    """The channel of each copy: 1, 3, 2 times gives 1, 1, 2."""
    return np.repeat(np.arange(len(counts)), counts - 1)


def places(simulation: Simulation) -> Iterator[Place]:
    for number, (name, inputs, (after, *_), options) in enumerate(simulation.operations):
        plain = name == "CONV_2D" and len(inputs) > 2 and options.fusedActivationFunction in (0, 1)
        if plain and (behind := readers(simulation, after)):
            yield Place(number, after, behind)


def total(simulation: Simulation) -> float:
    """Multiplications of all layers with weights."""
    return sum(multiplications(simulation, number) for number, *_ in simulation.weighted())


def multiplications(simulation: Simulation, number: int) -> float:
    """Of a layer with weights."""
    _, inputs, (after, *_), _ = simulation.operations[number]
    name = simulation.operations[number][0]
    tensor = inputs[2] if name == "TRANSPOSE_CONV" else after  # each of whose pixels meets all weights of a channel
    area = np.prod(simulation.graph.tensors[tensor].shape[1:3])
    return float(area * np.prod(np.shape(simulation.constants[inputs[WEIGHTED[name][0]]])))


def price(simulation: Simulation, place: Place) -> float:
    """Multiplications that a further channel adds."""
    channels = simulation.graph.tensors[place.after].shape[-1]
    behind = [(reader.number, np.shape(simulation.constants[reader.weights])[-1]) for reader in place.behind]
    own = [(number, channels) for number in (place.number, *between(place.behind))]
    return sum(multiplications(simulation, number) / count for number, count in [*own, *behind])
