"""Where each tensor of a graph lies on real pictures, and graphs whose channels use their range alike."""

import numpy as np
import tensorflow as tf

from export.int8.simulation import Ranges, Simulation, fake_quantize

# Tried ends, as parts of the largest value seen: rare extremes are cut where finer levels gain more.
_PARTS = tuple(part / 20 for part in range(20, 1, -1))
# max(0, x) and its kin: f(c·x) = c·f(x) for c > 0, so that a channel's scale passes through.
_HOMOGENEOUS = ("PRELU", "RELU", "LEAKY_RELU")
_SAMPLES = 100_000


def choose_ranges(simulation: Simulation, images: np.ndarray, ignored: tuple[int, ...] = ()) -> Ranges:
    """The range of each group of tensors: of all ends tried, those with the least squared error on the images.

    Where a tensor goes through an activation alone, the error counts behind it: what a PReLU flattens needs no levels.
    The tensors in `ignored` have no say in their groups.
    """
    tensors = simulation.run(images)
    ranges = dict(simulation.fixed)
    for group in dict.fromkeys(simulation.groups.values()):
        if group in ranges:
            continue
        members = [index for index, owner in simulation.groups.items() if owner == group and index not in ignored]
        alone = len(members) == 1
        values = (
            _some(tensors[members[0]]) if alone else tf.concat([_flat(_some(tensors[index])) for index in members], 0)
        )
        behind = _activation_behind(simulation, members[0]) if alone else lambda x: x
        ranges[group] = _best(values, behind)
    return ranges


def _some(values):
    """(pixels, channels), evenly out of all."""
    rows = tf.reshape(values, (-1, values.shape[-1]))
    return rows[:: max(1, tf.size(rows).numpy() // _SAMPLES)]


def _flat(values):
    return tf.reshape(values, (-1,))


def _best(values, behind) -> tuple[float, float]:
    low, high = (float(end) for end in (tf.minimum(tf.reduce_min(values), 0), tf.maximum(tf.reduce_max(values), 0)))
    if low == high:
        return 0.0, 1.0
    wanted = behind(values)

    def error(ends):
        return float(tf.reduce_mean((behind(fake_quantize(values, *ends)) - wanted) ** 2))

    # One end after the other, twice: a grid over both would say the same.
    for _ in range(2):
        high = min((part * high for part in _PARTS if high), key=lambda end: error((low, end)), default=high)
        low = min((part * low for part in _PARTS if low), key=lambda end: error((end, high)), default=low)
    return low, high


def _activation_behind(simulation: Simulation, tensor: int):
    consumers = [operation for operation in simulation.operations if tensor in operation[1]]
    if len(consumers) == 1 and consumers[0][0] in _HOMOGENEOUS:
        name, inputs, _, options = consumers[0]
        slopes = simulation.constants.get(inputs[1]) if name == "PRELU" else getattr(options, "alpha", 0.0)
        return lambda x: tf.nn.relu(x) - slopes * tf.nn.relu(-x)
    return lambda x: x


def equalize(simulation: Simulation, images: np.ndarray) -> dict[int, np.ndarray]:
    """Changes the constants so that every channel between two convolutions reaches equally far; the same function.

    A convolution's output channel is divided by c > 0 and the next one's input channel multiplied by it; PReLU and its
    kin let c pass. Channels share one range in int8, so a channel that reaches a tenth of it has a tenth of the levels.

    Returns:
        For each tensor that was scaled, by what its channels were divided.

    References: Nagel et al., *Data-Free Quantization Through Weight Equalization and Bias Correction*, ICCV 2019,
    section 4.1; here by the activations, since weights have a scale for each output channel.
    """
    constants, divisors = simulation.constants, {}
    tensors = simulation.run(images)
    for first, through, second in _chains(simulation):
        reach = np.max([tf.reduce_max(tf.abs(tensors[index]), (0, 1, 2)).numpy() for index in through], axis=0)
        reach = np.where(reach > 1e-6, reach, 1.0)
        reach /= np.exp(np.mean(np.log(reach)))
        weights, bias = first
        constants[weights] = constants[weights] / reach[:, None, None, None]
        if bias in constants:
            constants[bias] = constants[bias] / reach
        constants[second] = constants[second] * reach
        divisors.update(dict.fromkeys(through, reach))
    return divisors


def _chains(simulation: Simulation):
    """(weights and bias, the tensors between, the next weights) of two convolutions with nothing else between them."""
    for name, inputs, outputs, options in simulation.operations:
        if name != "CONV_2D" or options.fusedActivationFunction not in (0, 1):
            continue
        through = [outputs[0]]
        while True:
            consumers = [operation for operation in simulation.operations if through[-1] in operation[1]]
            if len(consumers) != 1 or through[-1] == simulation.output:
                break
            kind, next_inputs, next_outputs, _ = consumers[0]
            if kind == "CONV_2D":
                yield (inputs[1], inputs[2] if len(inputs) > 2 else -1), through, next_inputs[1]
                break
            if kind not in _HOMOGENEOUS:
                break
            through.append(next_outputs[0])
