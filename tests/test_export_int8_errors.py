"""Where int8 loses, layer by layer: what the simulation says, in the JSON that Model Explorer documents."""

import json

import numpy as np
import pytest

import zoo
from export import __main__ as command
from export import int8
from export.int8 import errors, pictures, ranges, simulation
from zoo.data import sample
from zoo.graphs import tflite


@pytest.fixture(scope="module")
def crops():
    return pictures.mixed(sample(2).pictures(), 1, 8)


@pytest.fixture(scope="module")
def graph():
    model = zoo.create_model("fsrcnn_s", 2, upsampler="subpixel", d=8, s=4)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(scale=0.3, size=weight.shape))
    return simulation.Simulation(int8.float_file(model, (48, 48)))


@pytest.fixture(scope="module")
def chosen(graph, crops):
    return ranges.choose_ranges(graph, crops)


def checked(text: str, file: tflite.File) -> dict[str, float]:
    """The values by tensor, after the format in Model Explorer's node_data_builder.py: ModelNodeData.to_json_string."""
    (name, data), *others = json.loads(text).items()
    assert name == file.raw.subgraphs[0].name.decode() and not others
    assert set(data) <= {"results", "thresholds", "gradient"}
    for entry in data["results"].values():
        assert set(entry) <= {"value", "bgColor", "textColor"} and isinstance(entry["value"], float)
    stops = [entry["stop"] for entry in data["gradient"]]
    # "Stops for 0 and 1 should always be provided"; colours by name or as hexadecimal numbers.
    assert stops[0] == 0 and stops[-1] == 1 and stops == sorted(stops)
    assert all(entry["bgColor"].startswith("#") and len(entry["bgColor"]) == 7 for entry in data["gradient"])
    outputs = {tensor.name for operation in file.operations for tensor in operation.outputs}
    assert data["results"] and set(data["results"]) <= outputs
    return {tensor: entry["value"] for tensor, entry in data["results"].items()}


def test_the_errors_of_the_layers_make_the_error_of_the_file(graph, crops, chosen):
    images = crops.images[:6]
    found = errors.layer_errors(graph, chosen, {}, images)
    assert list(found) == [graph.graph.tensors[outputs[0]].name for _, _, outputs, _ in graph.operations]
    exact, rounded = (graph.run(images, *settings)[graph.output].numpy().clip(0, 1) for settings in ((), (chosen,)))
    whole = 255 * np.sqrt(np.mean((rounded - exact) ** 2))
    # Roundings of different layers have little to do with each other; the weights' come on top.
    assert 0.5 < np.sqrt(np.sum(np.square(list(found.values())))) / whole < 1.5
    # What only moves values rounds nothing.
    for (name, _, outputs, _), value in zip(graph.operations, found.values(), strict=True):
        assert (value == 0) == (outputs[0] not in graph.rounded), name


def test_a_range_that_is_too_wide_shows_at_its_place(graph, crops, chosen):
    before = errors.layer_errors(graph, chosen, {}, crops.images[:4])
    (tensor,) = [outputs[0] for name, _, outputs, _ in graph.operations if name == "CONV_2D"][1:2]
    group = graph.groups[tensor]
    wide = {**chosen, group: tuple(30 * end for end in chosen[group])}
    after = errors.layer_errors(graph, wide, {}, crops.images[:4])
    name = graph.graph.tensors[tensor].name
    assert after[name] > 10 * before[name] and after[name] == max(after.values())
    assert {each: value for each, value in after.items() if each != name} == {
        each: value for each, value in before.items() if each != name
    }


def test_the_json_is_what_model_explorer_reads(graph, crops, chosen):
    found = errors.layer_errors(graph, chosen, {}, crops.images[:2])
    values = checked(errors.node_data({**found, "gone": 1.0}, graph.file), graph.file)
    assert values == pytest.approx(found, abs=1e-5)


@pytest.mark.slow
def test_the_command_writes_it_beside_the_file(tmp_path):
    flags = ["--model=fsrcnn_s_x2", "--sizes=24x40", "--formats=tflite_int8", "--nocheck", f"--output={tmp_path}"]
    assert command.main([*flags, "--layer_errors"]) == 0
    file = tflite.read(tmp_path / "fsrcnn_s_x2_24x40_int8.tflite")
    found = {}
    for kind in pictures.KINDS:
        path = tmp_path / f"fsrcnn_s_x2_24x40_int8.{kind}.json"
        found[kind] = checked(path.read_text(encoding="utf-8"), file)
    assert all(0 < max(values.values()) < 5 for values in found.values())
    # Every layer that computes is there.
    for operation in file.operations:
        if operation.name == "CONV_2D":
            assert operation.outputs[0].name in found["photographs"], operation


def test_other_networks_are_told(tmp_path, capsys):
    import keras

    image = keras.Input((20, 24, 3))
    keras.Model(image, keras.layers.Conv2D(4, 3)(image)).save(tmp_path / "other.keras")
    flags = [f"--model={tmp_path / 'other.keras'}", "--formats=tflite_int8", f"--output={tmp_path / 'files'}"]
    assert command.main([*flags, "--layer_errors"]) == 2
    assert "--layer_errors" in capsys.readouterr().err and not (tmp_path / "files").exists()
