"""Files as others make them: TensorFlow's converter, tf2onnx, onnxruntime's quantizer, or as PyTorch's exporter.

Weights are random; what counts is how a file spells its enlargement.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import zoo  # noqa: F401 — before what would report about the machine

# Odd on both sides: a delegate that shifts a layer does so at some sizes only.
SIZE = (91, 61)
_rng = np.random.default_rng(17)


class Case(NamedTuple):
    """A file.

    Attributes:
        suffix: ".tflite" or ".onnx".
        source: who writes such files.
        way: what is done with it: "subpixel", "collapse", or a target's name.
        make: its bytes.
    """

    suffix: str
    source: str
    way: str
    make: Callable[[], bytes]


def _weights(*shape: int) -> np.ndarray:
    return (_rng.normal(size=shape) / np.prod(shape[:3]) ** 0.5).astype(np.float32)


def converted(function, shape, half: bool = False, int8: bool = False, dynamic: bool = False) -> bytes:
    """A function of one picture as TensorFlow's converter writes it.

    Args:
        shape: of the picture, None where a side is free.
        half, int8, dynamic: with float16 weights, all in int8, or with int8 weights alone; else float32.
    """
    import tensorflow as tf

    concrete = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if half:
        converter.target_spec.supported_types = [tf.float16]
    if int8:
        images = [[_rng.normal(size=[side or 13 for side in shape]).astype(np.float32)] for _ in range(3)]
        converter.representative_dataset = lambda: iter(images)
        converter.inference_input_type = converter.inference_output_type = tf.int8
    if half or int8 or dynamic:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def _converted(function, **options: bool) -> bytes:
    """The same at the cases' own size, of a function of 8 maps or of a network."""
    channels = function.input_shape[-1] if hasattr(function, "input_shape") else 8
    return converted(lambda x: function(x), (1, *SIZE, channels), **options)


def _network(name: str):
    from benchmarks.networks import NETWORKS, randomise

    return randomise(NETWORKS[name].build(0.25 if name != "fsrcnn_x3" else 1.0))


def _fsrcnn(**options) -> bytes:
    return _converted(_network("fsrcnn_x3"), **options)


def _in_lr_space(**options) -> bytes:
    from zoo.rewrite import to_lr_space

    return _converted(to_lr_space(_network("fsrcnn_x3")), **options)


def _nearest(x):
    import tensorflow as tf

    x = tf.image.resize(x, [2 * side for side in x.shape[1:3]], "nearest")
    return tf.nn.relu(tf.nn.conv2d(x, _weights(3, 3, 8, 8), 1, "SAME"))


def _rank_6(x):
    """litert-torch's PixelShuffle: channels first, six axes."""
    import tensorflow as tf

    x = tf.nn.conv2d(x, _weights(3, 3, 8, 12), 1, "SAME")
    n, h, w, _ = x.shape
    x = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (n, 3, 2, 2, h, w))
    return tf.transpose(tf.reshape(tf.transpose(x, (0, 1, 4, 2, 5, 3)), (n, 3, 2 * h, 2 * w)), (0, 2, 3, 1))


def _zeros(x):
    """The workaround for a runtime without TRANSPOSE_CONV."""
    import tensorflow as tf

    x = tf.nn.depth_to_space(tf.pad(x, [(0, 0), (0, 0), (0, 0), (0, 3 * x.shape[3])]), 2)
    return tf.nn.conv2d(x, _weights(4, 4, 8, 3), 1, "SAME")


def _sesr(x):
    """Two linear blocks of SESR, not collapsed, and a shuffle."""
    import tensorflow as tf

    for _ in range(2):
        wide = tf.nn.conv2d(x, _weights(3, 3, 8, 64), 1, "SAME")
        x = tf.nn.relu(tf.nn.conv2d(wide, _weights(1, 1, 64, 8), 1, "SAME") + x)
    return tf.nn.depth_to_space(tf.nn.conv2d(x, _weights(3, 3, 8, 12), 1, "SAME"), 2)


def _onnx(nodes, constants, channels: int = 8) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, channels, *SIZE))
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    made = helper.make_graph(
        [helper.make_node(*node, **options) for *node, options in nodes], "graph", [image], [result]
    )
    made.initializer.extend(held)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def _torch_deconvolution() -> bytes:
    constants = {"w": _weights(8, 3, 4, 4), "b": _weights(3)}
    options = {"name": "/up/ConvTranspose", "strides": [2, 2], "pads": [1, 1, 1, 1], "kernel_shape": [4, 4]}
    return _onnx([("ConvTranspose", ["x", "w", "b"], ["y"], options)], constants)


def _torch_upsample() -> bytes:
    constants = {"s": np.float32([1, 1, 2, 2]), "w": _weights(8, 8, 3, 3), "b": _weights(8)}
    way = {"coordinate_transformation_mode": "asymmetric", "mode": "nearest", "nearest_mode": "floor"}
    nodes = [
        ("Resize", ["x", "", "s"], ["hr"], {"name": "/up/Resize", **way}),
        ("Conv", ["hr", "w", "b"], ["y"], {"name": "/conv/Conv", "pads": [1] * 4}),
    ]
    return _onnx(nodes, constants)


