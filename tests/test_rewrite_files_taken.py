"""Files whose networks do not take every size and every number: `zoo rewrite` looks for what they take."""

import io
import zipfile

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper
from rewrite_onnx_cases import kinds, model, weights
from rewrite_tflite_cases import apart, converted, names, rewritten

from benchmarks.networks import randomise
from zoo.graphs import onnx_graph, tflite
from zoo.graphs.run import knows
from zoo.graphs.sizes import fitting
from zoo.rewrite import onnx_difference, onnx_file, tflite_difference
from zoo.rewrite.__main__ import main
from zoo.rewrite.tflite_find import at_sizes
from zoo.rewrite.tflite_moves import recognised, repeated

FREE = ["n", 4, "h", "w"]


def halved_thrice_in_onnx():
    """A U-Net: sides must be multiples of 8."""
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [helper.make_node("MaxPool", [f"x{n or ''}"], [f"x{n + 1}"], **pool) for n in range(3)]
    for n in (3, 2, 1):
        nodes.append(
            helper.make_node("ConvTranspose", [f"x{n}" if n == 3 else f"z{n}", "w"], [f"u{n}"], strides=[2, 2])
        )
        nodes.append(helper.make_node("Add", [f"u{n}", f"x{n - 1 or ''}"], [f"z{n - 1}" if n > 1 else "y"]))
    return model(nodes, {"w": weights(4, 4, 2, 2)}, FREE)


def halved_thrice_in_tflite():
    kernel = tf.constant(weights(2, 2, 4, 4))

    def network(x):
        maps = [x]
        for _ in range(3):
            maps.append(tf.nn.max_pool2d(maps[-1], 2, 2, "VALID"))
        y = maps[-1]
        for skip in maps[2::-1]:
            n, h, w, _ = tf.unstack(tf.shape(y))
            y = tf.nn.conv2d_transpose(y, kernel, [n, 2 * h, 2 * w, 4], 2)
            y = tf.concat([y, skip], -1)[..., :4]
        return y

    return converted(network, (1, None, None, 4))


def taken(content, suffix, tmp_path, capsys):
    """What the command prints; the path of what it writes."""
    path, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    path.write_bytes(content)
    code = main([str(path), str(target)])
    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    return printed.out, target


def test_a_size_that_fits_is_looked_for():
    tried = []

    def run(size):
        tried.append(size)
        if size[2] % 8 or size[3] % 8:
            raise RuntimeError

    sizes = ((2, 3, 23, 18), (1, 3, 14, 37))
    assert fitting(sizes, 2, run) == ((2, 3, 40, 24), (1, 3, 16, 56)) and tried[0] == sizes[0]
    assert fitting(sizes, 2, lambda size: None) == fitting(sizes, 2, lambda size: 1 / 0) == sizes


def test_a_network_of_free_size_that_takes_multiples(tmp_path, capsys):
    printed, target = taken(halved_thrice_in_onnx().SerializeToString(), ".onnx", tmp_path, capsys)
    assert "ConvTranspose" not in {node.op_type for node in onnx.load(target).graph.node}
    assert "onnxruntime, 2×4×40×24: largest difference" in printed
    printed, target = taken(halved_thrice_in_tflite(), ".tflite", tmp_path, capsys)
    assert "TRANSPOSE_CONV" not in names(tflite.read(target))
    assert "reference kernels, 40×24: largest difference" in printed


def test_a_place_in_a_table_is_one_that_the_table_has(tmp_path, capsys):
    """A generator for classes; the table of two ends before almost any number."""
    table, kernel = weights(2, 4), weights(4, 4, 3, 4)

    def network(x, label):
        y = x + tf.gather(table, label)[:, None, None]
        return tf.nn.conv2d_transpose(y, kernel, [1, 14, 10, 3], 2)

    signature = [tf.TensorSpec((1, 7, 5, 4)), tf.TensorSpec((1,), tf.int32)]
    concrete = tf.function(network, input_signature=signature).get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    _, target = taken(content, ".tflite", tmp_path, capsys)
    assert "TRANSPOSE_CONV" not in names(tflite.read(target))


@pytest.mark.parametrize("kind", ["INT64", "INT32", "BOOL"])
def test_what_is_no_picture_is_given_too(kind, tmp_path, capsys):
    nodes = [
        helper.make_node("Cast", ["label"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "place"], ["row"]),
        helper.make_node("Mul", ["x", "row"], ["z"]),
        helper.make_node("ConvTranspose", ["z", "w"], ["y"], strides=[2, 2]),
    ]
    proto = model(nodes, {"table": weights(2, 4, 1, 1), "w": weights(4, 3, 4, 4)})
    proto.graph.input.append(helper.make_tensor_value_info("label", getattr(TensorProto, kind), [2]))
    _, target = taken(proto.SerializeToString(), ".onnx", tmp_path, capsys)
    assert "ConvTranspose" not in {node.op_type for node in onnx.load(target).graph.node}


