"""The deconvolutions of a TFLite file as convolutions in LR space: the same function, computed right everywhere.

    before: x → TRANSPOSE_CONV or MediaPipe's Convolution2DTransposeBias → y
    after:  x → (STRIDED_SLICE, PAD) → CONV_2D → DEPTH_TO_SPACE → (STRIDED_SLICE) → y

Where strides differ RESHAPE, TRANSPOSE, RESHAPE of rank 4 are the shuffle; with stride (1, s), as of sequences, one
RESHAPE.

The weights are the same numbers in another order, so that integers stay the same to the bit where a runtime rounds both
operations alike. What computed a deconvolution's output size goes with it.
"""

import math
from typing import Any

import numpy as np

from zoo.graphs.tflite import File, Graph
from zoo.identities.axes import InLrSpace, along_axes
from zoo.identities.lr_convolution import Transposed, lr_convolution
from zoo.rewrite.explanation import Row
from zoo.rewrite.tflite_constants import Constant, Stays, no_bias
from zoo.rewrite.tflite_find import Deconvolution, Geometry, at_sizes, deconvolutions, geometries
from zoo.rewrite.tflite_moves import Interleaved
from zoo.rewrite.tflite_resized import Resized, left, lr_form, resized, scales
from zoo.rewrite.tflite_shuffles import copies, left_copies, of_zeros_between, shuffled, zeros_between
from zoo.rewrite.tflite_steps import CONVOLUTIONS, Steps
from zoo.targets.facts import Upsampling

# Of operations that move pixels, those whose effect depends on the picture's size, or that need a batch of one.
_MOVERS = ("RESHAPE", "TRANSPOSE", "DEPTH_TO_SPACE")


def to_lr_space(file: File) -> list[Row]:
    """Changes a file: deconvolutions, and enlargements by repetition or zeros with their convolutions, go to LR space.

    Shuffles that are spelt as RESHAPE and TRANSPOSE become DEPTH_TO_SPACE.

    Returns:
        A row for each: what becomes of it, or why it stays.

    Raises:
        UsageError: a file of several graphs, as control flow and several signatures make them.

    References: arXiv 1609.07009.
    """
    graph, found, enlarged = file.only_graph, deconvolutions(file), resized(file)
    # All sizes and places first: they are read from the file as it was.
    sized = at_sizes(file) if any(each.name in _MOVERS for each in graph.operations) else []
    ways: list[tuple[Any, Any]] = [*zip(found, geometries(file, found)), *zip(enlarged, scales(file, enlarged))]
    ways += [*zeros_between(graph, sized), *copies(graph, sized)]
    rows = left_copies(graph, sized) + left(graph, enlarged) + shuffled(graph, sized)
    for each, how in ways:
        rows.append(moved(graph, each, how))
    return rows


def moved(graph: Graph, each: Deconvolution | Resized, how: Any) -> Row:
    """One of them in LR space, and its row; `how` is what `geometries`, `scales` or a move said of it."""
    name, description = each.operation.outputs[0].name, str(each)
    form: Any = of_zeros_between if isinstance(how, Interleaved) else lr_form
    if isinstance(each, Deconvolution):
        form = _lr_form
    try:
        lr, constants = form(graph, each, how)
    except Stays as reason:
        return Row(name, description, note=str(reason))
    row = _row(name, description, each, lr, constants)
    _replace(graph, each, lr, constants)
    return row