def _torch_shuffle() -> bytes:
    height, width = SIZE
    constants = {"w": _weights(12, 8, 3, 3), "i": np.int64([1, 3, 2, 2, *SIZE])}
    constants["o"] = np.int64([1, 3, 2 * height, 2 * width])
    nodes = [
        ("Conv", ["x", "w"], ["lr"], {"name": "/conv/Conv", "pads": [1] * 4}),
        ("Reshape", ["lr", "i"], ["six"], {"name": "/Reshape"}),
        ("Transpose", ["six"], ["turned"], {"name": "/Transpose", "perm": [0, 1, 4, 2, 5, 3]}),
        ("Reshape", ["turned", "o"], ["y"], {"name": "/Reshape_1"}),
    ]
    return _onnx(nodes, constants)


def _torch_repvgg() -> bytes:
    constants = {"w3": _weights(8, 8, 3, 3), "w1": _weights(8, 8, 1, 1)}
    nodes = [
        ("Conv", ["x", "w3"], ["c3"], {"name": "/dense/Conv", "pads": [1] * 4}),
        ("Conv", ["x", "w1"], ["c1"], {"name": "/one/Conv"}),
    ]
    for name, source in (("3", "c3"), ("1", "c1"), ("0", "x")):
        keys = [f"{key}{name}" for key in "gbmv"]
        constants |= {key: np.abs(_weights(8)) + np.float32(0.1) for key in keys}
        nodes.append(("BatchNormalization", [source, *keys], [f"n{name}"], {"name": f"/bn{name}"}))
    nodes += [
        ("Add", ["n3", "n1"], ["s"], {}),
        ("Add", ["s", "n0"], ["t"], {"name": "/add"}),
        ("Relu", ["t"], ["y"], {}),
    ]
    return _onnx(nodes, constants)


def _tf2onnx() -> bytes:
    import tensorflow as tf
    import tf2onnx

    network = _network("fsrcnn_x3")
    signature = [tf.TensorSpec((1, *SIZE, 1), tf.float32, name="x")]
    proto, _ = tf2onnx.convert.from_function(tf.function(lambda x: network(x)), input_signature=signature, opset=17)
    return proto.SerializeToString()


def _quantized() -> bytes:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Pictures(CalibrationDataReader):
        left = 2

        def get_next(self):
            self.left -= 1
            return {"x": _rng.random((1, 8, *SIZE), np.float32)} if self.left >= 0 else None

    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("float.onnx", "int8.onnx")]
        Path(paths[0]).write_bytes(_torch_deconvolution())
        quantize_static(*paths, Pictures(), quant_format=QuantFormat.QDQ, per_channel=True)
        return Path(paths[1]).read_bytes()


_TF, _TORCH = "TensorFlow's converter", "as PyTorch's exporter writes it"
CASES = {
    "fsrcnn_x3, float": Case(".tflite", _TF, "subpixel", _fsrcnn),
    "fsrcnn_x3, float16 weights": Case(".tflite", _TF, "subpixel", lambda: _fsrcnn(half=True)),
    "fsrcnn_x3, int8": Case(".tflite", _TF, "subpixel", lambda: _fsrcnn(int8=True)),
    "espcn with a deconvolution, float": Case(
        ".tflite", _TF, "subpixel", lambda: _converted(_network("espcn_deconvolution"))
    ),
    "nearest and convolution, float": Case(".tflite", _TF, "subpixel", lambda: _converted(_nearest)),
    "nearest and convolution, int8": Case(".tflite", _TF, "subpixel", lambda: _converted(_nearest, int8=True)),
    "shuffle of rank 6, float": Case(".tflite", "as litert-torch writes it", "subpixel", lambda: _converted(_rank_6)),
    "shuffle of rank 6, int8": Case(
        ".tflite", "as litert-torch writes it", "subpixel", lambda: _converted(_rank_6, int8=True)
    ),
    "zeros by hand, float": Case(".tflite", _TF, "subpixel", lambda: _converted(_zeros)),
    "SESR's blocks, float": Case(".tflite", _TF, "collapse", lambda: _converted(_sesr)),
    "fsrcnn_x3 in LR form, float": Case(".tflite", _TF, "samsung", _in_lr_space),
    "fsrcnn_x3 in LR form, int8": Case(".tflite", _TF, "mediatek", lambda: _in_lr_space(int8=True)),
    "fsrcnn_x3": Case(".onnx", "tf2onnx", "subpixel", _tf2onnx),
    "ConvTranspose2d": Case(".onnx", _TORCH, "subpixel", _torch_deconvolution),
    "ConvTranspose2d, QDQ int8": Case(".onnx", "onnxruntime's quantizer", "subpixel", _quantized),
    "Upsample and Conv2d": Case(".onnx", _TORCH, "subpixel", _torch_upsample),
    "a shuffle by hand": Case(".onnx", _TORCH, "subpixel", _torch_shuffle),
    "RepVGG's block": Case(".onnx", _TORCH, "collapse", _torch_repvgg),
}
