"""Converted files of one operation or two, and what `zoo.rewrite` makes of them."""

from benchmarks.file_cases import converted as converted
from zoo.graphs import tflite
from zoo.rewrite import tflite_difference, tflite_file


def rewritten(content: bytes):
    """The rewritten file, and the rows."""
    file = tflite.parse(content, "x")
    rows = tflite_file.to_lr_space(file)
    return tflite.parse(file.packed(), "y"), rows


def names(file) -> list[str]:
    """Of its operations."""
    return [operation.name for operation in file.operations]


def apart(content: bytes, file) -> list:
    """The differences that are larger than allowed."""
    found = tflite_difference.differences(tflite.parse(content, "x"), file)
    assert found
    return [each for each in found if not each.value <= each.allowed]
