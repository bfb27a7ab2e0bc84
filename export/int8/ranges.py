"""Where each tensor of a graph lies on real pictures, and graphs whose channels use their range alike."""

import numpy as np
import tensorflow as tf

from export.int8.pictures import Crops
from export.int8.readers import is_depthwise, readers, take_off, takes_shifts
from export.int8.simulation import Ranges, Simulation, fake_quantize

# Tried ends, as parts of the largest value seen: rare extremes are cut where finer levels gain more.
_PARTS = tuple(part / 20 for part in range(20, 1, -1))
# max(0, x) and its kin: f(c·x) = c·f(x) for c > 0, so that a channel's scale passes through.
_HOMOGENEOUS = ("PRELU", "RELU", "LEAKY_RELU")
_SAMPLES = 20_000


def choose_ranges(simulation: Simulation, crops: Crops, ignored: tuple[int, ...] = ()) -> Ranges:
    """The range of each group of tensors: of all ends tried, those with the least weighted squared error on the crops.

    Where a tensor goes through an activation alone, the error counts behind it: what a PReLU flattens needs no levels.
    The tensors in `ignored` have no say in their groups.
    """
    tensors = simulation.run(crops.images)
    ranges = dict(simulation.fixed)
    for group in dict.fromkeys(simulation.groups.values()):
        if group in ranges:
            continue
        members = [index for index, owner in simulation.groups.items() if owner == group and index not in ignored]
        alone = len(members) == 1
        values = [_some(tensors[index], crops.weights) for index in members]
        behind = _activation_behind(simulation, members[0]) if alone else lambda x: x
        ends = [(tf.reduce_min(tensors[index]), tf.reduce_max(tensors[index])) for index in members]
        low, high = (float(pick(side)) for pick, side in zip((min, max), zip(*ends)))
        ranges[group] = _best(values, min(low, 0.0), max(high, 0.0), behind)
    return ranges


def _some(values, weights: np.ndarray):
    """(pixels, channels), evenly out of all, and (pixels, 1), how much each counts."""
    rows = tf.reshape(values, (-1, values.shape[-1]))
    counts = np.repeat(weights, len(rows) // len(weights))[:, None]
    every = max(1, len(rows) // _SAMPLES)
    return rows[::every].numpy(), counts[::every]


def _best(values, low: float, high: float, behind) -> tuple[float, float]:
    if low == high:
        return 0.0, 1.0
    wanted = [behind(rows) for rows, _ in values]

    def error(ends):
        parts = zip(values, wanted, strict=True)
        off = [tf.reduce_sum(counts * (behind(fake_quantize(rows, *ends)) - aim) ** 2) for (rows, counts), aim in parts]
        return float(sum(off))

    # One end after the other, twice: a grid over both would say the same.
    for _ in range(2):
        high = min((part * high for part in _PARTS if high), key=lambda end: error((low, end)), default=high)
        low = min((part * low for part in _PARTS if low), key=lambda end: error((end, high)), default=low)
    return low, high


def _activation_behind(simulation: Simulation, tensor: int):
    consumers = [operation for operation in simulation.operations if tensor in operation[1]]
    if len(consumers) == 1 and consumers[0][0] in (*_HOMOGENEOUS, "TANH"):
        name, inputs, _, options = consumers[0]
        if name == "TANH":
            return tf.tanh
        slopes = simulation.constants.get(inputs[1]) if name == "PRELU" else getattr(options, "alpha", 0.0)
        return lambda x: tf.nn.relu(x) - slopes * tf.nn.relu(-x)
    return lambda x: x


def equalize(simulation: Simulation, images: np.ndarray) -> dict[int, np.ndarray]:
    """Changes the constants so that every channel between two convolutions reaches as far as 1; the same function.

    A convolution's output channel is divided by c > 0 and the next one's input channel multiplied by it; PReLU and its
    kin let c pass. Channels share one range in int8, so a channel that reaches a tenth of it has a tenth of the levels.
    What a depthwise convolution hands to 1×1 ones alone is moved too, so that each channel reaches from 0 to 1: the
    1×1 ones take it off again, and have no border to which that would make a difference.

    Returns:
        For each tensor that was scaled, by what its channels were divided.

    References: Nagel et al., *Data-Free Quantization Through Weight Equalization and Bias Correction*, ICCV 2019,
    section 4.1; here by the activations, since weights have a scale for each output channel.
    """
    constants, divisors = simulation.constants, {}
    tensors = simulation.run(images)
    for first, through, behind in _chains(simulation):
        low = np.min([tf.reduce_min(tensors[index], (0, 1, 2)) for index in through], axis=0)
        high = np.max([tf.reduce_max(tensors[index], (0, 1, 2)) for index in through], axis=0)
        weights, bias, depthwise = first
        moved = depthwise and len(through) == 1 and all(takes_shifts(simulation, reader) for reader in behind)
        shift = -low if moved else np.zeros_like(low)
        reach = high - low if moved else np.maximum(-low, high)
        reach = np.where(reach > 1e-6, reach, 1.0)
        # Of a depthwise kernel the last axis is the channels'.
        constants[weights] = constants[weights] / (reach if depthwise else reach[:, None, None, None])
        if bias in constants:
            constants[bias] = (constants[bias] + shift) / reach
        for reader in behind:
            own = slice(reader.offset, reader.offset + len(reach))
            if moved:
                take_off(simulation, constants, reader, constants[reader.weights][..., own], shift)
            factors = np.ones(constants[reader.weights].shape[-1], np.float32)
            factors[own] = reach
            constants[reader.weights] = constants[reader.weights] * factors
        divisors.update(dict.fromkeys(through, reach))
    return divisors


def _chains(simulation: Simulation):
    """(weights and bias, the tensors between, the next convolutions) where nothing else is between convolutions."""
    for number, (name, inputs, outputs, options) in enumerate(simulation.operations):
        depthwise = is_depthwise(simulation, number)
        if name != "CONV_2D" and not depthwise or options.fusedActivationFunction not in (0, 1):
            continue
        through = [outputs[0]]
        while not (behind := readers(simulation, through[-1], past_depthwise=False)):
            consumers = [operation for operation in simulation.operations if through[-1] in operation[1]]
            if len(consumers) != 1 or through[-1] == simulation.output or consumers[0][0] not in _HOMOGENEOUS:
                break
            through.append(consumers[0][2][0])
        if behind:
            yield (inputs[1], inputs[2] if len(inputs) > 2 else -1, depthwise), through, behind
