"""PReLU between two convolutions, without PReLU: rounded once where int8 would round twice.

relu(x) - slope·relu(-x) is PReLU, and a convolution has a ReLU of its own. So the channels whose slope matters are
computed twice, once with their kernels negated, and the next convolution takes the difference. An int8 PReLU reads
signed levels that the convolution rounded before and rounds again; a ReLU costs no rounding and no sign.
"""

import numpy as np
import tensorflow as tf

from export.int8.readers import add_channels, backwards, readers
from export.int8.simulation import Simulation
from zoo.graphs.tflite import schema

# A negative side counts from here on: its root mean square in levels of its tensor, at the channels' reach of 255.
# More of them are cheaper and lose more; `python -m releasing.int8_losses --data=Set5,Set14` prints what is lost.
_LEVELS = 0.5


def matters(simulation: Simulation, images: np.ndarray) -> dict[int, np.ndarray]:
    """For each PReLU between two convolutions (by its operation's number), the channels whose slope must be kept."""
    tensors = simulation.run(images)
    chosen = {}
    for number, first, _ in _places(simulation):
        slopes = _slopes(simulation, number)
        values = tensors[simulation.operations[first][2][0]]
        reach = tf.reduce_max(tf.abs(values), (0, 1, 2)).numpy()
        lost = np.abs(slopes) * tf.sqrt(tf.reduce_mean(tf.nn.relu(-values) ** 2, (0, 1, 2))).numpy()
        chosen[number] = np.flatnonzero(lost > _LEVELS / 255 * reach)
    return chosen


def fold(simulation: Simulation, chosen: dict[int, np.ndarray]) -> bytes:
    """The file with those PReLUs gone, the chosen channels mirrored; slopes of the others taken as 0."""
    graph = simulation.graph
    constants = dict(simulation.constants)
    removed = []
    for number, first, behind in _places(simulation):
        mirrored = chosen[number]
        _, (before, _), (after,), _ = simulation.operations[number]
        kept = _slopes(simulation, number)[mirrored]
        weights, bias = simulation.operations[first][1][1:3]
        constants[weights] = np.concatenate([constants[weights], -constants[weights][mirrored]])
        constants[bias] = np.concatenate([constants[bias], -constants[bias][mirrored]])
        count = graph.tensors[before].shape[-1]
        for reader in backwards(behind):
            here = constants[reader.weights]
            own = here[..., reader.offset : reader.offset + count]
            rest = here[..., reader.offset + count :]
            added = -own[..., mirrored] * kept
            constants[reader.weights] = np.concatenate([here[..., : reader.offset + count], added, rest], axis=-1)
            reads = graph.operations[reader.first]
            reads.inputs = [graph.tensors[before] if given is graph.tensors[after] else given for given in reads.inputs]
        # The difference of two channels has a depthwise convolution's bias once.
        add_channels(simulation, constants, behind, mirrored, biased=())
        for index in (before, after):
            graph.tensors[index].shape = (*graph.tensors[index].shape[:-1], len(constants[bias]))
        graph.operations[first].options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        removed.append(graph.operations[number])
    for operation in removed:
        graph.replace(operation)
    return simulation.content(constants=constants)


def _slopes(simulation: Simulation, number: int) -> np.ndarray:
    """A PReLU's, by channel; the file may have one for all."""
    _, (before, slopes), *_ = simulation.operations[number]
    return np.broadcast_to(simulation.constants[slopes].reshape(-1), simulation.graph.tensors[before].shape[-1:])


def _places(simulation: Simulation):
    """(PReLU, the convolution before it, what reads it), by number, where nothing else reads what lies between."""
    for number, (name, inputs, (after,), _) in enumerate(simulation.operations):
        if name != "PRELU" or simulation.constants[inputs[1]].size != simulation.constants[inputs[1]].shape[-1]:
            continue
        before = inputs[0]
        producers = [n for n, (_, _, outputs, _) in enumerate(simulation.operations) if before in outputs]
        alone = sum(before in given for _, given, _, _ in simulation.operations) == 1
        behind = readers(simulation, after)
        if len(producers) == 1 and alone and behind:
            kind, given, _, options = simulation.operations[producers[0]]
            if kind == "CONV_2D" and options.fusedActivationFunction == 0 and len(given) > 2:
                yield number, producers[0], behind
