"""The LR image handed to the last convolution besides its feature maps: exact where the maps carry rounding noise.

Most of an SR network's output is a linear function of a few LR pixels. Through eight int8 layers that part arrives with
every layer's rounding on it; from the image itself, whose 8 bits int8 holds, it arrives as it is. Its kernels start at
zero and are found with the others (`fitting`), which then only have to add the rest. A luma network gets two input
channels more: 56 become 58.
"""

import numpy as np

from export.int8.simulation import Ranges, Simulation
from zoo.graphs.tflite import Operation, Tensor, schema

# The image reaches far beyond the maps, so its weights are the largest, and the largest sets the step of all weights of
# an output channel; two copies share them, and more gain nothing: `python -m releasing.int8_losses` prints the loss.
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
        first = len(simulation.graph.tensors)
        self.scale_weights, self.scale_bias, scaled, joined = range(first, first + 4)
        self.tensors = (scaled, joined)

    def constants(self, ranges: Ranges, groups: dict[int, int], channels: int) -> dict[int, np.ndarray]:
        """The 1×1 convolution that takes the image's level n to the maps' level n, so that nothing is rounded."""
        low, high = ranges[groups[self.maps]]
        step = (high - low) / 255
        return {
            self.scale_weights: (255 * step * _copies(channels)).astype(np.float32),
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
    image, maps = (simulation.graph.tensors[index] for index in (simulation.input, inputs[0]))
    weights = simulation.constants[inputs[1]].shape
    fits = image.shape[1:3] == maps.shape[1:3] and inputs[0] != simulation.input and len(inputs) > 2
    return Skip(simulation, last) if fits and weights[1] > 1 and options.padding == 0 and options.strideH == 1 else None


def insert(simulation: Simulation, skip: Skip) -> bytes:
    """The file with the image joined to the last convolution's input, kernels of zeros for it."""
    graph = simulation.graph
    image, maps = graph.tensors[simulation.input], graph.tensors[skip.maps]
    channels = image.shape[-1]
    added = COPIES * channels
    weights = Tensor("skip/weights", (added, 1, 1, channels), values=_copies(channels))
    bias = Tensor("skip/bias", (added,), values=np.zeros(added))
    scaled = Tensor("skip/scaled", (*image.shape[:-1], added))
    joined = Tensor("skip/joined", (*maps.shape[:-1], maps.shape[-1] + added))
    conv = schema.Conv2DOptionsT(schema.Padding.SAME, strideW=1, strideH=1)
    last = graph.operations[skip.last]
    graph.replace(
        last,
        Operation("CONV_2D", [image, weights, bias], [scaled], conv),
        Operation("CONCATENATION", [maps, scaled], [joined], schema.ConcatenationOptionsT(axis=3)),
        last,
    )
    last.inputs[0] = joined
    number = simulation.operations[skip.last][1][1]
    kernels = simulation.constants[number]
    zeros = np.zeros((*kernels.shape[:-1], added), np.float32)
    return simulation.content(constants={number: np.concatenate([kernels, zeros], axis=-1)})
