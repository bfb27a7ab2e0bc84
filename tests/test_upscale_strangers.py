"""TFLite files from strangers: of every kind, their reach read from the graph."""

import numpy as np
import pytest
import tensorflow as tf
from upscale_cases import network, photo, with_border

import zoo
from export.prepare import prepare
from export.tflite import write_tflite
from zoo import complexity
from zoo.engines import tiles
from zoo.engines.tflite import METADATA
from zoo.errors import UsageError
from zoo.graphs import tflite
from zoo.reach import Unbounded, tflite_file
from zoo.upscale import open_engine, upscale


def converted(path, function, *shapes, dtype=tf.float32, representative=None):
    """A TFLite file of a plain TensorFlow function."""
    signature = [tf.TensorSpec(shape, dtype) for shape in shapes]
    concrete = tf.function(function, input_signature=signature).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if representative is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    path.write_bytes(converter.convert())
    return path


def with_metadata(content: bytes, text: bytes) -> bytes:
    file = tflite.parse(content, "x")
    file.set_metadata(METADATA, text)
    return file.packed()


def double(x):
    return tf.nn.depth_to_space(tf.tile(x, [1, 1, 1, 4]), 2)


# What is no network of ours: (function, input shapes, dtype, words of the refusal).
STRANGE = {
    "rank 3": (lambda x: tf.tile(x, [1, 2, 2]), [(1, 8, 8)], tf.float32, r"input shape \[1, 8, 8\]"),
    "two channels": (lambda x: tf.tile(x, [1, 2, 2, 1]), [(1, 8, 8, 2)], tf.float32, r"input shape \[1, 8, 8, 2\]"),
    "batch of two": (double, [(2, 8, 8, 1)], tf.float32, r"input shape \[2, 8, 8, 1\]"),
    "a class": (lambda x: tf.reduce_mean(x, [1, 2]), [(1, 8, 8, 3)], tf.float32, r"output shape \[1, 3\]"),
    "no enlargement": (lambda x: x * 0.5, [(1, 8, 8, 1)], tf.float32, r"\(8, 8, 1\) → \(8, 8, 1\)"),
    "one side only": (lambda x: tf.tile(x, [1, 2, 1, 1]), [(1, 8, 8, 1)], tf.float32, r"→ \(16, 8, 1\)"),
    "one and a half": (lambda x: tf.image.resize(x, (12, 12)), [(1, 8, 8, 1)], tf.float32, r"→ \(12, 12, 1\)"),
    "other channels": (lambda x: double(x[..., :1]), [(1, 8, 8, 3)], tf.float32, r"→ \(16, 16, 1\)"),
    "two inputs": (lambda x, y: double(x + y), [(1, 8, 8, 1)] * 2, tf.float32, "2 inputs and 1 outputs"),
    "integers": (lambda x: tf.tile(x, [1, 2, 2, 1]), [(1, 8, 8, 1)], tf.int32, "input of type int32"),
    "one side free": (double, [(1, None, 8, 1)], tf.float32, "only one side free"),
}


@pytest.mark.usefixtures("made_here")
@pytest.mark.parametrize("name", STRANGE)
def test_files_of_another_kind_are_refused(tmp_path, name):
    function, shapes, dtype, words = STRANGE[name]
    path = converted(tmp_path / "strange.tflite", function, *shapes, dtype=dtype)
    with pytest.raises(
        UsageError, match=rf"Expected a TFLite file with one input.*Received: strange.tflite: .*{words}"
    ):
        open_engine(path)


