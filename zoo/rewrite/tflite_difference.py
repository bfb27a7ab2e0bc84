"""How far a rewritten TFLite file is from its original, in LiteRT's kernels, on random inputs."""

import math
from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError
from zoo.graphs.apart import farthest, range_of, share_of_range
from zoo.graphs.run import Run, knows, noise, sizes_that_fit
from zoo.graphs.tflite import File, Tensor, parse

# Of an output's range in float; levels of what is quantized, in the reference kernels, in LiteRT's own faster ones
# ("plain") where those do not take a file, and in what runs by default.
FLOAT = 1e-5
LEVELS = {"reference": 0, "plain": 1, "default": 1}
# Behind the last quantized values these hand levels on as they are.
_HAND_ON = ("RESHAPE", "TRANSPOSE", "STRIDED_SLICE", "SLICE", "SQUEEZE", "EXPAND_DIMS", "DEPTH_TO_SPACE")
# The newest versions that the reference kernels know; newer ones compute the same of the types that are here.
_REFERENCE = {"DEPTH_TO_SPACE": 1, "TILE": 2}
# Their steepest slope: what is one level before them may be several behind.
_STEEPEST = {"TANH": 1.0, "LOGISTIC": 0.25}
_SIZES = ((1, 23, 18, 4), (1, 14, 37, 4))
# Random inputs; one alone where it is large, since the reference kernels are slow.
_INPUTS = 3
_LARGE = 1 << 17


class Difference(NamedTuple):
    """The largest of all values of all outputs, over several random inputs of one size.

    Attributes:
        kernels: of `LEVELS`.
        size: (height, width) of the first input.
        value: levels of integer outputs; of float ones a part of their range.
        allowed: as large as it may be.
        changed: how many integers differ, out of how many; None where it is a float that differs most.
    """

    kernels: str
    size: tuple[int, ...]
    value: float
    allowed: float
    changed: tuple[int, int] | None

    def __str__(self) -> str:
        where = f"{self.kernels} kernels, {'×'.join(map(str, self.size))}"
        if self.changed is None:
            return f"{where}: largest difference {self.value:.1e} of the output's range"
        changed, count = self.changed
        return f"{where}: {changed:,} of {count:,} values differ, by at most {self.value:.0f}"


def differences(before: File, after: File) -> list[Difference]:
    """Compares two files of the same inputs and outputs, as they were read; the second may have one size of any.

    Returns:
        One entry for each kind of kernels and for each of two sizes, or for the file's own.

    Raises:
        UsageError: LiteRT does not run one of them.
    """
    sizes = sizes_that_fit(_sized(before, after), _SIZES)
    pairs = {"reference": (_in_reference(before), _in_reference(after)), "default": (before, after)}
    if not knows("reference", pairs["reference"][0]):
        # An operation that is not among them, which has nothing to do with what was rewritten.
        pairs = {"plain": (before, after), "default": (before, after)}
    return [_difference(*pair, kernels, size) for kernels, pair in pairs.items() for size in sizes]


def _in_reference(file: File) -> File:
    """The same file for LiteRT's reference kernels, which know some operations by older versions alone."""
    copy = parse(file.content, "the file")
    newer = [each for each in copy.operations if each.version > _REFERENCE.get(each.name, each.version)]
    for operation in newer:
        operation.version = _REFERENCE[operation.name]
    return parse(copy.packed(), "the file") if newer else file


def _sized(before: File, after: File) -> File:
    """The one whose inputs both take."""
    return before if any(None in tensor.shape for tensor in after.inputs) else after


def _difference(before: File, after: File, kernels: str, free: tuple[int, ...]) -> Difference:
    found: list[tuple[float, float, bool]] = []
    changed, count, sized = 0, 0, _sized(before, after)
    large = sum(image.size for image in noise(sized, free)) > _LARGE
    for seed in range(1 if large else _INPUTS):
        inputs = noise(sized, free, seed)
        try:
            first, second = (Run(file, inputs, kernels, everything=False) for file in (before, after))
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise UsageError(f"Expected a TFLite file that LiteRT runs, to compare. Received: {reason}") from error
        for one, other in zip(before.outputs, after.outputs, strict=True):
            expected, received = first.value(one), second.value(other)
            if expected.shape != received.shape:
                found.append((float("inf"), 0.0, False))
            elif np.issubdtype(expected.dtype, np.integer):
                apart = np.abs(expected.astype(np.int64) - received)
                found.append((float(apart.max(initial=0)), LEVELS[kernels] * _steps(before, one), True))
                changed, count = changed + int(np.count_nonzero(apart)), count + apart.size
            else:
                level = LEVELS[kernels] * _steps(before, one) * _level(before, one) / range_of(expected)
                share = float(share_of_range(expected, received).max(initial=0))
                found.append((share, max(FLOAT, 1.01 * level), False))
    value, allowed, integer = farthest(found)
    return Difference(kernels, inputs[0].shape[1:3], value, allowed, (changed, count) if integer else None)


def _steps(file: File, output: Tensor) -> float:
    """How many levels of an output one level before the functions at the end may be."""
    graph, steps = file.graphs[0], 1.0
    producer = graph.producer(output)
    while producer is not None and producer.name in (*_HAND_ON, *_STEEPEST, "DEQUANTIZE"):
        if producer.name in _STEEPEST and producer.inputs[0].dtype != "float32":
            given, made = (each.raw.quantization.scale[0] for each in (producer.inputs[0], producer.outputs[0]))
            steps *= max(1.0, math.ceil(_STEEPEST[producer.name] * given / made))
        producer = graph.producer(producer.inputs[0])
    return steps


def _level(file: File, output: Tensor) -> float:
    """How much one level is of a float output that was quantized; 0 where it was not."""
    graph = file.graphs[0]
    producer = graph.producer(output)
    while producer is not None and producer.name in _HAND_ON:
        producer = graph.producer(producer.inputs[0])
    if producer is None or producer.name != "DEQUANTIZE":
        return 0.0
    quantization = producer.inputs[0].raw.quantization
    scales = None if quantization is None else quantization.scale
    return 0.0 if scales is None or not len(scales) else float(np.max(scales))
