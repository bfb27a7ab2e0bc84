"""Shuffling and repeating along one axis at a time, of pictures and of sequences."""

from collections.abc import Sequence

import keras
from keras import ops

from zoo.errors import UsageError, whole_number


def depth_to_axis(maps, scale: int, axis: int):
    """Moves groups of channels along one axis: (N, H, W, scale·C) → (N, H, scale·W, C) for axis 2.

    Channel a·C + c goes to pixel a of each group. Along the axis before the channels it is one reshape, along another
    one a reshape between two transpositions: operations that every runtime takes.

    Example:
        >>> import numpy as np
        >>> np.array(depth_to_axis(np.array([[[1.0, 2.0], [3.0, 4.0]]]), 2, axis=1)).ravel()
        array([1., 2., 3., 4.])
    """
    if scale == 1:
        return maps
    last = len(maps.shape) - 2
    order = list(range(last + 2))
    order[axis], order[last] = order[last], order[axis]
    maps = maps if axis == last else ops.transpose(maps, order)
    sides = list(ops.shape(maps))
    # One side may be free, and the batch mostly is.
    maps = ops.reshape(maps, (-1, *sides[1:last], sides[last] * scale, sides[-1] // scale))
    return maps if axis == last else ops.transpose(maps, order)


@keras.saving.register_keras_serializable("zoo")
class DepthToAxis(keras.layers.Layer):
    """Moves groups of channels along one axis: the shuffle of strides (s, 1) and (1, s), and of sequences.

    Args:
        scale: pixels for each, an integer of at least 1.
        axis: 1 or 2: rows or columns of a picture, 1 the steps of a sequence.

    Input shape: (N, H, W, scale·C) or (N, W, scale·C), any dtype. Output shape: the axis scale times as long, C maps.

    Raises:
        UsageError: the channels are no multiple of scale.

    Example:
        >>> import numpy as np
        >>> from zoo.layers import DepthToAxis
        >>> np.asarray(DepthToAxis(2, axis=1)(np.arange(4.0).reshape(1, 2, 2)))[0, :, 0].tolist()
        [0.0, 1.0, 2.0, 3.0]
    """

    def __init__(self, scale: int, axis: int, **kwargs):
        super().__init__(**kwargs)
        self.scale = whole_number("scale", scale, 1)
        self.axis = whole_number("axis", axis, 1)

    def call(self, maps):
        return depth_to_axis(maps, self.scale, self.axis)

    def compute_output_shape(self, input_shape):
        channels = input_shape[-1]
        if channels is None or channels % self.scale or self.axis > len(input_shape) - 2:
            raise UsageError(
                f"Expected an axis {self.axis} and channels that are a multiple of {self.scale}. "
                f"Received: shape {input_shape}"
            )
        shape = [*input_shape[:-1], channels // self.scale]
        shape[self.axis] = None if shape[self.axis] is None else shape[self.axis] * self.scale
        return tuple(shape)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "axis": self.axis}


@keras.saving.register_keras_serializable("zoo")
class Repeat(keras.layers.Layer):
    """Repeats pixels or steps, a number of times for each axis: copies of all maps, put in their places.

    Without the five axes that Keras' own `UpSampling2D` of sizes (s, 1) and `UpSampling1D` turn into in TFLite.

    Args:
        scales: how often along each axis: (rows, columns) of a picture, (steps,) of a sequence.

    Input shape: (N, H, W, C) or (N, W, C), any dtype. Output shape: each axis as many times as long.
    """

    def __init__(self, scales: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.scales = tuple(whole_number("scales", scale, 1) for scale in scales)

    def call(self, maps):
        for axis, scale in enumerate(self.scales, start=1):
            if scale > 1:
                maps = depth_to_axis(ops.concatenate([maps] * scale, axis=-1), scale, axis)
        return maps

    def compute_output_shape(self, input_shape):
        sides = (None if side is None else side * scale for side, scale in zip(input_shape[1:], self.scales))
        return input_shape[0], *sides, input_shape[-1]

    def get_config(self):
        return {**super().get_config(), "scales": self.scales}
