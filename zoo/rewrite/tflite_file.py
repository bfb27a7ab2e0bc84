"""The deconvolutions of a TFLite file as convolutions in LR space: the same function, computed right everywhere.

    before: x → TRANSPOSE_CONV or MediaPipe's Convolution2DTransposeBias → y
    after:  x → (STRIDED_SLICE, PAD) → CONV_2D → DEPTH_TO_SPACE → (STRIDED_SLICE) → y

The weights are the same numbers in another order, so that integers stay the same to the bit where a runtime rounds both
operations alike. What computed a deconvolution's output size goes with it.
"""

from typing import Any

import numpy as np

from zoo.graphs.tflite import File, Graph
from zoo.identities.lr_convolution import LrConvolution, Transposed, lr_convolution
from zoo.rewrite.explanation import Row
from zoo.rewrite.tflite_constants import Constant, Stays, no_bias
from zoo.rewrite.tflite_find import Deconvolution, Geometry, at_sizes, deconvolutions, geometries
from zoo.rewrite.tflite_moves import Interleaved
from zoo.rewrite.tflite_resized import Resized, lr_form, resized, scales
from zoo.rewrite.tflite_shuffles import copies, left_copies, of_zeros_between, shuffled, zeros_between
from zoo.rewrite.tflite_steps import CONVOLUTIONS, Steps
from zoo.targets.facts import Upsampling


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
    sized = at_sizes(file) if any(each.name in ("RESHAPE", "TRANSPOSE") for each in graph.operations) else []
    ways: list[tuple[Any, Any]] = [*zip(found, geometries(file, found)), *zip(enlarged, scales(file, enlarged))]
    ways += [*zeros_between(graph, sized), *copies(graph, sized)]
    rows = left_copies(graph, sized) + shuffled(graph, sized)
    for each, how in ways:
        name, description = each.operation.outputs[0].name, str(each)
        form = _lr_form if isinstance(each, Deconvolution) else lr_form
        try:
            lr, constants = (of_zeros_between if isinstance(how, Interleaved) else form)(graph, each, how)
        except Stays as reason:
            rows.append(Row(name, description, note=str(reason)))
            continue
        rows.append(_row(name, description, each, lr, constants))
        _replace(graph, each, lr, constants)
    return rows


def _lr_form(graph: Graph, each: Deconvolution, geometry: Geometry | Stays) -> tuple[LrConvolution, list[Constant]]:
    """Its LR convolution in the numbers that the file holds, less their zero points."""
    if isinstance(geometry, Stays):
        raise geometry
    if len(set(each.strides)) != 1:
        raise Stays("DEPTH_TO_SPACE enlarges both sides alike")
    if each.image.dtype not in CONVOLUTIONS or len(each.image.shape) != 4:
        raise Stays(f"DEPTH_TO_SPACE does not compute in {each.image}")
    constants = [Constant(graph, tensor) for tensor in (each.weights, each.bias) if tensor is not None]
    if each.image.dtype == "float32" and constants[0].rounds_image:
        # Both round a float image to integers on the way, and not alike where the weights have one scale.
        raise Stays("LiteRT's two operations round a float image differently beside int8 weights of one scale")
    zeros = constants[0].zeros.reshape(-1, 1, 1, 1)
    # TFLite has (O, Ky, Kx, I).
    kernel = (constants[0].values.astype(np.float64) - zeros).transpose(1, 2, 0, 3)
    taps = np.ones(kernel.shape[:2], bool)
    return lr_convolution(Transposed(kernel, each.strides[0], geometry.offsets, geometry.extras, taps)), constants


def _kind(each: Deconvolution | Resized) -> str:
    if isinstance(each, Deconvolution):
        return "transposed"
    return "resized" if each.repeats else "zero_interleaved"


def _row(name: str, description: str, each: Deconvolution | Resized, lr: LrConvolution, constants) -> Row:
    outputs, ky, kx, inputs = each.weights.shape
    transposed = isinstance(each, Deconvolution)
    # A convolution in HR space multiplies at every HR pixel.
    macs = ky * kx * inputs * outputs * (1 if transposed else lr.scale**2)
    cropped = any(map(any, lr.crops))
    shuffle = f", DEPTH_TO_SPACE {lr.scale}" if lr.scale > 1 else ""
    return Row(
        name,
        description,
        action="moved",
        becomes=f"CONV_2D {lr.kernel.shape[0]}×{lr.kernel.shape[1]}{shuffle}{', crop' if cropped else ''}",
        facts=Upsampling(
            _kind(each),
            lr.scale,
            inputs,
            outputs,
            kernel=(ky, kx, outputs, inputs) if transposed else (ky, kx, inputs, outputs),
            lr_kernel=lr.kernel.shape,
            cropped=cropped,
        ),
        macs=macs,
        macs_quoted=ky * kx * inputs * outputs * lr.scale**2,
        macs_after=lr.kernel.size,
        zeros=lr.zeros,
        taps=lr.used.size,
        weights=sum(constant.values.size for constant in constants),
        weights_after=lr.kernel.size + outputs * lr.scale**2,
    )


def _replace(graph: Graph, each: Deconvolution | Resized, lr: LrConvolution, constants: list[Constant]) -> None:
    (output,) = each.operation.outputs
    name, copies, channels = output.name, lr.scale**2, lr.kernel.shape[3]
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
    if lr.scale > 1:
        steps.shuffle(lr.scale)
    steps.crop(lr.crops)
    steps.replace_in(graph, each.operation)
