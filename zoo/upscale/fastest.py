"""The fastest engine of those that compute a TFLite file right.

`python -m benchmarks.inference` measures them against each other and against what else runs such networks.
"""

import platform

import numpy as np

from zoo.upscale.engine import Engine, Unfit
from zoo.upscale.ncnn import NcnnEngine
from zoo.upscale.openvino import OpenVINOEngine
from zoo.upscale.tflite import TFLiteEngine

# Of the range of TFLite's result.
TOLERANCE = 1e-5
# The others were measured on these only.
MACHINES = ("x86_64", "amd64")


def fastest(content: bytes, name: str, threads: int | None = None, radius: int | None = None) -> Engine:
    """The engine of a TFLite file: ncnn, then OpenVINO, where it is installed and computes the same, else TFLite.

    Args and errors: those of `TFLiteEngine`, which says what the file is in any case.
    """
    return _first((NcnnEngine, OpenVINOEngine), TFLiteEngine(content, name, threads, radius))


def without_cells(engine: Engine) -> Engine:
    """The same network in the fastest engine whose tiles may meet anywhere."""
    return _first((OpenVINOEngine,), engine.original) if isinstance(engine, NcnnEngine) else engine


def _first(kinds: tuple[type, ...], engine: TFLiteEngine) -> Engine:
    if platform.machine().lower() in MACHINES:
        for kind in kinds:
            try:
                faster = kind(engine)
                _check(faster, engine)
            # What an engine cannot compute is a RuntimeError of its own.
            except (ImportError, Unfit, RuntimeError):
                continue
            return faster
    return engine


def _check(engine: Engine, expected: Engine) -> None:
    """Compares two engines on a picture of noise, larger than a cell.

    Raises:
        Unfit: the results differ.
    """
    height, width = expected.size or (engine.cell[0] + 18, engine.cell[1] + 25)
    noise = np.random.default_rng(0).random((height, width, expected.channels), np.float32)
    theirs, ours = expected.run(noise), engine.run(noise)
    if ours.shape != theirs.shape or not np.abs(ours - theirs).max() <= TOLERANCE * np.ptp(theirs):
        raise Unfit("another result than TFLite's")