def test_broken_files_are_refused(tflite, tmp_path):
    whole = tflite("luma").read_bytes()
    for name, content in (("half", whole[: len(whole) // 2]), ("empty", b""), ("text", b"not a network" * 20)):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(content)
        with pytest.raises(UsageError, match=f"Expected a .*TFLite file.* Received: {name}.tflite"):
            open_engine(path)
    with pytest.raises(UsageError, match="Received: .*absent.tflite', which is not there"):
        open_engine(tmp_path / "absent.tflite")


def test_operations_that_the_interpreter_lacks_are_named(tmp_path):
    concrete = tf.function(
        lambda x: tf.image.resize(x, (16, 16), "bicubic"), input_signature=[tf.TensorSpec((1, 8, 8, 1))]
    ).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    (tmp_path / "flex.tflite").write_bytes(converter.convert())
    with pytest.raises(UsageError, match=r"Received: flex.tflite: .*(Flex|flex|Select)"):
        open_engine(tmp_path / "flex.tflite")


def test_eight_bit_files_take_and_give_their_own_scale(tmp_path):
    kernel = np.random.default_rng(0).normal(0, 0.2, (3, 3, 1, 4)).astype(np.float32)
    kernel[1, 1] += 1

    def network(x):
        return tf.nn.depth_to_space(tf.nn.conv2d(x, kernel, 1, "SAME"), 2)

    image = photo(24, 32, 1)[..., 0]
    lr_image = (image / 255).astype(np.float32)[None, ..., None]
    path = converted(
        tmp_path / "eight.tflite", network, (1, 24, 32, 1), representative=lambda: ([lr_image] for _ in range(4))
    )
    engine = open_engine(path)
    assert (engine.scale, engine.size, engine.radius) == (2, (24, 32), 1)
    expected = with_border(lambda padded: network(padded[None])[0].numpy(), lr_image[0], 2)[..., 0]
    expected = np.clip(expected * 255, 0, 255)
    # The output's own step of 8 bits covers more than 0 to 255 here.
    assert np.abs(upscale(image, engine) - expected).max() < 6
    large = photo(50, 40, 1)[..., 0]
    assert upscale(large, engine).shape == (100, 80)


NETWORKS = [
    ("espcn_residual", 2, {}),
    ("fsrcnn", 2, {"d": 8, "s": 4, "m": 1}),
    pytest.param("espcn", 2, {"upsampler": "bilinear"}, marks=pytest.mark.slow),
    pytest.param("espcn", 4, {"channels": 3, "upsampler": "transposed"}, marks=pytest.mark.slow),
    pytest.param("srcnn", 3, {}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "scale", "options"), NETWORKS, ids=str)
def test_the_graph_tells_at_least_the_true_reach(tmp_path, name, scale, options):
    model = zoo.create_model(name, scale=scale, **options)
    for keep_form in (False, True):
        write_tflite(prepare(model, keep_form=keep_form), tmp_path / "x.tflite", None)
        walked, true = tflite_file.reach(tflite.read(tmp_path / "x.tflite")), complexity.receptive_field(model)
        # The corners of a kernel that no phase uses are counted; borders built from slices are exact.
        assert true <= walked.radius <= true + 1 and walked.step == 1


def side_by_side(x, axis):
    return tf.concat([x, x], axis)


UNBOUNDED = {
    "MEAN": lambda x: double(x * tf.reduce_mean(x, [1, 2], keepdims=True)),
    "RESHAPE": lambda x: tf.reshape(tf.tile(tf.reshape(x, (1, 96, 1, 96, 1)), [1, 1, 2, 1, 2]), (1, 192, 192, 1)),
    "fills half of 96 px: halves change places": lambda x: double(tf.concat([x[:, 50:], x[:, :50]], 1)),
    "fills half of 96 px: wraps round": lambda x: double(tf.concat([x[:, -3:], x], 1)[:, :96]),
    "fills half of 96 px: side by side": lambda x: side_by_side(side_by_side(x, 1), 2),
    "fills half of 96 px: upside down": lambda x: double(x[:, ::-1]),
    "fills half of 96 px: halves unlike": lambda x: double(tf.concat([x[:, :48] * 2, x[:, 48:]], 1)),
    "MUL with a number for each pixel": lambda x: double(x * tf.linspace(tf.ones((96, 1)), 2 * tf.ones((96, 1)), 96)),
    "aligned corners": lambda x: tf.raw_ops.ResizeBilinear(images=x, size=(192, 192), align_corners=True),
}


@pytest.mark.usefixtures("made_here")
@pytest.mark.parametrize("name", UNBOUNDED)
def test_a_reach_without_bound_is_named_and_never_tiled(tmp_path, name):
    path = converted(tmp_path / "x.tflite", UNBOUNDED[name], (1, 96, 96, 1))
    with pytest.raises(Unbounded, match=name.split(":")[0]):
        tflite_file.reach(tflite.read(path))
    engine = open_engine(path)
    assert engine.radius is None and upscale(photo(96, 96, 1)[..., 0], engine).shape == (192, 192)
    with pytest.raises(
        UsageError, match=f"Expected a picture of at most 96×96 for x.tflite, whose reach.*{engine.unbounded}"
    ):
        upscale(photo(97, 96, 1), engine)
    # Who knows better may say so.
    assert open_engine(path, radius=3).radius == 3


KERNEL = np.random.default_rng(1).normal(0, 0.3, (5, 5, 1, 4)).astype(np.float32)
BOX = tf.ones((6, 5, 1, 1))


def convolved(x, padding="SAME", **options):
    return tf.nn.depth_to_space(tf.nn.conv2d(x, KERNEL, 1, padding, **options), 2)


def padded(x, rows, columns, mode="CONSTANT"):
    return tf.pad(x, [(0, 0), rows, columns, (0, 0)], mode)


def resized(x):
    return tf.raw_ops.ResizeBilinear(images=x, size=(2 * x.shape[1], 2 * x.shape[2]), half_pixel_centers=True)


# A function, and what its reach lies between.
BOUNDED = {
    "pad and crop": (lambda x: double(tf.nn.conv2d(padded(x, (3, 3), (1, 4)), BOX, 1, "VALID")[:, 1:, 1:]), (3, 5)),
    "mirrored border": (lambda x: convolved(padded(x, (2, 2), (2, 2), "REFLECT"), "VALID"), (2, 8)),
    "dilated": (lambda x: convolved(x, dilations=3), (6, 6)),
    "pooled": (lambda x: double(tf.nn.avg_pool2d(x, 3, 1, "SAME")), (1, 1)),
    "depthwise": (lambda x: double(tf.nn.depthwise_conv2d(x, KERNEL[..., :1], (1, 1, 1, 1), "SAME")), (2, 2)),
    "strided": (lambda x: double(double(tf.nn.conv2d(x, BOX, 2, "SAME"))), (2, 4)),
    "every second pixel": (lambda x: double(double(x[:, ::2, ::2])), (1, 1)),
    "a frame of zeros": (lambda x: double(padded(x[:, 9:-7, 5:], (9, 7), (5, 0))), (9, 9)),
    "resized": (lambda x: tf.nn.conv2d(resized(x), KERNEL[..., :1], 1, "SAME"), (2, 3)),
}


@pytest.mark.usefixtures("made_here")
@pytest.mark.parametrize("name", BOUNDED)
def test_other_graphs_are_tiled_exactly(tmp_path, name):
    function, (least, most) = BOUNDED[name]
    path = converted(tmp_path / "x.tflite", function, (1, 96, 96, 1))
    engine = open_engine(path)
    assert least <= engine.radius <= most
    # The truth: the same function, in TensorFlow, on the whole of a larger picture.
    picture = photo(130, 96, 1).astype(np.float32) / 255
    whole = function(tf.constant(picture[None]))[0].numpy()
    assert np.abs(tiles.run_picture(engine, picture) - whole).max() < 1e-5 * max(1, np.abs(whole).max())


@pytest.mark.usefixtures("made_here")
def test_what_the_file_says_goes_before_what_the_graph_shows(tflite, tmp_path):
    content = tflite("luma").read_bytes()
    path = tmp_path / "x.tflite"
    path.write_bytes(with_metadata(content, b'{"scale": 2, "channels": 1, "radius": 9}'))
    assert open_engine(path).radius == 9
    assert open_engine(tflite("luma")).radius == 4
    for text, words in (
        (b'{"scale": 3, "channels": 1, "radius": 9}', "scale 2, 1 channels, and metadata"),
        (b"scale=3", "metadata"),
        (b'{"scale": 2}', "metadata"),
        (b'{"scale": 2, "channels": 1, "radius": -1}', "metadata"),
        (b"[2, 1, 9]", "metadata"),
    ):
        path.write_bytes(with_metadata(content, text))
        with pytest.raises(UsageError, match=f"Expected a TFLite file.*Received: x.tflite: .*{words}"):
            open_engine(path)


def test_networks_of_the_tests_are_what_they_are_called():
    assert network("rgb").input_shape[-1] == 3 and network("luma").input_shape[-1] == 1
