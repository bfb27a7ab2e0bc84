"""What a target makes of the operations that a row of a TFLite file is about, and of those that replace them."""

import dataclasses
import math

from zoo.graphs.tflite import File, Graph, Operation
from zoo.rewrite.explanation import Row
from zoo.targets import xnnpack
from zoo.targets.record import Target

# From the worst on; anything else is computed right.
_SEVERITIES = ("wrong", "refused", "uncertain")


def judged(rows: list[Row], original: File, result: File, target: Target) -> list[Row]:
    """The rows with the target's verdicts before and after, and with the times that are expected of float files.

    Args:
        rows: of what became of the original's operations, each called after the tensor that they give.
        result: the file that came out; the original itself where nothing moved.
    """
    before, after = _Made(original.graphs[0]), _Made(result.graphs[0])
    return [_judged(row, before, after, target) for row in rows]


class _Made:
    """What makes the tensors of a graph, by their names.

    Attributes:
        names: of all tensors, the constants too.
    """

    def __init__(self, graph: Graph):
        self.names = {tensor.name for each in graph.operations for tensor in each.tensors()}
        self._by = {tensor.name: each for each in graph.operations for tensor in each.outputs}

    def behind(self, name: str, known: set[str]) -> list[Operation]:
        """The operation that gives a tensor, and those before it whose results are not known elsewhere."""
        found: list[Operation] = []
        waiting = [name]
        while waiting:
            operation = self._by.get(waiting.pop())
            if operation is None or any(operation is each for each in found):
                continue
            found.append(operation)
            waiting += [each.name for each in operation.inputs if each is not None and each.name not in known]
        return found


def _judged(row: Row, before: _Made, after: _Made, target: Target) -> Row:
    verdict = _verdict(before.behind(row.layer, (after if row.becomes else before).names), target)
    if not row.becomes:
        return dataclasses.replace(row, verdict=verdict)
    new = after.behind(row.layer, before.names)
    single = all(tensor.dtype == "float32" for each in new for tensor in each.outputs)
    faster = xnnpack.speedup(row.facts) if row.facts is not None and single else 0.0
    return dataclasses.replace(
        row, verdict=verdict, verdict_after=_verdict(new, target), faster=faster if math.isfinite(faster) else 0.0
    )


def _verdict(operations: list[Operation], target: Target) -> str:
    found = {rule.severity for each in operations for rule in target.rules.values() for _ in rule.look(each)}
    return next((severity for severity in _SEVERITIES if severity in found), "right")
