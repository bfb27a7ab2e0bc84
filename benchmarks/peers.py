"""The same network in the engines that a user might pick instead, each as a function of one LR image.

Every function takes and returns float32 (h, w, c), like the engines of `zoo.upscale`. A peer that is not installed
raises ImportError: `pip install subpixel-zoo[bench]`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo import identities
from zoo.layers import FixedUpsampler, SubpixelUpsampler, TransposedUpsampler
from zoo.reach.keras_model import walk

Run = Callable[[np.ndarray], np.ndarray]


def onnxruntime(path: Path, threads: int) -> Run:
    """An ONNX file in onnxruntime on the CPU, all graph optimisations on."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    # Spinning threads would slow down whoever runs next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    channels_first = entry.shape[1] in (1, 3)

    def run(lr_image: np.ndarray) -> np.ndarray:
        batch = lr_image.transpose(2, 0, 1)[None] if channels_first else lr_image[None]
        (result,) = session.run(None, {entry.name: np.ascontiguousarray(batch)})
        return result[0].transpose(1, 2, 0) if channels_first else result[0]

    return run


def opencv(path: Path, threads: int) -> Run:
    """An ONNX file, channels first, in OpenCV's dnn module."""
    import cv2

    cv2.setNumThreads(threads)
    network = cv2.dnn.readNetFromONNX(str(path))

    def run(lr_image: np.ndarray) -> np.ndarray:
        network.setInput(np.ascontiguousarray(lr_image.transpose(2, 0, 1)[None]))
        return network.forward()[0].transpose(1, 2, 0)

    return run


def openvino(path: Path, threads: int) -> Run:
    """A TFLite or ONNX file, channels last, in OpenVINO on the CPU; compiled for one size, as it is fastest."""
    from openvino import Core

    core = Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
    requests: dict[tuple, Any] = {}

    def run(lr_image: np.ndarray) -> np.ndarray:
        if lr_image.shape not in requests:
            network = core.read_model(path)
            network.reshape([1, *lr_image.shape])
            requests[lr_image.shape] = core.compile_model(network, "CPU", settings).create_infer_request()
        # Copied once, as the other engines do: the request's own memory holds the next result.
        result = requests[lr_image.shape].infer([lr_image[None]], share_inputs=True, share_outputs=True)
        return next(iter(result.values()))[0].copy()

    return run


def tensorflow(model, jit: bool) -> Run:
    """The Keras model in a `tf.function`, with or without XLA."""
    import tensorflow as tf

    function = tf.function(lambda batch: model(batch, training=False), jit_compile=jit, reduce_retracing=True)
    return lambda lr_image: function(tf.constant(lr_image[None])).numpy()[0]


def predict(model) -> Run:
    """`model.predict`, as a Keras user would type it."""
    return lambda lr_image: model.predict(lr_image[None], verbose=0)[0]


def torch(model, threads: int, channels_last: bool) -> Run:
    """The Keras model's layers in PyTorch, eager, without gradients."""
    import torch as pytorch

    pytorch.set_num_threads(threads)
    layout = pytorch.channels_last if channels_last else pytorch.contiguous_format
    steps = [(_torch_layer(step), step.input_keys, step.output_key) for step in walk(model, 144)]

    def run(lr_image: np.ndarray) -> np.ndarray:
        with pytorch.inference_mode():
            image = pytorch.from_numpy(np.ascontiguousarray(lr_image.transpose(2, 0, 1)[None]))
            maps = {0: image.to(memory_format=layout)}
            for layer, read, key in steps:
                maps[key] = layer(*(maps[each] for each in read))
            return maps[key][0].permute(1, 2, 0).contiguous().numpy()

    for layer, _, _ in steps:
        if isinstance(layer, pytorch.nn.Module):
            layer.to(memory_format=layout)
    return run


def _torch_layer(step):
    """One step of a zoo model as a function of PyTorch tensors."""
    import torch as pytorch
    from torch.nn import functional

    layer, name = step.operation, type(step.operation).__name__
    if name == "Conv2D":
        activation = {"linear": lambda x: x, "relu": pytorch.relu, "tanh": pytorch.tanh}[layer.activation.__name__]
        convolution = _torch_convolution(np.asarray(layer.kernel), np.asarray(layer.bias), padding="same")
        return lambda x: activation(convolution(x))
    if name == "PReLU":
        made = pytorch.nn.PReLU(step.output.channels)
        made.weight.data = pytorch.from_numpy(np.asarray(layer.alpha).reshape(-1).copy())
        return made
    if name == "Rescaling":
        return lambda x: x * layer.scale + layer.offset
    if name == "Add":
        return pytorch.add
    if isinstance(layer, TransposedUpsampler):
        crop = identities.same_offset(layer.kernel_size, layer.scale)
        kernel = np.asarray(layer.kernel).transpose(3, 2, 0, 1)
        weight, bias = pytorch.from_numpy(kernel.copy()), pytorch.from_numpy(np.asarray(layer.bias).copy())
        scale, extra = layer.scale, max(layer.scale - layer.kernel_size + 2 * crop, 0)

        def enlarge(x):
            # PyTorch crops both sides alike; where TensorFlow crops one pixel more at the end, that one is left over.
            larger = functional.conv_transpose2d(x, weight, bias, scale, crop, extra)
            return larger[..., : scale * x.shape[2], : scale * x.shape[3]]

        return enlarge
    if isinstance(layer, SubpixelUpsampler):
        kernel = identities.transposed_to_subpixel(np.asarray(layer.kernel), layer.scale, order="pytorch")
        bias = np.repeat(np.asarray(layer.bias), layer.scale**2)
        convolution = _torch_convolution(kernel, bias, padding="same")
        return lambda x: functional.pixel_shuffle(convolution(x), layer.scale)
    if isinstance(layer, FixedUpsampler):
        return _torch_interpolation(layer, step.output.channels)
    raise NotImplementedError(f"{name} in PyTorch")


def _torch_convolution(kernel: np.ndarray, bias: np.ndarray, padding: str):
    import torch as pytorch

    made = pytorch.nn.Conv2d(kernel.shape[2], kernel.shape[3], kernel.shape[:2], padding=padding)
    made.weight.data = pytorch.from_numpy(kernel.transpose(3, 2, 0, 1).astype(np.float32).copy())
    made.bias.data = pytorch.from_numpy(np.asarray(bias, np.float32).copy())
    return made


def _torch_interpolation(layer: FixedUpsampler, channels: int):
    """A mirrored border by indexing, one convolution, a shuffle: PyTorch's own bicubic has another kernel."""
    import torch as pytorch
    from torch.nn import functional

    kernel = identities.interpolation_to_subpixel(layer.method, layer.scale, channels, order="pytorch")
    convolution = _torch_convolution(kernel, np.zeros(kernel.shape[-1]), padding="valid")
    pixels = identities.interpolation_window(layer.method, layer.scale).before
    border = {"mirror": "symmetric", "replicate": "edge"}[layer.border]

    def run(x):
        rows, columns = (
            pytorch.from_numpy(np.pad(np.arange(side), pixels, mode=border)) for side in (x.shape[2], x.shape[3])
        )
        return functional.pixel_shuffle(convolution(x[:, :, rows][..., columns]), layer.scale)

    return run
