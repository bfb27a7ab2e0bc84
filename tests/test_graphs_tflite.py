"""TFLite files come through reading, editing and writing with everything that nobody touched."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tflite_cases import KERNEL, conv, subpixel

import zoo
from zoo.errors import UsageError
from zoo.graphs import flatbuffer, tflite
from zoo.registry import preset_file

rng = np.random.default_rng(3)


def differing(one, other, place="model"):
    """Where two trees of the schema's objects differ; a vector that is left out is an empty one."""
    if hasattr(one, "__dict__") and hasattr(other, "__dict__"):
        for field in vars(one).keys() | vars(other).keys():
            yield from differing(getattr(one, field), getattr(other, field), f"{place}.{field}")
    elif isinstance(one, list | np.ndarray | None) and isinstance(other, list | np.ndarray | None):
        one, other = ([] if side is None else list(side) for side in (one, other))
        if len(one) != len(other):
            yield place
        for number, pair in enumerate(zip(one, other)):
            yield from differing(*pair, f"{place}[{number}]")
    elif one != other:
        yield place


def outputs(content, seed=0, reference=False, signature=None):
    """What LiteRT makes of noise: of the first graph, or of a signature."""
    kernels = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
    noise = np.random.default_rng(seed)

    def fill(detail):
        shape = [side if side > 0 else 11 + number for number, side in enumerate(detail["shape_signature"])]
        shape[0] = 1
        if np.issubdtype(detail["dtype"], np.integer):
            return noise.integers(0, 100, shape).astype(detail["dtype"])
        return noise.random(shape).astype(detail["dtype"])

    if signature:
        runner = interpreter.get_signature_runner(signature)
        return runner(**{name: fill(detail) for name, detail in runner.get_input_details().items()})
    details = interpreter.get_input_details()
    values = [fill(detail) for detail in details]
    for detail, value in zip(details, values):
        interpreter.resize_tensor_input(detail["index"], value.shape)
    interpreter.allocate_tensors()
    for detail, value in zip(details, values):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return {each["name"]: interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


class TwoSignatures(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(KERNEL)

    @tf.function(input_signature=[tf.TensorSpec((1, 9, 12, 4), tf.float32, name="picture")])
    def first(self, picture):
        return {"maps": tf.nn.conv2d(picture, self.kernel, 1, "SAME")}

    @tf.function(input_signature=[tf.TensorSpec((1, 9, 12, 4), tf.float32, name="picture")])
    def second(self, picture):
        return {"maps": tf.nn.conv2d(picture, self.kernel, 2, "VALID"), "same": tf.tanh(picture)}


def two_signatures(folder):
    module = TwoSignatures()
    tf.saved_model.save(module, str(folder), signatures={"first": module.first, "second": module.second})
    return tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()


def loops(x):
    """Two graphs more: a condition and a body."""
    return tf.while_loop(lambda number, _: number < 3, lambda number, x: (number + 1, conv(x)[..., :4]), (0, x))[1]


def converted(function, shape=(1, 9, 12, 4), **settings):
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec(shape, tf.float32))]
    )
    for name, value in settings.items():
        setattr(converter, name, value)
    return converter.convert()


def int8():
    images = [[rng.random((1, 9, 12, 4), dtype=np.float32)] for _ in range(3)]
    return converted(
        subpixel,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: iter(images),
        inference_input_type=tf.int8,
        inference_output_type=tf.uint8,
    )


def half():
    specification = tf.lite.TargetSpec(supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS], supported_types=[tf.float16])
    return converted(subpixel, optimizations=[tf.lite.Optimize.DEFAULT], target_spec=specification)


