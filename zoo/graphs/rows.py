"""A graph that is a row of convolutions, with sums past some of them, and a shuffle, as ESPCN's is in LR space."""

import numpy as np

from zoo import identities
from zoo.graphs import tflite
from zoo.graphs.operations import Convolution


class NoRow(Exception):
    """The graph is something else; the sentence says what stands against it."""


def read(file: tflite.File) -> tuple[list[Convolution], int]:
    """The convolutions of a float32 file from its image to its result, and the scale of the shuffle at their end.

    Raises:
        NoRow: the file holds anything else.

    Example:
        >>> from zoo.registry import preset_file
        >>> layers, scale = read(tflite.read(preset_file("espcn_x3", ".tflite")))
        >>> [layer.kernel.shape for layer in layers], scale
        ([(5, 5, 1, 64), (3, 3, 64, 32), (3, 3, 32, 9)], 3)
    """
    (last,), (end,) = file.inputs, file.outputs
    layers: list[Convolution] = []
    # Of each layer, what leaves it.
    results: list[tflite.Tensor] = []
    scale = 0
    for operation in file.graphs[0].operations:
        before, last = last, operation.outputs[0]
        # A sum may name the row's own side second.
        if scale or before not in operation.inputs[: 1 + (operation.name == "ADD")]:
            raise NoRow("layers that are not one after another")
        if operation.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            layers.append(_convolution(operation))
            results.append(last)
        elif operation.name == "DEPTH_TO_SPACE":
            scale = operation.options.blockSize
        elif operation.name == "ADD" and layers and layers[-1].added is None:
            layers[-1] = layers[-1]._replace(added=_added(operation, before, results))
            results[-1] = last
        elif operation.name in ("RELU", "TANH", "PRELU") and layers and layers[-1][2:] == ("linear", None, None):
            results[-1] = last
            layers[-1] = layers[-1]._replace(activation=operation.name.lower())
            if operation.name == "PRELU":
                # One slope for each map, or one for all.
                slopes = _constant(operation.inputs[1])
                if slopes.size not in (1, slopes.shape[-1]):
                    raise NoRow("a PRELU with slopes for each pixel")
                layers[-1] = layers[-1]._replace(slopes=np.broadcast_to(slopes.ravel(), layers[-1].bias.shape))
        else:
            raise NoRow(str(operation))
    if not scale or last is not end:
        raise NoRow("no shuffle at the end")
    if not layers or layers[-1].depthwise:
        raise NoRow("no convolution of all maps before the shuffle")
    return layers, scale


def in_blocks(layer: Convolution, scale: int) -> Convolution:
    """A layer of 5×5 kernels before a shuffle by `scale` as one of 3×3 kernels on 2×2 pixels at once.

    The paper's identity, applied once more: pixel (2·y + a, 2·x + b) of a map is channel (a, b) at (y, x). A shuffle by
    2·scale follows.

    Args:
        layer: its outputs are (i, j, c), channel c of the pixel (i, j), as TensorFlow's depth_to_space takes them.

    Returns:
        The layer with the inputs (input, a, b) and the outputs (row, column, c) of 2·scale rows and columns.

    References: Shi et al., Is the deconvolution layer the same as a convolutional layer?, 2016.
    """
    size, _, inputs, outputs = layer.kernel.shape
    fine = (scale, scale, outputs // scale**2)
    blocks, _ = identities.between_phases(layer.kernel, 2, before=(size // 2, size // 2))
    # Taps y, x; the pixel (c, d) of a block that is read, of input n; the pixel (a, b) of a block that is written, its
    # part (i, j) and map m: pixel (scale·a + i, scale·b + j) of the shuffled image.
    kernel = np.einsum("yxcdnabijm->yxncdaibjm", blocks.reshape(*blocks.shape[:-1], *fine))
    bias = np.broadcast_to(layer.bias.reshape(1, scale, 1, *fine[1:]), (2, scale, 2, *fine[1:]))
    return layer._replace(kernel=kernel.reshape(3, 3, 4 * inputs, -1), bias=bias.ravel())


def _added(operation: tflite.Operation, own: tflite.Tensor, results: list[tflite.Tensor]) -> int:
    """The number of the layer whose result a sum takes beside the last one's own."""
    for number, result in enumerate(results[:-1]):
        others = [tensor for tensor in operation.inputs if tensor is not own]
        if others == [result] and operation.options.fusedActivationFunction == 0 and result.shape == own.shape:
            return number
    raise NoRow("a sum of another kind")


def _convolution(operation: tflite.Operation) -> Convolution:
    kernel, bias, activation = weights_of(operation)
    if kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise NoRow("a kernel that is not square and odd")
    return Convolution(kernel, bias, activation)


def weights_of(operation: tflite.Operation, step: int = 1) -> tuple[np.ndarray, np.ndarray, str]:
    """Kernel (rows, columns, inputs, outputs), bias and activation of a zero-padded CONV_2D of that step.

    A depthwise kernel is (rows, columns, outputs, 1).

    Raises:
        NoRow: a convolution of another kind.
    """
    options = operation.options
    steps = (options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor)
    activations = {0: "linear", 1: "relu"}
    if getattr(options, "depthMultiplier", 1) != 1:
        raise NoRow("a depthwise convolution that makes several maps of one")
    _, weights, *bias = operation.inputs
    if operation.name == "CONV_2D" and weights.shape[3] != operation.inputs[0].shape[3]:
        raise NoRow("a convolution in groups")
    # A kernel of one pixel has nothing to pad.
    padded = options.padding == 0 or tuple(weights.shape[1:3]) == (1, 1)
    if steps != (step, step, 1, 1) or not padded or options.fusedActivationFunction not in activations:
        raise NoRow(f"a {operation.name} of another kind")
    # TFLite has (outputs, rows, columns, inputs), of a depthwise one (1, rows, columns, outputs).
    kernel = _constant(weights).transpose(1, 2, 3, 0)
    values = _constant(bias[0]) if any(bias) else np.zeros(operation.outputs[0].shape[3], np.float32)
    return kernel, values, activations[options.fusedActivationFunction]


def _constant(tensor: tflite.Tensor) -> np.ndarray:
    if not tensor.constant or tensor.dtype != "float32":
        raise NoRow("weights that are no float32 constants")
    return tensor.values
