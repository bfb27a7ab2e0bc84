"""The deconvolutions of a TFLite file as convolutions in LR space: the same function, computed right everywhere.

    before: x → TRANSPOSE_CONV → y
    after:  x → (STRIDED_SLICE, PAD) → CONV_2D → DEPTH_TO_SPACE → (STRIDED_SLICE) → y

The weights are the same numbers in another order, so that integers stay the same to the bit where a runtime rounds both
operations alike. What computed a deconvolution's output size goes with it.
"""

from typing import Any, NamedTuple

import numpy as np

from zoo.errors import UsageError
from zoo.graphs.run import Run, noise
from zoo.graphs.tflite import File, Graph, Operation, Tensor, schema
from zoo.identities.lr_convolution import LrConvolution, Transposed, is_same_padding, lr_convolution
from zoo.identities.phases import Pair
from zoo.rewrite.explanation import Row
from zoo.rewrite.tflite_constants import Constant, Stays, no_bias

# What LiteRT's DEPTH_TO_SPACE computes in, and the version of CONV_2D for it.
_VERSIONS = {"float32": 1, "uint8": 1, "int8": 3}
# Two sizes of a file that takes any; free batches are of one.
SIZES = ((1, 23, 18, 4), (1, 36, 29, 4))


class Sizes(NamedTuple):
    """Height and width of a deconvolution's input and output."""

    given: Pair
    wanted: Pair


def to_lr_space(file: File) -> list[Row]:
    """Changes a file: every TRANSPOSE_CONV that can move is computed in LR space.

    Returns:
        A row for each TRANSPOSE_CONV: what becomes of it, or why it stays.

    Raises:
        UsageError: a file of several graphs, as control flow and several signatures make them.

    References: arXiv 1609.07009.
    """
    if len(file.graphs) != 1:
        raise UsageError(f"Expected a TFLite file of one graph. Received: one of {len(file.graphs)}")
    (graph,) = file.graphs
    found = [operation for operation in graph.operations if operation.name == "TRANSPOSE_CONV"]
    rows = []
    for operation, sizes in zip(found, _sizes(file, found), strict=True):
        name, (weights, image) = operation.outputs[0].name, operation.inputs[1:3]
        padding = ("same", "valid")[operation.options.padding]
        stride = f"stride {operation.options.strideH}×{operation.options.strideW}"
        description = f"TRANSPOSE_CONV {weights.shape[1]}×{weights.shape[2]}, {stride}, {padding}, {image.dtype}"
        try:
            lr, constants = _lr_form(graph, operation, sizes)
        except Stays as reason:
            rows.append(Row(name, description, note=str(reason)))
            continue
        rows.append(_row(name, description, weights.shape, lr, constants))
        _replace(graph, operation, lr, constants)
    return rows


def _sizes(file: File, found: list[Operation]) -> list[list[Sizes]]:
    """For each operation its sizes: those that the file holds, or those of two runs where one is free."""
    if all(operation.inputs[0].constant and None not in operation.inputs[2].shape for operation in found):
        return [[Sizes(operation.inputs[2].shape[1:3], tuple(operation.inputs[0].values[1:3]))] for operation in found]
    try:
        runs = [Run(file, noise(file, free)) for free in SIZES]
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise UsageError(f"Expected a TFLite file that LiteRT runs, for its sizes. Received: {reason}") from error
    shapes = [run.shapes() for run in runs]
    return [
        [
            Sizes(tuple(shape[operation.inputs[2]][1:3]), tuple(run.value(operation.inputs[0])[1:3]))
            for run, shape in zip(runs, shapes, strict=True)
        ]
        for operation in found
    ]


def _lr_form(graph: Graph, operation: Operation, sizes: list[Sizes]) -> tuple[LrConvolution, list[Constant]]:
    """The LR convolution of a TRANSPOSE_CONV in the numbers that the file holds, less their zero points."""
    _, weights, image, *bias = operation.inputs
    options, scale = operation.options, operation.options.strideH
    if options.strideW != scale:
        raise Stays("DEPTH_TO_SPACE enlarges both sides alike")
    if image.dtype not in _VERSIONS or len(image.shape) != 4:
        raise Stays(f"DEPTH_TO_SPACE does not compute in {image}")
    extras = {tuple(int(out) - scale * int(given) for given, out in zip(*each)) for each in sizes}
    if len(extras) != 1:
        raise Stays("its output's size does not follow from its input's")
    constants = [Constant(graph, tensor) for tensor in (weights, *bias) if tensor is not None]
    zeros = constants[0].zeros.reshape(-1, 1, 1, 1)
    # TFLite has (O, Ky, Kx, I).
    kernel = (constants[0].values.astype(np.float64) - zeros).transpose(1, 2, 0, 3)
    same = options.padding == schema.Padding.SAME
    offsets = tuple(_dropped(side, scale, int(out)) if same else 0 for side, out in zip(kernel.shape, sizes[0].wanted))
    taps = np.ones(kernel.shape[:2], bool)
    return lr_convolution(Transposed(kernel, scale, offsets, extras.pop(), taps)), constants


