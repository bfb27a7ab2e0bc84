"""The way back: the enlargements of a TFLite file for chips that take a TRANSPOSE_CONV and no DEPTH_TO_SPACE.

    before: x → CONV_2D → DEPTH_TO_SPACE → y
    after:  x → TRANSPOSE_CONV 'valid' → STRIDED_SLICE → (RELU) → y

The whole of a transposed convolution and a crop is what every delegate computes rightly. Where the phases have biases
or scales of their own, which a transposed convolution has not, and where no convolution stands before it,

    before: x → DEPTH_TO_SPACE → y
    after:  x → RESHAPE → TRANSPOSE → RESHAPE → y

of rank 4. What is transposed already becomes 'valid' too, its fused activation an operation of its own. A chip whose
compiler reads one stride of two gets those of strides that differ in LR space, with RESHAPE and TRANSPOSE behind them.
"""

from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError
from zoo.graphs.tflite import File, Graph, Operation, schema
from zoo.identities.lr_convolution import LrConvolution, Transposed, as_transposed, trimmed
from zoo.identities.phases import Pair
from zoo.rewrite.explanation import Row
from zoo.rewrite.tflite_constants import Constant, Stays
from zoo.rewrite.tflite_file import moved
from zoo.rewrite.tflite_find import Deconvolution, Geometry, deconvolutions, geometries
from zoo.rewrite.tflite_resized import alike
from zoo.rewrite.tflite_steps import ACTIVATIONS, CONVOLUTIONS, Steps

FREE = "its size is free, and a file for a chip has one: --size gives it one"


def to_transposed(file: File, one_stride: bool = False) -> list[Row]:
    """Changes a file: shuffles and deconvolutions become transposed convolutions of padding 'valid', or transposes.

    Args:
        one_stride: whether a transposed convolution has one stride, of both axes.

    Returns:
        A row for each: what becomes of it, or why it stays.

    Raises:
        UsageError: a file of several graphs.

    References: arXiv 1609.07009.
    """
    graph = file.only_graph
    found = deconvolutions(file)
    rows = []
    for each, where in zip(found, geometries(file, found)):
        if one_stride and len(set(each.strides)) > 1:
            free = None in each.image.shape
            rows.append(moved(graph, each, Stays(FREE) if free else where))
        elif not (each.operation.name == "TRANSPOSE_CONV" and not each.same and not each.activation):
            rows.append(_row(each.operation, str(each), _valid, graph, each, where))
    for operation in [each for each in graph.operations if each.name == "DEPTH_TO_SPACE"]:
        scale = operation.options.blockSize
        rows.append(_row(operation, f"DEPTH_TO_SPACE {scale}, {operation.inputs[0].dtype}", _shuffle, graph, operation))
    return rows


def in_builtins(file: File) -> bool:
    """Changes a file so that LiteRT runs it: MediaPipe's deconvolutions become TRANSPOSE_CONV, crop; says if any did.

    By another way than `to_lr_space` takes, which is compared with it: the full result, and what of it is kept.
    """
    graph, found = file.graphs[0], deconvolutions(file)
    mediapipe = [(each, where) for each, where in zip(found, geometries(file, found)) if each.size is None]
    try:
        for each, where in mediapipe:
            _valid(graph, each, where)
    except Stays as reason:
        raise UsageError(f"Expected a TFLite file that LiteRT runs, to compare. Received: {reason}") from reason
    return bool(mediapipe)


def _row(operation: Operation, description: str, change, *arguments) -> Row:
    name = operation.outputs[0].name
    try:
        return Row(name, description, action="moved", **change(*arguments))
    except Stays as reason:
        return Row(name, description, note=str(reason))


def _valid(graph: Graph, each: Deconvolution, where: Geometry | Stays) -> dict:
    """A deconvolution of the file as one of padding 'valid'; what of its row is to be said."""
    if isinstance(where, Stays):
        raise where
    (output,) = each.operation.outputs
    if None in each.image.shape:
        raise Stays(FREE)
    steps = Steps([], each.image, output)
    steps.deconvolve(each.weights, each.bias, each.strides)
    _cropped(steps, where.offsets, where.extras, each.image.shape[1:3], each.strides)
    _activated(steps, each.activation)
    steps.replace_in(graph, each.operation)
    outputs, rows, columns, inputs = each.weights.shape
    macs = rows * columns * inputs * outputs
    return {"becomes": _words(rows, columns), "macs": macs, "macs_after": macs}


def _words(rows: int, columns: int) -> str:
    return f"TRANSPOSE_CONV {rows}×{columns} valid, crop"


def _cropped(steps: Steps, offsets: Pair, extras: Pair, given, strides: Pair) -> None:
    """Of the full result what is wanted."""
    ends = [
        full - offset - stride * side - extra
        for full, offset, extra, side, stride in zip(steps.last.shape[1:3], offsets, extras, given, strides)
    ]
    if min(*ends, *offsets) < 0:
        raise Stays("its output is larger than what its taps reach")
    steps.crop(list(zip(offsets, ends)))


