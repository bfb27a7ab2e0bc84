"""Weights fitted to the rounding, layer by layer and in closed form: no labels, no gradients.

Each layer in turn sees what the int8 layers before it really give it, and its weights become the least-squares answer
to what the float network gives at this place. They are then rounded one input at a time, each rounding error made up
for by the weights that are not rounded yet.

References: Frantar et al., *GPTQ*, arXiv 2210.17323, section 3 (the rounding); Nagel et al., ICCV 2019, section 4.2
(the bias).
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from export.int8.pictures import Crops
from export.int8.simulation import Ranges, Simulation

# Keeps the answer near the weights it starts from where the pictures do not tell; of the inputs' mean power.
_RIDGE = 1e-4


def fit(simulation: Simulation, ranges: Ranges, crops: Crops, wanted: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """The simulation's constants with the weights and biases of some convolutions fitted.

    Args:
        crops: LR crops and how much each counts.
        wanted: the number of a convolution (`plain`) → what it should compute before its activation, (N, h', w', O).
    """
    constants = dict(simulation.constants)
    tensors: dict[int, np.ndarray] = {}
    for number, target in sorted(wanted.items()):
        _, (image, weights, bias), _, options = simulation.operations[number]
        # Only what lies behind the last fitted layer is new.
        tensors = simulation.run(crops.images, ranges, constants, until=number, known=tensors)
        size = constants[weights].shape[1:3]
        seen = moments(tensors[image], target, size, options.padding, crops.weights)
        constants[weights], constants[bias] = solve(seen, constants[weights])
    return constants


def plain(simulation: Simulation, number: int) -> bool:
    """Whether the operation is a convolution with a bias, without stride or dilation."""
    name, inputs, _, options = simulation.operations[number]
    if name != "CONV_2D" or len(inputs) < 3:
        return False
    return {options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor} == {1}


def before_activation(simulation: Simulation, tensors: dict, number: int) -> np.ndarray:
    """What a plain convolution computes before its fused activation, from the graph's moving tensors."""
    _, (image, weights, bias), _, options = simulation.operations[number]
    kernel = tf.transpose(simulation.constants[weights], (1, 2, 3, 0))
    padding = ("SAME", "VALID")[options.padding]
    return (tf.nn.conv2d(tensors[image], kernel, 1, padding) + simulation.constants[bias]).numpy()


class Moments(NamedTuple):
    """What `solve` needs to know of a convolution's inputs and of what it should make of them.

    Attributes:
        mean_window, mean_target: (h·w·I,) and (O,).
        covariance, cross: the windows', and theirs with the target.
    """

    mean_window: np.ndarray
    mean_target: np.ndarray
    covariance: np.ndarray
    cross: np.ndarray


def moments(images, target, size: tuple[int, int], padding: int, weights: np.ndarray) -> Moments:
    """Means and covariances of the windows of `size` that a convolution sees and of what it should make of them.

    Each image counts by its weight.

    Image by image: the windows of all images of an HR layer would fill gigabytes.
    """
    means = []
    covariance: np.ndarray = np.zeros(())
    shares = np.asarray(weights, np.float64) / np.sum(weights, dtype=np.float64)
    for image, wanted, share in zip(images, target, shares, strict=True):
        windows = tf.image.extract_patches(
            image[None], (1, *size, 1), (1, 1, 1, 1), (1, 1, 1, 1), ("SAME", "VALID")[padding]
        )
        inputs = windows.shape[-1]
        both = np.concatenate([tf.reshape(windows, (-1, inputs)), np.reshape(wanted, (-1, wanted.shape[-1]))], axis=1)
        # float32 sums differ with the number of threads, and an inverse makes other levels of what they differ by.
        both = both.astype(np.float64)
        means.append(both.mean(axis=0))
        both -= means[-1]
        covariance = covariance + share * (both[:, :inputs].T @ both / len(both))
    mean = shares @ means
    between = means - mean
    covariance = covariance + between[:, :inputs].T @ (shares[:, None] * between)
    # Its two halves are summed in orders of their own.
    own = covariance[:, :inputs]
    return Moments(mean[:inputs], mean[inputs:], (own + own.T) / 2, covariance[:, inputs:])


def solve(seen: Moments, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (O, h, w, I), on the levels of int8, and biases (O,) with the least squared error, out of `moments`."""
    mean_window, mean_target, covariance, cross = seen
    start = weights.reshape(len(weights), -1).T.astype(np.float64)
    # Something of it even where all pictures are black and tell nothing.
    ridge = (_RIDGE * np.trace(covariance) / len(covariance) + 1e-12) * np.eye(len(covariance))
    fitted = np.linalg.solve(covariance + ridge, cross + ridge @ start).T
    step = np.maximum(np.abs(fitted).max(axis=1), 1e-12) / 127
    rounded = gptq(fitted, covariance + ridge, step) * step[:, None]
    return rounded.reshape(weights.shape).astype(np.float32), (mean_target - rounded @ mean_window).astype(np.float32)


def gptq(weights: np.ndarray, covariance: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Levels in -127 … 127 for weights (O, inputs), by GPTQ: the strongest inputs first, errors handed on."""
    order = np.argsort(-np.diag(covariance))
    upper = np.linalg.cholesky(np.linalg.inv(covariance[np.ix_(order, order)])).T
    left = weights[:, order]
    # The largest weight of a channel sets its step and must stay on the last level, whatever errors reach it.
    largest = np.abs(left).argmax(axis=1)
    levels = np.zeros_like(left)
    for place in range(left.shape[1]):
        level = np.clip(np.round(left[:, place] / step), -127, 127)
        pinned = largest == place
        level[pinned] = 127 * np.sign(weights[:, order][pinned, place])
        levels[:, place] = level
        error = (left[:, place] - level * step) / upper[place, place]
        left[:, place + 1 :] -= error[:, None] * upper[place, place + 1 :]
    unordered = np.empty_like(levels)
    unordered[:, order] = levels
    return unordered
