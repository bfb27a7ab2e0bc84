"""What a TFLite graph may hold if a GPU delegate shall take it whole and compute it rightly; no driver needed.

The rules are about the file. Whether a delegate really takes it only a run can tell (`export.delegate`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from zoo.targets.facts import Upsampling
from zoo.targets.gpu_reported import REPORTED, REPORTED_IN_GRAPHS
from zoo.targets.record import Finding, Look, Rule, Target, moving

if TYPE_CHECKING:  # a file's parser needs LiteRT's schema, which rewriting a Keras network does not
    from zoo.graphs.tflite import File, Operation

# The operations that LiteRT's GPU delegate parses, by the highest version that it takes (None: any).
_PARSER = "LiteRT, tflite/delegates/gpu/common/model_builder.cc"
_PARSED = {
    None: """ABS ADD BATCH_MATMUL CAST COS DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE DIV ELU EQUAL EXP FLOOR
        FLOOR_DIV FLOOR_MOD GELU GREATER GREATER_EQUAL HARD_SWISH LESS LESS_EQUAL LOG LOGICAL_AND LOGISTIC MAXIMUM MEAN
        MINIMUM MUL NEG NOT_EQUAL PACK POW REDUCE_MAX REDUCE_MIN REDUCE_PROD RSQRT SIGN SIN SPLIT SPLIT_V SQRT SQUARE
        SQUARED_DIFFERENCE SUB SUM TANH TILE UNPACK""",
    1: "CUMSUM DENSIFY GATHER ONE_HOT PRELU RESHAPE SELECT SELECT_V2",
    2: """AVERAGE_POOL_2D CONCATENATION LEAKY_RELU MAX_POOL_2D MIRROR_PAD PAD PADV2 QUANTIZE RELU RELU6 RELU_N1_TO_1
        SLICE SOFTMAX SPACE_TO_DEPTH""",
    3: "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR TRANSPOSE_CONV",
    4: "LSTM STRIDED_SLICE TRANSPOSE",
    6: "CONV_2D",
    9: "FULLY_CONNECTED",
}
_VERSIONS = {name: version for version, names in _PARSED.items() for name in names.split()}
_CUSTOM = {"Convolution2DTransposeBias", "MaxPoolingWithArgmax2D", "MaxUnpooling2D", "Resampler"}
_TYPES = {"float32", "float16", "int8", "uint8", "int16"}
# int32 and bool pass where the operation works on indices or on logic.
_OTHER_TYPES = {"CAST", "GATHER", "ONE_HOT", "SELECT", "SELECT_V2", "LOGICAL_AND", "EQUAL", "NOT_EQUAL", "LESS"}
_OTHER_TYPES |= {"LESS_EQUAL", "GREATER", "GREATER_EQUAL"}


def check(file: File) -> list[Finding]:
    """All breaches in a file, in the order of its operations."""
    return TARGET.check(file)


def _dynamic(operation: Operation) -> Iterator[str]:
    free = next((tensor for tensor in moving(operation) if None in tensor.shape), None)
    if free:
        yield (
            f"the tensor {free} has a free size: older delegates refuse it, newer ones want resize_input_tensor first; "
            "export it with batch, height and width given"
        )


def _flex(operation: Operation) -> Iterator[str]:
    if operation.custom.startswith("Flex"):
        yield f"{operation.custom[4:]} is a TensorFlow operation, not a TFLite one, and needs the Flex runtime"


def _known(operation: Operation) -> Iterator[str]:
    if operation.custom:
        if operation.custom not in _CUSTOM and not operation.custom.startswith("Flex"):
            yield "a custom operation that the published delegate has no parser for"
    elif operation.name not in _VERSIONS and operation.name != "RELU_0_TO_1":
        yield "the published delegate has no parser for this operation"


def _version(operation: Operation) -> Iterator[str]:
    highest = _VERSIONS.get(operation.name)
    if not operation.custom and highest is not None and operation.version > highest:
        yield f"version {operation.version}, where the delegate parses up to {highest}"


def _int16(operation: Operation) -> Iterator[str]:
    wide = next((tensor for tensor in moving(operation) if tensor.dtype == "int16"), None)
    if wide:
        yield f"the tensor {wide} is of 16-bit integers, which the delegate does not compute in; quantize to int8"


def _types(operation: Operation) -> Iterator[str]:
    allowed = _TYPES | ({"int32", "bool"} if operation.name in _OTHER_TYPES else set())
    odd = next((tensor for tensor in moving(operation) if tensor.dtype not in allowed), None)
    if odd:
        yield f"the tensor {odd} is of a type that the published delegate does not compute in"


def _rank(operation: Operation) -> Iterator[str]:
    high = next((tensor for tensor in moving(operation) if len(tensor.shape) > 4), None)
    if high:
        yield f"the tensor {high} has more than 4 dimensions; a pixel shuffle is one DEPTH_TO_SPACE"


def _prelu(operation: Operation) -> Iterator[str]:
    if operation.name == "PRELU" and any(side != 1 for side in operation.inputs[1].shape[:-1]):
        yield (
            f"one slope a pixel ({operation.inputs[1]}): the file grows with the image and fits this size only; "
            "use PReLU(shared_axes=[1, 2])"
        )


def _sparse(operation: Operation) -> Iterator[str]:
    if operation.name == "DENSIFY":
        yield (
            "weights that are stored sparsely, which the WebGPU delegate does not unpack though the published parser "
            "knows it; convert the network again without EXPERIMENTAL_SPARSITY"
        )


def _relu_0_to_1(operation: Operation) -> Iterator[str]:
    if operation.name == "RELU_0_TO_1":
        yield "the WebGPU delegate has no such activation; clip with RELU and MINIMUM"


def _mirror(operation: Operation) -> Iterator[str]:
    if operation.name == "MIRROR_PAD" and operation.options is not None and operation.options.mode == 1:
        yield "SYMMETRIC mode, where the delegate knows REFLECT only; build it from slices and a concatenation"


def _slice_masks(operation: Operation) -> Iterator[str]:
    if operation.name == "STRIDED_SLICE" and operation.options is not None:
        masks = {"ellipsis": "ellipsisMask", "new axis": "newAxisMask", "shrink axis": "shrinkAxisMask"}
        used = [name for name, field in masks.items() if getattr(operation.options, field)]
        if used:
            yield f"a slice with {' and '.join(used)} mask, which the delegate does not support"


def transposed_shift(kernel: int, stride: int, size: int, length: int | None = None) -> int:
    """By how many pixels the delegate shifts one axis of a 'same' transposed convolution; 0 where it is right.

    TFLite crops what a convolution over the output would pad at the start: max(0, kernel - stride) // 2 pixels where
    that is stride times the input. The delegate computes that padding as for a convolution over the *input*:
    max(0, kernel - (size - 1) mod stride - 1) // 2.

    Args:
        kernel: the kernel's side in HR px.
        stride: the scale.
        size: height or width of the LR input in px.
        length: of the output, px; default: stride · size.
    """
    length = length or stride * size
    cropped = max(0, (-(-length // stride) - 1) * stride + kernel - length) // 2
    return max(0, kernel - (size - 1) % stride - 1) // 2 - cropped


def obstacle(upsampling: Upsampling) -> tuple[str, str]:
    """What keeps the delegate from computing an upsampling as it stands, at some size at least.

    Returns:
        A verdict, `"right"`, `"wrong"` (taken, and something else is computed) or `"refused"`, and its reason in a few
        words; measured on the networks of `python -m benchmarks.rewrite`.
    """
    if upsampling.tiled:
        return "refused", "five axes for nearest-neighbour"
    if upsampling.kind == "bicubic":
        return "refused", "TFLite has no bicubic"
    if upsampling.kind != "transposed":
        return "right", ""
    if upsampling.activated:
        return "refused", "a ReLU fused into TRANSPOSE_CONV"
    axes = zip((upsampling.kernel or ())[:2], upsampling.scales or (upsampling.scale, upsampling.scale))
    shifted = any(transposed_shift(side, scale, size) for side, scale in axes for size in range(1, scale + 1))
    if upsampling.padding == "computed" or upsampling.padding == "same" and shifted:
        return "wrong", "TRANSPOSE_CONV is shifted at some sizes"
    return "right", ""


def _shift(operation: Operation) -> Iterator[str]:
    options = operation.options
    if operation.name != "TRANSPOSE_CONV" or options is None or options.padding != 0:
        return
    kernel, image = operation.inputs[1].shape, operation.inputs[2].shape
    for axis, stride in ((1, options.strideH), (2, options.strideW)):
        length = operation.outputs[0].shape[axis]
        if image[axis] is not None and (shift := transposed_shift(kernel[axis], stride, image[axis], length)):
            yield (
                f"kernel {kernel[axis]}, stride {stride} at {'height' if axis == 1 else 'width'} {image[axis]}: "
                f"the delegate's result is shifted by {abs(shift)} px and it says nothing; "
                "`zoo rewrite FILE OUT.tflite`, or zoo.rewrite.to_lr_space(model) in Keras, gives the same function "
                "without this operation"
            )


def _im2col(operation: Operation) -> Iterator[str]:
    if operation.name != "CONV_2D" or None in (*operation.outputs[0].shape, *operation.inputs[1].shape):
        return
    kernel, image = operation.inputs[1].shape[1:], operation.outputs[0].shape[:3]
    values = math.prod(image) * math.prod(kernel)
    if kernel[:2] != (1, 1) and values >= 2**31:
        yield (
            f"{values:,} products a channel, where LiteRT counts in 32 bits and refuses the graph before the delegate "
            "sees it; export a smaller size and cut pictures into tiles"
        )


def _pad_rank_3(operation: Operation) -> Iterator[str]:
    if operation.name in ("PAD", "PADV2", "MIRROR_PAD") and len(operation.inputs[0].shape) == 3:
        yield f"{operation.inputs[0]} is padded at rank 3, and comes out shifted; pad at rank 4"


_MEASURED = "measured on the WebGPU delegate of ai-edge-litert 2.3"
_OPERATIONS = "LiteRT, tflite/delegates/gpu/common/operations.cc, CalculateSamePadding"
# Name → severity, where it is written or how it was found, and the look at one operation.
RULES: dict[str, tuple[str, str, Look]] = {
    "transposed-shift": ("wrong", f"{_OPERATIONS}; {_MEASURED}", _shift),
    "pad-rank-3": ("wrong", f"google-ai-edge/LiteRT#9272; {_MEASURED}", _pad_rank_3),
    "no-flex": ("refused", _PARSER, _flex),
    "int16": ("refused", _MEASURED, _int16),
    "im2col": ("refused", f"LiteRT, tflite/kernels/conv.cc, Prepare; {_MEASURED}", _im2col),
    "rank": ("refused", _MEASURED, _rank),
    "sparse": ("refused", _MEASURED, _sparse),
    "relu-0-to-1": ("refused", _MEASURED, _relu_0_to_1),
    "mirror-pad": ("refused", _MEASURED, _mirror),
    "slice-mask": ("refused", _MEASURED, _slice_masks),
    "static-shape": ("uncertain", _MEASURED, _dynamic),
    "known-operation": ("uncertain", _PARSER, _known),
    "version": ("refused", f"{_PARSER}; {_MEASURED}", _version),
    "type": ("uncertain", f"{_PARSER}, GetOpsToReplace", _types),
    "prelu-shared": ("costly", "tensorflow/tensorflow#39749", _prelu),
}
TARGET = Target(
    "gpu_delegate",
    "LiteRT's GPU delegate",
    frozenset(_VERSIONS),
    "subpixel",
    _PARSER,
    "November 2026",
    ran="ai-edge-litert 2.3 over WebGPU, on Vulkan in software",
    rules={name: Rule(*rule) for name, rule in RULES.items()}
    | {name: Rule("uncertain", source, look) for name, (source, look) in REPORTED.items()}
    | {name: Rule("uncertain", source, around=around) for name, (source, around) in REPORTED_IN_GRAPHS.items()},
)
