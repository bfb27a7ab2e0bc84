"""Deconvolutions of a file, each alone at its own size: what it feeds may hide that it is shifted.

A deconvolution is what delegates compute wrongly without saying so, at some sizes and not at others.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export import delegate
from zoo.graphs import tflite
from zoo.graphs.tflite import File, Operation

NAMES = ("TRANSPOSE_CONV", "Convolution2DTransposeBias")


def deconvolutions(file: File) -> list[int]:
    """The numbers of those in the first graph whose sizes are known, one of each kind."""
    kinds: dict[tuple[str, ...], int] = {}
    for number, operation in enumerate(file.graphs[0].operations):
        if str(operation) in NAMES and not any(None in tensor.shape for tensor in operation.tensors()):
            kinds.setdefault((str(operation.outputs[0]), *map(str, filter(None, operation.inputs))), number)
    return list(kinds.values())


def alone(content: bytes, number: int) -> bytes:
    """A file of one operation of the first graph, with what its constants are unpacked by."""
    file = tflite.parse(content, "a TFLite file")
    graph = file.graphs[0]
    operation = graph.operations[number]
    kept = [each for each in _constants(file, operation) if each is not operation]
    made = {tensor for each in kept for tensor in each.outputs}
    moving = [each for each in filter(None, operation.inputs) if not each.constant and each not in made]
    file.keep([*kept, operation], list(dict.fromkeys(moving)), operation.outputs)
    return file.packed()


def _constants(file: File, operation: Operation) -> list[Operation]:
    """The operations that an operation's inputs come from where all of them start from constants, in order."""
    graph, found = file.graphs[0], []
    for tensor in filter(None, operation.inputs):
        producer = graph.producer(tensor)
        if producer is not None and _of_constants(file, producer):
            found += [each for each in _constants(file, producer) if each not in found] + [producer]
    return list(dict.fromkeys(found))


def _of_constants(file: File, operation: Operation) -> bool:
    graph = file.graphs[0]
    return all(
        tensor.constant or ((producer := graph.producer(tensor)) is not None and _of_constants(file, producer))
        for tensor in filter(None, operation.inputs)
    )


def probed(file: File, progress: Callable[[str], None] = lambda line: None) -> list[dict[str, Any]]:
    """Runs each deconvolution of a file alone on the GPU delegate.

    Returns:
        For each `operation`, as findings name it, `size` and what `export.delegate.run` says under `gpu`.
    """
    results: list[dict[str, Any]] = []
    for number in deconvolutions(file):
        operation = file.graphs[0].operations[number]
        place = f"operation {number} ({operation})"
        progress(f"{place} alone on the GPU delegate")
        with tempfile.TemporaryDirectory(prefix="probe-") as folder:
            path = Path(folder) / "alone.tflite"
            path.write_bytes(alone(file.content, number))
            size = f"{operation.inputs[2 if operation.name == 'TRANSPOSE_CONV' else 0]} → {operation.outputs[0]}"
            results.append({"operation": place, "size": size, **delegate.run(path)["gpu"]})
    return results


def line(probe: dict[str, Any]) -> str:
    """One probe for people."""
    return f"{probe['operation']} alone, {probe['size']}: {probe['sentence']}"
