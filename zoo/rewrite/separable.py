"""A depthwise or separable convolution that reads a nearest-neighbour enlargement, its first part in LR space.

    before    x → nearest ×2 → DepthwiseConv2D 3×3
    after     four copies of x → DepthwiseConv2D 2×2 → DepthToSpace 2 → crop

Each phase of each map is a convolution of that map alone: with one copy of all maps a phase, the maps come out of the
depthwise convolution in the order of the shuffle. Exact at every pixel; the 1×1 part stays in HR space.
"""

import keras
import numpy as np

from zoo.identities.lr_convolution import LrConvolution, lr_convolution, resized_convolution
from zoo.layers import DepthToSpace
from zoo.rewrite.graph import array
from zoo.rewrite.pointwise import is_function_of_one_value
from zoo.rewrite.replace import Cascade, add_activation, add_padding, cropping
from zoo.rewrite.words import by

KINDS = (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
# The crop behind the shuffle is one more pass: half of the taps have to be saved to pay for it.
SAVED = 2


def lr_form(layer, scale: int) -> LrConvolution | None:
    """Its depthwise part in LR space, (k, k, 1, scale²·I·multiplier); None where it cannot move or would not pay."""
    plain = type(layer) in KINDS and layer.data_format == "channels_last" and max(layer.strides) == 1
    if not plain or max(layer.kernel_size) == 1:
        return None
    kernel = _kernel(layer)
    flat = kernel.reshape(*kernel.shape[:2], 1, -1)
    lr = lr_convolution(resized_convolution(flat, "nearest", scale, tuple(layer.dilation_rate), layer.padding))
    saved = kernel.shape[0] * kernel.shape[1] / (lr.kernel.shape[0] * lr.kernel.shape[1])
    return lr if saved >= (SAVED if any(map(any, lr.crops)) else 1) else None


def cascade_of(layer, lr: LrConvolution, names) -> tuple[Cascade, str, int]:
    """What computes it from the copies of the LR maps, in words, and how many weights more it holds."""
    cascade, (_, _, maps, multiplier) = Cascade(layer, names), _kernel(layer).shape
    depthwise = lr.kernel.reshape(*lr.kernel.shape[:2], lr.scale**2 * maps, multiplier)
    separable = type(layer) is keras.layers.SeparableConv2D
    bias = array(layer.bias) if layer.use_bias else None
    own = [] if separable or bias is None else [np.tile(bias, lr.scale**2)]
    inside = is_function_of_one_value(layer.activation)
    activation = {"activation": layer.activation if inside else None, "trainable": layer.trainable}
    add_padding(cascade, "lr", lr.pads)
    cascade.add(
        "lr",
        keras.layers.DepthwiseConv2D,
        *[depthwise, *own],
        kernel_size=lr.kernel.shape[:2],
        depth_multiplier=multiplier,
        data_format="channels_last",
        use_bias=bool(own),
        **({"trainable": layer.trainable} if separable else activation),
    )
    cascade.add("lr_shuffle", DepthToSpace, scale=lr.scale)
    words = [f"DepthwiseConv2D {by(lr.kernel.shape[:2])}", f"DepthToSpace {lr.scale}"]
    if any(map(any, lr.crops)):
        cascade.add("lr_crop", *cropping(lr.crops))
        words.append("crop")
    if separable:
        pointwise = [array(layer.pointwise_kernel), *([] if bias is None else [bias])]
        options = {"filters": layer.filters, "kernel_size": 1, "data_format": "channels_last", **activation}
        cascade.add("pointwise", keras.layers.Conv2D, *pointwise, use_bias=bias is not None, **options)
        words.append("Conv2D 1×1")
    if not inside and layer.activation is not None:
        add_activation(cascade, layer.activation)
    after = depthwise.size + sum(each.size for each in own)
    before = _kernel(layer).size + (0 if separable or bias is None else bias.size)
    return cascade, ", ".join(words), after - before


def _kernel(layer) -> np.ndarray:
    separable = type(layer) is keras.layers.SeparableConv2D
    return array(layer.depthwise_kernel if separable else layer.kernel)
