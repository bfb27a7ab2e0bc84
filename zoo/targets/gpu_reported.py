"""What GPU delegates were reported to compute wrongly without a word, where the delegate that runs here is right.

A file with one of these may be wrong on some phone, at least in a version that somebody has: "uncertain", with the
report. A run on the phone itself decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a file's parser needs LiteRT's schema, which rewriting a Keras network does not
    from zoo.graphs.tflite import Graph, Operation

# Half precision ends at 65,504: so many values of 16 on average.
_MANY = 4096


def _mixed_ranks(operation: Operation) -> Iterator[str]:
    sides = [tensor for tensor in operation.inputs if tensor is not None and not tensor.constant]
    if operation.name in ("ADD", "MUL", "SUB", "DIV") and len({len(tensor.shape) for tensor in sides}) > 1:
        yield f"{' and '.join(map(str, sides))} were laid out by rank, not aligned at the last axis; reshape"


def _transposed_matrices(operation: Operation) -> Iterator[str]:
    options = operation.options
    if operation.name == "BATCH_MATMUL" and options is not None and (options.adjX or options.adjY):
        yield "the flags that transpose a matrix were ignored; write the transpose as an operation"


def _long_sums(operation: Operation) -> Iterator[str]:
    if operation.name not in ("SUM", "MEAN") or not operation.inputs[1].constant:
        return
    shape, axes = operation.inputs[0].shape, operation.inputs[1].values.ravel()
    if None in shape:
        return
    count = math.prod(shape[axis] for axis in axes)
    if count >= _MANY:
        yield (
            f"{count:,} values are added up, in half precision where a phone is left to choose: beyond 65,504 that is "
            "infinite; average in two steps, or ask for float32"
        )


def _read_outputs(operation: Operation, graph: Graph) -> Iterator[str]:
    result = operation.outputs[0] if operation.outputs else None
    moving = [tensor for tensor in operation.inputs if tensor is not None and not tensor.constant]
    if operation.name == "ADD" and len(moving) == 2 and result in graph.outputs and graph.readers(result):
        yield "a sum that is an output and is read on: the output was one of its parts; give out a copy"


# Name → source and look; those that need the graph around an operation apart.
REPORTED = {
    "mixed-ranks": ("google-ai-edge/LiteRT#8980", _mixed_ranks),
    "matmul-transposed": ("google-ai-edge/LiteRT#8913", _transposed_matrices),
    "long-sum": ("google-ai-edge/LiteRT#9249", _long_sums),
}
REPORTED_IN_GRAPHS = {"read-output": ("google-ai-edge/LiteRT#8599", _read_outputs)}
