"""The steps of a sequence of pictures as pictures of one larger batch, and back."""

import keras
from keras import ops

from zoo.errors import whole_number


@keras.saving.register_keras_serializable("zoo")
class FoldSteps(keras.layers.Layer):
    """(N, T, …) → (N·T, …): what `TimeDistributed` does to each step, one call does to all."""

    def call(self, sequences):
        return ops.reshape(sequences, (-1, *ops.shape(sequences)[2:]))

    def compute_output_shape(self, input_shape):
        batch, steps, *rest = input_shape
        return (None if batch is None or steps is None else batch * steps, *rest)

    def get_config(self):
        # What Keras finds out by itself is nothing where it was given a precision as an object.
        return super().get_config()


@keras.saving.register_keras_serializable("zoo")
class UnfoldSteps(keras.layers.Layer):
    """(N·T, …) → (N, T, …), the inverse of `FoldSteps`.

    Args:
        steps: T, at least 1.
    """

    def __init__(self, steps: int, **kwargs):
        super().__init__(**kwargs)
        self.steps = whole_number("steps", steps, 1)

    def call(self, maps):
        return ops.reshape(maps, (-1, self.steps, *ops.shape(maps)[1:]))

    def compute_output_shape(self, input_shape):
        batch, *rest = input_shape
        return (None if batch is None else batch // self.steps, self.steps, *rest)

    def get_config(self):
        return {**super().get_config(), "steps": self.steps}
