"""Deconvolutions of files whose strides differ per axis, and of sequences: TFLite and ONNX, in LR space."""

import keras
import numpy as np
import onnx
import oracle
import pytest
import tensorflow as tf
from onnx import numpy_helper
from rewrite_onnx_cases import deconvolution, kinds, values, weights
from rewrite_tflite_cases import apart, converted, names, rewritten

from benchmarks.networks import randomise
from zoo.graphs import run, tflite
from zoo.rewrite import onnx_difference, onnx_file, tflite_difference, tflite_file, tflite_target
from zoo.targets import records

rng = np.random.default_rng(17)


def converted_deconvolution(kernel, strides, padding="SAME", shape=(2, 7, 10, 3), outputs=2, wanted=None, **kind):
    """A converted file of one deconvolution, and its kernel (Ky, Kx, O, I)."""
    held = rng.normal(size=(*kernel, outputs, shape[3])).astype(np.float32) / kernel[0]

    def function(x):
        given = [x.shape[axis] or tf.shape(x)[axis] for axis in range(3)]
        more = [max(k - s, 0) if padding == "VALID" else 0 for k, s in zip(kernel, strides)]
        sides = wanted or [side * stride + each for side, stride, each in zip(given[1:], strides, more)]
        return tf.nn.conv2d_transpose(x, held, (given[0], *sides, outputs), strides, padding)

    return converted(function, shape, **kind), held


FREE = (None, None, None, 4)
TFLITE = {
    "by 3 and 2": {"kernel": (5, 4), "strides": (3, 2)},
    "valid": {"kernel": (4, 5), "strides": (2, 3), "padding": "VALID", "shape": (1, 7, 10, 1), "outputs": 3},
    "rows alone": {"kernel": (5, 3), "strides": (2, 1), "outputs": 1},
    "columns alone": {"kernel": (3, 9), "strides": (1, 4), "shape": (1, 7, 10, 4)},
    "a kernel below its strides": {"kernel": (2, 1), "strides": (4, 3)},
    "an output that is no multiple": {"kernel": (5, 4), "strides": (3, 2), "wanted": (20, 19)},
    "half": {"kernel": (5, 4), "strides": (2, 3), "half": True},
    "int8": {"kernel": (5, 4), "strides": (3, 2), "shape": (1, 7, 10, 4), "outputs": 3, "int8": True},
    "free sizes": {"kernel": (4, 5), "strides": (2, 3), "shape": FREE},
    "free sizes, columns alone, int8": {"kernel": (1, 5), "strides": (1, 2), "shape": (1, *FREE[1:]), "int8": True},
    "a free batch": {"kernel": (5, 4), "strides": (3, 2), "shape": (None, 7, 10, 3)},
}


@pytest.mark.parametrize("name", TFLITE)
def test_a_tflite_file_has_the_same_bits(name):
    content, kernel = converted_deconvolution(**TFLITE[name])
    file, (row,) = rewritten(content)
    strides, made = TFLITE[name]["strides"], names(file)
    assert row.action == "moved" and row.note == "" and not {"TRANSPOSE_CONV", "DEPTH_TO_SPACE", "PACK"} & set(made)
    # Where rows stay as many as they are nothing is transposed.
    assert (made.count("TRANSPOSE"), made.count("RESHAPE")) == ((0, 1) if strides[0] == 1 else (1, 2))
    assert max(len(tensor.shape) for each in file.operations for tensor in each.tensors()) == 4
    assert ("SHAPE" in made) == name.startswith("free sizes")
    for each in tflite_difference.differences(tflite.parse(content, "x"), file):
        assert each.value == 0 if each.kernels == "reference" else each.value <= each.allowed, str(each)
    if {"wanted", "int8"} & set(TFLITE[name]):
        return
    image = run.noise(file)[0]
    received = run.Run(file, [image]).value(file.outputs[0])
    padding = TFLITE[name].get("padding", "SAME").lower()
    tolerance = 1e-3 if name == "half" else 1e-6
    assert oracle.relative(received, oracle.scattered(image, kernel, strides, padding)) <= tolerance
    assert oracle.relative(received, oracle.scattered(image, kernel[::-1, ::-1], strides, padding)) > 1e-2


@pytest.mark.parametrize("spoilt", ["the phases of the axes swapped", "cropped on the other side"])
@pytest.mark.parametrize("int8", [False, True])
def test_a_wrong_rewriting_is_seen(monkeypatch, spoilt, int8):
    content, _ = converted_deconvolution((5, 4), (3, 2), shape=(1, 7, 10, 3), int8=int8)
    along_axes = tflite_file.along_axes

    def wrong(*args):
        lr = along_axes(*args)
        if spoilt.startswith("cropped"):
            return lr._replace(crops=tuple(cut[::-1] for cut in lr.crops))
        phases = lr.kernel.reshape(*lr.kernel.shape[:3], *lr.scales, -1)
        return lr._replace(kernel=phases.swapaxes(3, 4).reshape(lr.kernel.shape))

    assert apart(content, rewritten(content)[0]) == []
    monkeypatch.setattr(tflite_file, "along_axes", wrong)
    assert {each.kernels for each in apart(content, rewritten(content)[0])} == {"reference", "default"}


