"""A TFLite file's graphs, operations and tensors as objects that may be changed; `zoo.graphs.tflite` reads and writes.

Each object holds the schema's own in `raw`, so that what has no attribute here comes through as it was.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from zoo.graphs.flatbuffer import schema


def names(enumeration: type) -> dict[int, str]:
    """Number → name of one of the schema's enumerations."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


# A tensor's side: an int, or None where it is free; which may be free the operation says, not the type.
Side: TypeAlias = Any
_DTYPES = {number: name.lower() for number, name in names(schema.TensorType).items()}
_NUMPY = {"bool", "float16", "float32", "float64"}
_NUMPY |= {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


class Tensor:
    """A tensor of a graph, by itself: two are equal if they are one.

    Args:
        name: as it is shown to people.
        shape: its sides, None where one is free.
        dtype: TFLite's name in lower case: "float32", "int8", …
        values: those of a constant.
        quantization: the schema's object, if any.

    Attributes:
        raw: the schema's object.
        buffer: the schema's buffer, maybe shared; None: the tensor has none.
    """

    def __init__(
        self,
        name: str,
        shape: Sequence[Side],
        dtype: str = "float32",
        values: np.ndarray | None = None,
        quantization: Any = None,
    ):
        number = {name: number for number, name in _DTYPES.items()}[dtype]
        self.raw = schema.TensorT(type=number, name=name.encode(), hasRank=True, quantization=quantization)
        self.buffer: Any = None
        self.shape = shape
        if values is not None:
            self.values = values

    @classmethod
    def of(cls, raw: Any, buffer: Any) -> "Tensor":
        """The tensor that a file has."""
        tensor = cls.__new__(cls)
        tensor.raw, tensor.buffer = raw, buffer
        return tensor

    @property
    def name(self) -> str:
        """As it is shown to people."""
        return (self.raw.name or b"").decode(errors="replace")

    @property
    def dtype(self) -> str:
        """TFLite's name in lower case."""
        return _DTYPES.get(self.raw.type, f"type {self.raw.type}")

    @property
    def shape(self) -> tuple[Side, ...]:
        """The sides; None where one is free."""
        signature = self.raw.shapeSignature if self.raw.shapeSignature is not None else self.raw.shape
        return tuple(None if side < 0 else int(side) for side in (() if signature is None else signature))

    @shape.setter
    def shape(self, sides: Sequence[Side]) -> None:
        self.raw.shape = [1 if side is None else int(side) for side in sides]
        self.raw.shapeSignature = [-1 if side is None else int(side) for side in sides] if None in sides else None

    @property
    def data(self) -> np.ndarray | None:
        """The bytes of a constant, uint8; None where the tensor is computed."""
        data = self.buffer.data if self.buffer is not None else None
        return data if data is not None and len(data) else None

    @property
    def constant(self) -> bool:
        """Whether the file holds its values."""
        return self.data is not None

    @property
    def values(self) -> np.ndarray:
        """A constant's values in its own type and shape; to be set as a whole.

        Raises:
            ValueError: no constant, or one of strings, of 4 bits or sparse, which NumPy has no type for.
        """
        if self.data is None or self.raw.sparsity is not None or self.dtype not in _NUMPY:
            raise ValueError(f"Expected a constant of plain numbers. Received: {self.name} ({self})")
        return np.asarray(self.data).view(self.dtype).reshape(self.raw.shape if self.raw.shape is not None else ())

    @values.setter
    def values(self, array: np.ndarray) -> None:
        # In a buffer of its own: the one before may be shared.
        data = np.ascontiguousarray(array, self.dtype).tobytes()
        self.buffer = schema.BufferT(data=np.frombuffer(data, np.uint8))
        self.shape = np.shape(array)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join('?' if side is None else str(side) for side in self.shape)}]"

    def __repr__(self) -> str:
        return f"Tensor({self.name!r}, {self})"


# A Tensor, or None where an operation leaves one out; which it may leave out the schema says, not the type.
Slot: TypeAlias = Any


@dataclasses.dataclass(eq=False)
class Operation:
    """An operation of a graph.

    Attributes:
        name: the builtin's; "CUSTOM" for all others.
        inputs, outputs: one that is left out is None.
        options: the schema's object, `schema.Conv2DOptionsT(…)`, or None.
        version: of the operation.
        custom: the own name of one that is no builtin, else empty.
        intermediates: tensors that only the operation itself uses.
        raw: the schema's object.
    """

    name: str
    inputs: list[Slot]
    outputs: list[Slot]
    options: Any = None
    version: int = 1
    custom: str = ""
    intermediates: list[Slot] = dataclasses.field(default_factory=list)
    raw: Any = dataclasses.field(default_factory=schema.OperatorT, repr=False)

    def __str__(self) -> str:
        return self.custom or self.name

    def tensors(self) -> Iterator[Tensor]:
        """All that it names."""
        return (tensor for tensor in (*self.inputs, *self.outputs, *self.intermediates) if tensor is not None)


@dataclasses.dataclass(eq=False)
class Graph:
    """One of a file's graphs.

    Attributes:
        tensors: those of the file, by their numbers there; new ones need not be listed.
        operations: in the order in which they are computed.
        inputs, outputs: of the graph.
        raw: the schema's object.
        changed: whether an operation was replaced since the file was read.
    """

    tensors: list[Tensor]
    operations: list[Operation]
    inputs: list[Tensor]
    outputs: list[Tensor]
    raw: Any = dataclasses.field(repr=False)
    changed: bool = False

    def producer(self, tensor: Tensor) -> Operation | None:
        """The operation that computes a tensor; None for inputs and constants."""
        return next((operation for operation in self.operations if tensor in operation.outputs), None)

    def readers(self, tensor: Tensor) -> list[Operation]:
        """The operations that read a tensor."""
        return [operation for operation in self.operations if tensor in operation.inputs]

    def replace(self, operation: Operation, *operations: Operation) -> None:
        """Puts other operations, or none, where one was."""
        place = self.operations.index(operation)
        self.operations[place : place + 1] = operations
        self.changed = True

    def discard(self, tensor: Tensor | None) -> None:
        """Removes what computes a tensor that nothing reads, and in turn what only that needed."""
        producer = None if tensor is None else self.producer(tensor)
        if producer is None or any(
            each in self.outputs or self.readers(each) for each in filter(None, producer.outputs)
        ):
            return
        self.replace(producer)
        for each in producer.inputs:
            self.discard(each)

    def named(self) -> dict[Tensor, None]:
        """The tensors that the graph's ends and operations name, in order."""
        inside = (tensor for operation in self.operations for tensor in operation.tensors())
        return dict.fromkeys((*self.inputs, *self.outputs, *inside))
