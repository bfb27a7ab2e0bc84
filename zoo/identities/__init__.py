"""The identities of *Is the deconvolution layer the same as a convolutional layer?* (arXiv 1609.07009), on kernels.

NumPy only, float64, kernel in, kernel out. Symbols: `scale` is the paper's r, K the side of a kernel in HR space.
Per axis an output pixel is y = scale·p + a with phase a in 0..scale-1; a 'same' transposed convolution drops the first
p0 = max(K - scale, 0) // 2 rows of the full one. Kernels of a transposed convolution are (K, K, O, I), Keras' layout;
kernels of a convolution are (k, k, I, O).

Channel orders of the shuffle, for output channel o of O and phases (a, b):
`"tensorflow"`: (a·scale + b)·O + o, `tf.nn.depth_to_space`, ONNX's DCR. `"pytorch"`: o·scale² + a·scale + b,
PixelShuffle, ONNX's CRD. They are equal only for O = 1.

`lr_convolution` has the general case (pads, window, crop), `collapse` makes one convolution of several.
"""

from zoo.identities.interpolation import (
    KEYS,
    METHODS,
    Cubic,
    interpolation_to_subpixel,
    interpolation_to_transposed,
    interpolation_weights,
    interpolation_window,
    keys_cubic,
)
from zoo.identities.phases import ORDERS, between_phases, same_offset, taps
from zoo.identities.resized import resize_to_subpixel, resize_window
from zoo.identities.transposed import (
    Window,
    lr_window,
    padding_of_taps,
    subpixel_to_transposed,
    subpixel_to_zero_interleaved,
    transposed_to_subpixel,
    transposed_to_zero_interleaved,
    zero_interleaved_to_subpixel,
    zero_interleaved_to_transposed,
)

__all__ = [
    "METHODS",
    "ORDERS",
    "Window",
    "between_phases",
    "KEYS",
    "Cubic",
    "interpolation_to_subpixel",
    "interpolation_to_transposed",
    "interpolation_weights",
    "interpolation_window",
    "keys_cubic",
    "lr_window",
    "padding_of_taps",
    "resize_to_subpixel",
    "resize_window",
    "same_offset",
    "subpixel_to_transposed",
    "subpixel_to_zero_interleaved",
    "taps",
    "transposed_to_subpixel",
    "transposed_to_zero_interleaved",
    "zero_interleaved_to_subpixel",
    "zero_interleaved_to_transposed",
]


def __dir__() -> list[str]:
    return sorted(__all__)
