"""The layers of a TFLite file that is a plain row of convolutions, as ESPCN's and FSRCNN's are in LR space."""

from typing import NamedTuple

import numpy as np

from zoo import identities
from zoo.engines.engine import Unfit
from zoo.engines.reach import operators


class Convolution(NamedTuple):
    """A convolution of stride 1, zero-padded to its input's size, and what is applied to its result.

    Attributes:
        kernel: (K, K, inputs, outputs) float32, K odd.
        bias: (outputs,) float32.
        activation: "linear", "relu", "tanh" or "prelu".
        slopes: (outputs,) float32, of "prelu".
    """

    kernel: np.ndarray
    bias: np.ndarray
    activation: str = "linear"
    slopes: np.ndarray | None = None


def read(content: bytes) -> tuple[list[Convolution], int]:
    """The convolutions of a TFLite file from its image to its result, and the scale of the shuffle at their end.

    Raises:
        Unfit: the file holds anything else.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]

    def constant(tensor: int) -> np.ndarray:
        entry = graph.tensors[tensor]
        data = model.buffers[entry.buffer].data
        if data is None or entry.type != schema.TensorType.FLOAT32:
            raise Unfit("weights that are no float32 constants")
        return np.asarray(data).view(np.float32).reshape(entry.shape)

    layers: list[Convolution] = []
    last, scale = graph.inputs[0], 0
    for name, operator in operators(model):
        if scale or operator.inputs[0] != last:
            raise Unfit("layers that are not one after another")
        last = operator.outputs[0]
        if name == "CONV_2D":
            layers.append(_convolution(operator, constant))
        elif name == "DEPTH_TO_SPACE":
            scale = operator.builtinOptions.blockSize
        elif name in ("RELU", "TANH", "PRELU") and layers and layers[-1].activation == "linear":
            layers[-1] = layers[-1]._replace(activation=name.lower())
            if name == "PRELU":
                # One slope for each map, or one for all.
                slopes = constant(operator.inputs[1])
                if slopes.size not in (1, slopes.shape[-1]):
                    raise Unfit("a PRELU with slopes for each pixel")
                layers[-1] = layers[-1]._replace(slopes=np.broadcast_to(slopes.ravel(), layers[-1].bias.shape))
        else:
            raise Unfit(name)
    if not scale or last != graph.outputs[0]:
        raise Unfit("no shuffle at the end")
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
    # row, column, c, d, input, a, b, i, j, map → row, column, input, c, d, a, i, b, j, map: (i, j) of the block's pixel
    # (a, b) is pixel (scale·a + i, scale·b + j) of the shuffled image.
    kernel = blocks.reshape(*blocks.shape[:-1], *fine).transpose(0, 1, 4, 2, 3, 5, 7, 6, 8, 9)
    bias = np.broadcast_to(layer.bias.reshape(1, scale, 1, *fine[1:]), (2, scale, 2, *fine[1:]))
    return layer._replace(kernel=kernel.reshape(3, 3, 4 * inputs, -1), bias=bias.ravel())


def _convolution(operator, constant) -> Convolution:
    options = operator.builtinOptions
    steps = (options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor)
    activations = {0: "linear", 1: "relu"}
    if steps != (1, 1, 1, 1) or options.padding != 0 or options.fusedActivationFunction not in activations:
        raise Unfit("a CONV_2D of another kind")
    # TFLite has (outputs, K, K, inputs).
    kernel = constant(operator.inputs[1]).transpose(1, 2, 3, 0)
    if kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise Unfit("a kernel that is not square and odd")
    outputs = kernel.shape[3]
    bias = constant(operator.inputs[2]) if len(operator.inputs) > 2 and operator.inputs[2] >= 0 else np.zeros(outputs)
    return Convolution(kernel, bias.astype(np.float32), activations[options.fusedActivationFunction])
