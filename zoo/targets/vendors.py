"""Chips that nobody ran here: what the compilers of their vendors take of a TFLite file.

LiteRT's wheel carries the compilers' plugins, and tests/test_targets_records.py holds the records against what those
files name. The vendors' own kits, which decide in the end, were not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zoo.targets.record import Look, Rule, Target, free_size, moving

if TYPE_CHECKING:  # a file's parser needs LiteRT's schema, which rewriting a Keras network does not
    from zoo.graphs.tflite import Operation

_LITERT = "google-ai-edge/LiteRT, litert/vendors"
_DATE = "November 2026"
_STATIC = Rule("uncertain", f"{_LITERT}: plugins compile ahead of time", free_size)
# The schema's number of no fused activation.
_NONE = 0


def _fused(names: str, sentence: str) -> Look:
    def look(operation: Operation) -> Iterator[str]:
        if operation.name in names.split() and getattr(operation.options, "fusedActivationFunction", _NONE) != _NONE:
            yield f"a fused activation, which the compiler {sentence}"

    return look


def _one_stride(operation: Operation) -> Iterator[str]:
    if operation.name == "TRANSPOSE_CONV" and operation.options.strideH != operation.options.strideW:
        yield "strides that differ, of which the compiler reads one: the result would be another one"


def _integers(operation: Operation) -> Iterator[str]:
    ends = {"QUANTIZE", "DEQUANTIZE"}
    odd = next((each for each in moving(operation) if each.dtype not in ("int8", "uint8")), None)
    if odd and operation.name not in ends:
        yield f"the tensor {odd} is not of 8-bit integers; quantize the whole file to int8"


def _one_slope(operation: Operation) -> Iterator[str]:
    if operation.name == "PRELU" and any(side != 1 for side in operation.inputs[1].shape[:-1]):
        yield "one slope a pixel; use PReLU(shared_axes=[1, 2])"


def _offset(operation: Operation) -> Iterator[str]:
    if operation.name == "STRIDED_SLICE" and operation.options is not None and operation.options.offset:
        yield "a slice whose ends are counted from its beginnings"


def _target(name: str, title: str, names: str, enlargement: str, source: str, **rules: Rule) -> Target:
    operations = frozenset(names.split())

    def untaken(operation: Operation) -> Iterator[str]:
        if operation.custom or operation.name not in operations:
            yield f"the {title} does not take it"

    rules = {"operation": Rule("refused", source, untaken), **rules}
    rules = {name.replace("_", "-"): rule for name, rule in rules.items()}
    return Target(name, title, operations, enlargement, source, _DATE, rules=rules)


_QUALCOMM = """
    ABS ADD ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BROADCAST_TO CAST CEIL CONCATENATION CONV_2D CONV_3D
    COS CUMSUM DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL
    EXP FLOOR FLOOR_DIV FULLY_CONNECTED GATHER GATHER_ND GELU GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION
    L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAX_POOL_2D MAXIMUM
    MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE REDUCE_ALL REDUCE_ANY
    REDUCE_MAX REDUCE_MIN RELU RELU_0_TO_1 RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR
    REVERSE_V2 ROUND RSQRT SELECT SELECT_V2 SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQRT SQUARE
    SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK"""
_MEDIATEK = """
    ABS ADD AVERAGE_POOL_2D BATCH_MATMUL CAST CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE DIV
    FULLY_CONNECTED GELU GREATER HARD_SWISH L2_NORMALIZATION LEAKY_RELU LESS LOGISTIC MAX_POOL_2D MAXIMUM MEAN
    MINIMUM MUL PAD PADV2 PRELU QUANTIZE REDUCE_MAX RELU RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT
    SLICE SOFTMAX SPLIT SQRT SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TILE TRANSPOSE TRANSPOSE_CONV UNPACK"""
_SAMSUNG = """
    ABS ADD ARG_MAX AVERAGE_POOL_2D BATCH_MATMUL BROADCAST_TO CAST CEIL CONCATENATION CONV_2D CONV_3D COS CUMSUM
    DEPTHWISE_CONV_2D DEQUANTIZE DIV EQUAL EXP FLOOR FLOOR_DIV FULLY_CONNECTED GATHER GATHER_ND GELU GREATER
    GREATER_EQUAL HARD_SWISH L2_NORMALIZATION LEAKY_RELU LOGISTIC MAX_POOL_2D MAXIMUM MEAN MINIMUM MIRROR_PAD
    MUL PAD PADV2 QUANTIZE REDUCE_MAX REDUCE_MIN RELU RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR
    RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RSQRT SELECT SELECT_V2 SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQRT
    SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV"""
_INTEL = """
    ABS ADD ARG_MAX AVERAGE_POOL_2D BATCH_MATMUL BROADCAST_TO CAST CONCATENATION CONV_2D CONV_3D COS CUMSUM
    DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE DIV EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FLOOR_DIV FLOOR_MOD
    FULLY_CONNECTED GATHER GATHER_ND GELU GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION LEAKY_RELU LESS
    LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAX_POOL_2D MAXIMUM MEAN MINIMUM MIRROR_PAD MUL
    NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE RANGE REDUCE_ALL REDUCE_MAX RELU RELU_0_TO_1 RESHAPE
    RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RSQRT SELECT SELECT_V2 SIGN SIN SLICE SOFTMAX SPLIT SQRT
    SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK"""
_EDGE_TPU = """
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE EXPAND_DIMS FULLY_CONNECTED
    L2_NORMALIZATION LOGISTIC LSTM MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL PACK PAD PRELU QUANTIZE REDUCE_MAX
    REDUCE_MIN RELU RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SLICE SOFTMAX
    SPACE_TO_DEPTH SPLIT SQUEEZE STRIDED_SLICE SUB SUM SQUARED_DIFFERENCE TANH TRANSPOSE TRANSPOSE_CONV"""

_DECONVOLUTION = f"{_LITERT}/mediatek/compiler/legalizations/transpose_conv_op_legalization.cc"
_CORAL = "Coral, TensorFlow models on the Edge TPU, supported operations"
TARGETS = (
    _target(
        "qualcomm",
        "Qualcomm NPU",
        _QUALCOMM,
        "subpixel",
        f"{_LITERT}/qualcomm/compiler/Qualcomm_QNN_Compiler.md",
        static_shape=_STATIC,
    ),
    _target(
        "mediatek",
        "MediaTek NPU",
        _MEDIATEK,
        "transposed",
        f"{_LITERT}/mediatek/compiler/MediaTek_Neuro_Compiler.md",
        static_shape=_STATIC,
        fused_activation=Rule("wrong", _DECONVOLUTION, _fused("TRANSPOSE_CONV", "passes over: the result is another")),
        strides=Rule("wrong", _DECONVOLUTION, _one_stride),
    ),
    _target(
        "samsung",
        "Samsung NPU",
        _SAMSUNG,
        "transposed",
        f"{_LITERT}/samsung/compiler/create_model.cc and builders",
        static_shape=_STATIC,
        slice_offset=Rule("refused", f"{_LITERT}/samsung/compiler/builders/strided_slice_op_builder.cc", _offset),
    ),
    _target(
        "intel",
        "Intel NPU",
        _INTEL,
        "subpixel",
        f"{_LITERT}/intel_openvino/compiler/openvino_compiler_plugin.cc",
        static_shape=_STATIC,
    ),
    _target(
        "edge_tpu",
        "Edge TPU",
        _EDGE_TPU,
        "transposed",
        f"{_CORAL}; google-coral/edgetpu#386 and #509 on DEPTH_TO_SPACE",
        static_shape=Rule("refused", _CORAL, free_size),
        type=Rule("refused", _CORAL, _integers),
        fused_activation=Rule(
            "refused", _CORAL, _fused("AVERAGE_POOL_2D MAX_POOL_2D CONCATENATION", "does not take here")
        ),
        prelu_shared=Rule("refused", _CORAL, _one_slope),
    ),
)
