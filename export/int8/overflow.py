"""Channels that reach beyond their range computed once more, less the range: two together reach twice as far.

min(x, R) + min(max(x - R, 0), R) is min(x, 2R) for x ≥ 0, and int8 clips at R by itself: with n channels, each less one
range more, a map reaches n times as far at the same step. Lines that meet in a point, white dots and gratings drive a
few channels two or three times as far as photographs and text do; a range that held them all would be as many times
coarser everywhere else.
"""

from collections.abc import Container

import numpy as np
import tensorflow as tf

from export.int8 import copies
from export.int8.copies import Place, places, price, total
from export.int8.errors import moved
from export.int8.simulation import Ranges, Simulation

# How far what is clipped may move the hardest pictures: a root mean square, in levels of 255.
GOAL = 1.0
# How many multiplications may be added for it, as a part of those that may be added at all.
PART = 0.25
_MOST = 4
_RELU = 1


def choose(
    simulation: Simulation, ranges: Ranges, images: np.ndarray, among: Container[int], more: float
) -> dict[int, np.ndarray]:
    """Convolution, by the number of its operation → how many ranges high each of its channels is, (C,) of int.

    The channels that gain the most for a multiplication, until what is clipped moves the pictures by the goal.

    Args:
        images: the hardest crops, `export.int8.pictures.hardest`.
        among: the numbers of the convolutions to choose from.
        more: how many multiplications may be added, as a part of those that there are.
    """
    if not len(images) or more <= 0:
        return {}
    exact = simulation.run(images)
    offers, left = [], 0.0
    for place in places(simulation):
        if place.number in among and simulation.operations[place.number][3].fusedActivationFunction == _RELU:
            for channel, errors in _clipped(simulation, ranges, place, exact).items():
                left += errors[0]
                gains = [error - smaller for error, smaller in zip(errors, [*errors[1:], 0.0])]
                offers += [(gain, price(simulation, place), place, channel) for gain in gains]
    chosen: dict[int, np.ndarray] = {}
    budget = more * total(simulation)
    for gain, cost, place, channel in sorted(offers, key=lambda offer: -offer[0] / offer[1]):
        if left <= GOAL**2 or budget < cost:
            break
        left, budget = left - gain, budget - cost
        once = np.ones(simulation.graph.tensors[place.after].shape[-1], int)
        chosen.setdefault(place.number, once)[channel] += 1
    return chosen


def _clipped(simulation: Simulation, ranges: Ranges, place: Place, exact: dict) -> dict[int, list[float]]:
    """Channel → how far the pictures move where it alone is clipped at one range, at two, …: squared levels of 255."""
    values = exact[place.after]
    high = _high(simulation, ranges, place.number)
    before = {outputs[0] for _, _, outputs, _ in simulation.operations[: place.number]} | {simulation.input}
    reach = np.max(values, axis=(1, 2)) / high
    channels = np.arange(values.shape[-1])
    found: dict[int, list[float]] = {}
    for channel in np.flatnonzero(reach.max(axis=0) > 1):
        errors = found.setdefault(int(channel), [])
        for end in range(1, min(int(np.ceil(reach[:, channel].max())), _MOST)):
            # The other pictures do not move.
            there = np.flatnonzero(reach[:, channel] > end)
            own = {index: tf.gather(exact[index], there) for index in (*before, place.after, simulation.output)}
            cut = tf.where(channels == channel, tf.minimum(own[place.after], end * high), own[place.after])
            known = {index: own[index] for index in before} | {place.after: cut}
            errors.append(moved(simulation, {}, known, own) ** 2 * len(there) / len(reach))
    return found


def insert(simulation: Simulation, chosen: dict[int, np.ndarray], ranges: Ranges) -> Simulation:
    """The graph with these channels' further ranges behind the others; the same function up to their ends."""
    added = Simulation(copies.insert(simulation, chosen, shared=False))
    added.ceilings = ceilings(added, chosen, ranges)
    for number, counts in chosen.items():
        bias = added.operations[number][1][2]
        added.constants[bias] = added.constants[bias] + below(added, ranges, number, counts)
    return added


def ceilings(simulation: Simulation, chosen: dict[int, np.ndarray], ranges: Ranges) -> dict[int, float]:
    """`Simulation.ceilings` of a graph in which these channels were added."""
    return {simulation.operations[number][2][0]: _high(simulation, ranges, number) for number in chosen}


def below(simulation: Simulation, ranges: Ranges, number: int, counts: np.ndarray) -> np.ndarray:
    """By what each channel of a convolution and each one added for it is moved: none, one range down, two, …"""
    return (-_high(simulation, ranges, number) * copies.order(counts)).astype(np.float32)


def _high(simulation: Simulation, ranges: Ranges, number: int) -> float:
    return ranges[simulation.groups[simulation.operations[number][2][0]]][1]
