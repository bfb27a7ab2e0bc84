"""TFLite's CPU kernels: which form of an upsampling they compute faster, by costs that were fitted to measured layers.

They compute output maps sixteen at a time, so that few maps cost as much as sixteen; blocks of pixels fill them.

`python -m benchmarks.rewrite` measures the layers, fits the costs and tries them on networks that were left out of the
fit; tests/test_targets_xnnpack.py holds the costs below against its results.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from zoo.targets.facts import Upsampling
from zoo.targets.record import Rule, Target

if TYPE_CHECKING:  # a file's parser needs LiteRT's schema, which rewriting a Keras network does not
    from zoo.graphs.tflite import Operation

# Time relative to one multiplication of a convolution whose output maps fill the vector width.
COSTS = {
    "convolution": 1.0,
    "transposed": 1.94,
    "scattered": 17.57,
    "repeated": 61.58,
    "interpolated": 51.43,
    "moved": 33.06,
}
# Output maps that x86's vectors of 512 bits hold; narrower vectors gain less, and nothing gets slower by much.
VECTOR = 16
# A change has to save this share of a layer's time by the count of vectors, which is no measurement.
WORTH = 0.25
# Below that many input channels the work is not in the multiplications.
LEAST_INPUTS = 8
# Gathering pays from 7×7 on; 5×5 loses in the extra pass what it gains.
LEAST_GATHERED = 7


def _in_vectors(maps: int) -> int:
    return -(-maps // VECTOR) * VECTOR


def work(upsampling: Upsampling) -> tuple[dict[str, int], dict[str, int]]:
    """What a layer and its replacement do per LR pixel, by the kinds of `COSTS`.

    Returns:
        Two dicts: multiplications of convolutions and of transposed convolutions (output maps rounded up to vectors),
        sums that a transposed convolution scatters, HR values that are repeated or interpolated, and values that are
        only moved (shuffle, crop, sum).
    """
    hr_maps, hr_pixels = upsampling.pixels * upsampling.outputs, upsampling.pixels
    taps = upsampling.kernel[0] * upsampling.kernel[1] if upsampling.kernel else 0
    window = upsampling.lr_kernel[0] * upsampling.lr_kernel[1] if upsampling.lr_kernel else 0
    before = {
        "transposed": {
            "transposed": taps * upsampling.inputs * _in_vectors(upsampling.outputs),
            "scattered": taps * _in_vectors(upsampling.outputs),
        },
        "zero_interleaved": {"convolution": hr_pixels * taps * upsampling.inputs * _in_vectors(upsampling.outputs)},
        "resized": {
            "convolution": hr_pixels * taps * upsampling.inputs * _in_vectors(upsampling.outputs),
            "repeated": hr_pixels * upsampling.inputs,
        },
        "nearest": {"repeated": hr_maps},
        "bilinear": {"interpolated": hr_maps},
    }[upsampling.kind]
    read = upsampling.lr_kernel[2] if upsampling.lr_kernel else 0
    passes = 1 + upsampling.cropped + (upsampling.macs_rest > 0) + (upsampling.kind == "nearest")
    # A kernel for each map wants a copy of the maps for each phase, and its work is in the reading and writing.
    passes += 2 * (read < upsampling.inputs and window > 0)
    after = {"convolution": window * read * _in_vectors(hr_maps), "moved": passes * hr_maps}
    return before, after


def estimate(work_of: dict[str, int], costs: dict[str, float] = COSTS) -> float:
    """Time per LR pixel, in multiplications of a full convolution."""
    return sum(costs[kind] * amount for kind, amount in work_of.items())


def speedup(upsampling: Upsampling, costs: dict[str, float] = COSTS) -> float:
    """How many times faster the replacement is expected to be; infinity for bicubic, which TFLite does not have."""
    if upsampling.kind == "bicubic":
        return math.inf
    before, after = work(upsampling)
    return estimate(before, costs) / estimate(after, costs)


def slower(gain: float) -> str:
    """What to say of a replacement that is expected to be `gain` < 1 times as fast."""
    return f"expected to be {1 / gain:.1f} times slower in LR space (TFLite on a CPU)"


def speedup_of_commuting(
    inputs: int, outputs: int, pixels: int, enlarged: str, summed: bool = False, mixes: bool = True
) -> float:
    """How many times faster what acts on each pixel is expected to be before an enlargement than behind it.

    Args:
        pixels: HR pixels for each LR pixel.
        enlarged: `"repeated"` or `"interpolated"`.
        summed: whether the result is added to another one behind the enlargement.
        mixes: a matrix for each pixel; else a pass over its values.
    """
    multiplications, values = (inputs * _in_vectors(outputs), 0) if mixes else (0, outputs)
    before = {"convolution": pixels * multiplications, enlarged: pixels * inputs, "moved": pixels * values}
    passes = values + summed * pixels * outputs
    after = {"convolution": multiplications, enlarged: pixels * outputs, "moved": passes}
    return estimate(before) / estimate(after)


def speedup_of_depthwise(taps: int, window: int, cropped: bool) -> float:
    """How many times faster a depthwise convolution of repeated pixels is expected to be in LR space.

    Args:
        taps, window: weights of a map in HR space, and of each of its phases in LR space.
        cropped: whether HR pixels are cropped after the shuffle.
    """
    before = {"repeated": 1, "convolution": taps, "moved": 1}
    # Copies of the maps, the convolution, the shuffle.
    after = {"convolution": window, "moved": 3 + cropped}
    return estimate(before) / estimate(after)


def vectors(outputs: int, side: int, block: int) -> float:
    """What a convolution costs per output pixel and input channel, in multiplications of whole vectors."""
    return _in_vectors(outputs * block**2) * (side + block - 1) ** 2 / block**2


def best_block(outputs: int, side: int, inputs: int, multiple: int) -> int:
    """The block that costs least, 1 where none is worth it.

    Args:
        multiple: a number that divides the map's height and width whatever the image's size: a block must not overhang,
            to cut it off would read the image's size, which engines in browsers cannot do in files of every size.
    """
    if inputs < LEAST_INPUTS:
        return 1
    allowed = [block for block in (1, 2, 3, 4) if multiple % block == 0]
    block = min(allowed, key=lambda each: vectors(outputs, side, each))
    return block if vectors(outputs, side, block) <= (1 - WORTH) * vectors(outputs, side, 1) else 1


def _foreign(operation: Operation) -> Iterator[str]:
    if operation.custom:
        yield "a custom operation, which LiteRT's own interpreter does not have"


# What XNNPACK itself does not take runs in LiteRT's own kernels beside it.
TARGET = Target(
    "xnnpack",
    "LiteRT on a CPU (XNNPACK)",
    None,
    "subpixel",
    "benchmarks.rewrite",
    "November 2026",
    ran="ai-edge-litert 2.3 on x86-64",
    rules={"custom": Rule("refused", "LiteRT, tflite/core/kernels/register.cc", _foreign)},
)
