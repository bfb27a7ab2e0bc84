"""The deconvolutions of an ONNX file as convolutions in LR space: the same function, computed right everywhere.

    before: x → ConvTranspose → y;   x → Resize (nearest), or what repeats pixels otherwise → Conv → y
    after:  x → (Slice) → Conv → DepthToSpace → (Slice) → y

Where strides differ, and for sequences, Reshape, Transpose, Reshape are the shuffle.

A PixelShuffle that an exporter spelt as Reshape, Transpose, Reshape becomes one DepthToSpace.
"""

import math
from typing import Any

import numpy as np

from zoo.graphs.onnx_graph import DOMAINS, OnnxGraph, package
from zoo.identities.axes import InLrSpace
from zoo.rewrite.explanation import Row
from zoo.rewrite.onnx_find import Enlargement, deconvolution, hidden, left_copies, resized, shuffle, why_not_moved
from zoo.rewrite.onnx_steps import Steps
from zoo.rewrite.tflite_constants import Stays
from zoo.targets.facts import Upsampling


def to_lr_space(model: Any) -> list[Row]:
    """Changes an `onnx.ModelProto`: what enlarges in its main graph is computed in LR space.

    Returns:
        A row for each: what becomes of it, or why it stays.

    References: arXiv 1609.07009.
    """
    graph = OnnxGraph(model)
    rows, taken = hidden(graph, ("ConvTranspose", "Resize", "Upsample")), set()
    for node in list(graph.graph.node):
        if node.domain not in DOMAINS or node.op_type not in ("ConvTranspose", "Conv", "Reshape"):
            continue
        name = node.name or node.output[0]
        try:
            if node.op_type == "Reshape":
                if found := shuffle(graph, node):
                    rows.append(_shuffled(graph, name, *found))
            elif each := deconvolution(graph, node) if node.op_type == "ConvTranspose" else resized(graph, node):
                taken |= {each.enlargement.output[0]} if each.enlargement else set()
                rows.append(_moved(graph, name, each))
        except Stays as reason:
            taken.add(node.input[0])
            what = {"Conv": "Resize, Conv", "Reshape": "Reshape, Transpose, Reshape"}.get(node.op_type, node.op_type)
            rows.append(Row(name, what, note=str(reason)))
    enlargements = [each for each in graph.graph.node if each.op_type == "Resize" and each.domain in DOMAINS]
    graph.drop_unused(enlargements)
    left = [each for each in graph.graph.node if each.op_type == "Resize" and each.output[0] not in taken]
    rows += [Row(each.name or each.output[0], "Resize", note=why_not_moved(graph, each)) for each in left]
    return rows + left_copies(graph)


def _shuffled(graph: OnnxGraph, name: str, nodes: list[Any], block: int, mode: str) -> Row:
    make = package().helper.make_node
    output = nodes[-1].output[0]
    new = make("DepthToSpace", [nodes[0].input[0]], [output], name=name, blocksize=block, mode=mode)
    graph.replace(nodes, [new])
    becomes = f"DepthToSpace {block} ({mode})"
    return Row(name, "Reshape, Transpose, Reshape", action="moved", becomes=becomes)