FILES = {
    "loop": (lambda _: converted(loops), 3),
    "signatures": (two_signatures, 2),
    "int8": (lambda _: int8(), 1),
    "half": (lambda _: half(), 1),
    "free size": (lambda _: converted(subpixel, (1, None, None, 4)), 1),
    "outside": (lambda _: converted(subpixel, _experimental_use_buffer_offset=True), 1),
    **{name: (lambda _, name=name: preset_file(name, ".tflite").read_bytes(), 1) for name in zoo.list_presets()},
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_nobody_changed_comes_through(tmp_path, name):
    make, graphs = FILES[name]
    content = make(tmp_path)
    file = tflite.parse(content, name)
    assert len(file.graphs) == graphs
    packed = file.packed()
    before, after = (flatbuffer.unpack(each, name) for each in (content, packed))
    moved = {"offset"} if name == "outside" else set()
    assert {place.rpartition(".")[2] for place in differing(before, after)} <= moved
    assert same(outputs(content), outputs(packed))
    for signature in before.signatureDefs or ():
        key = signature.signatureKey.decode()
        assert same(outputs(content, signature=key), outputs(packed, signature=key))
    # Every constant starts at a multiple of 16 bytes of the file, and nothing changes from the second time on.
    start = np.frombuffer(packed, np.uint8).ctypes.data
    assert all((buffer.data.ctypes.data - start) % 16 == 0 for buffer in after.buffers if buffer.data is not None)
    assert tflite.parse(packed, name).packed() == packed == file.packed()


def test_the_comparison_sees_one_byte_one_name_and_one_number():
    content = preset_file("fsrcnn_s_x2", ".tflite").read_bytes()
    model = flatbuffer.unpack(content, "x")
    for change in ("byte", "name", "number"):
        other = copy.deepcopy(model)
        if change == "byte":
            number = max(range(len(model.buffers)), key=lambda each: np.size(model.buffers[each].data))
            other.buffers[number].data = other.buffers[number].data.copy()
            other.buffers[number].data[7] ^= 1
            assert not same(outputs(content), outputs(flatbuffer.pack(other)))
        elif change == "name":
            other.subgraphs[0].tensors[2].name += b"x"
        else:
            other.signatureDefs[0].outputs[0].tensorIndex += 1
        assert len(list(differing(model, other))) == 1


def test_an_operation_is_inserted_with_what_it_needs():
    """A convolution by 1×1 and its ReLU behind the first one: new tensors, constants, codes, at a free size."""
    file = tflite.parse(converted(subpixel, (1, None, None, 4)), "x")
    (graph,) = file.graphs
    convolution = graph.operations[0]
    (maps,) = convolution.outputs
    mixing, bias = rng.normal(size=(8, 1, 1, 8)).astype(np.float32), rng.normal(size=8).astype(np.float32)
    before, mixed = (tflite.Tensor(name, maps.shape) for name in ("before", "mixed"))
    constants = [tflite.Tensor(name, value.shape, values=value) for name, value in (("w", mixing), ("b", bias))]
    options = tflite.schema.Conv2DOptionsT(strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1)
    convolution.outputs = [before]
    graph.operations[1:1] = [
        tflite.Operation("CONV_2D", [before, *constants], [mixed], options),
        tflite.Operation("RELU", [mixed], [maps]),
    ]
    packed = file.packed()
    image = np.random.default_rng(0).random((1, 12, 13, 4)).astype(np.float32)
    wanted = tf.nn.depth_to_space(np.maximum(conv(image) @ mixing[:, 0, 0].T + bias, 0), 2)
    (received,) = outputs(packed).values()
    np.testing.assert_allclose(received, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    again = tflite.parse(packed, "x")
    assert [operation.name for operation in again.operations] == ["CONV_2D", "CONV_2D", "RELU", "DEPTH_TO_SPACE"]
    assert [code.builtinCode for code in again.raw.operatorCodes].count(schema.BuiltinOperator.CONV_2D) == 1
    assert again.operations[1].outputs[0].shape == (1, None, None, 8)
    np.testing.assert_array_equal(again.operations[1].inputs[1].values, mixing)
    assert graph.producer(maps).name == "RELU" and [each.name for each in graph.readers(before)] == ["CONV_2D"]
    # Control: without the ReLU it is another function.
    graph.replace(graph.operations[2])
    graph.operations[1].outputs = [maps]
    assert not same(outputs(packed), outputs(file.packed()))


def test_what_nothing_names_any_more_goes_and_nothing_else():
    file = tflite.parse(converted(lambda x: tf.nn.depth_to_space(tf.nn.bias_add(conv(x), np.ones(8)), 2)), "x")
    size, held = len(file.packed()), len(file.raw.buffers)
    (graph,) = file.graphs
    convolution, shuffle = graph.operations
    weights, lone = convolution.inputs[1], graph.tensors[-1]
    # What nothing named before either stays.
    stray = schema.BufferT(data=np.arange(40, dtype=np.uint8))
    file.raw.buffers.append(stray)
    graph.replace(convolution, tflite.Operation("CONCATENATION", [graph.inputs[0]] * 2, convolution.outputs))
    graph.operations[0].options = schema.ConcatenationOptionsT(axis=3)
    packed = file.packed()
    assert weights not in graph.tensors and lone in graph.tensors
    assert len(packed) < size - weights.data.size + 100 and len(file.raw.buffers) == held + 1
    assert file.raw.buffers[held] is stray and sum(buffer.data is weights.data for buffer in file.raw.buffers) == 0
    (received,) = outputs(packed).values()
    image = np.random.default_rng(0).random((1, 9, 12, 4)).astype(np.float32)
    np.testing.assert_array_equal(received, tf.nn.depth_to_space(tf.concat([image, image], 3), 2))


def test_signatures_follow_tensors_whose_numbers_change(tmp_path):
    content = two_signatures(tmp_path)
    file = tflite.parse(content, "x")
    graph = file.graphs[0]
    (convolution,) = graph.operations
    number = graph.tensors.index(convolution.outputs[0])
    graph.replace(convolution, tflite.Operation("CONCATENATION", [graph.inputs[0]] * 2, convolution.outputs))
    graph.operations[0].options = schema.ConcatenationOptionsT(axis=3)
    packed = file.packed()
    assert graph.tensors.index(graph.outputs[0]) < number
    image = np.random.default_rng(0).random((1, 9, 12, 4)).astype(np.float32)
    np.testing.assert_array_equal(outputs(packed, signature="first")["maps"], tf.concat([image, image], 3))
    assert same(outputs(content, signature="second"), outputs(packed, signature="second"))


def test_a_buffer_that_two_tensors_share_changes_for_one_of_them():
    file = tflite.parse(converted(lambda x: conv(x) + tf.nn.conv2d(x, KERNEL, 1, "SAME", dilations=2)), "x")
    first, second = (operation for operation in file.operations if operation.name == "CONV_2D")
    second.inputs[1] = tflite.Tensor.of(copy.copy(second.inputs[1].raw), first.inputs[1].buffer)
    first.inputs[1].values = 0 * first.inputs[1].values
    again = tflite.parse(file.packed(), "x")
    first, second = (operation.inputs[1] for operation in again.operations if operation.name == "CONV_2D")
    assert not first.values.any() and np.array_equal(second.values, np.transpose(KERNEL, (3, 0, 1, 2)))


def test_metadata_is_stored_and_replaced():
    file = tflite.parse(preset_file("espcn_x2", ".tflite").read_bytes(), "x")
    names = [entry.name for entry in file.raw.metadata]
    file.set_metadata("mine", b"one")
    file.set_metadata("mine", b"two")
    file.set_metadata("subpixel_zoo", b"three")
    again = tflite.parse(file.packed(), "x")
    assert again.metadata("mine") == b"two" and again.metadata("subpixel_zoo") == b"three"
    assert again.metadata("CONVERSION_METADATA") == file.metadata("CONVERSION_METADATA")
    assert sorted(entry.name for entry in again.raw.metadata) == sorted([*names, b"mine"])
    assert again.metadata("absent") is None


def test_data_behind_the_flatbuffer_move_with_it():
    content = converted(subpixel, _experimental_use_buffer_offset=True)
    file = tflite.parse(content, "x")
    weights = file.operations[0].inputs[1]
    assert weights.buffer.offset > 1 and weights.data.size == 4 * 9 * 4 * 8
    file.set_metadata("long", bytes(1001))
    custom = tflite.Operation("CUSTOM", [file.outputs[0]], [tflite.Tensor("theirs", (1, 2))], custom="ADD")
    custom.raw.largeCustomOptionsOffset, custom.raw.customOptions = 2, np.arange(99, dtype=np.uint8)
    packed = file.packed()
    assert same(outputs(content), outputs(packed))
    file.graphs[0].operations.append(custom)
    again = tflite.parse(file.packed(), "x")
    assert np.array_equal(again.operations[-1].raw.customOptions, np.arange(99))
    assert (
        str(again.operations[-1]) == "ADD"
        and again.operations[-1].name == "CUSTOM"
        and again.operations[-1].raw.largeCustomOptionsOffset > 99
    )
    assert again.operations[0].inputs[1].buffer.offset > weights.buffer.offset
    # Cut off where only data lie, it is noticed.
    with pytest.raises(UsageError, match="Expected a whole TFLite file. Received: cut, which is damaged"):
        tflite.parse(packed[:-200], "cut")


def test_it_needs_neither_keras_nor_tensorflow():
    code = "import sys, zoo.graphs.tflite; sys.exit(', '.join({'keras', 'tensorflow'} & set(sys.modules)) or 0)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
