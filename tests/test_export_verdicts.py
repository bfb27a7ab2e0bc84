"""Each output of a file has a verdict by its name, and one that hardly changes tells nothing."""

import tempfile
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tflite_cases import convert, tflite_case  # noqa: F401 — a fixture

from export import check, delegate, inputs, probes
from export.claim import claim
from export.outputs import judged, worst
from export.runner import Xnnpack, compare_each
from zoo.errors import UsageError
from zoo.graphs import tflite

rng = np.random.default_rng(5)
KERNEL = rng.normal(size=(5, 5, 2, 3)).astype(np.float32)


def bright(x):
    """Where a window is bright: nowhere in noise, whose windows are all alike."""
    return tf.nn.relu(tf.nn.avg_pool2d(x, 8, 4, "SAME") - 0.7)


def hidden(x):
    """A deconvolution, shifted by the delegate at this size, whose result noise and photographs do not show."""
    x = tf.nn.conv2d(x, tf.constant(rng.normal(size=(3, 3, 3, 3)).astype(np.float32)), 1, "SAME")
    enlarged = tf.nn.conv2d_transpose(x, tf.constant(KERNEL), (1, 48, 60, 2), 3, "SAME")
    return 1e-9 * tf.nn.tanh(enlarged)


def runs_of(function, images, device, shape=(1, 16, 20, 3)):
    """What `judged` is given of a file and a device that gives `device(outputs)` in its place."""
    file = tflite.parse(convert(function, shape), "case")
    path = file.content
    runs = []
    for image in images(file):
        reference = xnnpack(path, image)
        runs.append(compare_each(file.output_names, reference, device(reference)))
    return runs


def xnnpack(content, images):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.tflite"
        path.write_bytes(content)
        engine = Xnnpack(str(path), 1, images)
        return [np.array(each) for each in engine.run()]


def verdicts(runs):
    return [output["verdict"] for output in judged(runs, delegate.TOLERANCE)]


def test_what_noise_does_not_show_a_photograph_does():
    alone = runs_of(bright, lambda file: inputs.three(inputs.noise(file)), lambda outputs: outputs)
    assert verdicts(alone) == ["inconclusive"]
    both = runs_of(
        bright, lambda file: [*inputs.three(inputs.noise(file)), *inputs.photographs(file)], lambda outputs: outputs
    )
    assert verdicts(both) == ["right"]
    # Control: on photographs a shift is seen.
    shifted = runs_of(
        bright, lambda file: inputs.photographs(file), lambda outputs: [np.roll(each, 1, axis=2) for each in outputs]
    )
    assert verdicts(shifted) == ["wrong"]


@pytest.mark.parametrize(
    "off, verdict",
    [(5e-5, "right"), (1.07e-4, "rounding"), (9e-3, "rounding"), (0.02, "wrong"), (np.nan, "not finite")],
)
def test_the_verdict_by_the_difference(off, verdict):
    truth = rng.uniform(0, 1500, (1, 7, 9, 3))
    other = truth.copy()
    other[0, 3, 4, 1] += off * np.ptp(truth)
    assert verdicts([compare_each(["heatmap"], [truth], [other])]) == [verdict]


def test_each_output_is_judged_by_its_own_range_and_name():
    """A small output that is wrong is not hidden by a large one, and the other way round."""
    large, small, score = rng.uniform(0, 2000, (1, 5)), rng.uniform(0, 1, (1, 4, 6, 2)), np.full((1, 1), 0.25)
    names = ["points", "mask", "score"]
    runs = [compare_each(names, [large, small, score], [large + 1e-3, np.roll(small, 1, 2), score])]
    found = judged(runs, delegate.TOLERANCE)
    assert [(each["name"], each["verdict"]) for each in found] == [
        ("points", "right"), ("mask", "wrong"), ("score", "inconclusive"),
    ]  # fmt: skip
    assert worst(found)["name"] == "mask"
    # One number that changes from run to run has a range, and a device that gives another constant is wrong.
    runs.append(compare_each(names, [large, small, score + 0.5], [large, small, score + 0.5]))
    assert judged(runs, delegate.TOLERANCE)[2]["verdict"] == "right"
    assert verdicts([compare_each(["score"], [score], [score + 0.5])]) == ["wrong"]


def test_photographs_have_the_type_and_range_of_the_input():
    file = tflite.parse(convert(bright, (1, 16, 20, 3)), "case")
    (first,), (second,) = inputs.photographs(file, (-1, 1))
    for each in (first, second):
        assert each.shape == (1, 16, 20, 3) and each.dtype == np.float32 and -1 <= each.min() < -0.5 < 0.5 < each.max()
    assert np.abs(first - second).max() > 0.5
    assert inputs.photographs(tflite.parse(convert(lambda x: 2 * x, (1, 5, 4)), "no picture")) == []


@pytest.mark.parametrize("shape", [(1, 16, 20, 3), (1, 15, 20, 3)])
def test_a_deconvolution_alone_is_the_one_of_the_file(shape):
    def network(x):
        x = tf.nn.conv2d(x, tf.constant(rng.normal(size=(3, 3, 3, 3)).astype(np.float32)), 1, "SAME")
        return tf.nn.tanh(tf.nn.conv2d_transpose(x, tf.constant(KERNEL), (1, 3 * shape[1], 3 * shape[2], 2), 3, "SAME"))

    file = tflite.parse(convert(network, shape), "case")
    (number,) = probes.deconvolutions(file)
    part = tflite.parse(probes.alone(file.content, number), "part")
    assert [each.name for each in part.operations] == ["TRANSPOSE_CONV"]
    assert str(part.inputs[0]) == f"float32[{','.join(map(str, shape))}]"
    image = rng.normal(size=shape).astype(np.float32)
    (received,) = xnnpack(part.content, [image])
    expected = tf.nn.conv2d_transpose(image, KERNEL, (1, 3 * shape[1], 3 * shape[2], 2), 3, "SAME")
    np.testing.assert_allclose(received, expected, atol=1e-5)
    # Control: another image gives another result.
    assert np.abs(xnnpack(part.content, [image[:, ::-1].copy()])[0] - expected).max() > 0.1


