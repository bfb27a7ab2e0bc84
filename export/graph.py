"""A TFLite file as operations and tensors, read from the flatbuffer by LiteRT's own schema."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from zoo.errors import UsageError


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OPERATIONS = _names(schema.BuiltinOperator)
_TYPES = {number: name.lower() for number, name in _names(schema.TensorType).items()}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """`shape` has None where a size is free; `data` are the bytes of a constant."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    data: np.ndarray | None
    scales: int

    @property
    def constant(self) -> bool:
        return self.data is not None

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join('?' if side is None else str(side) for side in self.shape)}]"


@dataclasses.dataclass(frozen=True)
class Operation:
    """`name` is the builtin's, or the custom operation's own; `options` the schema's object, or None."""

    name: str
    custom: bool
    version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    options: Any


@dataclasses.dataclass(frozen=True)
class Graph:
    operations: tuple[Operation, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def read(path: str | Path) -> Graph:
    """Reads a TFLite file: the operations of all its subgraphs, inputs and outputs of the first.

    Raises:
        UsageError: the file is no TFLite flatbuffer, or a damaged one.
    """
    content = Path(path).read_bytes()
    if content[4:8] != b"TFL3":
        raise UsageError(f"Expected a TFLite file (a flatbuffer with the identifier TFL3). Received: {path}")
    try:
        model = schema.ModelT.InitFromPackedBuf(content)
        return _graph(model)
    # The flatbuffer reader follows offsets wherever they point: a damaged file fails in any way.
    except Exception as error:
        raise UsageError(f"Expected a whole TFLite file. Received: {path}, which is damaged") from error


def macs(graph: Graph) -> int | None:
    """Multiplications with weights, batch of one; None if a size is free."""
    total = 0
    for operation in graph.operations:
        if operation.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"):
            continue
        # A transposed convolution multiplies once for each pixel it reads, the others for each they write.
        pixels = (operation.inputs[2] if operation.name == "TRANSPOSE_CONV" else operation.outputs[0]).shape
        weights = operation.inputs[1].shape
        if None in (*weights, *pixels):
            return None
        total += math.prod(pixels[:-1]) * math.prod(weights)
    return total


def _graph(model) -> Graph:
    operations, sides = [], None
    for subgraph in model.subgraphs:
        tensors = [_tensor(tensor, model.buffers) for tensor in subgraph.tensors]

        def pick(indices, tensors=tensors):
            return tuple(tensors[index] for index in (() if indices is None else indices) if index >= 0)

        sides = sides or (pick(subgraph.inputs), pick(subgraph.outputs))
        for operator in subgraph.operators or ():
            code = model.operatorCodes[operator.opcodeIndex]
            # Codes above 127 do not fit the field of older files.
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            custom = number == schema.BuiltinOperator.CUSTOM
            name = code.customCode.decode() if custom else _OPERATIONS.get(number, f"operation {number}")
            operations.append(
                Operation(
                    name, custom, code.version, pick(operator.inputs), pick(operator.outputs), operator.builtinOptions
                )
            )
    return Graph(tuple(operations), *sides)


def _tensor(tensor, buffers) -> Tensor:
    signature = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
    shape = tuple(None if side < 0 else int(side) for side in (() if signature is None else signature))
    buffer = buffers[tensor.buffer]
    scales = tensor.quantization.scale if tensor.quantization is not None else None
    return Tensor(
        name=(tensor.name or b"").decode(errors="replace"),
        shape=shape,
        dtype=_TYPES.get(tensor.type, f"type {tensor.type}"),
        data=buffer.data if tensor.buffer and buffer.data is not None and len(buffer.data) else None,
        scales=0 if scales is None else len(scales),
    )
