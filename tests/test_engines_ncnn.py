"""Rows of convolutions in ncnn: the results of TFLite, no bit changed by tiles, and nothing else taken."""

import platform

import numpy as np
import pytest
import tensorflow as tf
from engine_contract import keeps_the_contract
from upscale_cases import photo

from zoo import registry
from zoo.engines import tiles
from zoo.engines.engine import Unfit
from zoo.engines.kinds import X86
from zoo.engines.ncnn import CELL, NcnnEngine
from zoo.engines.ncnn_files import Borders
from zoo.engines.tflite import TFLiteEngine
from zoo.graphs import rows
from zoo.graphs.operations import Convolution
from zoo.upscale import open_engine, upscale

pytest.importorskip("ncnn")
if platform.machine().lower() not in X86:
    pytest.skip("ncnn is used on x86 only", allow_module_level=True)
HEIGHT, WIDTH = CELL
NOISE = np.random.default_rng(0).random((2 * HEIGHT + 11, 2 * WIDTH + 19, 3), np.float32)
PRESETS = ["espcn_x2", "espcn_x3", "espcn_rgb_x3", "fsrcnn_x2", "fsrcnn_x4", "fsrcnn_rgb_x3", "fsrcnn_s_x2"]
PRESETS += ["gecko_x2", "gecko_rgb_x3"]


def pair(name: str) -> tuple[NcnnEngine, TFLiteEngine]:
    expected = TFLiteEngine(registry.preset_file(name, ".tflite").read_bytes(), name)
    return NcnnEngine(expected), expected


@pytest.mark.parametrize("name", PRESETS)
def test_results_are_those_of_tflite_and_tiles_change_no_bit(name):
    engine, expected = pair(name)
    lr_image = NOISE[..., : engine.channels]
    kept = keeps_the_contract(engine, expected, lr_image, 3e-6, (1, (HEIGHT + 1, WIDTH), (WIDTH, HEIGHT)))
    # Control: windows off the grid add up in another order.
    off = engine.run_part(lr_image, slice(3, HEIGHT + 3), slice(2, WIDTH + 2))
    assert not np.array_equal(
        off, kept[3 * engine.scale : (HEIGHT + 3) * engine.scale, 2 * engine.scale :][:, : off.shape[1]]
    )


@pytest.mark.parametrize("cell", [(24, 48), (7, 11)], ids=str)
def test_cells_of_other_sizes(cell):
    expected = pair("fsrcnn_rgb_x3")[1]
    engine = NcnnEngine(expected, cell)
    assert engine.cell == cell and engine.kind == f"ncnn {cell[0]}x{cell[1]}"
    keeps_the_contract(engine, expected, NOISE[:61, :75], 3e-6, (1, (cell[0] + 1, cell[1]), cell[::-1]))


@pytest.mark.parametrize("name", ["espcn_x3", "fsrcnn_x2", "fsrcnn_s_x2"])
@pytest.mark.parametrize("height", [1, 2, 7, HEIGHT - 1, HEIGHT, HEIGHT + 1, HEIGHT + 2, HEIGHT + 9, 2 * HEIGHT + 5])
def test_pictures_of_every_length_around_a_cell(name, height):
    engine, expected = pair(name)
    for size in ((height, 23), (height, WIDTH + height % 5), (5, height), (WIDTH, height)):
        lr_image = NOISE[: size[0], : size[1], :1]
        theirs = expected.run(lr_image)
        np.testing.assert_allclose(engine.run(lr_image), theirs, rtol=0, atol=3e-6 * np.ptp(theirs))


@pytest.mark.parametrize("name", ["espcn_rgb_x3", "fsrcnn_x2"])
def test_the_ensemble_is_the_mean_of_turned_pictures(name):
    engine, expected = pair(name)
    lr_image = NOISE[: HEIGHT + 13, : WIDTH + 8, : engine.channels]
    ours = tiles.run_picture(engine, lr_image, ensemble=True)
    theirs = tiles.run_picture(expected, lr_image, ensemble=True)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-6 * np.ptp(theirs))
    assert np.abs(ours - engine.run(lr_image)).max() > 1e-2 * np.ptp(theirs)
    np.testing.assert_array_equal(tiles.run_picture(engine, lr_image, HEIGHT, ensemble=True), ours)


def test_borders_turn_with_the_picture():
    sides = Borders(top=True, bottom=False, left=False, right=False)
    image = np.zeros((3, 4))
    image[0] = 1
    for turns in range(4):
        for flip in (False, True):
            turned = np.rot90(image[:, ::-1] if flip else image, turns)
            edges = turned[0], turned[-1], turned[:, 0], turned[:, -1]
            assert sides.turned(turns, flip) == tuple(edge.all() for edge in edges)
    assert Borders(False, False, True, False).turned(0, True) == Borders(False, False, False, True)


