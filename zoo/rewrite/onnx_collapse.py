"""Convolutions of an ONNX file in a row without an activation, and branches that are added, as one."""

from typing import Any

import numpy as np

from zoo.graphs.onnx_graph import DOMAINS, OnnxGraph
from zoo.identities import collapse
from zoo.identities.collapse import Convolution
from zoo.rewrite.explanation import Row
from zoo.rewrite.linear import Run, Step, rows_of, runs
from zoo.rewrite.onnx_constants import Constant
from zoo.rewrite.onnx_find import padding_of
from zoo.rewrite.onnx_steps import Steps
from zoo.rewrite.tflite_constants import Stays


def collapsed(model: Any, border: str = "exact") -> list[Row]:
    """Changes an `onnx.ModelProto`: linear nodes of its main graph become one Conv where that is exact.

    Args:
        border: `"exact"`, or `"interior"` for k×k with k×k too.
    Returns:
        A row for each run, and for each pair of convolutions that stays two.
    """
    graph = OnnxGraph(model)
    nodes = {node.output[0]: node for node in graph.graph.node}
    found, apart = runs([step for node in nodes.values() if (step := _step(graph, node)) is not None], border)
    # The precision of what replaces a run is that of its convolutions: without one it stays.
    found = [run for run in found if _convolutions(run, nodes)]
    for run in found:
        _replace(graph, run, nodes)
    named = {step.name for run in found for step in run.steps} | {each.step.name for each in apart}
    left = [node for node in graph.graph.node if node.op_type == "BatchNormalization" and node.domain in DOMAINS]
    note = "what stands before and behind it is no convolution that could take it in"
    return rows_of(found, apart) + [
        Row(_name(node), node.op_type, note=note) for node in left if _name(node) not in named
    ]


def _name(node: Any) -> str:
    return node.name or node.output[0]


def _step(graph: OnnxGraph, node: Any) -> Step | None:
    if node.domain not in DOMAINS or node.op_type not in _READ or len(node.output) > 1:
        return None
    try:
        read = _READ[node.op_type](graph, node)
    except Stays:
        return None
    if read is None:
        return None
    reads, convolution, cost = read
    readers = graph.readers(node.output[0])
    return Step(_name(node), node.output[0], reads, convolution, cost, len(readers or ()) == 1)


def _convolution(graph: OnnxGraph, node: Any):
    options, weights = graph.attributes(node), Constant(graph, node.input[1])
    bias = Constant(graph, node.input[2]) if len(node.input) > 2 and node.input[2] else None
    plain, groups = {*options.get("strides", [1, 1]), *options.get("dilations", [1, 1])} == {1}, options.get("group", 1)
    if not plain or weights.quantized or weights.values.ndim != 4:
        return None
    # ONNX has (O, I / groups, Ky, Kx).
    kernel = weights.values.astype(np.float64).transpose(2, 3, 1, 0)
    convolution = collapse.same(kernel, None if bias is None else bias.values)
    if groups > 1:
        convolution = convolution._replace(kernel=collapse.by_group(kernel, groups))
    pads = padding_of(options, [side - 1 for side in kernel.shape[:2]])
    return (node.input[0],), convolution._replace(pads=pads), kernel.size


def _normalization(graph: OnnxGraph, node: Any):
    options = graph.attributes(node)
    if options.get("training_mode", 0):
        return None
    gamma, beta, mean, variance = (Constant(graph, name).values.astype(np.float64) for name in node.input[1:5])
    convolution = collapse.batch_normalization(gamma, beta, mean, variance, options.get("epsilon", 1e-5))
    return (node.input[0],), convolution, len(beta)


def _arithmetic(graph: OnnxGraph, node: Any):
    constants = [graph.constant(name) for name in node.input]
    moving = [name for name, constant in zip(node.input, constants) if constant is None]
    if len(moving) == 2:
        return (tuple(moving), None, 0) if node.op_type == "Add" else None
    if len(moving) != 1 or (node.op_type == "Sub" and moving[0] != node.input[0]):
        return None
    (values,) = [each for each in constants if each is not None]
    # A value a channel: (C, 1, 1), with or without the batch's axis.
    if values.ndim not in (3, 4) or values.size < 2 or values.shape[-3] != values.size:
        return None
    # A map of one channel, or of no known number, would get as many.
    if [*graph.shape(moving[0]), None, None][1] != values.size:
        return None
    values = values.reshape(-1).astype(np.float64)
    gain = values if node.op_type == "Mul" else np.ones_like(values)
    added = {"Mul": np.zeros_like(values), "Add": values, "Sub": -values}[node.op_type]
    return tuple(moving), Convolution(np.diag(gain)[None, None], added), len(values) * (node.op_type == "Mul")


_READ = {
    "Conv": _convolution,
    "BatchNormalization": _normalization,
    "Add": _arithmetic,
    "Sub": _arithmetic,
    "Mul": _arithmetic,
}


def _convolutions(run: Run, nodes: dict[str, Any]) -> list[Any]:
    """Those that a run replaces."""
    return [nodes[step.output] for step in run.steps if nodes[step.output].op_type == "Conv"]


def _replace(graph: OnnxGraph, run: Run, nodes: dict[str, Any]) -> None:
    kernel, groups, (_, bias, pads) = run.convolution.flat, run.convolution.groups, run.convolution
    last = nodes[run.steps[0].output]
    dtype = Constant(graph, _convolutions(run, nodes)[0].input[1]).dtype
    steps = Steps(graph, f"{run.steps[0].name}_one", run.source)
    if run.shift is not None:
        steps.add("Sub", steps.constant("shift", run.shift.reshape(1, -1, 1, 1).astype(dtype)))
    constants = [
        steps.constant("weights", np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)).astype(dtype)),
        steps.constant("bias", bias.astype(dtype)),
    ]
    around = [pair[end] for end in (0, 1) for pair in pads]
    steps.add("Conv", *constants, kernel_shape=list(kernel.shape[:2]), pads=around, group=groups)
    steps.replace([last])
    graph.drop_unused([nodes[step.output] for step in run.steps[1:]])
