"""The rule check: each rule fires on the graph that breaks it and on no other."""

import itertools

import pytest
from tflite_cases import CASES, tflite_case  # noqa: F401 — a fixture

from zoo.errors import UsageError
from zoo.graphs import tflite
from zoo.targets import gpu_delegate


@pytest.mark.parametrize("name", CASES)
def test_a_graph_breaks_the_rules_it_was_made_to_break_and_no_others(tflite_case, name):  # noqa: F811
    findings = gpu_delegate.check(tflite.read(tflite_case(name)))
    assert {finding.rule for finding in findings} == CASES[name][1]


def test_every_rule_has_a_graph_that_breaks_it_and_a_source():
    broken = set().union(*(expected for _, expected, _ in CASES.values()))
    assert broken == set(gpu_delegate.TARGET.rules)
    assert all(rule.source for rule in gpu_delegate.TARGET.rules.values())


def test_what_others_reported_is_uncertain_and_names_the_report(tflite_case):  # noqa: F811
    for name in ("ranks_mixed", "matmul_transposed", "mean_long", "sum_read_again"):
        (finding,) = gpu_delegate.check(tflite.read(tflite_case(name)))
        assert finding.severity == "uncertain" and finding.source.startswith("google-ai-edge/LiteRT#")


def test_a_finding_names_the_operation_and_the_cure(tflite_case):  # noqa: F811
    (finding,) = gpu_delegate.check(tflite.read(tflite_case("transposed_shifted")))
    assert finding.place == "operation 0 (TRANSPOSE_CONV)" and finding.severity == "wrong"
    assert "height 16" in finding.sentence and "to_lr_space" in finding.sentence
    assert "`zoo rewrite FILE OUT.tflite`" in finding.sentence


def test_the_shift_is_what_the_two_paddings_differ_by():
    # tflite.md's cases: k = 9, s = 3: every n with n mod 3 = 1; s = 2: odd n; s = 4: every n not divisible by 4.
    wrong = {
        stride: {size % stride for size in range(12, 12 + 2 * stride) if gpu_delegate.transposed_shift(9, stride, size)}
        for stride in (2, 3, 4)
    }
    assert wrong == {2: {1}, 3: {1}, 4: {1, 2, 3}}
    # TensorFlow's padding of a convolution over the input, and of the transposed one, written out.
    for kernel, stride, size in itertools.product((1, 3, 4, 5, 9, 12), (2, 3, 4), range(5, 14)):
        over_input = max((-(-size // stride) - 1) * stride + kernel - size, 0) // 2
        assert gpu_delegate.transposed_shift(kernel, stride, size) == over_input - max(kernel - stride, 0) // 2


def test_the_shift_goes_by_the_length_of_the_output():
    """Keras' `output_padding=0` gives stride · (size - 1) + kernel - 2 · (kernel // 2) pixels."""
    assert gpu_delegate.transposed_shift(3, 2, 8, 15) == -1 and gpu_delegate.transposed_shift(3, 2, 8) == 0
    assert gpu_delegate.transposed_shift(3, 2, 7, 13) == 0 and gpu_delegate.transposed_shift(3, 2, 7) == 1


@pytest.mark.parametrize("content", [b"", b"not a flatbuffer at all", b"\x1c\0\0\0TFL3" + b"\xff" * 40])
def test_a_file_that_is_no_tflite_gets_a_sentence(tmp_path, content):
    path = tmp_path / "x.tflite"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="Expected a (whole )?TFLite file"):
        tflite.read(path)


def test_the_graph_names_shapes_types_and_versions(tflite_case):  # noqa: F811
    read = tflite.read(tflite_case("free_size"))
    assert [str(tensor) for tensor in read.inputs] == ["float32[1,?,?,4]"]
    assert [(operation.name, operation.version) for operation in read.operations] == [("CONV_2D", 1)]
    assert read.operations[0].inputs[1].shape == (8, 3, 3, 4) and read.operations[0].inputs[1].constant
