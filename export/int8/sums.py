"""The sum before the last convolution as a concatenation: W·(x + y) = W·x + W·y, read from both parts.

A sum of maps carries what both carry, its range is wider than either's, and its rounding comes on top of theirs. Side
by side each part keeps its own levels and the last layer does the adding, in 32 bits.
"""

import numpy as np

from export.int8.simulation import Simulation
from zoo.graphs.tflite import Tensor, schema


def unfold(simulation: Simulation) -> bytes:
    """The file with the sum, if there is one of two maps that only the last convolution reads, written that way."""
    graph = simulation.graph
    last = max((n for n, (name, *_) in enumerate(simulation.operations) if name == "CONV_2D"), default=-1)
    constants = dict(simulation.constants)
    for operation, (name, inputs, (after, *_), options) in zip(list(graph.operations), simulation.operations):
        read = [number for number, (_, given, _, _) in enumerate(simulation.operations) if after in given]
        maps = [graph.tensors[index] for index in inputs if index not in constants]
        alike = len(maps) == 2 and maps[0].shape == maps[1].shape and maps[0] is not maps[1]
        if (
            name != "ADD"
            or read != [last]
            or not alike
            or options.fusedActivationFunction
            or after == simulation.output
        ):
            continue
        shape = graph.tensors[after].shape
        joined = Tensor("sum/joined", (*shape[:-1], 2 * shape[-1]))
        operation.name, operation.outputs = "CONCATENATION", [joined]
        operation.options = schema.ConcatenationOptionsT(axis=3)
        graph.operations[last].inputs[0] = joined
        weights = simulation.operations[last][1][1]
        constants[weights] = np.concatenate([constants[weights]] * 2, axis=-1)
    return simulation.content(constants=constants)