@pytest.mark.slow
def test_other_networks_and_activations(tflite):
    for name in ("luma", "luma3", "rgb", "thin", "separable"):
        expected = TFLiteEngine(tflite(name).read_bytes(), name)
        lr_image = NOISE[..., : expected.channels]
        theirs = expected.run(lr_image)
        np.testing.assert_allclose(NcnnEngine(expected).run(lr_image), theirs, rtol=0, atol=3e-6 * np.ptp(theirs))


def test_pictures_of_bytes_differ_by_a_level_at_most_and_not_with_the_threads():
    picture = photo(130, 90)
    engine = open_engine("fsrcnn_x3")
    assert type(engine) is NcnnEngine
    result = upscale(picture, engine)
    theirs = upscale(picture, pair("fsrcnn_x3")[1])
    difference = np.abs(result.astype(int) - theirs)
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3
    for threads in (1, 3):
        np.testing.assert_array_equal(upscale(picture, "fsrcnn_x3", threads=threads), result)
    np.testing.assert_array_equal(upscale(picture, engine, tile=(50, 40)), result)


@pytest.mark.parametrize("scale, channels", [(1, 2), (2, 1), (3, 2)])
def test_a_layer_in_blocks_is_the_same_function(scale, channels):
    rng = np.random.default_rng(3)
    outputs = scale**2 * channels
    layer = Convolution(rng.normal(size=(5, 5, 3, outputs)).astype(np.float32), rng.normal(size=outputs))
    image = rng.normal(size=(1, 12, 14, 3)).astype(np.float32)
    plain = tf.nn.conv2d(image, layer.kernel, 1, "VALID") + layer.bias.astype(np.float32)
    expected = tf.nn.depth_to_space(plain, scale) if scale > 1 else plain
    blocks = rows.in_blocks(layer, scale)
    assert blocks.kernel.shape == (3, 3, 12, 4 * outputs)
    # Channels of a block in the order (input, a, b).
    inputs = image.reshape(1, 6, 2, 7, 2, 3).transpose(0, 1, 3, 5, 2, 4).reshape(1, 6, 7, 12)

    def result(kernel):
        return tf.nn.depth_to_space(
            tf.nn.conv2d(inputs, kernel, 1, "VALID") + blocks.bias.astype(np.float32), 2 * scale
        )

    np.testing.assert_allclose(result(blocks.kernel), expected, atol=1e-4)
    # Control: rows and columns of the blocks exchanged.
    exchanged = blocks.kernel.reshape(3, 3, 3, 2, 2, -1).swapaxes(3, 4).reshape(blocks.kernel.shape)
    assert np.abs(result(exchanged) - expected).max() > 0.1


def _graph(function, size=(None, None)) -> bytes:
    signature = [tf.TensorSpec((1, *size, 1))]
    concrete = tf.function(function, input_signature=signature).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()


