"""Why no convolution takes an enlargement in: the call that is really in the way, not the first that reads it."""

import keras

from zoo.rewrite.graph import Graph, Node
from zoo.rewrite.pointwise import is_one_by_one, is_per_channel

_SUMS = (keras.layers.Add, keras.layers.Average, keras.layers.Subtract)


def blocker(graph: Graph, node: Node, method: str, refused: dict[int, str]) -> str:
    """The sentence for the explanation.

    Args:
        node: the enlarging call.
        method: nearest passes through what is per channel; what follows another interpolation reads it as it is.
        refused: why calls cannot take in what they read, by the node's id.
    """
    tensor = node.outputs[0]
    while True:
        calls = graph.calls_reading(tensor)
        if not calls:
            return "no convolution after it in its model"
        for call in calls:
            if id(call) in refused:
                return refused[id(call)]
        if len(calls) > 1 or graph.readers(tensor) > 1:
            # What is read twice, or is an output too, stays as it is.
            return f"what is read by more than one cannot be taken in: {_names(calls)}"
        (call,) = calls
        passes = is_per_channel(call.operation) and len(call.input_tensors) == 1
        if method != "nearest" and passes:
            return f"only repeated values pass through {_names(calls)}"
        if not passes:
            break
        tensor = call.outputs[0]
    if is_one_by_one(call.operation):
        return f"{_names(calls)} in front of it would cost more"
    if type(call.operation) in _SUMS:
        return f"{_names(calls)} adds HR maps to it: a convolution that takes it in would be two, which cost more"
    if method != "nearest" and type(call.operation) is keras.layers.Conv2D:
        return f"{_names(calls)} stays a layer of its own: at the border the two are not one"
    return f"what reads it is no convolution that can take it in: {_names(calls)}"


def _names(calls: list[Node]) -> str:
    return ", ".join(f"{call.operation.name!r} ({type(call.operation).__name__})" for call in calls)
