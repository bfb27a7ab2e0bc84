"""What apps and tools read out of a TFLite file: TensorFlow's model metadata, written and read without a library.

The layout is that of tflite-support's `metadata_schema.fbs`: a flatbuffer of its own, identifier M001, stored under the
name TFLITE_METADATA. Of its tables those that describe pictures are here; fields go by their numbers in the schema.
"""

from __future__ import annotations

from typing import NamedTuple

import flatbuffers
from flatbuffers import encode, number_types
from flatbuffers.table import Table

NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_IMAGE, _NORMALIZATION = 2, 1  # numbers in the unions ContentProperties and ProcessUnitOptions
_COLOURS = {3: 1, 1: 2}  # channels → RGB, GRAYSCALE
_ANY_COLOUR = 0


class Picture(NamedTuple):
    """An input or output tensor that is a picture.

    Attributes:
        name: of the tensor, as the signature has it.
        description: for people.
        channels: 1 or 3.
        low, high: what stands for black and white.
    """

    name: str
    description: str
    channels: int
    low: float = 0.0
    high: float = 1.0


class Description(NamedTuple):
    """What a file says of itself.

    Attributes:
        name, description, version, author, license: texts for people.
        inputs, outputs: in the graph's order.
    """

    name: str
    description: str
    version: str
    author: str
    license: str
    inputs: list[Picture]
    outputs: list[Picture]


def packed(description: Description) -> bytes:
    """The flatbuffer."""
    builder = flatbuffers.Builder(1024)
    sides = [_vector(builder, [_tensor(builder, each) for each in side]) for side in description[-2:]]
    graph = _table(builder, 9, {2: sides[0], 3: sides[1]})
    graphs = _vector(builder, [graph])
    words = [builder.CreateString(text) for text in (*description[:5], "1.0.0")]
    fields = dict(zip((0, 1, 2, 4, 5, 7), words))
    builder.Finish(_table(builder, 8, {**fields, 3: graphs}), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def read(content: bytes) -> Description:
    """The description in such a flatbuffer; texts and pictures that are not there are empty, ranges [0, 1].

    Raises:
        ValueError: no such flatbuffer, or a damaged one.
    """
    if bytes(content[4:8]) != _IDENTIFIER:
        raise ValueError("Expected TensorFlow's model metadata. Received: another flatbuffer")
    try:
        root = Table(bytearray(content), encode.Get(number_types.UOffsetTFlags.packer_type, content, 0))
        graphs = _tables(root, 3)
        sides = [[_picture(each) for each in _tables(graphs[0], side)] if graphs else [] for side in (2, 3)]
        name, description, version, author, terms = (_text(root, number) for number in (0, 1, 2, 4, 5))
        return Description(name, description, version, author, terms, *sides)
    # Offsets of a damaged file lead anywhere.
    except Exception as error:
        raise ValueError("Expected whole model metadata. Received: damaged ones") from error


def _tensor(builder, picture: Picture) -> int:
    name, text = builder.CreateString(picture.name), builder.CreateString(picture.description)
    builder.StartObject(2)
    builder.PrependInt8Slot(0, _COLOURS.get(picture.channels, _ANY_COLOUR), 0)
    image = builder.EndObject()
    builder.StartObject(3)
    builder.PrependUint8Slot(0, _IMAGE, 0)
    builder.PrependUOffsetTRelativeSlot(1, image, 0)
    content = builder.EndObject()
    # (level - mean) / std for levels from 0 to 255.
    std = 255 / (picture.high - picture.low)
    options = _table(builder, 2, {0: _floats(builder, [-picture.low * std]), 1: _floats(builder, [std])})
    builder.StartObject(2)
    builder.PrependUint8Slot(0, _NORMALIZATION, 0)
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    units = _vector(builder, [builder.EndObject()])
    stats = _table(builder, 2, {0: _floats(builder, [picture.high]), 1: _floats(builder, [picture.low])})
    return _table(builder, 7, {0: name, 1: text, 3: content, 4: units, 5: stats})


def _table(builder, count: int, fields: dict[int, int]) -> int:
    builder.StartObject(count)
    for number, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(number, offset, 0)
    return builder.EndObject()


def _vector(builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _floats(builder, values: list[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return builder.EndVector()


def _offset(table: Table, number: int) -> int:
    """Where a field lies in the table's bytes; 0 where it is left out."""
    offset = table.Offset(4 + 2 * number)
    return table.Pos + offset if offset else 0


def _text(table: Table, number: int) -> str:
    place = _offset(table, number)
    return table.String(place).decode() if place else ""


def _inner(table: Table, number: int) -> Table | None:
    place = _offset(table, number)
    return Table(table.Bytes, table.Indirect(place)) if place else None


def _tables(table: Table, number: int) -> list[Table]:
    field = table.Offset(4 + 2 * number)
    if not field:
        return []
    start = table.Vector(field)
    return [Table(table.Bytes, table.Indirect(start + 4 * each)) for each in range(table.VectorLen(field))]


def _picture(tensor: Table) -> Picture:
    content, stats = _inner(tensor, 3), _inner(tensor, 5)
    image = _inner(content, 1) if content else None
    place = _offset(image, 0) if image else 0
    colour = image.Get(number_types.Int8Flags, place) if image and place else _ANY_COLOUR
    channels = next((number for number, found in _COLOURS.items() if found == colour), 0)
    low, high = (_first_float(stats, number, default) for number, default in ((1, 0.0), (0, 1.0)))
    return Picture(_text(tensor, 0), _text(tensor, 1), channels, low, high)


def _first_float(table: Table | None, number: int, default: float) -> float:
    field = table.Offset(4 + 2 * number) if table else 0
    if not table or not field or not table.VectorLen(field):
        return default
    return table.Get(number_types.Float32Flags, table.Vector(field))
