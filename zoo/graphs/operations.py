"""The words for what an operation is, whatever the format of the file that holds it."""

from typing import NamedTuple

import numpy as np


class Convolution(NamedTuple):
    """A convolution of stride 1, zero-padded to its input's size, and what is applied to its result.

    Attributes:
        kernel: (K, K, inputs, outputs) float32, K odd; (K, K, outputs, 1) of a depthwise one.
        bias: (outputs,) float32.
        activation: "linear", "relu", "tanh" or "prelu".
        slopes: (outputs,) float32, of "prelu".
        added: the number of the layer before it whose result is added to its own, behind the activation; None if none.
    """

    kernel: np.ndarray
    bias: np.ndarray
    activation: str = "linear"
    slopes: np.ndarray | None = None
    added: int | None = None

    @property
    def depthwise(self) -> bool:
        """Whether each map is made of the input map of its number alone."""
        return self.kernel.shape[3] != len(self.bias)
