"""What ARM64's kernels make of a file, held against this machine's."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from export.arm import emulator
from export.delegate import HALF_TOLERANCE, QUANTIZED_TOLERANCE, TOLERANCE, quantized
from export.inputs import noise
from zoo.graphs import tflite


def verdicts(
    paths: list[Path], images: list[list[np.ndarray]] | None = None, cpus: tuple[str, ...] = emulator.CPUS
) -> list[dict[str, dict[str, Any]]]:
    """Runs TFLite files on emulated ARM64 and compares them with this machine's CPU.

    Args:
        paths: the files.
        images: the inputs of each, in order; default: noise.
        cpus: to emulate.
    Returns:
        For each file cpu → `verdict` ("right", "wrong", "timed out" or "crashed"), `sentence`, `max_difference` and the
        output's `range`; of files that compute in floats also `half`, the same in half precision.
    """
    files = [tflite.read(path) for path in paths]
    given = images or [noise(file) for file in files]
    with tempfile.TemporaryDirectory(prefix="arm64-") as folder:
        jobs, owners = _jobs(paths, files, given, Path(folder))
        here = _outputs([job for job in jobs if not job["half"]], None)
        results: list[dict[str, dict[str, Any]]] = [{} for _ in paths]
        for cpu in cpus:
            # An emulated run takes minutes where the machine takes a tenth of a second.
            for (number, half), there in zip(owners, _outputs(jobs, cpu, 600.0 * len(jobs)), strict=True):
                entry = _verdict(cpu, here[number], there, half, quantized(files[number]))
                if half:
                    results[number][cpu]["half"] = entry
                else:
                    results[number][cpu] = entry
    return results


def worst(entry: dict[str, dict[str, Any]]) -> str:
    """The worst verdict of a file's."""
    found = {part["verdict"] for cpu in entry.values() for part in (cpu, cpu.get("half", {"verdict": "right"}))}
    return next(verdict for verdict in ("crashed", "timed out", "wrong", "right") if verdict in found)


def _jobs(paths, files, images, folder: Path) -> tuple[list[dict], list[tuple[int, bool]]]:
    """What to run, and of each job its file's number and whether it is in half precision."""
    jobs, owners = [], []
    for number, (path, file, one) in enumerate(zip(paths, files, images, strict=True)):
        given = folder / f"{number}.npz"
        np.savez(given, *one)
        for half in (False,) if quantized(file) else (False, True):
            output = folder / f"{number}_{half}_output.npz"
            jobs.append({"file": str(path.resolve()), "input": str(given), "output": str(output), "half": half})
            owners.append((number, half))
    return jobs, owners


def _outputs(jobs: list[dict], cpu: str | None, timeout: float = 600.0) -> list[list[np.ndarray] | str]:
    """What each job gave, or why it gave nothing."""
    outputs: list[list[np.ndarray] | str] = []
    for job, answer in zip(jobs, emulator.run(jobs, cpu, timeout), strict=True):
        if "error" in answer:
            outputs.append(answer["error"])
        else:
            with np.load(job["output"]) as arrays:
                outputs.append([arrays[name] for name in arrays.files])
    return outputs


def _verdict(cpu: str, here, there, half: bool, levels: bool) -> dict[str, Any]:
    from export.runner import compare

    how = f"ARM64 ({cpu}, emulated{', half precision' if half else ''})"
    for machine, outputs in (("this machine's CPU", here), (how, there)):
        if isinstance(outputs, str):
            verdict = "timed out" if outputs == emulator.LATE else "crashed"
            return {"verdict": verdict, "sentence": f"{machine[0].upper()}{machine[1:]} gave nothing: {outputs}."}
    found = compare(here, there)
    tolerance = HALF_TOLERANCE if half else QUANTIZED_TOLERANCE if levels else TOLERANCE
    right = found["finite"] and found["max_difference"] <= tolerance * found["range"]
    words = (
        f"largest difference from this machine's CPU {found['max_difference']:.1e} of a range of {found['range']:.2g}"
    )
    return {
        "verdict": "right" if right else "wrong",
        **found,
        "sentence": f"{'Right' if right else 'WRONG'} on {how}: {words}.",
    }
