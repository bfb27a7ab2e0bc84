"""A network that is made for other values than [0, 1] is named, and no other is."""

import keras
import pytest
from upscale_cases import network, picture

from zoo import registry
from zoo.engines import open_engine, ranges
from zoo.engines.keras import KerasEngine
from zoo.layers import FixedUpsampler

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


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.list_presets())
def test_presets_are_not(name):
    assert ranges.remark(open_engine(name)) == ""


@pytest.mark.parametrize("name", ["luma", "rgb", "thin", "bicubic", "nearest"])
def test_networks_that_were_never_trained_are_not(tflite, name):
    assert ranges.remark(open_engine(tflite(name))) == "" == ranges.remark(KerasEngine(network(name)))


def test_commands_say_it(upscale_command, tmp_path):
    enlarging("0 to 255", "0 to 1").save(tmp_path / "other.keras")
    picture(tmp_path / "a.png")
    code, _, errors = upscale_command("a.png", "--output=b.png", model="other.keras")
    assert code == 0 and errors.count("seems to take values from 0 to 255 and to give values from 0 to 1") == 1
    code, _, errors = upscale_command("a.png", "--output=c.png")
    assert code == 0 and errors == ""
