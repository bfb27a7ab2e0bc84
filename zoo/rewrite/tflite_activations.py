"""Activations that a target does not take, in operations that it does; the same numbers, in float files.

    PRELU:         r = RELU(x), y = r - slopes·(r - x)
    RELU_0_TO_1:   MINIMUM(RELU(x), 1)
    RELU6:         MINIMUM(RELU(x), 6)

Below zero r is 0 and r - x is -x; above it r - x is 0: nothing is rounded that PRELU does not round.
"""

import numpy as np

from zoo.graphs.tflite import File, Graph, Operation, Tensor, schema
from zoo.rewrite.explanation import Row
from zoo.rewrite.tflite_steps import Steps
from zoo.targets.record import Target

_LIMITS = {"RELU_0_TO_1": 1.0, "RELU6": 6.0}


def replace_activations(file: File, target: Target) -> list[Row]:
    """Changes a file: each activation that the target does not take is computed by other operations.

    Returns:
        A row for each: what becomes of it, or why it stays.
    """
    graph = file.only_graph
    wanted = [each for each in graph.operations if each.name in ("PRELU", *_LIMITS) and not target.takes(each.name)]
    return [_replaced(graph, operation) for operation in wanted]


def _replaced(graph: Graph, operation: Operation) -> Row:
    image, (output,), name = operation.inputs[0], operation.outputs, operation.name
    if image.dtype not in ("float32", "float16"):
        return Row(output.name, f"{name}, {image.dtype}", note="integers would be rounded at each of several steps")
    steps = Steps([], image, output)
    steps.add("RELU", [image], None, image.shape)
    positive = steps.last
    if name == "PRELU":
        steps.add("SUB", [positive, image], schema.SubOptionsT(), image.shape)
        steps.add("MUL", [steps.last, operation.inputs[1]], schema.MulOptionsT(), image.shape)
        steps.add("SUB", [positive, steps.last], schema.SubOptionsT(), image.shape)
    else:
        limit = Tensor(f"{output.name}/limit", (), image.dtype, np.asarray(_LIMITS[name]))
        steps.add("MINIMUM", [positive, limit], schema.MaximumMinimumOptionsT(), image.shape)
    steps.replace_in(graph, operation)
    becomes = "RELU, SUB, MUL, SUB" if name == "PRELU" else "RELU, MINIMUM"
    return Row(output.name, f"{name}, {image.dtype}", action="moved", becomes=becomes)
