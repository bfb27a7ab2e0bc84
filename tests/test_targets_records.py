"""The targets' records against what the vendors' own plugins in LiteRT's wheel name; nothing of them runs here."""

import re
from pathlib import Path

import ai_edge_litert
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tflite_cases import convert, subpixel, transposed, transposed_valid

from export.check import main
from zoo.errors import UsageError
from zoo.graphs import tflite
from zoo.targets import records, vendors

VENDORS = Path(ai_edge_litert.__file__).parent / "vendors"
NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
# Numbers that stand for no operation of TFLite's own list.
OTHERS = {"STABLEHLO_COMPOSITE"}


def plugin(vendor: str) -> bytes:
    (path,) = (VENDORS / vendor / "compiler").glob("*.so")
    return path.read_bytes()


def listed(content: bytes) -> set[str]:
    """The longest run of different numbers of operations in a file: a compiler's list of those that it takes."""
    numbers = np.frombuffer(content[: len(content) // 4 * 4], "<i4")
    runs, first, places = (0, 0), 0, {}
    for place in np.flatnonzero((numbers >= 0) & (numbers <= max(NAMES))):
        number = int(numbers[place])
        if place - 1 not in places.values():
            first, places = place, {}
        if number in places:
            first = places[number] + 1
            places = {each: at for each, at in places.items() if at >= first}
        places[number] = place
        runs = max(runs, (int(place - first + 1), int(first)))
    return {NAMES[int(number)] for number in numbers[runs[1] : runs[1] + runs[0]]} - OTHERS


def camel(name: str) -> str:
    """RESIZE_BILINEAR → RESIZEBILINEAR, Conv2d → CONV2D: one spelling for all."""
    return name.replace("_", "").upper()


@pytest.mark.parametrize(("vendor", "name"), [("mediatek", "mediatek"), ("intel_openvino", "intel")])
def test_a_record_is_the_compilers_own_list(vendor, name):
    assert listed(plugin(vendor)) == records.named(name).operations


def test_a_wrong_list_is_seen():
    assert listed(plugin("mediatek")) != records.named("intel").operations


def test_qualcomms_record_has_what_its_plugin_reads_options_of():
    found = re.findall(rb"compiler\d+([A-Z]\w+?)OptionsE", plugin("qualcomm"))
    names = {camel(each.decode()) for each in found} - {camel("Composite"), "OP"}
    taken = {camel(each) for each in records.named("qualcomm").operations}
    assert len(names) > 20 and names <= taken and {"DEPTHTOSPACE", "TRANSPOSECONV"} <= names


def test_samsungs_record_has_what_its_plugin_builds():
    content = plugin("samsung")
    built = {camel(each.decode()) for each in re.findall(rb"builders/(\w+?)_op_builder", content)}
    several = {"POOL2D", "REDUCE", "RMSNORM"}
    taken = {camel(each) for each in records.named("samsung").operations}
    assert len(built) > 10 and built - several <= taken
    # Its other names are cut into pieces of eight letters, as compilers do.
    assert b"DECONV2D" in content and b"SpaceToD" in content and b"PReLU" not in content and b"DepthToS" not in content
    assert not {"DEPTH_TO_SPACE", "PRELU"} & records.named("samsung").operations


def test_only_who_takes_a_shuffle_wants_one():
    for target in records.TARGETS.values():
        wanted = "DEPTH_TO_SPACE" if target.enlargement == "subpixel" else "TRANSPOSE_CONV"
        assert target.takes(wanted) and target.takes("RESHAPE") and target.takes("TRANSPOSE")
        assert target.enlargement == "subpixel" or not target.takes("DEPTH_TO_SPACE")
        known = set(NAMES.values())
        assert target.operations is None or target.operations <= known
        assert target.source and target.date and target.activations


def test_a_report_says_what_was_never_run():
    for target in records.TARGETS.values():
        assert ("never run here" in str(target)) == (target in vendors.TARGETS)
        # A record does not know what is run with it now.
        assert "run here" not in str(target).replace("never run here", "")


@pytest.mark.parametrize("name", sorted(records.TARGETS))
def test_a_file_is_held_against_each(name, tmp_path, capsys):
    for function, operation in ((subpixel, "DEPTH_TO_SPACE"), (transposed_valid, "TRANSPOSE_CONV")):
        path = tmp_path / "x.tflite"
        path.write_bytes(convert(function))
        target = records.named(name)
        refused = [each for each in target.check(tflite.read(path)) if each.rule == "operation"]
        assert bool(refused) == (not target.takes(operation)) and all(operation in each.place for each in refused)
        code = main([str(path), f"--target={name}", "--rules_only"])
        # The Edge TPU wants 8 bits.
        assert code == (1 if refused or name == "edge_tpu" else 0)
        assert target.title in capsys.readouterr().out


def test_a_fused_activation_is_lost_on_mediatek():
    file = tflite.parse(convert(transposed), "x")
    mediatek = records.named("mediatek")
    assert not mediatek.check(file)
    (operation,) = [each for each in file.operations if each.name == "TRANSPOSE_CONV"]
    operation.options.fusedActivationFunction = schema.ActivationFunctionType.RELU
    operation.options.strideW = 1
    assert {(each.rule, each.severity) for each in mediatek.check(file)} == {
        ("fused-activation", "wrong"),
        ("strides", "wrong"),
    }


def test_free_sizes_and_custom_operations_are_named():
    file = tflite.parse(convert(subpixel, shape=(1, None, None, 4)), "x")
    assert {each.rule for each in records.named("qualcomm").check(file)} == {"static-shape"}
    file.operations[0].custom = "Mine"
    assert {each.rule for each in records.named("xnnpack").check(file)} == {"custom"}


def test_an_unknown_target_is_a_sentence(tmp_path, capsys):
    with pytest.raises(UsageError, match="did you mean 'mediatek'"):
        records.named("mediatec")
    (tmp_path / "x.tflite").write_bytes(convert(subpixel))
    assert main([str(tmp_path / "x.tflite"), "--target=npu"]) == 2
    assert "Expected the target to be one of gpu_delegate" in capsys.readouterr().err
