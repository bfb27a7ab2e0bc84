"""The image handed to the last convolution besides its feature maps: exact where the maps carry rounding noise.

Most of an SR network's output is a linear function of a few pixels of what it is given: the LR image, or, where the
network works in HR space, the interpolated one. Through eight int8 layers that part arrives with
every layer's rounding on it; from the image itself, whose 8 bits int8 holds, it arrives as it is. Its kernels start at
zero and are found with the others (`fitting`), which then only have to add the rest. A luma network gets two input
channels more: 56 become 58.
"""

import numpy as np
import tensorflow as tf

from export.int8.fitting import plain
from export.int8.simulation import Ranges, Simulation
from zoo.graphs.tflite import Operation, Tensor, schema

# The image reaches far beyond the maps, so its weights are the largest, and the largest sets the step of all weights of
# an output channel; two copies share them, and more gain nothing: `python -m releasing.int8_losses` prints the loss.
COPIES = 2
_LINEAR = {
    *("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "DEPTH_TO_SPACE", "STRIDED_SLICE", "CONCATENATION", "PAD"),
    *("MIRROR_PAD", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
}


class Skip:
    """Where the image comes in, by operations' and tensors' numbers in the changed file.

    Attributes:
        image, channels: the tensor that is handed over, and its channels.
        scale_weights, scale_bias: of the 1×1 convolution that puts the image onto the maps' range.
        tensors: the scaled image, and image and maps together.
        maps: the last convolution's input before.
    """

    def __init__(self, simulation: Simulation, last: int, image: int):
        self.last, self.image = last, image
        self.maps = simulation.operations[last][1][0]
        self.channels = simulation.graph.tensors[image].shape[-1]
        first = len(simulation.graph.tensors)
        self.scale_weights, self.scale_bias, scaled, joined = range(first, first + 4)
        self.tensors = (scaled, joined)

    def constants(self, ranges: Ranges, groups: dict[int, int]) -> dict:
        """The 1×1 convolution that takes the image's level n to the maps' level n, so that nothing is rounded."""
        (low, high), (image_low, image_high) = ranges[groups[self.maps]], ranges[groups[self.image]]
        step, image_step = (high - low) / 255, (image_high - image_low) / 255
        shift = tf.round(-image_low / image_step) - tf.round(-low / step)
        return {
            self.scale_weights: step / image_step * np.float32(_copies(self.channels)),
            self.scale_bias: shift * step * np.ones(COPIES * self.channels, np.float32),
        }


def _copies(channels: int) -> np.ndarray:
    """The kernels (COPIES·C, 1, 1, C) that repeat the image's channels."""
    return np.tile(np.eye(channels), (COPIES, 1))[:, None, None]


def place(simulation: Simulation) -> Skip | None:
    """The last convolution, if it looks at a window of maps of an image's size; None where there is none such.

    An image is the input, or a tensor of as many channels that is made of it by nothing but linear layers.
    """
    convolutions = [number for number, (name, *_) in enumerate(simulation.operations) if name == "CONV_2D"]
    if not convolutions:
        return None
    last = convolutions[-1]
    _, inputs, _, options = simulation.operations[last]
    weights = simulation.constants[inputs[1]].shape
    maps = simulation.graph.tensors[inputs[0]]
    images = [index for index in _images(simulation) if simulation.graph.tensors[index].shape[1:3] == maps.shape[1:3]]
    fits = images and inputs[0] not in images
    window = weights[1] > 1 and options.padding == 0
    # The kernels for the image start at zero: only a layer that is fitted makes something of it.
    return Skip(simulation, last, images[-1]) if fits and window and plain(simulation, last) else None


def _images(simulation: Simulation) -> list[int]:
    """The input, and what linear layers make of it with as many channels."""
    linear, channels = [simulation.input], simulation.graph.tensors[simulation.input].shape[-1]
    for name, inputs, outputs, options in simulation.operations:
        moving = [index for index in inputs if index >= 0 and index not in simulation.constants]
        fused = getattr(options, "fusedActivationFunction", 0)
        if name in _LINEAR and not fused and all(index in linear for index in moving):
            linear.append(outputs[0])
    return [index for index in linear if simulation.graph.tensors[index].shape[-1] == channels]


def insert(simulation: Simulation, skip: Skip) -> bytes:
    """The file with the image joined to the last convolution's input, kernels of zeros for it."""
    graph = simulation.graph
    image, maps = graph.tensors[skip.image], graph.tensors[skip.maps]
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
