"""The verdict on each output of a file, by how far a device is from XNNPACK on it over several runs.

An output that hardly changes, whatever comes in, tells nothing: a shifted layer would not be seen in it.
"""

from typing import Any

import numpy as np

# Of an output's range: up to here sums in another order may leave it, in dozens of layers; a shifted layer is far more.
ROUNDING = 1e-2
# An output that changes by less, by itself or by its magnitude, is as good as constant.
TINY, FLAT = 1e-6, 1e-5
# From the worst to the best.
VERDICTS = ("not finite", "wrong", "inconclusive", "rounding", "right")


def judged(runs: list[list[dict]], tolerance: float, rounding: float = ROUNDING) -> list[dict[str, Any]]:
    """The verdicts.

    Args:
        runs: for each run its outputs, as `export.runner.compare_each` gives them.
        tolerance: of the range, how far an output may be off and still be right.
        rounding: the same for one that is right but for rounding.
    Returns:
        For each output `name`, `verdict` (of `VERDICTS`), `max_difference`, `mean_difference`, `range` (over all runs)
        and `runs`: the numbers, from 1, of those that speak against it.

    Example:
        >>> figures = {"max_difference": 2e-4, "mean_difference": 0.0, "low": 0.0, "high": 1.0, "finite": True}
        >>> judged([[{"name": "mask", **figures}]], 1e-4)[0]["verdict"]
        'rounding'
    """
    return [_judged(parts, tolerance, max(tolerance, rounding)) for parts in zip(*runs, strict=True)]


def _judged(parts: tuple[dict, ...], tolerance: float, rounding: float) -> dict[str, Any]:
    low, high = min(part["low"] for part in parts), max(part["high"] for part in parts)
    extent = high - low
    magnitude = max(abs(low), abs(high))
    constant = extent < max(TINY, FLAT * magnitude)
    # Of what hardly changes the device may give something else altogether.
    span = max(magnitude, 1.0) if constant else extent
    off = [number for number, part in enumerate(parts, 1) if part["max_difference"] > rounding * span]
    infinite = [number for number, part in enumerate(parts, 1) if not part["finite"]]
    largest = max(part["max_difference"] for part in parts)
    if infinite:
        verdict, off = "not finite", infinite
    elif off:
        verdict = "wrong"
    elif constant:
        verdict = "inconclusive"
    else:
        verdict = "right" if largest <= tolerance * extent else "rounding"
    return {
        "name": parts[0]["name"],
        "verdict": verdict,
        "max_difference": largest,
        "mean_difference": float(np.mean([part["mean_difference"] for part in parts])),
        "range": extent,
        "runs": off,
    }


def worst(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """The output that decides; of those of one verdict the one that is farthest off."""

    def order(output: dict[str, Any]) -> tuple[int, float]:
        return VERDICTS.index(output["verdict"]), -output["max_difference"] / (output["range"] or 1.0)

    return min(outputs, key=order)


def figures(output: dict[str, Any]) -> dict[str, float]:
    """What is measured of an output."""
    return {name: output[name] for name in ("max_difference", "mean_difference", "range")}


def sentence(output: dict[str, Any], device: str, whole: bool, runs: int) -> str:
    """The verdict on a file, by the output that decides; `whole`: all of it ran on the device."""
    where = f"all of it runs on the {device}" if whole else f"only a part of it runs on the {device}"
    difference = f"largest difference from XNNPACK {output['max_difference']:.1e} of a range of {output['range']:.2g}"
    only = _only(output, runs)
    return {
        "not finite": f"WRONG: the {device} gives NaN or infinity{only}; {difference}.",
        "wrong": f"WRONG: the {device} computes something else and does not say so{only}; {difference}.",
        "inconclusive": f"Inconclusive: {where}, but the output {output['name']!r} hardly changes (range "
        f"{output['range']:.1e} in {runs} runs), so nothing would be seen in it; give a picture with --input.",
        "rounding": f"Right but for rounding in float32: {where}; {difference}, as sums in another order leave it.",
        "right": f"Right in float32: {where}; {difference}.",
    }[output["verdict"]]


def line(output: dict[str, Any], runs: int) -> str:
    """One output's verdict for people."""
    difference = f"{output['max_difference']:.1e} off, of a range of {output['range']:.2g}"
    words = {
        "not finite": "NaN or infinity",
        "wrong": f"WRONG: {difference}",
        "inconclusive": f"inconclusive: it hardly changes, range {output['range']:.1e}",
        "rounding": f"right but for rounding: {difference}",
        "right": f"right: {difference}",
    }[output["verdict"]]
    return f"{output['name']}: {words}{_only(output, runs)}"


def _only(output: dict[str, Any], runs: int) -> str:
    """Which runs speak against it, where not all do."""
    off = output["runs"]
    return f", in run {' and '.join(map(str, off))} of {runs}" if 0 < len(off) < runs else ""
