"""A network that is made for other values than [0, 1] is named, and no other is."""

import re

import keras
import numpy as np
import pytest
from PIL import Image
from upscale_cases import network, photo, picture

from zoo import command, evaluate, registry
from zoo.engines import open_engine, ranges
from zoo.engines.keras import KerasEngine
from zoo.engines.ncnn import NcnnEngine
from zoo.errors import UsageError
from zoo.layers import FixedUpsampler
from zoo.upscale import Chain, upscale

SPANS = {"0 to 1": (1.0, 0.0), "0 to 255": (255.0, 0.0), "-1 to 1": (2.0, -1.0)}


def enlarging(taken: str, given: str):
    """Enlargement of a picture in one range into one in another, whose values are cut off there."""
    image = keras.Input((None, None, 3))
    (span, low), (out_span, out_low) = SPANS[taken], SPANS[given]
    inside = keras.layers.Rescaling(1 / span, -low / span)(image)
    maps = FixedUpsampler("bilinear", 2)(inside)
    # Bytes are whole numbers.
    levels = keras.ops.round(keras.ops.clip(maps, 0, 1) * 255) / 255
    return keras.Model(image, keras.layers.Rescaling(out_span, out_low)(levels), name="other")


@pytest.mark.parametrize("given", SPANS)
@pytest.mark.parametrize("taken", SPANS)
def test_other_ranges_are_named(taken, given):
    said = ranges.remark(KerasEngine(enlarging(taken, given)))
    # Whole numbers of bytes, or -1 to 1, that come back as they went in hold 0 to 1 too, but for their steps.
    if taken == given != "0 to 255":
        assert said == ""
    else:
        assert f"other seems to take values from {taken} and to give values from {given}" in said
        flag = re.search(r"--range=(\S+) says so", said)[1]
        image = np.random.default_rng(0).random((24, 36, 3), np.float32)
        right, own = KerasEngine(enlarging("0 to 1", "0 to 1")), KerasEngine(enlarging(taken, given))
        told = ranges.ranged(own, flag)
        # Steps of bytes may fall to the other side.
        assert np.abs(told.run(image) - right.run(image)).max() <= 1.001 / 255
        assert np.abs(own.run(image) - right.run(image)).max() > 0.1
        assert ranges.remark(told) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.list_presets())
def test_presets_are_not(name):
    # Under a name of its own it is anybody's.
    assert ranges.remark(KerasEngine(registry.load(name))) == ""


def test_of_presets_nothing_is_found_out(monkeypatch):
    engine = open_engine("fsrcnn_s_x2")
    tried = []
    monkeypatch.setattr(type(engine), "run", lambda self, lr_image: tried.append(self.name) or lr_image)
    assert ranges.remark(engine) == "" and not tried
    # Control: with a range of one's own it is another network.
    ranges.remark(ranges.ranged(engine, "0..255"))
    assert tried


@pytest.mark.parametrize("name", ["luma", "rgb", "thin", "bicubic", "nearest"])
def test_networks_that_were_never_trained_are_not(tflite, name):
    assert ranges.remark(open_engine(tflite(name))) == "" == ranges.remark(KerasEngine(network(name)))


def test_the_command_says_it_and_takes_the_flag(upscale_command, tmp_path):
    enlarging("0 to 255", "0 to 1").save(tmp_path / "other.keras")
    picture(tmp_path / "in/a.png", 40, 44)
    source = str(tmp_path / "in/a.png")
    code, _, errors = upscale_command(source, "--output=b.png", model="other.keras")
    assert code == 0 and errors.count("seems to take values from 0 to 255 and to give values from 0 to 1") == 1
    assert "--range=0..255:0..1 says so" in errors
    code, _, errors = upscale_command(source, "--output=c.png")
    assert code == 0 and errors == ""
    code, _, errors = upscale_command(source, "--output=d.png", "--range=0..255:0..1", model="other.keras")
    assert code == 0 and "seems to take" not in errors
    right = upscale(np.asarray(Image.open(source)), enlarging("0 to 1", "0 to 1")).astype(int)
    assert np.abs(np.asarray(Image.open(tmp_path / "d.png")) - right).max() <= 1
    assert np.abs(np.asarray(Image.open(tmp_path / "b.png")) - right).max() > 50
    assert upscale_command(source, "--output=e.png", "--range=0..2", model="other.keras")[0] == 2


