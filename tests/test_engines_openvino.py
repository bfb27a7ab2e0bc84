"""TFLite files in OpenVINO: the same results, tiles exact."""

import platform

import numpy as np
import pytest
from engine_contract import keeps_the_contract

from zoo.engines.engine import Unfit
from zoo.engines.kinds import X86
from zoo.engines.opening import fastest, of_preset
from zoo.engines.openvino import OpenVINOEngine
from zoo.engines.openvino_rows import OpenVINORowEngine
from zoo.engines.tflite import TFLiteEngine
from zoo.upscale import upscale

pytest.importorskip("openvino")
if platform.machine().lower() not in X86:
    pytest.skip("OpenVINO is used on x86 only", allow_module_level=True)
NOISE = np.random.default_rng(0).random((41, 58, 3), np.float32)


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("name", ["luma", "luma3", "rgb", "thin", "separable", "bicubic"])
def test_results_are_those_of_tflite_and_tiles_are_exact(tflite, name, sized):
    expected = TFLiteEngine(tflite(name).read_bytes(), name)
    engine = OpenVINOEngine(expected, sized)
    keeps_the_contract(engine, expected, NOISE[..., : expected.channels], 1e-5, (13, (9, 40)))
    assert engine.kind == ("OpenVINO sized" if sized else "OpenVINO")


# The last one a file of the tests.
ROWS = ["espcn_x2", "fsrcnn_x2", "gecko_s_x2", "srcnn_x2", "srcnn_x3", "separable"]


@pytest.mark.parametrize("name", ROWS)
def test_a_last_layer_on_blocks_of_pixels_is_the_same_function(tflite, name):
    own = name == "separable"
    expected = TFLiteEngine(tflite(name).read_bytes(), name) if own else of_preset(name)
    engine = OpenVINORowEngine(expected)
    assert engine.kind == "OpenVINO fitted"
    keeps_the_contract(engine, expected, NOISE[..., :1], 1e-5, (13, (9, 40)))
    # Sides of every parity.
    for size in ((1, 1), (2, 7), (8, 3), (6, 4)):
        lr_image = NOISE[: size[0], : size[1], :1]
        theirs = expected.run(lr_image)
        np.testing.assert_allclose(engine.run(lr_image), theirs, rtol=0, atol=1e-5 * np.ptp(theirs))


@pytest.mark.parametrize("name", ["srcnn_x3", "fsrcnn_x2"])
def test_a_part_is_that_of_the_whole_wherever_it_ends(name):
    """A window's margin is not computed; where the picture ends, each layer has zeros of its own there."""
    engine = OpenVINORowEngine(of_preset(name))
    lr_image, reach = NOISE[..., :1], engine.radius
    whole = engine.run(lr_image)
    height, width = lr_image.shape[:2]
    for top, bottom in ((0, 5), (1, 9), (reach - 1, height), (reach, reach + 3), (12, height - reach), (9, height - 1)):
        for left, right in ((0, width), (2, 31), (reach, width - 3)):
            window = lr_image[max(top - reach, 0) : bottom + reach, max(left - reach, 0) : right + reach]
            rows, columns = (slice(min(a, reach), min(a, reach) + b - a) for a, b in ((top, bottom), (left, right)))
            part = engine.run_part(window, rows, columns)
            scale = engine.scale
            np.testing.assert_array_equal(part, whole[scale * top : scale * bottom, scale * left : scale * right])
    # Control: a pixel less around it shows.
    less = engine.run_part(lr_image[20 - reach + 1 : 30, :], slice(reach - 1, reach + 1), slice(0, width))
    assert not np.array_equal(less, whole[20 * engine.scale : 22 * engine.scale])


@pytest.mark.parametrize("name", ["espcn_x3", "espcn_rgb_x3"])
def test_last_layers_that_fill_their_vectors_stay(name):
    with pytest.raises(Unfit, match="fills its vectors"):
        OpenVINORowEngine(of_preset(name))


def test_a_file_of_a_fixed_size(tflite):
    content = tflite("luma", (24, 40)).read_bytes()
    expected = TFLiteEngine(content, "fixed")
    engine = fastest(expected)
    assert type(engine) is OpenVINOEngine and engine.size == (24, 40)
    picture = (255 * NOISE[..., 0]).astype(np.uint8)
    assert np.abs(upscale(picture, engine).astype(int) - upscale(picture, expected)).max() <= 1