def _lr_form(graph: Graph, each: Deconvolution, geometry: Geometry | Stays) -> tuple[InLrSpace, list[Constant]]:
    """Its LR convolution in the numbers that the file holds, less their zero points."""
    if isinstance(geometry, Stays):
        raise geometry
    if each.image.dtype not in CONVOLUTIONS or len(each.image.shape) != 4:
        raise Stays(f"DEPTH_TO_SPACE does not compute in {each.image}")
    constants = [Constant(graph, tensor) for tensor in (each.weights, each.bias) if tensor is not None]
    if each.image.dtype == "float32" and constants[0].rounds_image:
        # Both round a float image to integers on the way, and not alike where the weights have one scale.
        raise Stays("LiteRT's two operations round a float image differently beside int8 weights of one scale")
    zeros = constants[0].zeros.reshape(-1, 1, 1, 1)
    # TFLite has (O, Ky, Kx, I).
    kernel = (constants[0].values.astype(np.float64) - zeros).transpose(1, 2, 0, 3)
    if len(set(each.strides)) > 1:
        return along_axes(kernel, each.strides, *geometry), constants
    taps = np.ones(kernel.shape[:2], bool)
    return lr_convolution(Transposed(kernel, each.strides[0], *geometry, taps)), constants


def _kind(each: Deconvolution | Resized) -> str:
    if isinstance(each, Deconvolution):
        return "transposed"
    return "resized" if each.repeats else "zero_interleaved"


def _row(name: str, description: str, each: Deconvolution | Resized, lr: InLrSpace, constants) -> Row:
    outputs, ky, kx, inputs = each.weights.shape
    transposed = isinstance(each, Deconvolution)
    # A convolution in HR space multiplies at every HR pixel.
    phases, differ = math.prod(lr.scales), lr.scales[0] != lr.scales[1]
    macs = ky * kx * inputs * outputs * (1 if transposed else phases)
    cropped = any(map(any, lr.crops))
    shuffle = f", DEPTH_TO_SPACE {lr.scales[0]}" if phases > 1 else ""
    if differ:
        shuffle = ", RESHAPE" if lr.scales[0] == 1 else ", RESHAPE, TRANSPOSE, RESHAPE"
    return Row(
        name,
        description,
        action="moved",
        becomes=f"CONV_2D {lr.kernel.shape[0]}×{lr.kernel.shape[1]}{shuffle}{', crop' if cropped else ''}",
        facts=Upsampling(
            _kind(each),
            max(lr.scales),
            inputs,
            outputs,
            kernel=(ky, kx, outputs, inputs) if transposed else (ky, kx, inputs, outputs),
            lr_kernel=lr.kernel.shape,
            cropped=cropped,
            scales=lr.scales if differ else (),
        ),
        macs=macs,
        macs_quoted=ky * kx * inputs * outputs * phases,
        macs_after=lr.kernel.size,
        zeros=lr.zeros,
        taps=lr.used.size,
        weights=sum(constant.values.size for constant in constants),
        weights_after=lr.kernel.size + outputs * phases,
    )


def _replace(graph: Graph, each: Deconvolution | Resized, lr: InLrSpace, constants: list[Constant]) -> None:
    (output,) = each.operation.outputs
    name, copies, channels = output.name, math.prod(lr.scales), lr.kernel.shape[3]
    first, *others = constants
    zeros = np.tile(first.zeros, copies if len(first.zeros) > 1 else 1).reshape(-1, 1, 1, 1)
    phases = np.tile(np.arange(channels // copies), copies)
    weights, before = first.again(f"{name}/weights", lr.kernel.transpose(3, 0, 1, 2) + zeros, phases)
    if others:
        bias, more = others[0].again(f"{name}/bias", np.tile(others[0].values, copies), phases)
        before += more
    else:
        bias = no_bias(f"{name}/bias", each.image, weights, channels)
    steps = Steps(before, each.image, output)
    steps.crop([(max(-start, 0), max(-end, 0)) for start, end in lr.pads])
    zeros_around = tuple((max(start, 0), max(end, 0)) for start, end in lr.pads)
    steps.convolve(weights, bias, zeros_around, lr.kernel.shape, each.activation)
    if lr.scales[0] != lr.scales[1]:
        steps.shuffle_by_transpose(lr.scales)
    elif copies > 1:
        steps.shuffle(lr.scales[0])
    steps.crop(lr.crops)
    steps.replace_in(graph, each.operation)
