"""A TFLite file's bytes and the objects of LiteRT's own schema: one into the other, without TensorFlow.

Two things that the schema's own code does not do: what large files keep behind the flatbuffer is found and put back
there, and a buffer starts at a multiple of 16 bytes, as the schema asks for and engines that map a file rely on.
"""

import copy
import io
import zipfile
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.builder import BuilderSizeError

from zoo.errors import UsageError

IDENTIFIER = b"TFL3"
_ALIGNMENT = 16
# An offset of 0 or 1 means that the data lie in the flatbuffer.
_OUTSIDE = 2
# A key in the options of LiteRT's operation for a chip: where in the file the chip's own code lies.
_BOUND = b"bytecode_offset"


def unpack(content: bytes, name: str) -> Any:
    """The schema's `ModelT`; buffers are views of `content`, those behind the flatbuffer too.

    Args:
        content: the file's bytes.
        name: what an error calls the file.

    Raises:
        UsageError: no TFLite flatbuffer, or one that ends too early.
    """
    if content[4:8] != IDENTIFIER:
        raise UsageError(f"Expected a TFLite file (a flatbuffer with the identifier TFL3). Received: {name}")
    try:
        model = schema.ModelT.InitFromPackedBuf(content)
        for buffer in model.buffers:
            if buffer.offset >= _OUTSIDE:
                buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
        for operator in _large(model):
            operator.customOptions = np.frombuffer(
                content, np.uint8, operator.largeCustomOptionsSize, operator.largeCustomOptionsOffset
            )
        return model
    # The flatbuffer reader follows offsets wherever they point: a damaged file fails in any way.
    except Exception as error:
        raise damaged(name) from error


def damaged(name: str) -> UsageError:
    """What a file gets whose parts point nowhere."""
    return UsageError(f"Expected a whole TFLite file. Received: {name}, which is damaged")


def pack(model: Any) -> bytes:
    """The bytes of a file; data that lay behind the flatbuffer lie there again.

    Raises:
        UsageError: the flatbuffer would reach 2 GB, or the file holds what cannot be moved without harm.
    """
    _check(model)
    model = copy.copy(model)
    outside: list[tuple[Any, str, str, Any]] = []
    model.buffers = [_Aligned(buffer) for buffer in model.buffers]
    for buffer in model.buffers:
        if buffer.offset >= _OUTSIDE:
            outside.append((buffer, "offset", "size", buffer.data))
            buffer.data = None
    model.subgraphs = [copy.copy(graph) for graph in model.subgraphs]
    for graph in model.subgraphs:
        graph.operators = [copy.copy(operator) for operator in graph.operators or ()]
    for operator in _large(model):
        outside.append((operator, "largeCustomOptionsOffset", "largeCustomOptionsSize", operator.customOptions))
        operator.customOptions = None
    for owner, _, size, data in outside:
        setattr(owner, size, len(data))
    # Offsets have one width, so the length stays when the true ones replace those of before.
    parts = [_pack(model)]
    end = len(parts[0])
    for owner, offset, _, data in outside:
        gap = -end % _ALIGNMENT
        setattr(owner, offset, end + gap)
        parts += [bytes(gap), data.tobytes()]
        end += gap + len(data)
    if outside:
        parts[0] = _pack(model)
    return b"".join(parts)


class _Aligned(schema.BufferT):
    """A buffer whose data start at a multiple of 16 bytes; the schema's own code ignores that attribute."""

    def __init__(self, buffer: Any):
        super().__init__(buffer.data, buffer.offset, buffer.size)

    def Pack(self, builder: flatbuffers.Builder) -> int:
        if self.data is None:
            return super().Pack(builder)
        data = np.ascontiguousarray(self.data, np.uint8)
        builder.StartVector(1, len(data), _ALIGNMENT)
        start = builder.Head() - len(data)
        builder.head = start
        builder.Bytes[start : start + len(data)] = data.tobytes()
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def _pack(model: Any) -> bytes:
    held = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = flatbuffers.Builder(1024)
    # The builder doubles its memory, up to the limit, which a file of 1.5 GB would pass by that alone.
    try:
        if held >= builder.MAX_BUFFER_SIZE:
            raise BuilderSizeError
        builder.Finish(model.Pack(builder), IDENTIFIER)
    except BuilderSizeError as error:
        raise UsageError(f"Expected a TFLite file of less than 2 GB. Received: {held / 1e9:.1f} GB of data") from error
    return bytes(builder.Output())


def _large(model: Any) -> list[Any]:
    operators = [operator for graph in model.subgraphs for operator in graph.operators or ()]
    return [operator for operator in operators if operator.largeCustomOptionsOffset >= _OUTSIDE]


def _check(model: Any) -> None:
    unions = ((schema.BuiltinOptions, "builtinOptions"), (schema.BuiltinOptions2, "builtinOptions2"))
    for operator in (operator for graph in model.subgraphs for operator in graph.operators or ()):
        if operator.customOptions is not None and _BOUND in bytes(operator.customOptions):
            raise UsageError(
                "Expected a TFLite file whose parts may be moved. Received: one that was compiled for a chip; change "
                "the file that it was compiled from"
            )
        for kind, field in unions:
            if (number := getattr(operator, f"{field}Type")) not in vars(kind).values():
                raise UsageError(
                    "Expected a TFLite file of a schema that the installed ai-edge-litert knows. Received: an "
                    f"operation with {field} of type {number}, which would be lost"
                )


def with_attached(packed: bytes, content: bytes) -> bytes:
    """A file with what others attached to the one that it came from.

    The files that TFLite's metadata names (labels, say) lie behind the flatbuffer as a zip archive, whose places count
    from the file's start; so it is written anew.

    Args:
        packed: as `pack` gives it.
        content: the file that it came from.

    Raises:
        UsageError: the archive is damaged, or larger than 2 GB.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return packed
    result = io.BytesIO(packed)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(result, "a") as target:
            if sum(each.file_size for each in source.infolist()) >= 1 << 31:
                raise ValueError("more than 2 GB")
            for each in source.infolist():
                target.writestr(each, source.read(each))
    # A damaged archive fails in any way.
    except Exception as error:
        raise UsageError(f"Expected whole files behind a TFLite flatbuffer. Received: {error}") from error
    return result.getvalue()
