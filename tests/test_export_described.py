"""TFLite files say what they are: metadata, names in the signature, the same bytes every time."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from flatbuffers.table import Table

import zoo
from export import described, export_model, tflite_dynamic
from zoo.graphs import tflite, tflite_metadata
from zoo.graphs.tflite_metadata import Description, Picture

DESCRIPTION = Description(
    "a", "b ×3", "1", "c", "d\ne", [Picture("in", "x", 3, -1.0, 2.0)], [Picture("out", "y", 1), Picture("more", "", 0)]
)


def test_the_metadata_come_back_as_they_were():
    assert tflite_metadata.read(tflite_metadata.packed(DESCRIPTION)) == DESCRIPTION


def test_the_metadata_follow_the_published_schema():
    """Read field by field with the numbers of tflite-support's metadata_schema.fbs, not with the zoo's reader."""
    content = bytearray(tflite_metadata.packed(DESCRIPTION))
    assert content[4:8] == b"M001"
    field = lambda table, number: table.Offset(4 + 2 * number)  # noqa: E731

    def inner(table, number):
        return Table(content, table.Indirect(table.Pos + field(table, number)))

    def items(table, number):
        start = table.Vector(field(table, number))
        return [Table(content, table.Indirect(start + 4 * n)) for n in range(table.VectorLen(field(table, number)))]

    def floats(table, number):
        start = table.Vector(field(table, number))
        return table.Get(flatbuffers.number_types.Float32Flags, start)

    root = Table(content, int.from_bytes(content[:4], "little"))
    (graph,) = items(root, 3)
    (image,) = items(graph, 2)
    assert image.String(image.Pos + field(image, 0)) == b"in" and len(items(graph, 3)) == 2
    holder = inner(image, 3)
    assert content[holder.Pos + field(holder, 0)] == 2  # ImageProperties
    properties = inner(holder, 1)
    assert content[properties.Pos + field(properties, 0)] == 1  # RGB
    (unit,) = items(image, 4)
    assert content[unit.Pos + field(unit, 0)] == 1  # NormalizationOptions
    mean, std = (floats(inner(unit, 1), number) for number in (0, 1))
    # Levels 0 and 255 become the ends of the range.
    assert (0 - mean) / std == pytest.approx(-1) and (255 - mean) / std == pytest.approx(2)
    assert (floats(inner(image, 5), 0), floats(inner(image, 5), 1)) == (2.0, -1.0)


@pytest.mark.parametrize("content", [b"", b"\0" * 40, tflite_metadata.packed(DESCRIPTION)[:60]])
def test_damaged_metadata_are_an_error(content):
    with pytest.raises(ValueError, match="Expected .*metadata"):
        tflite_metadata.read(content)


@pytest.fixture(scope="module")
def model():
    return zoo.create_model("fsrcnn_s", 3, channels=3, upsampler="subpixel", d=8, s=4, m=1)


def test_files_carry_names_range_colour_scale_and_terms(model, tmp_path):
    export_model(model, tmp_path, [(12, 14)], ["tflite_fp32", "tflite_fp16"], check=False, terms="free; thanks to A")
    for path in tmp_path.glob("*.tflite"):
        file = tflite.read(path)
        known = tflite_metadata.read(file.metadata(tflite_metadata.NAME))
        assert known.license == "free; thanks to A" and "3 times" in known.description and "RGB" in known.description
        assert [(each.name, each.channels) for each in (*known.inputs, *known.outputs)] == [
            ("lr_image", 3),
            ("sr_image", 3),
        ]
        assert described.limits(file) == (0.0, 1.0) and "not clipped" in known.outputs[0].description
        runner = Interpreter(str(path)).get_signature_runner("serving_default")
        image = np.random.default_rng(0).random((1, 12, 14, 3), np.float32)
        assert runner(lr_image=image)["sr_image"].shape == (1, 36, 42, 3)


@pytest.mark.slow
def test_the_same_model_gives_the_same_bytes(model, tmp_path):
    for name in ("a", "b"):
        tflite_dynamic(model, tmp_path / f"{name}.tflite", terms="t")
        export_model(model, tmp_path / name, [(12, 14)], ["tflite_fp32", "tflite_fp16"], check=False)
    assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()
    first, second = (sorted((tmp_path / name).glob("*.tflite")) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second] and len(first) == 2


@pytest.mark.parametrize("name", zoo.list_presets())
def test_presets_files_say_what_they_are_and_whom_to_credit(name):
    known = tflite_metadata.read(tflite.read(zoo.registry.preset_file(name, ".tflite")).metadata(tflite_metadata.NAME))
    card = zoo.card(name)
    assert known.name == name and known.inputs[0].channels == card["channels"]
    assert card["redistribution"] in known.license
    assert all(line in known.license for line in card.get("credits", ()))
