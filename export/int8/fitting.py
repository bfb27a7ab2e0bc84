"""Weights fitted to the rounding, layer by layer and in closed form: no labels, no gradients.

Each layer in turn sees what the int8 layers before it really give it, and its weights become the least-squares answer
to what the float network gives at this place. They are then rounded one input at a time, each rounding error made up
for by the weights that are not rounded yet.

References: Frantar et al., *GPTQ*, arXiv 2210.17323, section 3 (the rounding); Nagel et al., ICCV 2019, section 4.2
(the bias).
"""

import numpy as np
import tensorflow as tf

from export.int8.simulation import Ranges, Simulation

# Keeps the answer near the weights it starts from where the pictures do not tell; of the inputs' mean power.
_RIDGE = 1e-4


def fit(
    simulation: Simulation, ranges: Ranges, images: np.ndarray, wanted: dict[int, np.ndarray]
) -> dict[int, np.ndarray]:
    """The simulation's constants with the weights and biases of some convolutions fitted.

    Args:
        images: (N, h, w, C) LR crops in [0, 1].
        wanted: the number of a convolution (`plain`) → what it should compute before its activation, (N, h', w', O).
    """
    constants = dict(simulation.constants)
    for number, target in sorted(wanted.items()):
        _, (image, weights, bias), _, options = simulation.operations[number]
        given = simulation.run(images, ranges, constants, until=number)[image]
        shape = constants[weights].shape
        rows = _patches(given, shape[1], shape[2], options.padding)
        constants[weights], constants[bias] = _solve(rows, target.reshape(len(rows), -1), constants[weights])
    return constants


def plain(simulation: Simulation, number: int) -> bool:
    """Whether the operation is a convolution with a bias, without stride or dilation."""
    name, inputs, _, options = simulation.operations[number]
    return name == "CONV_2D" and len(inputs) > 2 and (options.strideH, options.dilationHFactor) == (1, 1)


def before_activation(simulation: Simulation, tensors: dict, number: int) -> np.ndarray:
    """What a plain convolution computes before its fused activation, from the graph's moving tensors."""
    _, (image, weights, bias), _, options = simulation.operations[number]
    kernel = tf.transpose(simulation.constants[weights], (1, 2, 3, 0))
    padding = ("SAME", "VALID")[options.padding]
    return (tf.nn.conv2d(tensors[image], kernel, 1, padding) + simulation.constants[bias]).numpy()


def _patches(images, height: int, width: int, padding: int) -> np.ndarray:
    patches = tf.image.extract_patches(
        images, (1, height, width, 1), (1, 1, 1, 1), (1, 1, 1, 1), ("SAME", "VALID")[padding]
    )
    return tf.reshape(patches, (-1, patches.shape[-1])).numpy()


def _solve(rows: np.ndarray, target: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (O, h, w, I), on the levels of int8, and biases (O,) with the least squared error of rows · weights."""
    mean_row, mean_target = rows.mean(axis=0), target.mean(axis=0)
    # Centred before they are multiplied: what float32 loses of large squares would make the matrix indefinite.
    rows, target = rows - mean_row, target - mean_target
    covariance = (rows.T @ rows / len(rows)).astype(np.float64)
    cross = (rows.T @ target / len(rows)).astype(np.float64)
    start = weights.reshape(len(weights), -1).T.astype(np.float64)
    ridge = _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    fitted = np.linalg.solve(covariance + ridge, cross + ridge @ start).T
    step = np.maximum(np.abs(fitted).max(axis=1), 1e-12) / 127
    rounded = _round(fitted, covariance + ridge, step) * step[:, None]
    return rounded.reshape(weights.shape).astype(np.float32), (mean_target - rounded @ mean_row).astype(np.float32)


def _round(weights: np.ndarray, covariance: np.ndarray, step: np.ndarray) -> np.ndarray:
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
