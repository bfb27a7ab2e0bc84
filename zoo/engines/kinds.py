"""The kinds of engine that a TFLite file may run in: which there are, and what stands against one."""

import platform
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from zoo import machine
from zoo.engines.engine import Engine, Unfit, hr_slice
from zoo.engines.ncnn import CELL, NcnnEngine
from zoo.engines.onnxruntime import OnnxruntimeEngine
from zoo.engines.openvino import OpenVINOEngine
from zoo.engines.openvino_rows import OpenVINORowEngine
from zoo.engines.tflite import TFLiteEngine

# Of the range of TFLite's result.
TOLERANCE = 1e-5
X86 = ("x86_64", "amd64")
# Run there by an emulator only: right, and how fast is not known.
ARM = ("aarch64", "arm64")
# The smaller ones for small caches, the larger ones lose less at their margins.
CELLS = (CELL, (24, 48), (64, 128))


class Kind(NamedTuple):
    """A kind of engine.

    Attributes:
        make: the engine of a file in TFLite; raises ImportError or `Unfit` where there is none.
        machines: on which it was tried, as `platform.machine` names them, in small letters; all if empty.
        cells: whether tiles have to meet on the lines of a grid.
    """

    make: Callable[[TFLiteEngine], Engine]
    machines: tuple[str, ...] = ()
    cells: bool = False


def _ncnn(cell: tuple[int, int]) -> Kind:
    return Kind(lambda engine: NcnnEngine(engine, cell), (*X86, *ARM), cells=True)


# By the name that its engines have as their `kind`.
KINDS: dict[str, Kind] = {
    **{f"ncnn {rows}x{columns}": _ncnn((rows, columns)) for rows, columns in CELLS},
    "OpenVINO": Kind(OpenVINOEngine, X86),
    "OpenVINO sized": Kind(lambda engine: OpenVINOEngine(engine, sized=True), X86),
    "OpenVINO fitted": Kind(OpenVINORowEngine, X86),
    "onnxruntime": Kind(OnnxruntimeEngine, X86),
    "TFLite": Kind(lambda engine: engine),
}
# The packages that decide how fast each is.
PACKAGES = ("ncnn", "openvino", "onnxruntime", "onnx", "ai-edge-litert", "numpy")


def guess() -> list[str]:
    """The kinds that are tried where nothing was measured, the one that is likely to be the fastest first.

    On an Intel Xeon with AVX-512 OpenVINO was ahead of ncnn for ESPCN and FSRCNN, ×2 and ×3, on 1 and 2 threads; on an
    AMD EPYC ncnn: `python -m benchmarks.inference`.
    """
    ncnn = f"ncnn {CELL[0]}x{CELL[1]}"
    faster = ["OpenVINO", ncnn] if "intel" in machine.processor().lower() else [ncnn, "OpenVINO"]
    return [*faster, "TFLite"]


def open_as(name: str, engine: TFLiteEngine) -> Engine:
    """A file in the engine of that kind, once it has computed the same as TFLite.

    Raises:
        Unfit: there is none, or it computes something else; says why.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise Unfit("not known here")
    if kind.machines and platform.machine().lower() not in kind.machines:
        raise Unfit(f"used on {' and '.join(kind.machines)} only")
    try:
        made = kind.make(engine)
        if made is not engine:
            _check(made, engine)
        return made
    except Unfit:
        raise
    except ImportError as error:
        raise Unfit(f"not installed ({error})") from error
    # Another engine, fed with a stranger's file, fails in any way.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise Unfit(f"{type(error).__name__}: {reason}") from error


def _check(engine: Engine, expected: Engine) -> None:
    """Compares two engines on a picture of noise, larger than a cell, and on the part that lies inside its margin.

    Raises:
        Unfit: the results differ.
    """
    around = engine.radius or 0
    least = max(engine.cell[0] + 18, 3 * around), max(engine.cell[1] + 25, 3 * around)
    height, width = expected.size or map(expected.whole, least)
    noise = np.random.default_rng(0).random((height, width, expected.channels), np.float32)
    theirs = expected.run(noise)
    results = [(engine.run(noise), theirs)]
    if 2 * around < min(height, width):
        # Pictures go on mirrored, so that a window's margin is hardly ever its border.
        rows, columns = (slice(around, side - around) for side in (height, width))
        inside = theirs[hr_slice(rows, engine.scale), hr_slice(columns, engine.scale)]
        results.append((engine.run_part(noise, rows, columns), inside))
    for ours, same in results:
        if ours.shape != same.shape or not np.abs(ours - same).max() <= TOLERANCE * np.ptp(theirs):
            raise Unfit("another result than TFLite's")
