"""Decisions in words, the rows of an explanation: one function for each way in which a layer can move or stay."""

import dataclasses
import math
from collections.abc import Iterable

import keras
import numpy as np

from zoo import layers as zoo_layers
from zoo.identities.lr_convolution import is_same_padding
from zoo.rewrite.explanation import Row
from zoo.rewrite.facts import of_zoo_layer
from zoo.rewrite.find import Moved
from zoo.rewrite.plan import Decided, is_in_lr_space
from zoo.rewrite.words import by, described
from zoo.targets import xnnpack
from zoo.targets.choice import Choice
from zoo.targets.facts import Upsampling


def row_that_stays(path: str, layer, reason: str) -> Row:
    """A layer that is left as it is."""
    return Row(path + layer.name, described(layer), note=reason, weights=_count(layer))


def _count(layer) -> int:
    return layer.count_params() if getattr(layer, "weights", []) else 0


def rows_of(decided: Iterable[Decided], choice: Choice) -> list[Row]:
    """A row for each decision."""
    return [row_of(each, choice) for each in decided]


def row_of(decided: Decided, choice: Choice) -> Row:
    """The row of a decision, with what its facts say: expected times and the target's verdicts, before and after."""
    facts, layer = decided.facts, decided.node.operation
    if decided.replaced is None and type(layer) is zoo_layers.SubpixelUpsampler:
        return _of_zoo_layer(decided, of_zoo_layer(layer))
    if decided.replaced is None and is_in_lr_space(layer):
        return Row(decided.name, described(layer), action="already in LR space")
    if facts is None or decided.replaced is None:
        row = row_that_stays(decided.path, layer, decided.note)
    elif isinstance(decided.replaced, Moved):
        row = _of_moved(decided, decided.replaced, facts)
    elif isinstance(layer, zoo_layers.Upsampler):
        row = _of_zoo_layer(decided, facts)
    else:
        row = _of_enlargement(decided, facts)
    return row if facts is None else judged(row, facts, choice)


def judged(row: Row, facts: Upsampling, choice: Choice) -> Row:
    """The row with its facts, the times to expect and the target's verdicts."""
    faster = xnnpack.speedup(facts)
    return dataclasses.replace(
        row,
        facts=facts,
        faster=faster if math.isfinite(faster) else 0.0,
        verdict=choice.judge(facts),
        verdict_after=choice.verdict_after if row.becomes else "",
    )


def _of_moved(decided: Decided, moved: Moved, facts: Upsampling) -> Row:
    layer, lr, scale, outputs = moved.layer, moved.terms[0].lr, moved.scale, facts.outputs
    rows, columns = facts.kernel[:2] if facts.kernel else (1, 1)
    multiplications = rows * columns * facts.inputs * outputs
    lr_weights = sum(term.lr.kernel.size for term in moved.terms)
    rest = 0 if moved.rest_kernel is None else moved.rest_kernel.size
    biases = (outputs if moved.rest else outputs * scale**2) if layer.use_bias else 0
    between = [call.operation.name for term in moved.terms for call in term.between]
    notes = [decided.note] if decided.note else []
    notes += [f"{', '.join(between)} computed in LR space"] if between else []
    if moved.inexact:
        notes.append(f"differs in a border of {moved.inexact} HR px")
    methods = dict.fromkeys(term.method for term in moved.terms if term.method)
    enlargement = [f"{' and '.join(methods)} ×{scale}"] if methods else []
    return Row(
        decided.name,
        ", then ".join([*enlargement, described(layer)]),
        action="moved",
        becomes=_becomes(moved),
        note="; ".join(notes),
        macs=multiplications * (1 if facts.kind == "transposed" else scale**2),
        macs_quoted=multiplications * scale**2,
        macs_after=lr_weights,
        zeros=lr.zeros,
        taps=lr.used.size,
        inexact=facts.inexact,
        weights=layer.count_params(),
        weights_after=lr_weights + rest + biases,
    )


