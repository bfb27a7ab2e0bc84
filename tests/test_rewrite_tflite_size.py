"""TFLite files of any size for chips that want one: a free batch alone becomes 1 by itself, other sides by --size."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.networks import randomise
from zoo.graphs import run, tflite
from zoo.rewrite import tflite_difference, tflite_size
from zoo.rewrite.__main__ import main
from zoo.targets import records


def converted(*layers, shape=(7, 5, 3)):
    """A file as Keras' converter writes it by default, with a free batch."""
    start = x = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    return tf.lite.TFLiteConverter.from_keras_model(randomise(keras.Model(start, x))).convert()


@pytest.fixture(scope="module")
def networks():
    def up():
        return keras.layers.Conv2DTranspose(1, 4, 2, padding="same", activation="relu")

    flat = [keras.layers.Reshape((-1, 1)), keras.layers.Conv1DTranspose(2, 3, 2)]
    return {
        "batch": converted(up()),
        "sides": converted(up(), shape=(None, None, 1)),
        "lengths": converted(up(), *flat),
    }


@pytest.fixture
def rewritten(networks, tmp_path, capsys):
    def command(name, *flags):
        (tmp_path / "in.tflite").write_bytes(networks[name])
        code = main([str(tmp_path / "in.tflite"), str(tmp_path / "out.tflite"), *flags])
        printed, written = capsys.readouterr(), tmp_path / "out.tflite"
        return code, printed.out + printed.err, tflite.read(written) if written.exists() else None

    return command


@pytest.mark.parametrize("target", ["mediatek", "samsung", "edge_tpu", "intel", "gpu_delegate"])
@pytest.mark.parametrize("name", ["batch", "lengths"])
def test_a_free_batch_is_one_for_a_chip(rewritten, networks, target, name):
    code, printed, file = rewritten(name, f"--target={target}")
    assert code == 0 and "is float32[1,7,5,3], of float32[?,7,5,3]" in printed and "stays" not in printed
    record = records.named(target)
    # The Edge TPU wants 8 bits.
    assert not [each for each in record.check(file) if each.rule != "type"]
    # All that the file computed of its size is gone with the size.
    assert not {"SHAPE", "PACK", "STRIDED_SLICE"} & {
        each.name for each in file.operations if each.outputs[0].dtype == "int32"
    }
    before = tflite.parse(networks[name], "x")
    assert not all(None not in each.shape for each in before.inputs)
    image = run.noise(file)[0]
    expected, received = (run.Run(each, [image]).value(each.outputs[0]) for each in (before, file))
    assert received.shape == file.outputs[0].shape == expected.shape
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * np.ptp(expected))


def test_the_way_back_wants_one_size_too(rewritten):
    code, printed, file = rewritten("batch", "--form=transposed")
    assert code == 0 and "one size: " in printed and file.inputs[0].shape == (1, 7, 5, 3)
    code, printed, file = rewritten("batch", "--form=subpixel")
    assert code == 0 and "one size: " not in printed and file.inputs[0].shape == (None, 7, 5, 3)


def test_other_sides_are_given(rewritten):
    code, printed, file = rewritten("sides", "--target=mediatek")
    assert code == 0 and "1 stays" in printed and file.inputs[0].shape == (None, None, None, 1)
    code, printed, file = rewritten("sides", "--target=mediatek", "--size=11x6")
    assert code == 0 and "reference kernels, 11×6: largest difference" in printed and "1 moved" in printed
    assert file.inputs[0].shape == (1, 11, 6, 1) and file.outputs[0].shape == (1, 22, 12, 1)
    assert not records.named("mediatek").check(file)
    # Without a target too.
    code, printed, file = rewritten("sides", "--size=11x6")
    assert code == 0 and [each.name for each in file.operations][-1] == "STRIDED_SLICE"
    assert file.inputs[0].shape == (1, 11, 6, 1)


def test_only_the_size_may_change(rewritten, networks):
    """A file where nothing moves gets its size all the same."""
    networks["small"] = converted(keras.layers.Conv2D(2, 3))
    code, printed, file = rewritten("small", "--target=samsung")
    assert code == 0 and "nothing moves" in printed and "the same file" not in printed
    assert file.inputs[0].shape == (1, 7, 5, 3) and "largest difference" in printed
    # For a runtime that takes any it stays.
    for flags in ([], ["--target=xnnpack"]):
        code, printed, file = rewritten("small", *flags)
        assert code == 0 and "the same file" in printed and file.content == networks["small"]


def test_it_is_compared_with_the_file_of_any_size(networks):
    before = tflite.parse(networks["sides"], "x")
    file = tflite_size.of_one_size(before, "x", (11, 6))
    found = tflite_difference.differences(before, file)
    assert [(each.kernels, each.size) for each in found] == [("reference", (11, 6)), ("default", (11, 6))]
    assert found[0].value == 0 and found[1].value <= found[1].allowed
    (up,) = [each for each in file.operations if each.name == "TRANSPOSE_CONV"]
    up.inputs[1].values = up.inputs[1].values[:, ::-1]
    wrong = tflite_difference.differences(before, tflite.parse(file.packed(), "x"))
    assert all(each.value > each.allowed for each in wrong)


@pytest.mark.parametrize(
    ("name", "size", "sentence"),
    [
        ("sides", "11", "Expected a size of 2 numbers for the input"),
        ("sides", "11x6x2", "Expected a size of 2 numbers for the input"),
        ("sides", "0x6", "Expected --size as HEIGHTxWIDTH"),
        ("sides", "", "Expected --size as HEIGHTxWIDTH"),
        ("sides", "9999x9999", "of at most 67,108,864 px"),
        ("sides", "1x99999999999", "of at most 67,108,864 px"),
        ("batch", "11x6", "Expected a TFLite file that takes any size"),
    ],
)
def test_other_sizes_are_a_sentence(rewritten, name, size, sentence):
    code, printed, file = rewritten(name, f"--size={size}")
    assert code == 2 and sentence in printed and printed.count("\n") == 1 and file is None


def test_it_goes_with_what_moves_alone(rewritten):
    code, printed, file = rewritten("sides", "--size=11x6", "--collapse")
    assert code == 2 and "Expected --collapse alone" in printed and file is None


def test_only_a_tflite_file_has_one(tmp_path, capsys):
    for suffix in (".onnx", ".keras"):
        assert main([str(tmp_path / f"in{suffix}"), str(tmp_path / f"out{suffix}"), "--size=3x4"]) == 2
        assert "Expected --size for a TFLite file" in capsys.readouterr().err
