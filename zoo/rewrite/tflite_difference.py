"""How far a rewritten TFLite file is from its original, in LiteRT's kernels, on random inputs."""

from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError
from zoo.graphs.apart import share_of_range
from zoo.graphs.run import Run, noise, sizes_that_fit
from zoo.graphs.tflite import File, parse

# Of an output's range in float; levels of an integer output, in the reference kernels and in what runs by default.
FLOAT = 1e-5
LEVELS = {"reference": 0, "default": 1}
_SIZES = ((1, 23, 18, 4), (1, 14, 37, 4))
# Random inputs; one alone where it is large, since the reference kernels are slow.
_INPUTS = 3
_LARGE = 1 << 17


class Difference(NamedTuple):
    """The largest of all values of all outputs, over several random inputs of one size.

    Attributes:
        kernels: "reference" or "default".
        size: (height, width) of the first input.
        value: levels of integer outputs; of float ones a part of their range.
        allowed: as large as it may be.
        changed: how many values differ by a level or more, out of how many.
    """

    kernels: str
    size: tuple[int, ...]
    value: float
    allowed: float
    changed: tuple[int, int]

    def __str__(self) -> str:
        size = "×".join(map(str, self.size))
        if self.allowed == FLOAT:
            return f"{self.kernels} kernels, {size}: largest difference {self.value:.1e} of the output's range"
        changed, count = self.changed
        return f"{self.kernels} kernels, {size}: {changed:,} of {count:,} values differ, by at most {self.value:.0f}"


def differences(before: File, after: File) -> list[Difference]:
    """Compares two files of the same inputs and outputs, as they were read.

    Returns:
        One entry for each kind of kernels and for each of two sizes, or for the file's own.

    Raises:
        UsageError: LiteRT does not run one of them.
    """
    sizes = sizes_that_fit(before, _SIZES)
    pairs = {"reference": (_in_reference(before), _in_reference(after)), "default": (before, after)}
    return [_difference(*pairs[kernels], kernels, size) for kernels in LEVELS for size in sizes]


def _in_reference(file: File) -> File:
    """The same file for LiteRT's reference kernels, which know DEPTH_TO_SPACE by version 1 alone."""
    copy = parse(file.content, "the file")
    shuffles = [each for each in copy.operations if each.name == "DEPTH_TO_SPACE" and each.version > 1]
    for operation in shuffles:
        operation.version = 1
    return parse(copy.packed(), "the file") if shuffles else file


def _difference(before: File, after: File, kernels: str, free: tuple[int, ...]) -> Difference:
    worst, allowed, changed, count = 0.0, 0.0, 0, 0
    large = sum(image.size for image in noise(before, free)) > _LARGE
    for seed in range(1 if large else _INPUTS):
        inputs = noise(before, free, seed)
        try:
            first, second = (Run(file, inputs, kernels, everything=False) for file in (before, after))
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise UsageError(f"Expected a TFLite file that LiteRT runs, to compare. Received: {reason}") from error
        for one, other in zip(before.outputs, after.outputs, strict=True):
            expected, received = first.value(one), second.value(other)
            if expected.shape != received.shape:
                worst = float("inf")
                continue
            if np.issubdtype(expected.dtype, np.integer):
                apart, limit, least = np.abs(expected.astype(np.int64) - received), float(LEVELS[kernels]), 1.0
            else:
                apart, limit, least = share_of_range(expected, received), FLOAT, FLOAT
            worst, allowed = max(worst, float(apart.max())), max(allowed, limit)
            changed, count = changed + int(np.count_nonzero(apart >= least)), count + apart.size
    return Difference(kernels, inputs[0].shape[1:3], worst, allowed, (changed, count))
