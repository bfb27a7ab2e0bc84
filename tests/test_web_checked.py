"""What the page finds out about a file before it is trusted, and the values that a network is made for."""

import keras
import numpy as np
import pytest
from PIL import Image
from web_cases import difference, expected, installed, network, own_server, photo, plain_server, run_browser, tflite

import zoo
from zoo.graphs import tflite as files
from zoo.graphs import tflite_metadata
from zoo.graphs.tflite_metadata import Description, Picture

__all__ = ["installed", "own_server", "plain_server"]

pytestmark = pytest.mark.slow


def test_both_precisions_have_a_verdict(plain_server, tmp_path):
    image = photo(36, 64)
    Image.fromarray(image).save(tmp_path / "photo.png")
    fsrcnn = network("fsrcnn", 3, upsampler="subpixel")
    transposed = network("fsrcnn", 3, upsampler="transposed")
    transposed.set_weights(fsrcnn.get_weights())
    steps = [
        {"processor": "wasm", "network": str(tflite(fsrcnn, tmp_path / "right.tflite"))},
        {"picture": str(tmp_path / "photo.png"), "press": "#check"},
        {"network": str(tflite(transposed, tmp_path / "wrong.tflite", (36, 64))), "press": "#check"},
        {"processor": "webgpu-fp16"},
    ]
    _, right, wrong, half = run_browser({"address": plain_server, "gpu": True, "steps": steps}, tmp_path)["steps"]
    single, _, other = right["verdicts"].partition(".WebGPU")
    assert single.startswith("WebGPU is right in float32 (off by ") and single.endswith("of its range in 3 runs)")
    assert " is right in half precision (off by " in other
    # LiteRT's delegate shifts this deconvolution without a word, in every run.
    assert wrong["verdicts"].count("WebGPU computes this file wrongly in ") == 2
    assert "in run" not in wrong["verdicts"]
    assert half["with"].startswith("WebAssembly")
    assert half["note"].count("wrongly in half precision") == half["note"].count("wrongly in float32") == 1
    assert difference(half["pixels"], expected(image, fsrcnn)) <= 1


def scaled_values(model, taken, given):
    """The same network for values from black to white as these pairs have them, in place of 0 to 1."""
    image = keras.Input((None, None, model.input_shape[-1]))
    (low, high), (black, white) = taken, given
    x = model(keras.layers.Rescaling(1 / (high - low), -low / (high - low))(image))
    return keras.Model(image, keras.layers.Rescaling(white - black, black)(x), name=model.name)


def described(path, low, high):
    """A copy of the file whose metadata say what its values are."""
    file = files.read(path)
    pictures = [Picture(name, "", 1, low, high) for name in ("lr_image", "sr_image")]
    content = tflite_metadata.packed(Description("mine", "", "", "", "", pictures[:1], pictures[1:]))
    file.set_metadata(tflite_metadata.NAME, content)
    copy = path.with_name(f"described_{path.name}")
    copy.write_bytes(file.packed())
    return copy


def test_networks_for_other_values(own_server, tmp_path):
    image = photo(23, 31)
    Image.fromarray(image).save(tmp_path / "photo.png")
    espcn, preset = network("espcn", 2), zoo.load("espcn_x2")
    signs, bytes_, unit = (-1.0, 1.0), (0.0, 255.0), (0.0, 1.0)
    signed = tflite(scaled_values(espcn, signs, signs), tmp_path / "signed.tflite")
    levels = tflite(scaled_values(espcn, bytes_, bytes_), tmp_path / "levels.tflite")
    mixed = tflite(scaled_values(preset, signs, unit), tmp_path / "mixed.tflite")
    steps = [
        {"network": str(signed), "picture": str(tmp_path / "photo.png")},
        {"values": "-1..1"},
        {"network": str(levels), "values": "0..255"},
        {"values": "auto", "network": str(described(signed, *signs))},
        {"network": str(described(levels, *bytes_))},
        {"network": str(mixed)},
        {"values": "-1..1:0..1"},
    ]
    results = run_browser({"address": own_server, "steps": steps}, tmp_path)["steps"]
    assert [result["problem"] for result in results] == [""] * 7
    wanted, other = expected(image, espcn), expected(image, preset)
    # The controls: taken for networks of values from 0 to 1, they give other pictures.
    assert difference(results[0]["pixels"], wanted) > 20 and difference(results[5]["pixels"], other) > 20
    for result in results[1:5]:
        assert difference(result["pixels"], wanted) <= 1, result["about"]
    assert difference(results[6]["pixels"], other) <= 1
    assert "values from −1 to 1," in results[3]["about"] and "values from 0 to 255," in results[4]["about"]
    assert "values from −1 to 1 in and 0 to 1 out," in results[6]["about"]
    # A ramp finds the last one out; of a network with random weights nothing is said.
    words = (
        "This network seems to take values from −1 to 1 and to give values from 0 to 1: choose so under “Values of the"
    )
    assert results[5]["note"].startswith(words)
    assert [result["note"] for number, result in enumerate(results) if number != 5] == [""] * 6


def test_what_is_not_finite_is_said(own_server, tmp_path):
    Image.fromarray(photo(23, 31)).save(tmp_path / "photo.png")
    espcn = network("espcn", 2)
    good = tflite(espcn, tmp_path / "good.tflite", (40, 48))
    espcn.layers[-2].bias.assign(np.full(espcn.layers[-2].bias.shape, np.nan))
    assert np.isnan(np.asarray(espcn(np.zeros((1, 9, 9, 1), "float32")))).any()
    steps = [
        {"network": str(good), "picture": str(tmp_path / "photo.png")},
        {"network": str(tflite(espcn, tmp_path / "bad.tflite", (40, 48)))},
    ]
    good, bad = run_browser({"address": own_server, "steps": steps}, tmp_path)["steps"]
    assert "NaN" not in good["note"]
    assert bad["note"].endswith("This network gives NaN or infinity: those pixels mean nothing.")
