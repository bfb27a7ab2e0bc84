"""Times of several candidates for one job, measured fairly: paired, alternating, in one run."""

import gc
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoo.machine import available_threads, processor, system, versions

# What a figure may depend on; named with it where installed.
PACKAGES = (
    "tensorflow", "keras", "ai-edge-litert", "ncnn", "openvino", "numpy", "pillow", "onnxruntime",
    "opencv-python-headless", "torch", "jax"
)  # fmt: skip


def paired(
    candidates: dict[str, Callable[[], Any]],
    rounds: int = 10,
    warmup: int = 2,
    pause: float = 0.02,
    seconds: float = math.inf,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Runs every candidate once a round, so that whatever disturbs the machine disturbs them alike.

    The order turns round from one round to the next: nobody always runs behind the same neighbour.

    Args:
        candidates: name → the job, a call without arguments that returns when its result is there.
        rounds: measured rounds.
        warmup: rounds before those, not measured.
        pause: s between two calls, so that another engine's threads stop spinning.
        seconds: no further round begins after that time, but for the third: slow candidates get fewer rounds.
        clock: returns seconds; another one makes the order testable.

    Returns:
        name → seconds, one value a round, in the order of the rounds.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    gc.collect()
    begun = clock()
    for turn in range(warmup + rounds):
        if turn >= warmup + 3 and clock() - begun > seconds:
            break
        for name in names if turn % 2 == 0 else reversed(names):
            time.sleep(pause)
            start = clock()
            candidates[name]()
            taken = clock() - start
            if turn >= warmup:
                times[name].append(taken)
    return times


def summarise(times: dict[str, Sequence[float]], baseline: str) -> dict[str, dict[str, float]]:
    """Medians, and ratios to a baseline formed round by round.

    A ratio of two times of the same round is blind to what slowed the whole round down; the median of those ratios is
    blind to the odd round out.

    Args:
        times: as `paired` returns them; equally many values each.
        baseline: the name that the ratios compare with.

    Returns:
        name → `median` and `best` in s, `ratio` (median over the rounds of time / baseline's time; below 1 is faster),
        `ratio_low` and `ratio_high` (its quartiles), `rounds`.
    """
    lengths = {len(values) for values in times.values()}
    if len(lengths) != 1 or baseline not in times or 0 in lengths:
        raise ValueError(f"Expected as many times of each candidate, {baseline!r} among them. Received: {lengths}")
    reference = np.asarray(times[baseline], float)
    summary = {}
    for name, values in times.items():
        values = np.asarray(values, float)
        low, ratio, high = np.percentile(values / reference, [25, 50, 75])
        summary[name] = {
            "median": statistics.median(values.tolist()),
            "best": float(values.min()),
            "ratio": float(ratio),
            "ratio_low": float(low),
            "ratio_high": float(high),
            "rounds": len(values),
        }
    return summary


def linear_fit(sizes: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    """Fits value = slope·size + offset by relative least squares, so that small sizes count as much as large ones.

    Returns:
        `slope`, `offset` and `residual`, the largest |value - fit| / value.
    """
    x, y = np.asarray(sizes, float), np.asarray(values, float)
    system = np.stack([x, np.ones_like(x)], axis=1) / y[:, None]
    (slope, offset), *_ = np.linalg.lstsq(system, np.ones_like(y), rcond=None)
    return {
        "slope": float(slope),
        "offset": float(offset),
        "residual": float(np.abs((slope * x + offset) / y - 1).max()),
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on: processor, cores in use, system, versions, and how busy it was before."""
    return {
        "processor": processor(),
        "cores": available_threads(),
        "system": system(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": versions(PACKAGES),
    }
