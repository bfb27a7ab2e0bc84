"""The deconvolutions of an ONNX file as convolutions in LR space: the same function, computed right everywhere.

    before: x → ConvTranspose → y;   x → Resize (nearest), or what repeats pixels otherwise → Conv → y
    after:  x → (Slice) → Conv → DepthToSpace → (Slice) → y

A PixelShuffle that an exporter spelt as Reshape, Transpose, Reshape becomes one DepthToSpace.
"""

from typing import Any

import numpy as np

from zoo.graphs.onnx_graph import DOMAINS, OnnxGraph, package
from zoo.identities.lr_convolution import LrConvolution, lr_convolution
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
    forms = [lr_convolution(group) for group in each.groups]
    lr, scale, weights = forms[0], each.groups[0].scale, each.weights
    copies, several = scale**2, len(forms) > 1
    outputs = lr.kernel.shape[3] // copies * len(forms)
    # The groups' maps come one group after the other: with each map's phases together, that is the order CRD.
    kernel = np.concatenate([_by_map(form, copies) if several else form.kernel for form in forms], axis=3)
    channels = np.arange(outputs).repeat(copies) if several else np.tile(np.arange(outputs), copies)
    steps = Steps(graph, f"{name}_lr", each.image)
    if each.spelt_out and each.spelt_out.channels_last:
        steps.add("Transpose", perm=[0, 3, 1, 2])
    steps.crop([(max(-start, 0), max(-end, 0)) for start, end in lr.pads])
    # ONNX has (O, I / groups, Ky, Kx).
    inputs = [weights.again(steps, "weights", kernel.transpose(3, 2, 0, 1), channels)]
    if each.bias is not None:
        inputs.append(each.bias.again(steps, "bias", each.bias.values[channels], channels))
    pads = [max(pair[end], 0) for end in (0, 1) for pair in lr.pads]
    sides = list(lr.kernel.shape[:2])
    steps.add("Conv", *inputs, kernel_shape=sides, pads=pads, group=len(forms))
    if weights.quantized:
        _quantized_as(graph, steps, each.node.output[0])
    if scale > 1:
        steps.add("DepthToSpace", blocksize=scale, mode="CRD" if several else "DCR")
    steps.crop(lr.crops)
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


def _row(name: str, each: Enlargement, lr: LrConvolution, groups: int) -> Row:
    held, scale = each.weights.values, lr.scale
    transposed = each.enlargement is None and each.spelt_out is None
    copies, sides = scale**2, lr.kernel.shape[:2]
    outputs = lr.kernel.shape[3] // copies * groups
    after = lr.kernel.size * groups
    what = "ConvTranspose" if transposed else f"{'pixels repeated' if each.spelt_out else 'Resize'}, Conv"
    what += f" {held.shape[2]}×{held.shape[3]}{f', {groups} groups' if groups > 1 else ''}"
    what += f", {each.weights.dtype}" if each.weights.quantized else ""
    ky, kx = held.shape[2:]
    macs = held.size * (1 if transposed else copies)
    shape = (*sides, lr.kernel.shape[2], lr.kernel.shape[3] * groups)
    shuffled = f", DepthToSpace {scale}" if scale > 1 else ""
    cropped = any(map(any, lr.crops))
    return Row(
        name,
        what,
        action="moved",
        becomes=f"Conv {sides[0]}×{sides[1]}{shuffled}{', crop' if cropped else ''}",
        facts=Upsampling(
            "transposed" if transposed else "resized",
            scale,
            lr.kernel.shape[2] * groups,
            outputs,
            kernel=(ky, kx, outputs, lr.kernel.shape[2]) if transposed else (ky, kx, lr.kernel.shape[2], outputs),
            lr_kernel=shape,
            cropped=cropped,
        ),
        macs=macs,
        macs_quoted=held.size * copies,
        macs_after=after,
        zeros=lr.zeros,
        taps=lr.used.size,
        weights=held.size,
        weights_after=after,
    )


def _by_map(form: LrConvolution, copies: int) -> np.ndarray:
    """A kernel whose output maps are ordered by map, then phase."""
    phases = form.kernel.reshape(*form.kernel.shape[:3], copies, -1)
    return phases.swapaxes(3, 4).reshape(form.kernel.shape)
