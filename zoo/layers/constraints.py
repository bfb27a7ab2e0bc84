"""What an upsampling layer's kernel may be held to while it is trained."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class EvenPhases(keras.constraints.Constraint):
    """Every phase of a kernel has the same sum, for each input and output channel.

    Inside a flat area all maps before the layer are flat, and a phase of the result is a product of those sums: with
    equal ones, a flat area comes out flat, whatever its colour. A network trained without it puts a pattern of the
    scale's period on some colours. The kernel that is nearest by least squares is taken.

    Args:
        scale: the enlargement; a kernel (K, K, O, I) in Conv2DTranspose's layout, K at least scale.

    Example:
        >>> import numpy as np
        >>> from zoo.layers import EvenPhases
        >>> kernel = np.array(EvenPhases(scale=2)(np.arange(16.0).reshape(4, 4, 1, 1)))
        >>> [float(kernel[row::2, column::2].sum()) for row in (0, 1) for column in (0, 1)]
        [30.0, 30.0, 30.0, 30.0]
    """

    def __init__(self, scale: int):
        self.scale = scale

    def __call__(self, kernel):
        side, phases = kernel.shape[0], range(self.scale)
        sums = [[ops.sum(kernel[i :: self.scale, j :: self.scale], axis=(0, 1)) for j in phases] for i in phases]
        mean = sum(sum(row) for row in sums) / self.scale**2
        counts = [len(range(i, side, self.scale)) for i in phases]
        change = ops.stack([ops.stack([(mean - sums[i][j]) / (counts[i] * counts[j]) for j in phases]) for i in phases])
        repeats = -(-side // self.scale)
        return kernel + ops.tile(change, (repeats, repeats, 1, 1))[:side, :side]

    def get_config(self) -> dict:
        return {"scale": self.scale}