def _becomes(moved) -> str:
    lr = moved.terms[0].lr
    parts = [f"Conv2D {by(lr.kernel.shape[:2])}", f"DepthToSpace {lr.scale}"]
    if any(map(any, lr.pads)) and not is_same_padding(lr.kernel.shape[:2], lr.pads):
        parts.insert(0, "pad")
    if any(map(any, lr.crops)):
        parts.append("crop")
    if moved.rest:
        parts.append(f"Conv2D {by(moved.rest_kernel.shape[:2])} of the {moved.rest_kernel.shape[2]} HR maps + Add")
    return ", ".join(parts)


def _of_enlargement(decided: Decided, facts: Upsampling) -> Row:
    """An enlargement that becomes the zoo's `FixedUpsampler`."""
    macs = {"nearest": 0, "bilinear": 4, "bicubic": 16}[facts.kind] * facts.scale**2 * facts.inputs
    constants = math.prod(facts.lr_kernel or (0,))
    return Row(
        decided.name,
        described(decided.node.operation),
        action="swapped",
        becomes=f"FixedUpsampler {facts.kind}",
        note=decided.note,
        macs=macs,
        macs_quoted=macs,
        macs_after=constants,
        weights_after=constants,
    )


def _of_zoo_layer(decided: Decided, facts: Upsampling) -> Row:
    """One of the zoo's own layers, which need no new weights."""
    layer, moved = decided.node.operation, decided.replaced is not None
    hr_kernel, lr_kernel = facts.kernel or (), facts.lr_kernel or ()
    side, scale, window = layer.kernel_size, layer.scale, lr_kernel[0]
    hr, lr = math.prod(hr_kernel), math.prod(lr_kernel)
    interleaved = facts.kind == "zero_interleaved"
    return Row(
        decided.name,
        described(layer),
        action="moved" if moved else "already in LR space",
        becomes="SubpixelUpsampler" if moved else "",
        note="; ".join(filter(None, (decided.note, "the same weights, gathered in the LR layout"))),
        facts=facts,
        macs=(hr * scale**2 if interleaved else hr) if moved else lr,
        macs_quoted=hr * scale**2 if moved else lr,
        macs_after=lr,
        zeros=window**2 * scale**2 - side**2,
        taps=window**2 * scale**2,
        weights=layer.count_params(),
        weights_after=layer.count_params(),
    )


def row_of_contained(path: str, layer, sums: list, scale: int, enlarges: int) -> Row:
    """The row of a layer that `zoo.rewrite.whole` moved: sums of (value, `zoo.rewrite.containment.Contained`)."""
    contained = [each for _, each in sums]
    first, size = contained[0], sum(each.kernel.size for each in contained)
    kernel = getattr(layer, "kernel", None)
    # Per pixel of the LR map: a transposed convolution runs on the map it enlarges, any other on what comes out.
    scattered = isinstance(layer, (keras.layers.Conv2DTranspose, zoo_layers.Upsampler))
    grid = scale // enlarges if scattered and not isinstance(layer, zoo_layers.ResizeUpsampler) else scale
    if kernel is None:
        macs = size if first.taps > scale**2 else 0
    else:
        macs = int(np.prod(kernel.shape)) * grid**2
    groups = f", {first.groups} groups" if first.groups > 1 else ""
    return Row(
        path + layer.name,
        described(layer),
        action="moved",
        becomes=" + ".join(f"Conv2D {by(each.kernel.shape[:2])}{groups}" for each in contained),
        note="fixed weights" if kernel is None else "",
        macs=macs,
        macs_quoted=macs,
        macs_after=size,
        zeros=first.zeros,
        taps=first.taps,
        weights=layer.count_params(),
        weights_after=0 if kernel is None else size + (layer.bias.shape[0] * scale**2 if layer.use_bias else 0),
    )
