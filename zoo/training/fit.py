"""The upsampling layer is linear, so the best one for a given body has a closed form: least squares on real patches."""

import itertools

import keras
import numpy as np
from keras import ops

from zoo import identities
from zoo.errors import UsageError
from zoo.layers import ResizeUpsampler, Upsampler
from zoo.layers.shuffle import space_to_depth

# Relative to the mean square of a feature: where the features say little, the weights stay small.
RIDGE = 1e-4


def fit_upsampler(model: keras.Model, batches, shave: int) -> None:
    """Sets the upsampling layer to the least-squares solution for the HR patches, given the features it reads.

    Each output phase reads some LR pixels by taps of its own (`zoo.identities.taps`), so it is one linear regression on
    a window of features. All phases share one Gram matrix, gathered over the batches.

    Args:
        model: ends in a `TransposedUpsampler`, `ZeroInterleavedUpsampler` or `SubpixelUpsampler`, or in its sum with a
            fixed interpolation; changed in place.
        batches: of (lr (b, n, n, c), hr (b, scale·n, scale·n, c)) float32, finite.
        shave: HR pixels at each side that zero padding spoils, left out.

    Raises:
        UsageError: if the network ends in another layer, or the patches are too small for it.
    """
    last = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | Upsampler)][-1]
    if not isinstance(last, Upsampler) or isinstance(last, ResizeUpsampler):
        raise UsageError(f"Expected a network that ends in an upsampling layer. Received: {model.name}")
    scale, side = last.scale, last.kernel_size
    lr, phases, _ = identities.taps(side, scale)
    taps = [np.flatnonzero(phases == phase) for phase in range(scale)]
    shifts = [lr[each] for each in taps]
    low, high = lr.min(), lr.max()
    margin = max(-(-shave // scale), -low, high)

    # Without the layer, what the network still gives is a fixed interpolation beside it, or nothing.
    last.kernel.assign(np.zeros(last.kernel.shape))
    last.bias.assign(np.zeros(last.bias.shape))
    both = keras.Model(model.inputs, [last.input, model.output])
    gram: np.ndarray = np.zeros(())
    moments: np.ndarray = np.zeros(())
    for lr, hr in batches:
        size = lr.shape[1]
        if size <= 2 * margin:
            raise UsageError(
                f"Expected lr_size above {2 * margin}, as the upsampling layer is fitted without {margin} LR pixels at "
                f"each side, which the border of a patch can reach or the loss leaves out. Received: lr_size={size}"
            )
        features, rest = both(lr, training=False)
        features = _window(features, low, high, margin)
        missing = space_to_depth(hr - rest, scale)[:, margin : size - margin, margin : size - margin]
        missing = ops.reshape(missing, [-1, missing.shape[-1]])
        gram = gram + _product(features, features)
        moments = moments + _product(features, missing)

    # The phases share one bias. Each gives its weights as without - bias·slope; what they leave decides the bias.
    width, inputs = high - low + 1, last.kernel.shape[3]
    moments = moments.reshape(len(gram), scale, scale, last.filters)
    gram[np.diag_indices(len(gram) - 1)] += RIDGE * np.trace(gram) / len(gram)
    sums, totals = gram[-1], moments[-1]
    solved, left, pixels = {}, 0.0, 0.0
    for a, b in itertools.product(range(scale), repeat=2):
        rows, columns = shifts[a] - low, shifts[b] - low
        cells = ((rows[:, None] * width + columns)[..., None] * inputs + np.arange(inputs)).ravel()
        right = np.column_stack([moments[cells, a, b], sums[cells]])
        solution = np.linalg.solve(gram[np.ix_(cells, cells)], right)
        without, slope = solution[:, :-1], solution[:, -1]
        left += totals[a, b] - sums[cells] @ without
        pixels += sums[-1] - sums[cells] @ slope
        solved[a, b] = without, slope
    bias = left / pixels

    kernel = np.zeros(last.kernel.shape)
    for (a, b), (without, slope) in solved.items():
        weights = without - np.outer(slope, bias)
        weights = weights.reshape(len(taps[a]), len(taps[b]), inputs, last.filters)
        kernel[np.ix_(taps[a], taps[b])] = weights.transpose(0, 1, 3, 2)
    last.kernel.assign(kernel)
    last.bias.assign(bias)


def _window(features, low: int, high: int, margin: int):
    """Returns (pixels, window²·I + 1): what the layer sees around each pixel, and a 1 for the bias."""
    height, width = features.shape[1:3]
    shifted = [
        features[:, margin + y : height - margin + y, margin + x : width - margin + x]
        for y, x in itertools.product(range(low, high + 1), repeat=2)
    ]
    flat = ops.concatenate([ops.reshape(each, [-1, features.shape[-1]]) for each in shifted], axis=1)
    return ops.concatenate([flat, ops.ones([flat.shape[0], 1])], axis=1)


def _product(left, right) -> np.ndarray:
    return ops.convert_to_numpy(ops.matmul(ops.transpose(left), right)).astype(np.float64)
