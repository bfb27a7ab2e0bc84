"""The gate judges three runs, half precision for itself, and calls NaN and infinity by their names."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tflite_cases import convert, tflite_case  # noqa: F401 — a fixture

from export import check, delegate, inputs
from export.runner import compare, compare_each, together
from zoo.graphs import tflite


def overflowing(x):
    """Right in float32; its values pass 65,504 on the way."""
    large = tf.nn.conv2d(x, tf.constant(np.full((1, 1, 4, 8), 3e4, np.float32)), 1, "SAME")
    return tf.nn.conv2d(large, tf.constant(np.full((1, 1, 8, 2), 1e-6, np.float32)), 1, "SAME")


def judged(function, runs):
    """The verdict on a device that computes `function(images, number of the run)` where the truth is their doubles."""
    truth = [[2.0 * image for image in images] for images in runs]
    given = [function(images, number) for number, images in enumerate(runs)]
    pairs = list(zip(truth, given, strict=True))
    compared = together([{**compare(*pair), "outputs": compare_each(["out"], *pair)} for pair in pairs])
    return delegate._verdict({"fully_accelerated": True, **compared}, 0, "", "device", delegate.TOLERANCE)


def test_a_device_that_is_right_in_its_first_run_only_is_wrong(tflite_case):  # noqa: F811
    runs = inputs.three(inputs.noise(tflite.read(tflite_case("subpixel"))))
    assert judged(lambda images, number: [2 * images[0]], runs)["verdict"] == "right"
    kept = judged(lambda images, number: [2 * runs[0][0]], runs)
    assert kept["verdict"] == "wrong" and "in run 2 and 3 of 3" in kept["sentence"]
    infinite = judged(lambda images, number: [2 * images[0] if number < 2 else np.inf * images[0]], runs)
    assert infinite["verdict"] == "not finite" and "NaN or infinity" in infinite["sentence"]


def test_the_three_inputs_differ_and_stay_in_range():
    rng = np.random.default_rng(0)
    image, levels = rng.uniform(-2, 5, (1, 5, 7, 3)).astype(np.float32), rng.integers(-128, 127, (2, 3, 4), np.int8)
    runs = inputs.three([image, levels])
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert all(np.abs(a - b.astype(float)).max() > 1 for a, b in zip(runs[first], runs[second]))
    for each in runs:
        assert [part.dtype for part in each] == [np.float32, np.int8]
        for part, original in zip(each, (image, levels)):
            assert part.min() >= original.min() - 1e-6 and part.max() <= original.max() + 1e-6


def test_noise_lies_in_the_range_that_is_asked_for(tflite_case):  # noqa: F811
    file = tflite.read(tflite_case("subpixel"))
    (unit,), (levels,) = inputs.noise(file), inputs.noise(file, (-10, 245))
    assert 0 <= unit.min() < 0.01 and 0.99 < unit.max() < 1 and levels.min() < -9 and levels.max() > 244


def test_a_picture_fills_the_input_in_its_own_type(tmp_path):
    picture = np.random.default_rng(1).integers(0, 256, (9, 30, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    file = tflite.parse(convert(lambda x: x + tf.nn.relu(x), (1, 16, 20, 3)), "three channels")
    ((image,), (scaled,)) = inputs.picture(file, tmp_path / "a.png")
    assert image.shape == (1, 16, 20, 3) and np.abs(image[0, :9] - picture[:, :20] / 255).max() < 1e-6
    expected = np.asarray(Image.fromarray(picture).resize((20, 16), Image.Resampling.BICUBIC)) / 255
    assert np.abs(scaled[0] - expected).max() < 1e-6 and np.abs(scaled - image).max() > 0.1
    ((levels,), _) = inputs.picture(file, tmp_path / "a.png", (-1, 1))
    assert np.abs(levels - (2 * image - 1)).max() < 1e-6


def test_half_precision_has_a_verdict_and_infinity_an_exit_code(tmp_path, tflite_case, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr(delegate, "environments", lambda folder: [])
    (tmp_path / "bad.tflite").write_bytes(convert(overflowing))
    assert check.main([str(tmp_path / "bad.tflite"), f"--json={tmp_path / 'bad.json'}"]) == 1
    assert "In half precision: NaN or infinity" in capsys.readouterr().out
    (entry,) = json.loads((tmp_path / "bad.json").read_text())
    assert entry["half"]["verdict"] == "not finite" and entry["cpu"]["finite"]
    # Control: the same command on a graph whose values stay small.
    assert check.main([str(tflite_case("subpixel"))]) == 0
    assert "In half precision: " in capsys.readouterr().out


@pytest.mark.parametrize("text", ["1", "255..0", "0..255:0..1"])
def test_a_range_that_is_none_gets_a_sentence(tflite_case, text, capsys):  # noqa: F811
    assert check.main([str(tflite_case("subpixel")), f"--range={text}"]) == 2
    assert "Expected --range" in capsys.readouterr().err


def test_a_file_of_no_picture_takes_no_picture(tflite_case, tmp_path, capsys):  # noqa: F811
    assert check.main([str(tflite_case("subpixel")), "--input=nowhere.png"]) == 2
    assert "Expected a file of one picture" in capsys.readouterr().err