@pytest.mark.slow
def test_the_protocol_takes_the_flag(tmp_path, capsys):
    enlarging("0 to 255", "0 to 1").save(tmp_path / "other.keras")
    picture(tmp_path / "in/a.png", 40, 44)
    flags = [f"--model={tmp_path / 'other.keras'}", f"--data={tmp_path / 'in'}"]
    assert command.main(["evaluate", *flags]) == 0 and "--range=0..255:0..1 says so" in capsys.readouterr().err
    assert command.main(["evaluate", *flags, "--range=0..255:0..1"]) == 0 and capsys.readouterr().err == ""
    pictures = [("a", photo(40, 44))]
    scores = [
        evaluate.evaluate(evaluate.open_network(str(tmp_path / "other.keras"), values), pictures, 2)[0].psnr
        for values in ("", "0..255:0..1")
    ]
    assert scores[1] > scores[0] + 5


@pytest.mark.slow
def test_the_export_says_it(tmp_path, capsys):
    from export.__main__ import main

    enlarging("0 to 255", "0 to 255").save(tmp_path / "other.keras")
    model = f"--model={tmp_path / 'other.keras'}"
    assert main([model, "--formats=tflite_fp32", f"--output={tmp_path / 'out'}", "--nocheck"]) == 0
    assert "put the change of range into it, as its first and last layer" in capsys.readouterr().err


def test_engines_of_cells_and_chains_keep_their_range(tflite):
    pytest.importorskip("ncnn")
    engine = open_engine(tflite("thin"))
    assert isinstance(engine, NcnnEngine)
    told = open_engine(tflite("thin"), values="0..255")
    image = np.random.default_rng(1).random((50, 90, 1), np.float32)
    expected = engine.run(image * 255) / 255
    assert np.array_equal(told.run(image), expected) and told.cell == engine.cell and told.radius == engine.radius
    assert told.fingerprint() != engine.fingerprint()
    chain = Chain([told, told])
    assert all(part.cell == (1, 1) for part in chain.engines) and chain.engines[0].taken == (255.0, 0.0)
    first = expected.clip(0, 1)
    assert np.abs(chain.run(image) - engine.run(first * 255) / 255).max() < 1e-4
    # An engine that is there already can be told of its range too.
    assert np.array_equal(open_engine(engine, values="0..255").run(image), expected)
    with pytest.raises(UsageError, match="Expected --range to be one of"):
        open_engine(tflite("thin"), values="0..256")


def test_a_keras_network_of_bytes_gets_levels(tmp_path):
    image = keras.Input((None, None, 1), dtype="uint8")
    inside = keras.layers.Rescaling(1 / 255)(image)
    maps = FixedUpsampler("bilinear", 2)(inside)
    levels = keras.ops.cast(keras.ops.round(keras.ops.clip(maps, 0, 1) * 255), "uint8")
    keras.Model(image, levels).save(tmp_path / "bytes.keras")
    grey = np.full((30, 20, 1), 128, np.uint8)
    for engine in (open_engine(tmp_path / "bytes.keras"), evaluate.open_network(str(tmp_path / "bytes.keras"))):
        assert np.allclose(engine.run(grey.astype(np.float32) / 255), 128 / 255, atol=1e-6)
        assert (upscale(grey, engine) == 128).all() and ranges.remark(engine) == ""
    whole = keras.Input((None, None, 1), dtype="int32")
    counts = keras.Model(whole, FixedUpsampler("nearest", 2)(keras.ops.cast(whole, "float32")))
    with pytest.raises(UsageError, match="Expected floating point or uint8 into and out of .* Received: int32"):
        KerasEngine(counts)


@pytest.mark.parametrize("names", [["fsrcnn_s_x2"], ["fsrcnn_s_x2", "espcn_x3"]])
def test_presets_have_their_own_range_and_say_so(names, tmp_path, upscale_command, capsys):
    picture(tmp_path / "in/a.png", 40, 44)
    sentence = f"Expected --range for a file's network. Received: --range=0..255 for {', '.join(names)}; presets take"
    flags = [f"--model={','.join(names)}", f"--data={tmp_path / 'in'}", "--range=0..255"]
    assert command.main(["evaluate", *flags]) == 2 and sentence in capsys.readouterr().err
    code, _, errors = upscale_command("in/a.png", "--output=b.png", "--range=0..255", model=",".join(names))
    assert code == 2 and sentence in errors and not (tmp_path / "b.png").exists()
    for opening in (open_engine, evaluate.open_network):
        with pytest.raises(UsageError, match="Expected --range for a file's network"):
            opening(names[0], values="0..255")
    # An unknown one is named as that, and beside a file presets go their own way.
    assert command.main(["evaluate", *flags[:2], "--range=0..2"]) == 2
    assert "Expected --range to be one of" in capsys.readouterr().err
    assert ranges.for_files("-1..1", [*names, "own.keras"]) == {**dict.fromkeys(names, ""), "own.keras": "-1..1"}