@pytest.mark.parametrize("used_twice", [False, True])
def test_weights_under_another_name_are_weights(used_twice):
    """PyTorch's exporter puts an Identity between a weight that layers share and each of them but the first."""
    nodes = [
        helper.make_node("Identity", ["w"], ["same"]),
        helper.make_node("Identity", ["same"], ["again"]),
        helper.make_node("ConvTranspose", ["x", "again"], ["y"], name="up", strides=[2, 2]),
        *[helper.make_node("Abs", ["same"], ["v"])] * used_twice,
    ]
    proto = model(nodes, {"w": weights(4, 3, 4, 4)}, outputs=("y", "v")[: 1 + used_twice])
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "moved"
    kept = (
        {each.name for each in proto.graph.initializer},
        [each.op_type for each in proto.graph.node].count("Identity"),
    )
    assert kept == ({"w", "up_lr_weights"}, 1) if used_twice else kept == ({"up_lr_weights"}, 0)
    for each in onnx_difference.differences(before, onnx_graph.packed(proto)):
        assert each.value <= each.allowed


def test_new_names_are_none_that_a_subgraph_has():
    inner = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["up_lr_Conv"]), helper.make_node("Abs", ["up_lr_Conv"], ["up_lr_weights"])],
        "then",
        [],
        [helper.make_tensor_value_info("up_lr_weights", TensorProto.FLOAT, [None] * 4)],
    )
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up", strides=[2, 2]),
        helper.make_node("If", ["yes"], ["v"], then_branch=inner, else_branch=inner),
    ]
    proto = model(nodes, {"w": weights(4, 3, 4, 4), "yes": np.array(True)}, outputs=("y", "v"))
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "moved"
    for each in onnx_difference.differences(before, onnx_graph.packed(proto)):
        assert each.value <= each.allowed


def test_files_that_are_attached_stay(tmp_path, capsys):
    """Labels, as TFLite's metadata has them: a zip archive behind the flatbuffer."""
    kernel = weights(4, 4, 3, 4)
    content = converted(lambda x: tf.nn.conv2d_transpose(x, kernel, [1, 14, 10, 3], 2), (1, 7, 5, 4))
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    _, target = taken(whole.getvalue(), ".tflite", tmp_path, capsys)
    assert "TRANSPOSE_CONV" not in names(tflite.read(target))
    with zipfile.ZipFile(target) as archive:
        assert archive.read("labels.txt") == b"cat\ndog\n" and archive.namelist() == ["labels.txt"]
    # One that is damaged is no reason to lose it without a word.
    damaged = whole.getvalue().replace(b"cat\n", b"cow\n")
    (tmp_path / "in.tflite").write_bytes(damaged)
    target.unlink()
    assert main([str(tmp_path / "in.tflite"), str(target)]) == 2
    assert "Expected whole files behind a TFLite flatbuffer" in capsys.readouterr().err and not target.exists()


@pytest.mark.parametrize(("batch", "scale"), [(None, 2), (2, 3)])
def test_pixels_that_keras_repeats_go_into_the_convolution_behind(batch, scale):
    """UpSampling2D is converted to EXPAND_DIMS, TILE, RESHAPE, which have five axes."""
    start = keras.Input((7, 5, 3), batch_size=batch)
    up = keras.layers.UpSampling2D(scale)(start)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(up)
    twice = keras.layers.UpSampling2D(2)(x)
    model = keras.Model(
        start, [keras.layers.Conv2D(2, (3, 2), padding="valid")(twice), keras.layers.AveragePooling2D(2)(twice)]
    )
    content = tf.lite.TFLiteConverter.from_keras_model(randomise(model)).convert()
    file, rows = rewritten(content)
    assert [row.action for row in rows] == ["stays", "moved"] and "AVERAGE_POOL_2D, CONV_2D" in rows[0].note
    assert sum(name == "TILE" for name in names(file)) == 2 and apart(content, file) == []
    # A pixel too many is no repetition.
    (move,) = [each for each, _ in recognised(sized_graph(content), [], repeated)][:1]
    spoilt = move.numbers.copy()
    spoilt[0, 0, 0, 0] += 1
    assert repeated(move) and repeated(move._replace(numbers=spoilt)) is None


def repeated_in_onnx(channels_last, scale, sides):
    """UpSampling2D as tf2onnx writes it, with the shapes computed where sides are free."""
    batch, height, width = sides
    rows, columns = (2, 3) if channels_last else (3, 4)
    order = [0, 3, 1, 2] if channels_last else [0, 1, 2, 3]
    nodes, constants, last = [], {"w": weights(4, 3, 3, 3), "b": weights(4), "minus": np.array([-1])}, "x"
    for number, axis in enumerate((rows, columns)):
        tiles = np.ones(5, np.int64)
        tiles[axis] = scale
        constants |= {f"axis{number}": np.array([axis]), f"tiles{number}": tiles}
        doubled = np.ones(4, np.int64)
        doubled[axis - 1] = scale
        constants[f"doubled{number}"] = doubled
        nodes += [
            helper.make_node("Unsqueeze", [last, f"axis{number}"], [f"u{number}"]),
            helper.make_node("Tile", [f"u{number}", f"tiles{number}"], [f"t{number}"]),
            helper.make_node("Shape", [last], [f"s{number}"]),
            helper.make_node("Mul", [f"s{number}", f"doubled{number}"], [f"m{number}"]),
            helper.make_node("Reshape", [f"t{number}", f"m{number}"], [f"r{number}"]),
        ]
        last = f"r{number}"
    nodes.append(helper.make_node("Transpose", [last], ["large"], perm=order))
    nodes.append(helper.make_node("Conv", ["large", "w", "b"], ["y"], name="conv", pads=[1, 1, 1, 1]))
    shape = (batch, height, width, 3) if channels_last else (batch, 3, height, width)
    return model(nodes, constants, shape)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("scale", "sides"), [(2, (2, 7, 5)), (3, ("n", "h", "w"))])
