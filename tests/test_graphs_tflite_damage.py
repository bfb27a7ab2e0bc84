"""What is no TFLite file, or cannot be written as one, is said in a sentence."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tflite_cases import convert, subpixel

from zoo.errors import UsageError
from zoo.graphs import flatbuffer, tflite
from zoo.registry import preset_file


def test_a_damaged_file_gets_a_sentence_and_no_other_error():
    content = preset_file("fsrcnn_s_x3", ".tflite").read_bytes()
    refused = 0
    for end in [*range(0, len(content), 97), 8, 12, 30]:
        try:
            tflite.parse(content[:end], "short")
        except UsageError as error:
            assert "Received: short" in str(error)
            refused += 1
    # The end of a file is padding at most.
    assert refused > 200
    damage = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(content)
        for place in damage.integers(8, 4000, 6):
            broken[place] = damage.integers(256)
        try:
            tflite.parse(bytes(broken), "broken")
        except UsageError as error:
            assert "damaged" in str(error)
    with pytest.raises(UsageError, match="identifier TFL3.*Received: text"):
        tflite.parse(b"no network at all", "text")


@pytest.mark.parametrize("number", [10_000, -2])
def test_numbers_that_point_nowhere_are_damage(number):
    for change in ("inputs", "buffer", "opcodeIndex", "outputs of the graph", "signature", "metadata"):
        model = flatbuffer.unpack(preset_file("espcn_x3", ".tflite").read_bytes(), "x")
        graph = model.subgraphs[0]
        if change == "inputs":
            graph.operators[0].inputs = [number, *graph.operators[0].inputs[1:]]
        elif change == "outputs of the graph":
            graph.outputs = [number]
        elif change == "signature":
            model.signatureDefs[0].inputs[0].tensorIndex = 10_000
        elif change == "metadata":
            model.metadata[0].buffer = 10_000
        else:
            setattr({"buffer": graph.tensors[0], "opcodeIndex": graph.operators[0]}[change], change, 10_000)
        with pytest.raises(UsageError, match="Received: x, which is damaged"):
            tflite.parse(flatbuffer.pack(model), "x")


def test_what_cannot_be_written_is_said(monkeypatch):
    content = convert(subpixel)
    file = tflite.parse(content, "x")
    monkeypatch.setattr(flatbuffers.Builder, "MAX_BUFFER_SIZE", 1 << 10)
    with pytest.raises(UsageError, match="Expected a TFLite file of less than 2 GB"):
        file.packed()
    monkeypatch.undo()
    file.operations[0].raw.customOptions = np.frombuffer(b"..bytecode_offset..", np.uint8)
    with pytest.raises(UsageError, match="compiled for a chip"):
        file.packed()
    file.operations[0].raw.customOptions = None
    file.operations[1].options, file.operations[1].raw.builtinOptionsType = None, 200
    with pytest.raises(UsageError, match="builtinOptions of type 200, which would be lost"):
        file.packed()


def test_values_of_no_plain_numbers_are_refused():
    file = tflite.parse(convert(subpixel), "x")
    with pytest.raises(ValueError, match="Expected a constant of plain numbers"):
        _ = file.inputs[0].values
    weights = file.operations[0].inputs[1]
    weights.raw.type = schema.TensorType.INT4
    with pytest.raises(ValueError, match=r"Received: .*\(int4\[8,3,3,4\]\)"):
        _ = weights.values