def _kernel(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(0, 0.3, shape).astype(np.float32)


REFUSED = {
    "even kernels": lambda x: tf.nn.depth_to_space(tf.nn.conv2d(x, _kernel(4, 4, 1, 4), 1, "SAME"), 2),
    "no padding": lambda x: tf.nn.depth_to_space(
        tf.nn.conv2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), _kernel(3, 3, 1, 4), 1, "VALID"), 2
    ),
    "groups": lambda x: tf.nn.depth_to_space(
        tf.nn.conv2d(tf.nn.conv2d(x, _kernel(3, 3, 1, 8), 1, "SAME"), _kernel(3, 3, 4, 4), 1, "SAME"), 2
    ),
    "two maps of one": lambda x: tf.nn.depth_to_space(
        tf.nn.conv2d(tf.nn.depthwise_conv2d(x, _kernel(3, 3, 1, 2), [1] * 4, "SAME"), _kernel(3, 3, 2, 4), 1, "SAME"), 2
    ),
    "maps by themselves at the end": lambda x: tf.nn.depth_to_space(
        tf.nn.depthwise_conv2d(tf.nn.conv2d(x, _kernel(3, 3, 1, 4), 1, "SAME"), _kernel(3, 3, 4, 1), [1] * 4, "SAME"), 2
    ),
    "dilation": lambda x: tf.nn.depth_to_space(tf.nn.conv2d(x, _kernel(3, 3, 1, 4), 1, "SAME", dilations=2), 2),
    "another activation": lambda x: tf.nn.depth_to_space(
        tf.nn.relu6(tf.nn.conv2d(x, _kernel(3, 3, 1, 4), 1, "SAME")), 2
    ),
    "a branch": lambda x: tf.nn.depth_to_space(
        tf.nn.conv2d(x, _kernel(3, 3, 1, 4), 1, "SAME") + tf.tile(x, [1, 1, 1, 4]), 2
    ),
    "a sum behind the last layer": lambda x: tf.nn.depth_to_space(
        (y := tf.nn.conv2d(x, _kernel(3, 3, 1, 4), 1, "SAME")) + tf.nn.conv2d(y, _kernel(3, 3, 4, 4), 1, "SAME"), 2
    ),
    "a sum with a number": lambda x: tf.nn.depth_to_space(
        tf.nn.conv2d(tf.nn.relu(tf.nn.conv2d(x, _kernel(3, 3, 1, 4), 1, "SAME")) + 2.5, _kernel(3, 3, 4, 4), 1, "SAME"),
        2,
    ),
    "a sum of a map with itself": lambda x: tf.nn.depth_to_space(
        tf.nn.conv2d(
            (y := tf.nn.tanh(tf.nn.conv2d(x, _kernel(3, 3, 1, 4), 1, "SAME"))) + y, _kernel(3, 3, 4, 4), 1, "SAME"
        ),
        2,
    ),
    "layers after the shuffle": lambda x: tf.nn.conv2d(
        tf.nn.depth_to_space(tf.nn.conv2d(x, _kernel(3, 3, 1, 4), 1, "SAME"), 2), _kernel(3, 3, 1, 1), 1, "SAME"
    ),
    "pixels by themselves": lambda x: tf.nn.depth_to_space(tf.nn.conv2d(x, _kernel(1, 1, 1, 4), 1, "SAME"), 2),
    "no convolution": lambda x: tf.nn.depth_to_space(tf.tile(x, [1, 1, 1, 4]), 2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_row_of_convolutions_is_refused(name):
    with pytest.raises(Unfit):
        NcnnEngine(TFLiteEngine(_graph(REFUSED[name]), name, radius=5))


def test_sums_past_some_of_the_layers_are_taken():
    """Two sums of one result, one of them over several layers, and one of a sum."""

    def network(x):
        def layer(x, side, activation):
            return activation(tf.nn.conv2d(x, _kernel(side, side, x.shape[-1], 6), 1, "SAME"))

        first = layer(x, 5, tf.nn.tanh)
        second = layer(layer(first, 3, tf.nn.relu), 1, tf.nn.tanh) + first
        third = first + layer(second, 5, tf.nn.relu)
        fourth = layer(third, 3, tf.nn.tanh) + second
        return tf.nn.depth_to_space(tf.nn.conv2d(fourth, _kernel(3, 3, 6, 4), 1, "SAME"), 2)

    expected = TFLiteEngine(_graph(network), "sums")
    layers, _ = rows.read(expected.file)
    assert [layer.added for layer in layers] == [None, None, 0, 0, 2, None]
    keeps_the_contract(NcnnEngine(expected, (24, 48)), expected, NOISE[:61, :75, :1], 3e-6, (1, (25, 48)))


def test_a_row_of_convolutions_from_elsewhere_is_taken():
    def network(x):
        x = tf.nn.tanh(tf.nn.bias_add(tf.nn.conv2d(x, _kernel(3, 3, 1, 8), 1, "SAME"), _kernel(8)))
        x = tf.nn.relu(tf.nn.conv2d(x, _kernel(1, 1, 8, 16), 1, "SAME"))
        return tf.nn.depth_to_space(tf.nn.conv2d(x, _kernel(5, 5, 16, 16), 1, "SAME"), 4)

    expected = TFLiteEngine(_graph(network), "stranger")
    layers, scale = rows.read(expected.file)
    assert [layer.activation for layer in layers] == ["tanh", "relu", "linear"] and scale == 4
    theirs = expected.run(NOISE[..., :1])
    np.testing.assert_allclose(NcnnEngine(expected).run(NOISE[..., :1]), theirs, rtol=0, atol=3e-6 * np.ptp(theirs))
    # A reach that nobody states keeps the picture whole, and its cells have their margins from the layers.
    whole = NcnnEngine(TFLiteEngine(expected.content, "stranger", unbounded="nobody says"))
    assert whole.radius is None and whole.unbounded == "nobody says"
    assert len(tiles.tiles_of(*NOISE.shape[:2], whole)) == 1
    np.testing.assert_array_equal(tiles.run_picture(whole, NOISE[..., :1]), NcnnEngine(expected).run(NOISE[..., :1]))
    # A fixed size leaves no cells.
    with pytest.raises(Unfit):
        NcnnEngine(TFLiteEngine(_graph(network, (16, 24)), "fixed"))
