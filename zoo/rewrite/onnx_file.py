"""The deconvolutions of an ONNX file as convolutions in LR space: the same function, computed right everywhere.

    before: x → ConvTranspose → y;            x → Resize (nearest) → Conv → y
    after:  x → (Slice) → Conv → DepthToSpace → (Slice) → y

A PixelShuffle that an exporter spelt as Reshape, Transpose, Reshape becomes one DepthToSpace.
"""

from typing import Any

import numpy as np

from zoo.graphs.onnx_graph import OnnxGraph, package
from zoo.identities.lr_convolution import LrConvolution, lr_convolution
from zoo.rewrite.explanation import Row
from zoo.rewrite.onnx_find import Enlargement, deconvolution, resized, shuffle
from zoo.rewrite.tflite_constants import Stays

_END = np.iinfo(np.int64).max


def to_lr_space(model: Any) -> list[Row]:
    """Changes an `onnx.ModelProto`: what enlarges in its main graph is computed in LR space.

    Returns:
        A row for each: what becomes of it, or why it stays.

    References: arXiv 1609.07009.
    """
    graph = OnnxGraph(model)
    rows = [
        Row(node.name or node.output[0], node.op_type, note="it is in a subgraph or function, which are left alone")
        for node in graph.hidden()
        if node.op_type == "ConvTranspose"
    ]
    for node in list(graph.graph.node):
        if node.domain not in ("", "ai.onnx") or node.op_type not in ("ConvTranspose", "Conv", "Reshape"):
            continue
        name = node.name or node.output[0]
        try:
            if node.op_type == "Reshape":
                if found := shuffle(graph, node):
                    rows.append(_shuffled(graph, name, *found))
            elif each := deconvolution(graph, node) if node.op_type == "ConvTranspose" else resized(graph, node):
                rows.append(_moved(graph, name, each))
        except Stays as reason:
            what = {"Conv": "Resize, Conv", "Reshape": "Reshape, Transpose, Reshape"}.get(node.op_type, node.op_type)
            rows.append(Row(name, what, note=str(reason)))
    return rows


def _shuffled(graph: OnnxGraph, name: str, nodes: list[Any], block: int, mode: str) -> Row:
    make = package().helper.make_node
    output = nodes[-1].output[0]
    new = make("DepthToSpace", [nodes[0].input[0]], [output], name=name, blocksize=block, mode=mode)
    graph.replace(nodes, [new])
    becomes = f"DepthToSpace {block} ({mode})"
    return Row(name, "Reshape, Transpose, Reshape", action="moved", becomes=becomes, scale=block)


def _moved(graph: OnnxGraph, name: str, each: Enlargement) -> Row:
    forms = [lr_convolution(group) for group in each.groups]
    lr, node, scale = forms[0], each.nodes[-1], each.groups[0].scale
    transposed, copies, several = len(each.nodes) == 1, scale**2, len(forms) > 1
    outputs = lr.kernel.shape[3] // copies * len(forms)
    # The groups' maps come one group after the other: with each map's phases together, that is the order CRD.
    weights = np.concatenate([_by_map(form, copies) if several else form.kernel for form in forms], axis=3)
    kept = np.ascontiguousarray(weights.transpose(3, 2, 0, 1)).astype(each.weights.dtype)
    inputs = [graph.add_constant(f"{name}_lr_weights", kept)]
    make, before = package().helper.make_node, []
    if len(node.input) > 2 and node.input[2]:
        bias = graph.constant(node.input[2])
        if bias is None:
            raise Stays("its bias is computed, quantized or given in each run")
        inputs.append(graph.add_constant(f"{name}_lr_bias", bias.repeat(copies) if several else np.tile(bias, copies)))
    image, output = each.nodes[0].input[0], node.output[0]

    def step(kind: str, *names: str, **options: Any) -> str:
        nonlocal before
        result = graph.name(f"{name}_{kind}")
        before.append(make(kind, list(names), [result], name=result, **options))
        return result

    def crop(value: str, cuts: list[tuple[int, int]]) -> str:
        if not any(map(any, cuts)):
            return value
        ends = [-end if end else _END for _, end in cuts]
        numbers = {"starts": [start for start, _ in cuts], "ends": ends, "axes": [2, 3]}
        given = [graph.add_constant(f"{name}_{key}", np.asarray(side, np.int64)) for key, side in numbers.items()]
        return step("Slice", value, *given)

    value = crop(image, [(max(-start, 0), max(-end, 0)) for start, end in lr.pads])
    pads = [max(pair[end], 0) for end in (0, 1) for pair in lr.pads]
    sides = list(lr.kernel.shape[:2])
    value = step("Conv", value, *inputs, kernel_shape=sides, pads=pads, group=len(forms))
    if scale > 1:
        value = step("DepthToSpace", value, blocksize=scale, mode="CRD" if several else "DCR")
    crop(value, list(lr.crops))
    before[-1].output[0] = output
    graph.replace(each.nodes, before)
    ky, kx = each.weights.shape[2:]
    macs = each.weights.size * (1 if transposed else copies)
    shape = (*lr.kernel.shape[:2], lr.kernel.shape[2], lr.kernel.shape[3] * len(forms))
    shuffled = f", DepthToSpace {scale}" if scale > 1 else ""
    cropped = any(map(any, lr.crops))
    return Row(
        name,
        f"{'ConvTranspose' if transposed else 'Resize, Conv'} {ky}×{kx}{f', {len(forms)} groups' if several else ''}",
        action="moved",
        becomes=f"Conv {sides[0]}×{sides[1]}{shuffled}{', crop' if cropped else ''}",
        kernel=(ky, kx, outputs, lr.kernel.shape[2]) if transposed else (ky, kx, lr.kernel.shape[2], outputs),
        lr_kernel=shape,
        kind="transposed" if transposed else "resized",
        scale=scale,
        inputs=lr.kernel.shape[2] * len(forms),
        outputs=outputs,
        macs=macs,
        macs_quoted=each.weights.size * copies,
        macs_after=kept.size,
        zeros=lr.zeros,
        taps=lr.used.size,
        weights=each.weights.size,
        weights_after=kept.size,
        cropped=cropped,
    )


def _by_map(form: LrConvolution, copies: int) -> np.ndarray:
    """A kernel whose output maps are ordered by map, then phase."""
    phases = form.kernel.reshape(*form.kernel.shape[:3], copies, -1)
    return phases.swapaxes(3, 4).reshape(form.kernel.shape)