def _moved(graph: OnnxGraph, name: str, each: Enlargement) -> Row:
    forms, lr, weights = each.forms, each.forms[0], each.weights
    copies, differ = math.prod(lr.scales), lr.scales[0] != lr.scales[1]
    together = len(forms) > 1 or differ
    outputs = lr.kernel.shape[3] // copies * len(forms)
    # The groups' maps come one group after the other: with each map's phases together, that is the order CRD.
    kernel = np.concatenate([_by_map(form, copies) if together else form.kernel for form in forms], axis=3)
    channels = np.arange(outputs).repeat(copies) if together else np.tile(np.arange(outputs), copies)
    kernel, first = (kernel[0], 1) if each.sequence else (kernel, 0)
    around, scales, crops = lr.pads[first:], lr.scales[first:], lr.crops[first:]
    steps = Steps(graph, f"{name}_lr", each.image)
    if each.spelt_out and each.spelt_out.channels_last:
        steps.add("Transpose", perm=[0, 3, 1, 2])
    steps.crop([(max(-start, 0), max(-end, 0)) for start, end in around])
    # ONNX has (O, I / groups, Ky, Kx).
    inputs = [weights.again(steps, "weights", np.moveaxis(kernel, (-1, -2), (0, 1)), channels)]
    if each.bias is not None:
        inputs.append(each.bias.again(steps, "bias", each.bias.values[channels], channels))
    pads = [max(pair[end], 0) for end in (0, 1) for pair in around]
    sides = kernel.shape[:-2]
    steps.add("Conv", *inputs, kernel_shape=list(sides), pads=pads, group=len(forms))
    if weights.quantized:
        _quantized_as(graph, steps, each.node.output[0])
    if differ:
        given = [*graph.shape(each.image), *[None] * 4][2 : 2 + len(sides)]
        grown = [None if side is None else side + sum(p) - k + 1 for side, p, k in zip(given, around, sides)]
        steps.shuffle_by_transpose(scales, outputs, grown)
    elif copies > 1:
        steps.add("DepthToSpace", blocksize=scales[0], mode="CRD" if together else "DCR")
    steps.crop(crops)
    steps.replace([each.node])
    if each.spelt_out:
        graph.drop_unused(each.spelt_out.nodes[::-1])
    return _row(name, each, lr, len(forms))


def _quantized_as(graph: OnnxGraph, steps: Steps, output: str) -> None:
    """The levels that the result is rounded to, put before the shuffle, so that engines see a quantized Conv."""
    readers = graph.readers(output) or []
    if len(readers) == 1 and readers[0].op_type == "QuantizeLinear":
        levels = list(readers[0].input[1:])
        steps.add("QuantizeLinear", *levels)
        steps.add("DequantizeLinear", *levels)


def _row(name: str, each: Enlargement, lr: InLrSpace, groups: int) -> Row:
    held, first = each.weights.values, 1 if each.sequence else 0
    transposed = each.enlargement is None and each.spelt_out is None
    copies, sides, differ = math.prod(lr.scales), lr.kernel.shape[:2], lr.scales[0] != lr.scales[1]
    outputs = lr.kernel.shape[3] // copies * groups
    after = lr.kernel.size * groups
    what = "ConvTranspose" if transposed else f"{'pixels repeated' if each.spelt_out else 'Resize'}, Conv"
    what += f" {'×'.join(map(str, held.shape[2:]))}{f', {groups} groups' if groups > 1 else ''}"
    what += f", {each.weights.dtype}" if each.weights.quantized else ""
    ky, kx = (1, *held.shape[2:])[-2:]
    macs = held.size * (1 if transposed else copies)
    shape = (*sides, lr.kernel.shape[2], lr.kernel.shape[3] * groups)
    shuffle_of_one = f", DepthToSpace {lr.scales[0]}" if copies > 1 else ""
    shuffled = ", Reshape, Transpose, Reshape" if differ else shuffle_of_one
    cropped = any(map(any, lr.crops))
    return Row(
        name,
        what,
        action="moved",
        becomes=f"Conv {'×'.join(map(str, sides[first:]))}{shuffled}{', crop' if cropped else ''}",
        facts=Upsampling(
            "transposed" if transposed else "resized",
            max(lr.scales),
            lr.kernel.shape[2] * groups,
            outputs,
            kernel=(ky, kx, outputs, lr.kernel.shape[2]) if transposed else (ky, kx, lr.kernel.shape[2], outputs),
            lr_kernel=shape,
            cropped=cropped,
            scales=lr.scales if differ else (),
        ),
        macs=macs,
        macs_quoted=held.size * copies,
        macs_after=after,
        zeros=lr.zeros,
        taps=lr.used.size,
        weights=held.size,
        weights_after=after,
    )


def _by_map(form: InLrSpace, copies: int) -> np.ndarray:
    """A kernel whose output maps are ordered by map, then phase."""
    phases = form.kernel.reshape(*form.kernel.shape[:3], copies, -1)
    return phases.swapaxes(3, 4).reshape(form.kernel.shape)