def entry(name, verdict, remainders=(), **more):
    run = {"verdict": verdict, "device": "GPU", "sentence": f"{verdict} on the GPU."}
    return {
        "name": name, "format": "tflite_fp32", "keras": {"max_difference": 2 / 255}, "gpu": run,
        "remainders": [{**run, "verdict": each} for each in remainders], **more,
    }  # fmt: skip


def test_words_and_flags_are_drawn_as_what_they_are():
    tensors = [tflite.Tensor("words", (1, 7), "int64"), tflite.Tensor("mask", (2, 5, 3, 1), "bool")]
    levels = tflite.Tensor("levels", (1, 9, 5, 3), "uint8")
    words, mask, picture = inputs.noise(types.SimpleNamespace(inputs=[*tensors, levels]))
    assert words.dtype == np.int64 and set(words.ravel()) == {0, 1} and set(mask.ravel()) == {False, True}
    # Control: levels take their whole range.
    assert picture.dtype == np.uint8 and picture.max() > 200
    _, negatives, reverse = inputs.three([words, mask])
    assert np.array_equal(negatives[1], np.logical_not(mask)) and np.array_equal(negatives[0], 1 - words)
    assert np.array_equal(reverse[0], words[:, ::-1])
    with pytest.raises(UsageError, match="Expected inputs of numbers. Received: "):
        inputs.noise(types.SimpleNamespace(inputs=[tflite.Tensor("text", (1,), "string")]))


def test_the_headline_names_every_file_and_what_was_run():
    onnx = {"name": "a.onnx", "keras": {"sentence": "Not run: onnxruntime is not installed."}}
    int8 = entry(
        "a_int8.tflite", "rounding", ["right", "right"], format="tflite_int8", keras={"max_difference": 31 / 255}
    )
    said = claim([entry("a.tflite", "right", ["right", "right"]), int8, onnx], levels=True)
    where = "on the GPU, at its own size and at 2 small sizes, every remainder modulo the scale."
    assert said == (
        f"a.tflite: right and fully accelerated {where} "
        f"a_int8.tflite: fully accelerated, right but for rounding {where} "
        "Largest difference from Keras, in levels of 255, on photographs: a.tflite 2, a_int8.tflite 31. "
        "a.onnx: Not run: onnxruntime is not installed."
    )
    small = claim([entry("a.tflite", "not run", ["right"])], levels=True)
    assert "on the GPU, at 1 small sizes" in small and "not run on the GPU" in small and "own size" not in small
    assert claim([entry("a.tflite", "right", ["right", "wrong"])], True).startswith("NOT fit for a GPU delegate: a.tfl")
    assert "inconclusive" in claim([entry("a.tflite", "inconclusive")], levels=False)
    for far, kind in ((0.011, "onnx"), (float("nan"), "saved_model"), (0.11, "glsl")):
        wrong = entry("b", "right", keras={"max_difference": far}, format=kind)
        assert claim([wrong, int8], True).startswith("NOT the network's function: b. Largest difference from Keras")
    assert not claim([entry("b", "right", keras={"max_difference": 0.09}, format="tflite_fp16")], True).startswith(
        "NOT"
    )
    assert claim([onnx], True).startswith("No file for a GPU delegate was asked for. a.onnx: Not run")


def test_a_file_that_cannot_be_run_is_not_called_right(tflite_case, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setattr(delegate, "child", lambda *_: ({}, 1, "RuntimeError: Encountered unresolved custom op: Mine."))
    assert check.main([str(tflite_case("subpixel"))]) == check.UNTOLD == 3
    assert capsys.readouterr().out.count("unresolved custom op") == 2  # on the CPU, on the delegate


def test_an_operation_without_a_reason_is_not_named_as_one():
    log = "Following operations are not supported by GPU delegate:\nDENSIFY: Operation is not supported.\nDEQUANTIZE:\n"
    assert delegate.reason(log + "5 operations will run on the GPU") == "DENSIFY: Operation is not supported"


@pytest.mark.slow
def test_check_by_the_real_delegate(tmp_path, capsys):
    """Exit codes: 0 right, 1 wrong in a deconvolution alone, 3 inconclusive."""
    if not delegate.in_software() and not any(delegate.environments(str(tmp_path))):
        pytest.skip(delegate.NO_DRIVER)
    for name, function in (("bright", bright), ("hidden", hidden)):
        (tmp_path / f"{name}.tflite").write_bytes(convert(function, (1, 16, 20, 3)))
    assert check.main([str(tmp_path / "bright.tflite")]) == 0
    printed = capsys.readouterr()
    assert "bright.tflite (5 runs, on noise and photographs): Right in float32" in printed.out
    assert "on the GPU delegate" in printed.err
    # The file's own output is as good as constant; what is wrong in it only the layer alone shows.
    entry = check.inspect(tmp_path / "hidden.tflite")
    assert entry["gpu"]["verdict"] == "inconclusive" and check.untold(entry) and check.speaks_against(entry)
    assert not check.speaks_against({**entry, "probes": [], "findings": []})
    assert check.main([str(tmp_path / "hidden.tflite")]) == 1
    printed = capsys.readouterr().out
    alone = "(TRANSPOSE_CONV) alone, float32[1,16,20,3] → float32[1,48,60,2]: WRONG"
    assert "Inconclusive" in printed and alone in printed