@pytest.mark.parametrize(("batch", "length", "channels"), [(2, 11, 1), (None, 11, 3), (None, None, 3)])
def test_a_sequence_of_keras(batch, length, channels):
    """Conv1DTranspose is converted to a TRANSPOSE_CONV of one row, between operations that change the rank."""
    start = keras.Input((length, channels), batch_size=batch)
    layer = keras.layers.Conv1DTranspose(2, 5, 3, padding="same", activation="tanh")
    model = randomise(keras.Model(start, layer(start)))
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    file, (row,) = rewritten(content)
    assert row.becomes == "CONV_2D 1×2, RESHAPE, crop" and "TRANSPOSE_CONV" not in names(file)
    assert apart(content, file) == []
    image = run.noise(file)[0]
    kernel, bias = (np.array(weight) for weight in layer.weights)
    expected = np.tanh(oracle.scattered(image[:, None], kernel[None], (1, 3), "same")[:, 0] + bias)
    assert oracle.relative(run.Run(file, [image]).value(file.outputs[0]), expected) <= 1e-6


def test_for_a_chip_whose_compiler_reads_one_stride():
    content, _ = converted_deconvolution((5, 4), (3, 2))
    for target, moves in (("mediatek", True), ("samsung", False)):
        file, record = tflite.parse(content, "x"), records.named(target)
        (row,) = tflite_target.for_target(file, record)
        file = tflite.parse(file.packed(), "y")
        assert row.action == "moved" and ("TRANSPOSE_CONV" in names(file)) != moves
        assert apart(content, file) == [] and record.check(file) == []
    assert {each.rule for each in records.named("mediatek").check(tflite.parse(content, "x"))} == {"strides"}
    # Of a free size it would be shaped by operations that no chip has.
    file = tflite.parse(converted_deconvolution((5, 4), (3, 2), shape=FREE)[0], "x")
    (row,) = tflite_target.for_target(file, records.named("mediatek"))
    assert row.action == "stays" and "its size is free" in row.note


def onnx_sequence(kernel=5, shape=(2, 4, 11), **options):
    proto = deconvolution(kernel=(kernel,), shape=shape, **options)
    del proto.graph.output[0].type.tensor_type.shape.dim[-1]
    return proto


ONNX = {
    "asymmetric pads": (deconvolution, {"kernel": (5, 4), "strides": [3, 2], "pads": [1, 0, 2, 1]}),
    "output padding": (deconvolution, {"strides": [1, 4], "pads": [1, 2, 1, 3], "output_padding": [0, 1]}),
    "dilations": (deconvolution, {"kernel": (3, 2), "strides": [2, 3], "dilations": [2, 3], "pads": [1, 0, 2, 1]}),
    "same lower": (deconvolution, {"kernel": (4, 5), "strides": [2, 3], "auto_pad": "SAME_LOWER"}),
    "an output shape": (deconvolution, {"strides": [2, 4], "output_shape": [14, 40], "auto_pad": "SAME_UPPER"}),
    "groups, free sizes": (
        deconvolution,
        {"strides": [2, 1], "group": 2, "outputs": 6, "pads": [1, 1, 1, 0], "shape": ("N", 4, "H", "W")},
    ),
    "a sequence": (onnx_sequence, {"strides": [3], "pads": [1, 2], "output_padding": [1], "outputs": 1}),
    "a sequence, opset 11": (onnx_sequence, {"kernel": 9, "strides": [4], "auto_pad": "SAME_UPPER", "opset": 11}),
    "a sequence, stride one": (onnx_sequence, {"strides": [1], "pads": [3, 2]}),
    "a sequence, depthwise": (onnx_sequence, {"strides": [2], "group": 4, "outputs": 4, "dilations": [2]}),
    "a sequence, free sizes": (onnx_sequence, {"strides": [2], "pads": [2, 0], "shape": ("N", 4, "L")}),
}


@pytest.mark.parametrize("name", ONNX)
def test_an_onnx_file_is_the_same(name):
    make, options = ONNX[name]
    proto = make(**options)
    before = proto.SerializeToString()
    (row,) = onnx_file.to_lr_space(proto)
    assert row.action == "moved" and row.note == "" and not {"ConvTranspose", "DepthToSpace"} & set(kinds(proto))
    assert ("Shape" in kinds(proto)) == name.endswith("free sizes")
    onnx.checker.check_model(proto, full_check=True)
    for each in onnx_difference.differences(before, proto.SerializeToString()):
        assert each.value <= each.allowed, str(each)
    if "group" not in options:  # onnx's evaluator takes none.
        image = weights(*((2, 4, 11) if make is onnx_sequence else (2, 4, 7, 10)))
        assert oracle.relative(values(proto, image), values(onnx.load_model_from_string(before), image)) <= 1e-5


@pytest.mark.parametrize("strides", [(2, 3), (4, 1)])
def test_an_onnx_file_is_the_scattered_sum(strides):
    proto = deconvolution(kernel=(5, 6), strides=strides, outputs=3)
    kernel, bias = (numpy_helper.to_array(each).astype(np.float64) for each in proto.graph.initializer)
    onnx_file.to_lr_space(proto)
    image = weights(2, 4, 7, 10)
    expected = oracle.scattered(image.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0), strides, "valid") + bias
    assert oracle.relative(values(proto, image).transpose(0, 2, 3, 1), expected) <= 1e-5
    if 1 in strides:
        return
    # The phases of the axes swapped are seen.
    (shape,) = [each for each in proto.graph.initializer if each.name == proto.graph.node[1].input[1]]
    shape.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(shape)[[0, 2, 1, 3, 4]], shape.name))
    (turn,) = [node for node in proto.graph.node if node.op_type == "Transpose"]
    turn.attribute[0].ints[:] = [0, 3, 2, 4, 1]
    assert oracle.relative(values(proto, image).transpose(0, 2, 3, 1), expected) > 1e-1