def test_pixels_that_an_onnx_file_repeats_go_into_the_convolution_behind(channels_last, scale, sides):
    proto = repeated_in_onnx(channels_last, scale, sides)
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "moved" and row.found.startswith("pixels repeated, Conv 3×3")
    assert [kind for kind in kinds(proto) if kind != "Slice"] == ["Transpose"] * channels_last + [
        "Conv",
        "DepthToSpace",
    ]
    for each in onnx_difference.differences(before, onnx_graph.packed(proto)):
        assert each.value <= each.allowed
    # Repeated once more along one side it is no enlargement of both alike.
    other = repeated_in_onnx(channels_last, scale, sides)
    for each in [each for each in other.graph.initializer if each.name in ("tiles1", "doubled1")]:
        numbers = np.where(numpy_helper.to_array(each) > 1, scale + 1, 1)
        each.CopyFrom(numpy_helper.from_array(numbers, each.name))
    assert onnx_file.to_lr_space(other) == [] and "Tile" in kinds(other)
    # What no convolution takes in is named.
    other = repeated_in_onnx(channels_last, scale, sides)
    other.graph.node[-1].CopyFrom(helper.make_node("Relu", ["large"], ["y"]))
    (row,) = onnx_file.to_lr_space(other)
    assert (row.found, row.action) == (f"pixels repeated ×{scale}", "stays") and row.note.endswith(": Relu")


def sized_graph(content):
    """The graph at a known size."""
    file = tflite.parse(content, "x")
    return (at_sizes(file) or file.graphs)[0]


@pytest.mark.parametrize("inside", ["float", "int8"])
def test_an_int8_network_is_compared_in_its_levels(inside):
    """Most have float ends; and TILE in int8 is newer than LiteRT's reference kernels know it."""
    start = keras.Input((7, 5, 3), batch_size=1)
    x = keras.layers.Conv2DTranspose(4, 5, 2, padding="same", activation="relu")(start)
    model = randomise(keras.Model(start, keras.layers.UpSampling2D(2)(x)))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    rng = np.random.default_rng(0)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([rng.random((1, 7, 5, 3), np.float32)] for _ in range(3))
    if inside == "int8":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    content = converter.convert()
    file, rows = rewritten(content)
    assert [row.action for row in rows] == ["stays", "moved"]
    assert apart(content, file) == []
    reference, default = tflite_difference.differences(tflite.parse(content, "x"), file)
    assert reference.kernels == "reference" and reference.value == 0
    assert default.allowed == 1 if inside == "int8" else 1e-5 < default.allowed < 0.02
    spoilt = tflite.parse(file.content, "x")
    (convolution,) = [each for each in spoilt.operations if each.name == "CONV_2D"]
    convolution.inputs[1].values = convolution.inputs[1].values[::-1]
    spoilt = tflite.parse(spoilt.packed(), "x")
    assert len(apart(content, spoilt)) == 2


def test_what_the_reference_kernels_do_not_take_is_compared_in_others(monkeypatch):
    kernel = weights(4, 4, 3, 4)
    content = converted(lambda x: tf.nn.conv2d_transpose(x, kernel, [1, 14, 10, 3], 2), (1, 7, 5, 4))

    assert all(knows(kernels, tflite.parse(content, "x")) for kernels in tflite_difference.LEVELS)
    newer = tflite.parse(content, "x")
    newer.operations[0].version = 99
    newer.graphs[0].changed = True
    assert not knows("reference", tflite.parse(newer.packed(), "x"))
    monkeypatch.setattr(tflite_difference, "knows", lambda kernels, file: False)
    found = tflite_difference.differences(tflite.parse(content, "x"), rewritten(content)[0])
    assert [each.kernels for each in found] == ["plain", "default"] and found[0].value <= found[0].allowed


def test_an_output_that_may_differ_hides_none_that_may_not():
    kernel = weights(4, 4, 3, 4)

    def network(x):
        y = tf.nn.conv2d_transpose(x, kernel, [1, 14, 10, 3], 2)
        return y, tf.cast(tf.zeros((1, 3)), tf.int32) + tf.cast(tf.shape(x)[0], tf.int32)

    content = converted(network, (1, 7, 5, 4))
    file, _ = rewritten(content)
    assert apart(content, file) == []
    (convolution,) = [each for each in file.operations if each.name == "CONV_2D"]
    convolution.inputs[1].values = 1.3 * convolution.inputs[1].values
    assert len(apart(content, tflite.parse(file.packed(), "x"))) == 2
