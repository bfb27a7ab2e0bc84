"""TFLite files with deconvolutions: in LR space the same bits in LiteRT's reference kernels, whatever holds them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from rewrite_tflite_cases import apart, converted, names, rewritten

import zoo
from export.prepare import prepare
from export.tflite import write_tflite
from zoo.errors import UsageError
from zoo.graphs import run, tflite
from zoo.rewrite import tflite_constants, tflite_difference, tflite_file, tflite_find, tflite_transposed
from zoo.rewrite.__main__ import main
from zoo.rewrite.explanation import Row
from zoo.rewrite.tflite_verdicts import judged
from zoo.targets import records

rng = np.random.default_rng(5)


def deconvolution(kernel=(5, 4), stride=2, padding="SAME", shape=(1, 7, 10, 4), wanted=None, outputs=3, **options):
    """A converted file of one deconvolution, and its HR kernel (Ky, Kx, O, I) and bias."""
    weights = (options.get("gain", 1) * rng.normal(size=(*kernel, outputs, 4)) / np.prod(kernel)).astype(np.float32)
    bias = rng.normal(size=outputs).astype(np.float32)
    strides = stride if isinstance(stride, tuple) else (stride, stride)

    def function(x):
        sides = [x.shape[axis] or tf.shape(x)[axis] for axis in (1, 2)]
        more = [max(k - s, 0) if padding == "VALID" else 0 for k, s in zip(kernel, strides)]
        size = wanted or [side * s + each for side, s, each in zip(sides, strides, more)]
        result = tf.nn.conv2d_transpose(x, weights, (x.shape[0] or tf.shape(x)[0], *size, outputs), strides, padding)
        result = tf.nn.bias_add(result, bias) if options.get("bias", True) else result
        result = tf.nn.relu(result) if options.get("relu") else result
        return options.get("end", tf.identity)(result)

    content = converted(function, shape, *(options.get(kind, False) for kind in ("half", "int8", "dynamic")))
    return content, weights, bias


CASES = {
    "9x9 by 3": {"kernel": (9, 9), "stride": 3},
    "4x4 by 2, a batch of two": {"kernel": (4, 4), "shape": (2, 7, 10, 4), "outputs": 1},
    "valid": {"kernel": (5, 3), "padding": "VALID", "relu": True},
    "valid with more output": {"kernel": (3, 5), "stride": 3, "padding": "VALID", "wanted": (22, 34)},
    "an output that is no multiple": {"stride": 3, "wanted": (20, 28)},
    "a kernel below its stride": {"kernel": (2, 3), "stride": 4, "bias": False},
    "one tap": {"kernel": (1, 1), "stride": 2},
    "stride one": {"kernel": (4, 3), "stride": 1},
    "free sizes": {"kernel": (9, 9), "stride": 3, "shape": (1, None, None, 4)},
    "free sizes, valid": {"kernel": (6, 5), "padding": "VALID", "shape": (None, None, None, 4)},
    "half": {"kernel": (7, 6), "half": True},
    "int8 weights": {"kernel": (9, 10), "stride": 3, "dynamic": True},
    "int8": {"kernel": (9, 9), "stride": 3, "int8": True},
    "int8, cropped, no bias": {"kernel": (4, 4), "int8": True, "outputs": 1, "bias": False},
    "int8, valid": {"kernel": (6, 5), "stride": 4, "padding": "VALID", "int8": True, "relu": True},
    "int8, free sizes, tanh": {"kernel": (4, 4), "shape": (1, None, None, 4), "int8": True, "gain": 9, "end": tf.tanh},
    "int8, free sizes, sigmoid": {
        "kernel": (4, 4),
        "shape": (1, None, None, 4),
        "int8": True,
        "gain": 9,
        "end": tf.sigmoid,
    },
    "int8, free sizes": {
        "kernel": (5, 5),
        "stride": 3,
        "shape": (1, None, None, 4),
        "int8": True,
        "bias": False,
    },
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_bits_in_the_reference_kernels(name):
    content, *_ = deconvolution(**CASES[name])
    file, (row,) = rewritten(content)
    left = set(names(file))
    assert "CONV_2D" in left and not left & {"TRANSPOSE_CONV", "SHAPE", "PACK", "MUL"}
    assert row.action == "moved" and row.note == "" and row.facts.cropped == ("STRIDED_SLICE" in left)
    before = tflite.parse(content, "x")
    found = tflite_difference.differences(before, file)
    for each in found:
        # Float too: the same products in the same order; beside int8 weights the order of two scales changes.
        exact = each.kernels == "reference" and name != "int8 weights"
        assert each.value == 0 if exact else each.value <= each.allowed, str(each)
    assert {each.kernels for each in found} == {"reference", "default"}
    dtypes = {tensor.dtype for operation in before.operations for tensor in operation.inputs if tensor.constant}
    assert ("int8" in dtypes) == ("int8" in name) and ("float16" in dtypes) == (name == "half")
    # What lies at the ends is as it was.
    for one, other in zip((*before.inputs, *before.outputs), (*file.inputs, *file.outputs), strict=True):
        assert (one.name, str(one)) == (other.name, str(other))


@pytest.mark.parametrize("options", [{"stride": 3}, {"stride": 3, "wanted": (20, 28)}, {"padding": "VALID"}])
def test_it_is_the_scattered_sum(options):
    """In NumPy: each LR pixel scatters its patch; TFLite drops rows at the start as the convolution back pads."""
    kernel, stride = (5, 4), options.get("stride", 2)
    content, weights, bias = deconvolution(kernel, **options)
    file, _ = rewritten(content)
    image = run.noise(file)[0]
    received = run.Run(file, [image]).value(file.outputs[0])
    height, width = received.shape[1:3]
    canvas = np.zeros((1, stride * 7 + 9, stride * 10 + 9, 3))
    for row, column in np.ndindex(7, 10):
        patch = np.einsum("ni,yxoi->nyxo", image[:, row, column].astype(np.float64), weights)
        canvas[:, stride * row : stride * row + 5, stride * column : stride * column + 4] += patch
    drops = [0, 0]
    if options.get("padding") != "VALID":
        drops = [max((-(-out // stride) - 1) * stride + k - out, 0) // 2 for k, out in zip(kernel, (height, width))]
    wanted = canvas[:, drops[0] : drops[0] + height, drops[1] : drops[1] + width] + bias
    np.testing.assert_allclose(received, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())


def legacy(stride=2):
    """A file of unsigned integers with one scale and a zero point for the weights, as older converters made them."""
    content, *_ = deconvolution((5, 4), stride, outputs=3)
    file = tflite.parse(content, "x")
    _, weights, image, bias = file.operations[0].inputs
    scales = ((image, 1 / 255, 3), (weights, 0.01, 117), (file.outputs[0], 0.02, 121))
    for tensor, scale, zero in scales:
        tensor.raw.type = schema.TensorType.UINT8
        tensor.raw.quantization = schema.QuantizationParametersT(scale=[scale], zeroPoint=[zero])
    weights.values = np.random.default_rng(0).integers(0, 256, weights.shape)
    bias.raw.type = schema.TensorType.INT32
    bias.raw.quantization = schema.QuantizationParametersT(scale=[0.01 / 255], zeroPoint=[0])
    bias.values = np.array([900, -1200, 40])
    return file.packed()


@pytest.mark.parametrize("stride", [2, (3, 2)])
def test_unsigned_weights_with_a_zero_point(monkeypatch, stride):
    content = legacy(stride)
    assert apart(content, rewritten(content)[0]) == []
    # Control: taps that no phase uses have to hold the zero point, not 0.
    monkeypatch.setattr(tflite_constants.Constant, "zeros", np.zeros(1, np.int64))
    assert apart(content, rewritten(content)[0])


@pytest.mark.parametrize("spoilt", ["phase", "crop", "offset"])
@pytest.mark.parametrize("int8", [False, True])
def test_a_wrong_rewriting_is_seen(monkeypatch, spoilt, int8):
    content, *_ = deconvolution((4, 4), 2, int8=int8)
    lr_convolution = tflite_file.lr_convolution

    def wrong(transposed):
        if spoilt == "offset":
            return lr_convolution(transposed._replace(offsets=(0, 1)))
        lr = lr_convolution(transposed)
        if spoilt == "phase":
            return lr._replace(kernel=lr.kernel[..., [*range(3, 6), *range(3), *range(6, 12)]])
        return lr._replace(crops=(lr.crops[0][::-1], (0, sum(lr.crops[1]))))

    assert apart(content, rewritten(content)[0]) == []
    monkeypatch.setattr(tflite_file, "lr_convolution", wrong)
    found = apart(content, rewritten(content)[0])
    assert {each.kernels for each in found} == {"reference", "default"}


def mediapipe(stride, padding, kernel=(5, 4), shape=(1, 7, 10, 4)):
    """A file with MediaPipe's own deconvolution, and per axis what it drops of the full result before and after."""
    content, weights, bias = deconvolution(kernel, stride, shape=shape)
    file = tflite.parse(content, "x")
    graph = file.graphs[0]
    (old,) = [operation for operation in graph.operations if operation.name == "TRANSPOSE_CONV"]
    new = tflite.Operation(
        "CUSTOM", [old.inputs[2], old.inputs[1], old.inputs[3]], old.outputs, custom=tflite_find.MEDIAPIPE
    )
    new.raw.customOptions = np.frombuffer(np.array([padding, stride, stride], "<i4").tobytes(), np.uint8)
    graph.replace(old, new)
    drops = [max(k - (n - 1) % stride - 1, 0) if padding == 1 else 0 for k, n in zip(kernel, shape[1:3])]
    sides = [stride * (n - 1) + k - drop for n, k, drop in zip(shape[1:3], kernel, drops)]
    graph.outputs[0].shape = (1, *sides, 3)
    return file.packed(), weights, bias, [(drop // 2, drop - drop // 2) for drop in drops]


@pytest.mark.parametrize(("stride", "padding"), [(2, 1), (3, 1), (2, 2)])
def test_mediapipes_own_deconvolution(stride, padding):
    content, weights, bias, drops = mediapipe(stride, padding)
    with pytest.raises((RuntimeError, ValueError), match="custom op"):
        run.Run(tflite.parse(content, "x"), [np.zeros((1, 7, 10, 4), np.float32)])
    file, (row,) = rewritten(content)
    assert row.action == "moved" and "Convolution2DTransposeBias 5×4" in row.found and "CUSTOM" not in names(file)
    image = run.noise(file)[0]
    received = run.Run(file, [image]).value(file.outputs[0])
    canvas = np.zeros((1, stride * 6 + 5, stride * 9 + 4, 3))
    for y, x in np.ndindex(7, 10):
        patch = np.einsum("ni,yxoi->nyxo", image[:, y, x].astype(np.float64), weights)
        canvas[:, stride * y : stride * y + 5, stride * x : stride * x + 4] += patch
    (top, bottom), (left, right) = drops
    wanted = canvas[:, top : canvas.shape[1] - bottom, left : canvas.shape[2] - right] + bias
    assert received.shape == wanted.shape == file.outputs[0].shape
    np.testing.assert_allclose(received, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())
    # What it is compared with goes another way and comes to the same.
    other = tflite.parse(content, "x")
    assert tflite_transposed.in_builtins(other)
    other = other.packed()
    assert "TRANSPOSE_CONV" in names(tflite.parse(other, "x")) and apart(other, file) == []
    assert not tflite_transposed.in_builtins(tflite.parse(other, "x"))


def test_mediapipes_padding_is_not_litert():
    """Where the sides are no multiples of the stride, 'same' means two things."""
    content, *_ = mediapipe(2, 1)
    file = tflite.parse(content, "x")
    (each,) = tflite_find.deconvolutions(file)
    (where,) = tflite_find.geometries(file, [each])
    assert where.offsets == (2, 1) and where.extras == (5 - 2 - 4, 4 - 2 - 2)
    each.image.shape = (1, None, None, 4)
    (where,) = tflite_find.geometries(file, [each])
    assert isinstance(where, tflite_constants.Stays) and "is free" in str(where)


def test_scales_and_names_go_with_the_channels():
    content, *_ = deconvolution((9, 9), 3, int8=True)
    before = tflite.parse(content, "x")
    file, _ = rewritten(content)
    convolution, shuffle = file.operations
    old, new = (each.inputs[1].raw.quantization for each in (before.operations[0], convolution))
    # Channel o of phase (a, b) is (3·a + b)·O + o.
    np.testing.assert_array_equal(new.scale, np.tile(old.scale, 9))
    assert len(np.unique(old.scale)) == 3 and shuffle.version == 1
    assert shuffle.outputs[0].raw.quantization.scale == before.outputs[0].raw.quantization.scale
    # A permutation: the same numbers, and zeros where a phase has no tap.
    kept = convolution.inputs[1].values
    assert sorted(kept[kept != 0]) == sorted(filter(None, before.operations[0].inputs[1].values.ravel()))


def test_what_stays_is_named():
    # Weights of one output have one scale.
    content, *_ = deconvolution((18, 16), 3, outputs=1, dynamic=True)
    file, (row,) = rewritten(content)
    assert names(file) == ["TRANSPOSE_CONV"] and row.action == "stays" and "round a float image differently" in row.note
    content, *_ = deconvolution()
    file = tflite.parse(content, "x")
    operation = file.operations[0]
    given = operation.inputs[1]
    computed = tflite.Tensor("computed", given.shape)
    file.graphs[0].operations.insert(0, tflite.Operation("NEG", [given], [computed], schema.NegOptionsT()))
    operation.inputs[1] = computed
    file = tflite.parse(file.packed(), "x")
    (row,) = tflite_file.to_lr_space(file)
    assert row.action == "stays" and "is computed" in row.note and names(file) == ["NEG", "TRANSPOSE_CONV"]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """FSRCNN with its deconvolution."""
    path = tmp_path_factory.mktemp("files") / "in.tflite"
    model = prepare(zoo.create_model("fsrcnn", 3, d=8, s=4, m=1), keep_form=True)
    for weight in model.weights:
        weight.assign(rng.normal(scale=0.2, size=weight.shape))
    write_tflite(model, path, (12, 17))
    return path


def test_the_command_writes_what_it_has_compared(network, tmp_path, capsys):
    target = tmp_path / "out.tflite"
    assert main([str(network), str(target)]) == 0
    printed = capsys.readouterr().out
    assert "TRANSPOSE_CONV" in printed and "DEPTH_TO_SPACE" in printed
    assert "reference kernels, 12×17: largest difference" in printed and f"wrote {target}" in printed
    assert all(words in printed for words in ("GPU delegate", "right", "faster"))
    file, before = tflite.read(target), tflite.read(network)
    assert "TRANSPOSE_CONV" not in names(file) and names(file)[-2:] == ["CONV_2D", "DEPTH_TO_SPACE"]
    assert file.metadata("min_runtime_version") == before.metadata("min_runtime_version")
    assert len(file.content) < 1.3 * len(before.content)
    # Once more there is nothing to do.
    assert main([str(target), str(tmp_path / "again.tflite")]) == 0
    assert "the same file" in capsys.readouterr().out
    assert (tmp_path / "again.tflite").read_bytes() == target.read_bytes()
    # What is replaced is said.
    assert main([str(network), str(target)]) == 0
    assert f"wrote {target}, in place of what was there\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "size, target, verdicts",
    [
        ((12, 17), "gpu_delegate", ("right", "right")),
        ((13, 17), "gpu_delegate", ("wrong", "right")),
        ((13, 17), "xnnpack", ("right", "right")),
        ((13, 17), "mediatek", ("right", "refused")),
        ((13, 17), "samsung", ("right", "refused")),
        (None, "gpu_delegate", ("refused", "uncertain")),
    ],
)
def test_a_row_says_what_the_target_makes_of_it(size, target, verdicts, tmp_path):
    """A 9×9 of stride 3 is shifted at height 13 and not at 12; two chips have no DEPTH_TO_SPACE.

    Of a free size it computes its output's shape in operations that the delegate does not take.
    """
    start = keras.Input((None, None, 4))
    model = keras.Model(start, keras.layers.Conv2DTranspose(1, 9, 3, padding="same")(start))
    write_tflite(model, tmp_path / "in.tflite", size)
    content = (tmp_path / "in.tflite").read_bytes()
    file, rows = rewritten(content)
    (row,) = judged(rows, tflite.parse(content, "x"), file, records.named(target))
    assert (row.verdict, row.verdict_after) == verdicts and row.faster > 3
    # One that stays has the verdict on what it is, and no other.
    (stays,) = judged([Row(row.layer, row.found)], *[tflite.parse(content, "x")] * 2, records.named(target))
    assert (stays.verdict, stays.verdict_after, stays.faster) == (verdicts[0] if size else "uncertain", "", 0.0)


def test_a_file_that_differs_is_not_written(network, tmp_path, capsys, monkeypatch):
    lr_convolution = tflite_file.lr_convolution

    def wrong(transposed):
        lr = lr_convolution(transposed)
        return lr._replace(kernel=lr.kernel[::-1])

    monkeypatch.setattr(tflite_file, "lr_convolution", wrong)
    assert main([str(network), str(tmp_path / "out.tflite")]) == 1
    assert "wrote nothing" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_bad_files_get_a_sentence_and_write_nothing(network, tmp_path, capsys):
    content = network.read_bytes()
    for name, data in (("half", content[: len(content) // 2]), ("text", b"no network at all")):
        (tmp_path / f"{name}.tflite").write_bytes(data)
        assert main([str(tmp_path / f"{name}.tflite"), str(tmp_path / "out.tflite")]) == 2
        assert "error: Expected a" in capsys.readouterr().err
    assert main([str(tmp_path / "absent.tflite"), str(tmp_path / "out.tflite")]) == 2
    assert main([str(network), str(tmp_path / "out.keras")]) == 2
    assert "Expected two .keras, two .tflite or two .onnx files" in capsys.readouterr().err
    assert main([str(network), str(tmp_path / "out.tflite"), "--whole"]) == 2
    assert not (tmp_path / "out.tflite").exists()
    concrete = tf.function(
        lambda x: tf.while_loop(lambda n, _: n < 3, lambda n, x: (n + 1, 2 * x), (0, x))[1]
    ).get_concrete_function(tf.TensorSpec((1, 4, 4, 1)))
    loop = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    with pytest.raises(UsageError, match="Expected a TFLite file of one graph. Received: one of 3"):
        rewritten(loop)
