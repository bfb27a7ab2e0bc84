"""The sum before the last convolution or a 1×1 one as a concatenation: W·(x + y) = W·x + W·y, read from both parts.

A sum of maps carries what both carry, its range is wider than either's, and its rounding comes on top of theirs. Side
by side each part keeps its own levels and the layer behind does the adding, in 32 bits.
"""

import numpy as np

from export.int8.simulation import Simulation
from zoo.graphs.tflite import Tensor, schema


def unfold(simulation: Simulation) -> bytes:
    """The file with each sum of two maps written that way that only the last convolution or a 1×1 one reads.

    A kernel of 1×1 twice as deep costs little; other layers inside a network would pay for it.
    """
    graph = simulation.graph
    last = max((n for n, (name, *_) in enumerate(simulation.operations) if name == "CONV_2D"), default=-1)
    constants = dict(simulation.constants)
    for operation, (name, inputs, (after, *_), options) in zip(list(graph.operations), simulation.operations):
        maps = [graph.tensors[index] for index in inputs if index not in constants]
        alike = len(maps) == 2 and maps[0].shape == maps[1].shape and maps[0] is not maps[1]
        # Side by side with the image maps would have its range, from 0 to 1.
        alike = alike and simulation.groups[simulation.input] not in map(simulation.groups.get, inputs)
        if name != "ADD" or not alike or options.fusedActivationFunction or after == simulation.output:
            continue
        read = [number for number, (_, given, _, _) in enumerate(simulation.operations) if after in given]
        kind, given, *_ = simulation.operations[read[0]]
        pointwise = kind == "CONV_2D" and graph.tensors[given[1]].shape[1:3] == (1, 1)
        if len(read) > 1 or not (read == [last] or pointwise):
            continue
        shape = graph.tensors[after].shape
        joined = Tensor(f"{graph.tensors[after].name}/joined", (*shape[:-1], 2 * shape[-1]))
        operation.name, operation.outputs = "CONCATENATION", [joined]
        operation.options = schema.ConcatenationOptionsT(axis=3)
        graph.operations[read[0]].inputs[0] = joined
        constants[given[1]] = np.concatenate([constants[given[1]]] * 2, axis=-1)
    return simulation.content(constants=constants)
