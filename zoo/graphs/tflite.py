"""TFLite files: read as objects that may be changed, and written again; needs neither Keras nor TensorFlow.

A file is edited by its lists: an operation is inserted, removed or replaced in `graph.operations`, and a tensor is
there as long as something names it. `File.packed` alone gives out the numbers that hold a flatbuffer together, of
tensors, buffers and operation codes. What nobody touched stays as it was: metadata, signatures, names, buffers.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.files import existing_file
from zoo.graphs.flatbuffer import damaged, pack, schema, unpack, with_attached
from zoo.graphs.tflite_graph import Graph, Operation, Tensor, names

__all__ = ["File", "Graph", "Operation", "Tensor", "parse", "read", "schema"]

_OPERATIONS = names(schema.BuiltinOperator)
_NUMBERS = {name: number for number, name in _OPERATIONS.items()}
# Older files have a narrow field for an operation's number; larger ones stand in another, and this one here.
_NARROW = 127


def read(path: str | Path) -> "File":
    """Reads a TFLite file.

    Raises:
        UsageError: no file, no TFLite flatbuffer, or a damaged one.
        OSError: it cannot be read.

    Example:
        >>> import zoo.registry
        >>> file = read(zoo.registry.preset_file("fsrcnn_s_x2", ".tflite"))
        >>> file.operations[-1].name, str(file.inputs[0])
        ('DEPTH_TO_SPACE', 'float32[1,?,?,1]')
    """
    return parse(existing_file(path, "a .tflite file").read_bytes(), str(path))


def parse(content: bytes, name: str) -> "File":
    """The same for a file's bytes; `name` is what an error calls it."""
    raw = unpack(content, name)
    try:
        return File(content, raw)
    # Numbers that point nowhere, names that are no text: a damaged file fails in any way.
    except Exception as error:
        raise damaged(name) from error


