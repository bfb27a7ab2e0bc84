"""The way back in ONNX: shuffles as transposed convolutions, for engines that have no DepthToSpace.

    before: x → Conv → DepthToSpace → y
    after:  x → ConvTranspose without pads → Slice → y

Where the phases have biases of their own, and where no Conv stands before it, the shuffle is a ConvTranspose by itself:
its kernel is ones and zeros.
"""

from typing import Any

import numpy as np

from zoo.graphs.onnx_graph import DOMAINS, OnnxGraph
from zoo.identities.lr_convolution import (
    LrConvolution,
    Transposed,
    as_transposed,
    shuffle_as_transposed,
    trimmed,
)
from zoo.identities.phases import join_phases, split_phases
from zoo.rewrite.explanation import Row
from zoo.rewrite.onnx_constants import Constant
from zoo.rewrite.onnx_find import hidden, padding_of
from zoo.rewrite.onnx_steps import Steps
from zoo.rewrite.tflite_constants import Stays

_ORDERS = {"DCR": "tensorflow", "CRD": "pytorch"}


def to_transposed(model: Any) -> list[Row]:
    """Changes an `onnx.ModelProto`: the shuffles of its main graph become transposed convolutions.

    Returns:
        A row for each: what becomes of it, or why it stays.

    References: arXiv 1609.07009.
    """
    graph = OnnxGraph(model)
    rows = hidden(graph, ("DepthToSpace",))
    for node in [each for each in graph.graph.node if each.op_type == "DepthToSpace" and each.domain in DOMAINS]:
        name, options = node.name or node.output[0], graph.attributes(node)
        scale, mode = options["blocksize"], options.get("mode", "DCR")
        found = f"DepthToSpace {scale} ({mode})"
        try:
            rows.append(_with_convolution(graph, name, node, scale, _ORDERS[mode], found))
        except Stays as reason:
            try:
                rows.append(_alone(graph, name, node, scale, _ORDERS[mode], found, f"by ones and zeros: {reason}"))
            except Stays as other:
                rows.append(Row(name, found, note=str(other)))
    return rows


def _with_convolution(graph: OnnxGraph, name: str, node: Any, scale: int, order: str, found: str) -> Row:
    """A shuffle and the Conv before it as one node.

    Raises:
        Stays: they are none.
    """
    convolution = graph.maker(node.input[0], "Conv")
    if convolution is None:
        raise Stays("no Conv stands before it alone")
    options, held = graph.attributes(convolution), Constant(graph, convolution.input[1])
    weights = held.values
    if held.quantized or weights.ndim != 4:
        raise Stays("the weights before it are quantized, or not two-dimensional")
    if {*options.get("strides", [1, 1]), *options.get("dilations", [1, 1])} != {1}:
        raise Stays("the Conv before it has strides or dilations")
    groups, copies = options.get("group", 1), scale**2
    if groups > 1 and (order != "pytorch" or weights.shape[0] // groups % copies):
        raise Stays("the groups of the Conv before it do not go with its channels")
    bias = None
    if len(convolution.input) > 2 and convolution.input[2]:
        bias = Constant(graph, convolution.input[2]).values
        phases = bias.reshape(-1, copies) if order == "pytorch" else bias.reshape(copies, -1).T
        if not np.all(phases == phases[:, :1]):
            raise Stays("its phases have biases of their own")
        bias = phases[:, 0]
    pads = padding_of(options, [side - 1 for side in weights.shape[2:]])
    # ONNX has (O, I / groups, Ky, Kx).
    kernel = weights.astype(np.float64).transpose(2, 3, 1, 0)
    kernel = join_phases(split_phases(kernel, scale, order), "tensorflow")
    used = np.ones((*kernel.shape[:2], 1, copies))
    transposed = trimmed(as_transposed(LrConvolution(kernel, scale, pads, ((0, 0), (0, 0)), used)))
    steps = _steps(graph, name, convolution.input[0], transposed, bias, weights.dtype, groups)
    steps.replace([convolution, node])
    rows, columns = transposed.kernel.shape[:2]
    return Row(
        name,
        f"Conv {weights.shape[2]}×{weights.shape[3]}, {found}",
        action="moved",
        becomes=f"ConvTranspose {rows}×{columns}, crop",
        macs=weights.size,
        macs_quoted=weights.size,
        macs_after=transposed.kernel.size,
        weights=weights.size,
        weights_after=transposed.kernel.size,
    )


def _alone(graph: OnnxGraph, name: str, node: Any, scale: int, order: str, found: str, note: str) -> Row:
    """A shuffle by itself."""
    channels, dtype = [*graph.shape(node.input[0]), None, None][1], graph.dtype(node.input[0])
    if channels is None or dtype is None:
        raise Stays("the number of its channels is not known")
    if dtype.kind != "f":
        raise Stays("a ConvTranspose does not compute in integers")
    transposed = shuffle_as_transposed(scale, channels // scale**2, order)
    _steps(graph, name, node.input[0], transposed, None, dtype, 1).replace([node])
    becomes = f"ConvTranspose {scale}×{scale}"
    return Row(name, found, action="moved", becomes=becomes, note=note, macs_after=transposed.kernel.size)


def _steps(graph: OnnxGraph, name: str, image: str, transposed: Transposed, bias, dtype, groups: int) -> Steps:
    kernel, scale, offsets, extras, _ = transposed
    ends = [side - scale - offset - extra for side, offset, extra in zip(kernel.shape[:2], offsets, extras)]
    if min(*offsets, *ends) < 0:
        raise Stays("the zeros around its image are more than its window is wide")
    # ONNX has (I, O / groups, Ky, Kx): the groups' kernels one below the other.
    each = np.split(kernel.transpose(3, 2, 0, 1), groups, axis=1)
    steps = Steps(graph, name, image)
    constants = [steps.constant("weights", np.concatenate(each).astype(dtype))]
    if bias is not None:
        constants.append(steps.constant("bias", bias.astype(dtype)))
    steps.add("ConvTranspose", *constants, kernel_shape=list(kernel.shape[:2]), strides=[scale, scale], group=groups)
    steps.crop(list(zip(offsets, ends)))
    return steps