def _activated(steps: Steps, activation: int) -> None:
    if activation and activation not in ACTIVATIONS:
        raise Stays("its fused activation is no operation by itself")
    steps.activate(activation)


class _Before(NamedTuple):
    """The convolution that a shuffle reads, and the transposed one that both are."""

    operation: Operation
    transposed: Transposed
    constants: list[Constant]


def _shuffle(graph: Graph, operation: Operation) -> dict:
    """A shuffle with the convolution before it, or by itself; what of its row is to be said."""
    (image,), (output,), scale = operation.inputs, operation.outputs, operation.options.blockSize
    if None in image.shape:
        raise Stays(FREE)
    try:
        before = _before(graph, operation, scale)
    except Stays as reason:
        steps = Steps([], image, output)
        steps.shuffle_by_transpose((scale, scale))
        steps.replace_in(graph, operation)
        return {"becomes": "RESHAPE, TRANSPOSE, RESHAPE", "note": f"no TRANSPOSE_CONV: {reason}"}
    transposed, (first, *others), source = before.transposed, before.constants, before.operation.inputs[0]
    outputs = np.arange(transposed.kernel.shape[2])
    zeros = (first.zeros[outputs] if len(first.zeros) > 1 else first.zeros).reshape(-1, 1, 1, 1)
    # TFLite has (O, Ky, Kx, I).
    weights, steps_before = first.again(
        f"{output.name}/weights", transposed.kernel.transpose(2, 0, 1, 3) + zeros, outputs
    )
    bias = None
    if others:
        bias, more = others[0].again(f"{output.name}/bias", others[0].values[: len(outputs)], outputs)
        steps_before += more
    steps = Steps(steps_before, source, output)
    steps.deconvolve(weights, bias, (scale, scale))
    _cropped(steps, transposed.offsets, transposed.extras, source.shape[1:3], (scale, scale))
    _activated(steps, before.operation.options.fusedActivationFunction)
    steps.replace_in(graph, operation)
    rows, columns = transposed.kernel.shape[:2]
    return {
        "becomes": _words(rows, columns),
        "macs": first.values.size,
        "macs_quoted": first.values.size,
        "macs_after": transposed.kernel.size,
        "weights": sum(each.values.size for each in before.constants),
        "weights_after": transposed.kernel.size + len(outputs),
    }


def _before(graph: Graph, operation: Operation, scale: int) -> _Before:
    """The convolution before a shuffle.

    Raises:
        Stays: there is none that goes into a transposed one.
    """
    (image,), (output,) = operation.inputs, operation.outputs
    convolution = graph.producer(image)
    if convolution is None or convolution.name != "CONV_2D":
        raise Stays("no CONV_2D stands before it")
    if len(graph.readers(image)) > 1 or image in graph.outputs:
        raise Stays("the convolution before it is read elsewhere too")
    options, (source, weights, *bias) = convolution.options, convolution.inputs
    if (options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor) != (1, 1, 1, 1):
        raise Stays("the convolution before it has strides or dilations")
    if weights.shape[3] != source.shape[3]:
        raise Stays("the convolution before it has groups")
    if source.dtype not in CONVOLUTIONS or not alike(image, output):
        raise Stays(f"no transposed convolution computes as a convolution of {source} does")
    constants = [Constant(graph, tensor) for tensor in (weights, *bias) if tensor is not None]
    first = constants[0]
    if source.dtype == "float32" and first.rounds_image:
        raise Stays("LiteRT's two operations round a float image differently beside int8 weights of one scale")
    for name, numbers in (("scales", first.scales), ("zero points", first.zeros)):
        if len(numbers) > 1 and not _repeats(numbers, scale):
            raise Stays(f"its phases have {name} of their own")
    if len(constants) > 1 and not _repeats(constants[1].values, scale):
        raise Stays("its phases have biases of their own")
    # TFLite has (O, Ky, Kx, I).
    kernel = (first.values.astype(np.float64) - first.zeros.reshape(-1, 1, 1, 1)).transpose(1, 2, 3, 0)
    same = options.padding == schema.Padding.SAME
    rows, columns = (((side - 1) // 2, side // 2) if same else (0, 0) for side in kernel.shape[:2])
    used = np.ones((*kernel.shape[:2], 1, scale**2))
    return _Before(
        convolution,
        trimmed(as_transposed(LrConvolution(kernel, scale, (rows, columns), ((0, 0), (0, 0)), used))),
        constants,
    )


def _repeats(numbers: np.ndarray, scale: int) -> bool:
    """Whether what belongs to output channels is the same for each phase."""
    phases = np.asarray(numbers).reshape(scale**2, -1)
    return bool(np.all(phases == phases[0]))