class File:
    """A TFLite file.

    Attributes:
        content: the bytes that it was read from.
        graphs: its subgraphs; an interpreter runs the first.
        raw: the schema's object.
    """

    def __init__(self, content: bytes, raw: Any):
        self.content, self.raw = content, raw
        self.graphs = [self._graph(subgraph) for subgraph in raw.subgraphs]
        self._signatures = [
            (entry, _at(self.graphs[signature.subgraphIndex].tensors, entry.tensorIndex))
            for signature in raw.signatureDefs or ()
            for entry in (*(signature.inputs or ()), *(signature.outputs or ()))
        ]
        self._metadata = [(entry, _at(raw.buffers, entry.buffer)) for entry in raw.metadata or ()]
        # What nothing names may serve somebody all the same: only what loses its last name goes.
        self._tensors_before = self._tensors()
        self._buffers_before = dict(self._buffers(self._tensors_before))
        self._codes_before = {operation.raw.opcodeIndex for operation in self.operations}

    @property
    def operations(self) -> list[Operation]:
        """The operations of all graphs."""
        return [operation for graph in self.graphs for operation in graph.operations]

    @property
    def changed(self) -> bool:
        """Whether an operation was replaced since the file was read."""
        return any(graph.changed for graph in self.graphs)

    @property
    def only_graph(self) -> Graph:
        """The one graph of a file without control flow.

        Raises:
            UsageError: it has several, as control flow and several signatures make them.
        """
        if len(self.graphs) != 1:
            raise UsageError(f"Expected a TFLite file of one graph. Received: one of {len(self.graphs)}")
        return self.graphs[0]

    @property
    def inputs(self) -> list[Tensor]:
        """The first graph's."""
        return self.graphs[0].inputs

    @property
    def outputs(self) -> list[Tensor]:
        """The first graph's."""
        return self.graphs[0].outputs

    @property
    def output_names(self) -> list[str]:
        """What people know the first graph's outputs by: their names in its signature, else those of the tensors."""
        known = {tensor: entry.name.decode() for entry, tensor in self._signatures if entry.name}
        return [known.get(tensor, tensor.name) for tensor in self.outputs]

    def keep(self, operations: list[Operation], inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Leaves of the first graph only these operations, between these tensors; signatures and other graphs go."""
        graph = self.graphs[0]
        graph.operations, graph.inputs, graph.outputs, graph.changed = operations, inputs, outputs, True
        self.graphs, self.raw.subgraphs = [graph], [graph.raw]
        self._signatures, self.raw.signatureDefs = [], None

    def metadata(self, name: str) -> bytes | None:
        """The bytes that the file stores under a name; None if there are none."""
        found = (buffer.data for entry, buffer in self._metadata if entry.name == name.encode())
        data = next(found, None)
        return None if data is None else bytes(data)

    def set_metadata(self, name: str, data: bytes) -> None:
        """Stores bytes under a name, in place of those that were there."""
        others = [pair for pair in self._metadata if pair[0].name != name.encode()]
        buffer = schema.BufferT(data=np.frombuffer(data, np.uint8))
        self._metadata = [*others, (schema.MetadataT(name=name.encode()), buffer)]

    def packed(self) -> bytes:
        """The bytes of the file as it is now.

        Raises:
            UsageError: it would reach 2 GB, or holds what cannot be moved without harm.
        """
        named, numbers = self._tensors(), dict[Tensor, int]()
        for graph in self.graphs:
            graph.tensors = [each for each in graph.tensors if each in named or each not in self._tensors_before]
            graph.tensors = list(dict.fromkeys((*graph.tensors, *graph.named())))
            numbers |= {tensor: number for number, tensor in enumerate(graph.tensors)}
        self._number_buffers()
        for entry, tensor in self._signatures:
            entry.tensorIndex = numbers[tensor]
        for graph in self.graphs:
            graph.raw.tensors = [tensor.raw for tensor in graph.tensors]
            graph.raw.inputs, graph.raw.outputs = (
                [numbers[tensor] for tensor in side] for side in (graph.inputs, graph.outputs)
            )
            graph.raw.operators = [self._operator(operation, numbers) for operation in graph.operations]
        self._drop_codes()
        self._tensors_before |= named
        return with_attached(pack(self.raw), self.content)

    def _graph(self, raw: Any) -> Graph:
        tensors = [
            Tensor.of(tensor, _at(self.raw.buffers, tensor.buffer) if tensor.buffer else None)
            for tensor in raw.tensors or ()
        ]
        operations = []
        for operator in raw.operators or ():
            code = _at(self.raw.operatorCodes, operator.opcodeIndex)
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            name = _OPERATIONS.get(number, f"operation {number}")
            custom = code.customCode.decode() if number == schema.BuiltinOperator.CUSTOM else ""
            inputs, outputs, intermediates = (
                [None if index == -1 else _at(tensors, index) for index in _list(side)]
                for side in (operator.inputs, operator.outputs, operator.intermediates)
            )
            options = operator.builtinOptions if operator.builtinOptions is not None else operator.builtinOptions2
            operations.append(Operation(name, inputs, outputs, options, code.version, custom, intermediates, operator))
        inputs, outputs = ([_at(tensors, index) for index in _list(side)] for side in (raw.inputs, raw.outputs))
        return Graph(tensors, operations, inputs, outputs, raw)

    def _tensors(self) -> set[Tensor]:
        """The tensors that something names."""
        return {tensor for graph in self.graphs for tensor in graph.named()} | {
            tensor for _, tensor in self._signatures
        }

    def _buffers(self, tensors: Iterable[Tensor]) -> dict[Any, None]:
        """The buffers of tensors and of the metadata, in order."""
        held = [tensor.buffer for tensor in tensors if tensor.buffer is not None]
        return dict.fromkeys((*held, *(buffer for _, buffer in self._metadata)))

    def _number_buffers(self) -> None:
        """Numbers the buffers: new ones get the places of those that nothing holds any more, or follow at the end."""
        tensors = [tensor for graph in self.graphs for tensor in graph.tensors]
        held = self._buffers(tensors)
        # The first is empty in every file: it stands for none.
        places = [
            buffer if number == 0 or buffer in held or buffer not in self._buffers_before else None
            for number, buffer in enumerate(self.raw.buffers)
        ]
        known = set(places)
        for buffer in held:
            if buffer not in known:
                place = places.index(None) if None in places else len(places)
                places[place : place + 1] = [buffer]
        self.raw.buffers = [schema.BufferT() if buffer is None else buffer for buffer in places]
        self._buffers_before |= held
        numbers = {buffer: number for number, buffer in enumerate(self.raw.buffers)}
        for tensor in tensors:
            tensor.raw.buffer = 0 if tensor.buffer is None else numbers[tensor.buffer]
        for entry, buffer in self._metadata:
            entry.buffer = numbers[buffer]
        self.raw.metadata = [entry for entry, _ in self._metadata] or None

    def _operator(self, operation: Operation, numbers: dict[Tensor, int]) -> Any:
        raw = operation.raw
        raw.opcodeIndex = self._code(operation)
        raw.inputs, raw.outputs, intermediates = (
            [-1 if tensor is None else numbers[tensor] for tensor in side]
            for side in (operation.inputs, operation.outputs, operation.intermediates)
        )
        raw.intermediates = intermediates or None
        kind = type(operation.options).__name__.removesuffix("T")
        for union, field in ((schema.BuiltinOptions, "builtinOptions"), (schema.BuiltinOptions2, "builtinOptions2")):
            if hasattr(union, kind) and operation.options is not None:
                setattr(raw, field, operation.options)
                setattr(raw, f"{field}Type", getattr(union, kind))
        return raw

    def _drop_codes(self) -> None:
        """Drops the codes that lost their last operation: an interpreter wants to know all that a file lists."""
        operators = [operator for graph in self.graphs for operator in graph.raw.operators]
        used = {operator.opcodeIndex for operator in operators}
        lost = self._codes_before - used
        places = {
            old: new for new, old in enumerate(each for each in range(len(self.raw.operatorCodes)) if each not in lost)
        }
        self.raw.operatorCodes = [self.raw.operatorCodes[old] for old in places]
        for operator in operators:
            operator.opcodeIndex = places[operator.opcodeIndex]
        self._codes_before = {operator.opcodeIndex for operator in operators}

    def _code(self, operation: Operation) -> int:
        """The number of an operation's code in the file's list, to which it is added if it is not there."""
        number = _NUMBERS.get(operation.name)
        # One of a newer schema keeps the code that it has.
        if number is None:
            return operation.raw.opcodeIndex
        wanted = (number, operation.custom.encode(), operation.version)
        for index, code in enumerate(self.raw.operatorCodes):
            builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
            if (builtin, (code.customCode or b"") if operation.custom else b"", code.version) == wanted:
                return index
        custom = operation.custom.encode() or None
        self.raw.operatorCodes.append(schema.OperatorCodeT(min(number, _NARROW), custom, operation.version, number))
        return len(self.raw.operatorCodes) - 1


def _list(indices: Any) -> list[int]:
    return [] if indices is None else [int(index) for index in indices]


def _at(parts: list, index: int) -> Any:
    if index < 0:
        raise IndexError(index)
    return parts[index]
