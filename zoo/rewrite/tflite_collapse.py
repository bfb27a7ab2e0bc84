"""Convolutions of a TFLite file in a row without an activation, and branches that are added, as one; float files."""

import numpy as np

from zoo.graphs.tflite import File, Graph, Operation, Tensor, schema
from zoo.identities import collapse
from zoo.identities.collapse import Convolution
from zoo.rewrite.explanation import Row
from zoo.rewrite.linear import Run, Step, rows_of, runs
from zoo.rewrite.tflite_constants import Constant, Stays
from zoo.rewrite.tflite_steps import Steps

_FUSED = "fusedActivationFunction"


def collapsed(file: File, border: str = "exact") -> list[Row]:
    """Changes a file: linear operations become one convolution where that is exact and multiplies no more.

    Args:
        border: `"exact"`, or `"interior"` for k×k with k×k too.
    Returns:
        A row for each run, and for each pair of convolutions that stays two.

    Raises:
        UsageError: a file of several graphs.
    """
    graph = file.only_graph
    steps = [step for operation in graph.operations if (step := _step(graph, operation)) is not None]
    found, apart = runs(steps, border)
    for run in found:
        _replace(graph, run)
    return rows_of(found, apart) + _of_integers(graph)


def _of_integers(graph: Graph) -> list[Row]:
    """Rows of convolutions of integers in a row without an activation."""
    rows = []
    for operation in graph.operations:
        if operation.name != "CONV_2D" or operation.inputs[0] is None or operation.inputs[0].dtype == "float32":
            continue
        before = graph.producer(operation.inputs[0])
        if before is not None and before.name == "CONV_2D" and not getattr(before.options, _FUSED, 0):
            output = operation.outputs[0]
            note = "the map between the two is rounded to integers, which one convolution would not do"
            rows.append(
                Row(
                    output.name if output is not None else "",
                    f"CONV_2D after CONV_2D, {operation.inputs[0].dtype}",
                    note=note,
                )
            )
    return rows


def _step(graph: Graph, operation: Operation) -> Step | None:
    """What a float operation on pictures is, if it is linear."""
    output = operation.outputs[0]
    if output is None or output.dtype != "float32" or len(output.shape) != 4:
        return None
    try:
        found = _READ[operation.name](graph, operation) if operation.name in _READ else None
    except (Stays, ValueError):
        return None
    if found is None:
        return None
    reads, convolution, cost = found
    once = len(graph.readers(output)) == 1 and output not in graph.outputs
    activated = getattr(operation.options, _FUSED, 0) != 0
    return Step(output.name, output, reads, convolution, cost, once, activated)


def _convolution(graph: Graph, operation: Operation):
    options, (image, weights, *bias) = operation.options, operation.inputs
    depthwise = operation.name == "DEPTHWISE_CONV_2D"
    if (options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor) != (1, 1, 1, 1):
        return None
    if image.dtype != "float32" or (weights.shape[3] != image.shape[3] and not depthwise):
        return None
    constants = [Constant(graph, tensor) for tensor in (weights, *bias) if tensor is not None]
    if any(each.values.dtype.kind != "f" for each in constants):
        return None
    # (O, Ky, Kx, I), or (1, Ky, Kx, O) with the maps of a channel one after another.
    kernel = constants[0].values.astype(np.float64).transpose((1, 2, 0, 3) if depthwise else (1, 2, 3, 0))
    added = constants[1].values if len(constants) > 1 else None
    convolution = collapse.same(kernel, added)
    if depthwise and image.shape[3] > 1:
        convolution = convolution._replace(kernel=collapse.by_group(kernel, image.shape[3]))
    if options.padding == schema.Padding.VALID:
        convolution = convolution._replace(pads=((0, 0), (0, 0)))
    return (image,), convolution, kernel.size


def _arithmetic(graph: Graph, operation: Operation):
    first, second = operation.inputs
    output = operation.outputs[0]
    moving = [each for each in (first, second) if not _is_constant(graph, each)]
    if len(moving) == 2 and operation.name == "ADD" and first.shape == second.shape == output.shape:
        return tuple(moving), None, 0
    if len(moving) != 1 or moving[0].shape != output.shape or (operation.name == "SUB" and moving[0] is second):
        return None
    constant = second if moving[0] is first else first
    channels = output.shape[3]
    values = Constant(graph, constant).values.astype(np.float64)
    if values.size not in (1, channels) or (values.size > 1 and values.shape[-1] != channels):
        return None
    values = np.broadcast_to(values.reshape(-1), channels)
    ones, zeros = np.ones(channels), np.zeros(channels)
    gain = values if operation.name == "MUL" else ones
    added = {"MUL": zeros, "ADD": values, "SUB": -values}[operation.name]
    return tuple(moving), Convolution(np.diag(gain)[None, None], added), channels * (operation.name == "MUL")


def _padding(graph: Graph, operation: Operation):
    image, amounts = operation.inputs[:2]
    pads = np.asarray(amounts.values)
    if pads.shape != (4, 2) or np.any(pads[[0, 3]]):
        return None
    rows, columns = ((int(before), int(after)) for before, after in pads[1:3])
    return (image,), collapse.skip(image.shape[3])._replace(pads=(rows, columns)), 0


def _is_constant(graph: Graph, tensor: Tensor) -> bool:
    producer = graph.producer(tensor)
    return tensor.constant or (producer is not None and producer.name == "DEQUANTIZE" and producer.inputs[0].constant)


_READ = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "ADD": _arithmetic,
    "SUB": _arithmetic,
    "MUL": _arithmetic,
    "PAD": _padding,
}


def _replace(graph: Graph, run: Run) -> None:
    output = run.steps[0].output
    operation = next(each for each in graph.operations if output in each.outputs)
    kernel, groups, (_, bias, pads) = run.convolution.flat, run.convolution.groups, run.convolution
    # Only depthwise convolutions are read in groups; theirs are (1, Ky, Kx, O).
    held = kernel.transpose((2, 0, 1, 3) if groups > 1 else (3, 0, 1, 2))
    weights = Tensor(f"{output.name}/weights", held.shape, values=held)
    added = Tensor(f"{output.name}/bias", bias.shape, values=bias)
    steps = Steps([], run.source, output)
    if run.shift is not None:
        shift = Tensor(f"{output.name}/shift", run.shift.shape, values=run.shift)
        steps.add("SUB", [run.source, shift], schema.SubOptionsT(), run.source.shape)
    steps.crop([(max(-before, 0), max(-after, 0)) for before, after in pads])
    zeros = tuple((max(before, 0), max(after, 0)) for before, after in pads)
    steps.convolve(weights, added, zeros, kernel.shape, getattr(operation.options, _FUSED, 0), depthwise=groups > 1)
    steps.replace_in(graph, operation)
