"""Whether a replacement is faster: a cost model of TFLite's CPU kernels (XNNPACK), fitted to measured layers.

`python -m benchmarks.rewrite` measures the layers, fits the costs and tries them on networks that were left out of the
fit; tests/test_rewrite_gain.py holds the costs below against its results.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.rewrite.explanation import Row

# Time relative to one multiplication of a convolution whose output maps fill the vector width.
COSTS = {
    "convolution": 1.0,
    "transposed": 1.92,
    "scattered": 13.71,
    "repeated": 41.26,
    "interpolated": 40.82,
    "moved": 16.5,
}
# Output maps come in vectors of sixteen: one map costs as much as sixteen.
VECTOR = 16


def _in_vectors(maps: int) -> int:
    return -(-maps // VECTOR) * VECTOR


def work(row: "Row") -> tuple[dict[str, int], dict[str, int]]:
    """What a layer and its replacement do per LR pixel, by the kinds of `COSTS`.

    Returns:
        Two dicts: multiplications of convolutions and of transposed convolutions (output maps rounded up to vectors),
        sums that a transposed convolution scatters, HR values that are repeated or interpolated, and values that are
        only moved (shuffle, crop, sum).
    """
    hr_maps, hr_pixels = row.scale**2 * row.outputs, row.scale**2
    taps = row.kernel[0] * row.kernel[1] if row.kernel else 0
    window = row.lr_kernel[0] * row.lr_kernel[1] if row.lr_kernel else 0
    before = {
        "transposed": {
            "transposed": taps * row.inputs * _in_vectors(row.outputs),
            "scattered": taps * _in_vectors(row.outputs),
        },
        "zero_interleaved": {"convolution": hr_pixels * taps * row.inputs * _in_vectors(row.outputs)},
        "resized": {
            "convolution": hr_pixels * taps * row.inputs * _in_vectors(row.outputs),
            "repeated": hr_pixels * row.inputs,
        },
        "nearest": {"repeated": hr_maps},
        "bilinear": {"interpolated": hr_maps},
    }[row.kind]
    passes = 1 + row.cropped + (row.macs_rest > 0) + (row.kind == "nearest")
    after = {"convolution": window * row.inputs * _in_vectors(hr_maps), "moved": passes * hr_maps}
    return before, after


def estimate(work_of: dict[str, int], costs: dict[str, float] = COSTS) -> float:
    """Time per LR pixel, in multiplications of a full convolution."""
    return sum(costs[kind] * amount for kind, amount in work_of.items())


def speedup(row: "Row", costs: dict[str, float] = COSTS) -> float:
    """How many times faster the replacement is expected to be."""
    before, after = work(row)
    return estimate(before, costs) / estimate(after, costs)


def worth(row: "Row", costs: dict[str, float] = COSTS) -> str | None:
    """None where the replacement pays, or why it does not. Bicubic always moves: TFLite has no operation for it."""
    if row.kind == "bicubic":
        return None
    gain = speedup(row, costs)
    return None if gain >= 1 else f"expected to be {1 / gain:.1f} times slower in LR space (TFLite on a CPU)"
