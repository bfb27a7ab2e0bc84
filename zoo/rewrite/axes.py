"""Layers that enlarge the axes differently, sequences, and stride 1: their LR convolutions as cascades of layers.

before    x → Conv2DTranspose 5×3, strides (2, 1) → y
after     x → Conv2D 3×3 with 2·O maps → DepthToAxis 2 along the rows → y
"""

import keras
import numpy as np

from zoo.identities.axes import AxesConvolution, repeated_along_axes, transposed_along_axes, turned
from zoo.identities.phases import pair
from zoo.layers import DepthToAxis, DepthToSpace
from zoo.rewrite.find import Stays, check_plain
from zoo.rewrite.graph import array
from zoo.rewrite.pointwise import is_function_of_one_value
from zoo.rewrite.replace import Cascade, add_activation, add_convolution, cropping
from zoo.rewrite.words import by
from zoo.targets.facts import Upsampling

TRANSPOSED = (keras.layers.Conv2DTranspose, keras.layers.Conv1DTranspose)
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv1D)


def transposed(layer) -> tuple[AxesConvolution, Upsampling] | None:
    """A transposed convolution whose strides differ per axis, or of a sequence; None for any other layer."""
    if not _is_plain(layer, TRANSPOSED) or max(layer.strides) == 1 or max(layer.dilation_rate) > 1:
        return None
    kernel, scales, given = array(layer.kernel), tuple(layer.strides), layer.output_padding
    given = given if isinstance(given, (tuple, list)) else (given,) * len(scales)
    if len(scales) == 1:
        kernel, scales, given = kernel[:, None], (*scales, 1), (*given, None)
    elif scales[0] == scales[1]:
        return None
    lr = transposed_along_axes(kernel, scales, layer.padding, given)
    padding = layer.padding if layer.output_padding is None else "computed"
    return lr, _facts("transposed", lr, kernel, inputs=kernel.shape[3], outputs=kernel.shape[2], padding=padding)


def repeated(layer, scales: tuple[int, ...]) -> tuple[AxesConvolution, Upsampling] | None:
    """A convolution of pixels that are repeated differently along the axes; None where it cannot take that in."""
    if not _is_plain(layer, CONVOLUTIONS) or max(layer.strides) > 1 or layer.groups > 1 or max(layer.kernel_size) == 1:
        return None
    kernel, dilation = array(layer.kernel), tuple(layer.dilation_rate)
    if len(scales) == 1:
        kernel, scales, dilation = kernel[:, None], (*scales, 1), (*dilation, 1)
    rows, columns = (_zeros(layer.padding, rate * (side - 1)) for side, rate in zip(kernel.shape[:2], dilation))
    lr = repeated_along_axes(kernel, pair(scales), dilation, (rows, columns))
    return lr, _facts("resized", lr, kernel, inputs=kernel.shape[2], outputs=kernel.shape[3], tiled=True)


def cascade_of(layer, lr: AxesConvolution, names) -> tuple[Cascade, str, int]:
    """The layers that compute it, what they are in words, and how many weights more they hold than the layer."""
    cascade, sequence = Cascade(layer, names), len(layer.kernel_size) == 1
    bias = np.tile(array(layer.bias), lr.scales[0] * lr.scales[1]) if layer.use_bias else None
    kernel, pads = _of_axes(lr, sequence)
    add_convolution(cascade, "lr", kernel, pads, bias, **_options(layer))
    words = [f"{_kind(sequence)} {by(lr.kernel.shape[: 2 - sequence])}"]
    if lr.scales[0] == lr.scales[1]:
        cascade.add("lr_shuffle", DepthToSpace, scale=lr.scales[0])
    else:
        for axis, scale in enumerate(lr.scales, start=1):
            if scale > 1:
                cascade.add("lr_shuffle", DepthToAxis, scale=scale, axis=axis)
                words.append(f"DepthToAxis {scale}")
    if any(map(any, lr.crops)):
        cascade.add("lr_crop", *cropping(lr.crops[:1] if sequence else lr.crops))
        words.append("crop")
    _finish(cascade, layer)
    weights = lr.kernel.size + (0 if bias is None else bias.size)
    return cascade, ", ".join(words), weights - layer.count_params()


def turned_round(layer, names, follows: bool) -> tuple[Cascade, str, int] | None:
    """A transposed convolution of stride 1, also dilated, as `cascade_of` gives it; None for any other layer.

    Args:
        follows: whether it reads an enlargement, which the convolution can take in.
    """
    # Of a picture of 1 px a convolution computes every tap for every output, a transposed one each once.
    if _grows(layer) and not follows:
        return None
    if not _is_plain(layer, TRANSPOSED) or max(layer.strides) > 1 or layer.output_padding is not None:
        return None
    kernel, zeros = turned(array(layer.kernel), layer.dilation_rate, layer.padding)
    cascade = Cascade(layer, names)
    bias = array(layer.bias) if layer.use_bias else None
    rate = tuple(layer.dilation_rate)
    add_convolution(cascade, "turned", kernel, zeros, bias, dilation_rate=rate, **_options(layer))
    _finish(cascade, layer)
    return cascade, f"{_kind(kernel.ndim == 3)} {by(layer.kernel_size)}, its kernel turned round", 0


def _grows(layer) -> bool:
    """Whether a layer gives more pixels than it reads though its stride is 1."""
    return getattr(layer, "padding", "") == "valid" and max(getattr(layer, "dilation_rate", (1,))) == 1


def concerns(operation) -> bool:
    """Whether it is a layer of this file's."""
    if type(operation) not in TRANSPOSED:
        return False
    return len(operation.strides) == 1 or operation.strides[0] != operation.strides[1] or max(operation.strides) == 1


def _is_plain(layer, kinds: tuple) -> bool:
    if type(layer) not in kinds:
        return False
    try:
        check_plain(layer)
    except Stays:
        return False
    return not getattr(layer, "lora_enabled", False)


def _zeros(padding: str, reach: int) -> tuple[int, int]:
    return {"valid": (0, 0), "causal": (reach, 0), "same": (reach // 2, reach - reach // 2)}[padding]


def _kind(sequence: bool) -> str:
    return "Conv1D" if sequence else "Conv2D"


def _of_axes(lr: AxesConvolution, sequence: bool) -> tuple:
    return (lr.kernel[:, 0], lr.pads[:1]) if sequence else (lr.kernel, lr.pads)


def _options(layer) -> dict:
    """The activation where each value goes through it by itself, in the convolution that engines fuse it into."""
    inside = is_function_of_one_value(layer.activation)
    return {"activation": layer.activation if inside else None, "trainable": layer.trainable}


def _finish(cascade: Cascade, layer) -> None:
    if layer.activation is not None and not is_function_of_one_value(layer.activation):
        add_activation(cascade, layer.activation)


def _facts(kind: str, lr: AxesConvolution, kernel: np.ndarray, inputs: int, outputs: int, **more) -> Upsampling:
    return Upsampling(
        kind,
        max(lr.scales),
        inputs,
        outputs,
        kernel=kernel.shape,
        lr_kernel=lr.kernel.shape,
        cropped=any(map(any, lr.crops)),
        scales=lr.scales,
        **more,
    )