def _dropped(kernel_size: int, scale: int, length: int) -> int:
    """Rows of the full result before the output's first: the padding 'same' of the convolution the other way.

    Source: LiteRT, tflite/kernels/padding.h, ComputePaddingHeightWidth over the output, as in transpose_conv.cc.
    """
    positions = -(-length // scale)
    return max((positions - 1) * scale + kernel_size - length, 0) // 2


def _row(name: str, description: str, weights: tuple, lr: LrConvolution, constants: list[Constant]) -> Row:
    outputs, ky, kx, inputs = weights
    cropped = any(map(any, lr.crops))
    shuffle = f", DEPTH_TO_SPACE {lr.scale}" if lr.scale > 1 else ""
    return Row(
        name,
        description,
        action="moved",
        becomes=f"CONV_2D {lr.kernel.shape[0]}×{lr.kernel.shape[1]}{shuffle}{', crop' if cropped else ''}",
        kernel=(ky, kx, outputs, inputs),
        lr_kernel=lr.kernel.shape,
        kind="transposed",
        scale=lr.scale,
        inputs=inputs,
        outputs=outputs,
        macs=ky * kx * inputs * outputs,
        macs_quoted=ky * kx * inputs * outputs * lr.scale**2,
        macs_after=lr.kernel.size,
        zeros=lr.zeros,
        taps=lr.used.size,
        weights=sum(constant.values.size for constant in constants),
        weights_after=lr.kernel.size + outputs * lr.scale**2,
        cropped=cropped,
    )


def _replace(graph: Graph, operation: Operation, lr: LrConvolution, constants: list[Constant]) -> None:
    size, _, image, *_ = operation.inputs
    (output,) = operation.outputs
    name, copies, channels = output.name, lr.scale**2, lr.kernel.shape[3]
    first, *others = constants
    zeros = np.tile(first.zeros, copies if len(first.zeros) > 1 else 1).reshape(-1, 1, 1, 1)
    weights, before = first.again(f"{name}/weights", lr.kernel.transpose(3, 0, 1, 2) + zeros, copies)
    if others:
        bias, more = others[0].again(f"{name}/bias", np.tile(others[0].values, copies), copies)
        before += more
    else:
        bias = no_bias(f"{name}/bias", image, weights, channels)
    steps = _Steps(before, image, output)
    steps.crop([(max(-start, 0), max(-end, 0)) for start, end in lr.pads])
    zeros_around = tuple((max(start, 0), max(end, 0)) for start, end in lr.pads)
    steps.convolve(weights, bias, zeros_around, lr.kernel.shape, operation.options.fusedActivationFunction)
    if lr.scale > 1:
        steps.shuffle(lr.scale)
    steps.crop(lr.crops)
    steps.operations[-1].outputs = [output]
    graph.replace(operation, *steps.operations)
    for tensor in (size, operation.inputs[1], *operation.inputs[3:]):
        graph.discard(tensor)


class _Steps:
    """Operations one after another from a tensor on; each new tensor is called after the one that comes out at the end.

    Attributes:
        operations: so far.
        last: the tensor that the last of them gives.
    """

    def __init__(self, operations: list[Operation], first: Tensor, output: Tensor):
        self.operations, self.last, self._output = operations, first, output
        self._int8 = first.dtype == "int8"

    def _add(self, name: str, constants: list[Tensor], options: Any, sides, channels: int, version: int, quantized_as):
        shape = (self.last.shape[0], *sides, channels)
        tensor = Tensor(f"{self._output.name}/{len(self.operations)}", shape, self.last.dtype)
        tensor.raw.quantization = quantized_as.raw.quantization
        self.operations.append(Operation(name, [self.last, *constants], [tensor], options, version))
        self.last = tensor

    def _numbers(self, name: str, values) -> Tensor:
        return Tensor(f"{self._output.name}/{name}", np.shape(values), "int32", np.asarray(values))

    def _sides(self, change) -> list[int | None]:
        return [None if side is None else change(axis, side) for axis, side in enumerate(self.last.shape[1:3])]

    def crop(self, pairs) -> None:
        """Cuts rows and columns (before, after) per axis."""
        if not any(map(any, pairs)):
            return
        sides = self._sides(lambda axis, side: side - sum(pairs[axis]))
        # Where nothing is cut at the end, the mask says so: a 0 there would cut all.
        open_ends = 0b1001 | sum(2 << axis for axis, (_, after) in enumerate(pairs) if not after)
        options = schema.StridedSliceOptionsT(beginMask=0b1001, endMask=open_ends)
        begin, end = ([0, *(sign * pair[side] for pair in pairs), 0] for side, sign in ((0, 1), (1, -1)))
        numbers = [self._numbers(f"{len(self.operations)}/slice", each) for each in (begin, end, [1, 1, 1, 1])]
        self._add("STRIDED_SLICE", numbers, options, sides, self.last.shape[3], 1 + self._int8, self.last)

    def convolve(self, weights: Tensor, bias: Tensor, zeros, kernel_shape, activation: int) -> None:
        """A convolution with zeros (before, after) around the image, which CONV_2D adds itself where it can."""
        same = is_same_padding(kernel_shape[:2], zeros)
        if not same and any(map(any, zeros)):
            sides = self._sides(lambda axis, side: side + sum(zeros[axis]))
            paddings = self._numbers("paddings", [(0, 0), *zeros, (0, 0)])
            options = schema.PadOptionsT()
            self._add("PAD", [paddings], options, sides, self.last.shape[3], 1 + self._int8, self.last)
        sides = self._sides(lambda axis, side: side if same else side - kernel_shape[axis] + 1)
        padding = schema.Padding.SAME if same else schema.Padding.VALID
        options = schema.Conv2DOptionsT(padding, strideW=1, strideH=1, fusedActivationFunction=activation)
        version = _VERSIONS[self.last.dtype]
        self._add("CONV_2D", [weights, bias], options, sides, kernel_shape[3], version, self._output)

    def shuffle(self, scale: int) -> None:
        """Version 1, whatever the type: LiteRT's reference kernels know no other."""
        sides = self._sides(lambda axis, side: side * scale)
        options = schema.DepthToSpaceOptionsT(blockSize=scale)
        self._add("DEPTH_TO_SPACE", [], options, sides, self.last.shape[3] // scale**2, 1, self._output)
