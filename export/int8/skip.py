"""The LR image handed to the last convolution besides its feature maps: exact where the maps carry rounding noise.

Most of an SR network's output is a linear function of a few LR pixels. Through eight int8 layers that part arrives with
every layer's rounding on it; from the image itself, whose 8 bits int8 holds, it arrives as it is. Its kernels start at
zero and are found with the others (`fitting`), which then only have to add the rest. A luma network gets two input
channels more: 56 become 58.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.int8.simulation import Ranges, Simulation

# The image reaches far beyond the maps, so its weights are the largest, and the largest sets the step of all weights of
# an output channel; two copies share them. Mean squared error against the float network on held-out photographs, in
# 1e-6, with 1, 2, 4 and 8 copies: `fsrcnn_x2` 3.90, 2.98, 2.92, 2.99; `espcn_x2` 3.40, 3.35, 3.39, 3.54.
COPIES = 2


class Skip:
    """Where the image comes in, by operations' and tensors' numbers in the changed file.

    Attributes:
        scale_weights, scale_bias: of the 1×1 convolution that puts the image onto the maps' range.
        tensors: the scaled image, and image and maps together.
        maps: the last convolution's input before.
    """

    def __init__(self, simulation: Simulation, last: int):
        self.last = last
        self.maps = simulation.operations[last][1][0]
        first = len(simulation.model.subgraphs[0].tensors)
        self.scale_weights, self.scale_bias, scaled, joined = range(first, first + 4)
        self.tensors = (scaled, joined)

    def constants(self, ranges: Ranges, groups: dict[int, int], channels: int) -> dict[int, np.ndarray]:
        """The 1×1 convolution that takes the image's level n to the maps' level n, so that nothing is rounded."""
        low, high = ranges[groups[self.maps]]
        step = (high - low) / 255
        return {
            self.scale_weights: np.float32(255 * step * _copies(channels)),
            self.scale_bias: np.full(COPIES * channels, -np.round(-low / step) * step, np.float32),
        }


def _copies(channels: int) -> np.ndarray:
    """The kernels (COPIES·C, 1, 1, C) that repeat the image's channels."""
    return np.tile(np.eye(channels), (COPIES, 1))[:, None, None]


def place(simulation: Simulation) -> Skip | None:
    """The last convolution, if it looks at a window of maps of the LR image's size; None where there is none such."""
    convolutions = [number for number, (name, *_) in enumerate(simulation.operations) if name == "CONV_2D"]
    if not convolutions:
        return None
    last = convolutions[-1]
    _, inputs, _, options = simulation.operations[last]
    image, maps = (simulation.model.subgraphs[0].tensors[index] for index in (simulation.input, inputs[0]))
    weights = simulation.constants[inputs[1]].shape
    fits = list(image.shape[1:3]) == list(maps.shape[1:3]) and inputs[0] != simulation.input and len(inputs) > 2
    return Skip(simulation, last) if fits and weights[1] > 1 and options.padding == 0 and options.strideH == 1 else None


def insert(simulation: Simulation, skip: Skip) -> bytes:
    """The file with the image joined to the last convolution's input, kernels of zeros for it."""
    model, graph = simulation.model, simulation.model.subgraphs[0]
    image, maps = graph.tensors[simulation.input], graph.tensors[skip.maps]
    channels = int(image.shape[-1])
    added = COPIES * channels
    for name, shape, data in (
        (b"skip/weights", [added, 1, 1, channels], _copies(channels)),
        (b"skip/bias", [added], np.zeros(added)),
        (b"skip/scaled", [*image.shape[:-1], added], None),
        (b"skip/joined", [*maps.shape[:-1], int(maps.shape[-1]) + added], None),
    ):
        tensor = schema.TensorT(shape=shape, type=schema.TensorType.FLOAT32, buffer=0, name=name, hasRank=True)
        if data is not None:
            tensor.buffer = len(model.buffers)
            content = np.frombuffer(np.float32(data).tobytes(), np.uint8)
            model.buffers.append(schema.BufferT(data=content))
        graph.tensors.append(tensor)
    scaled, joined = skip.tensors
    last = graph.operators[skip.last]
    conv = schema.Conv2DOptionsT(strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1)
    conv.padding = schema.Padding.SAME
    concat = schema.ConcatenationOptionsT(axis=3)
    steps = [
        _operator(model, "CONV_2D", [simulation.input, skip.scale_weights, skip.scale_bias], scaled, conv),
        _operator(model, "CONCATENATION", [skip.maps, scaled], joined, concat),
    ]
    graph.operators = [*graph.operators[: skip.last], *steps, *graph.operators[skip.last :]]
    weights = simulation.operations[skip.last][1][1]
    kernels = simulation.constants[weights]
    zeros = np.zeros((*kernels.shape[:-1], added), np.float32)
    graph.tensors[weights].shape = [*kernels.shape[:-1], kernels.shape[-1] + added]
    last.inputs = [joined, *(int(index) for index in last.inputs[1:])]
    return simulation.content(constants={weights: np.concatenate([kernels, zeros], axis=-1)})


def _operator(model, name: str, inputs: list[int], output: int, options):
    number = getattr(schema.BuiltinOperator, name)
    codes = [code.builtinCode for code in model.operatorCodes]
    if number not in codes:
        model.operatorCodes.append(schema.OperatorCodeT(number, None, 1, number))
    operator = schema.OperatorT(opcodeIndex=(codes.index(number) if number in codes else len(codes)))
    operator.inputs, operator.outputs = inputs, [output]
    kind = {"CONV_2D": "Conv2DOptions", "CONCATENATION": "ConcatenationOptions"}[name]
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    operator.builtinOptions = options
    return operator
