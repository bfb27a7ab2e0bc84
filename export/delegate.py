"""The gate: a TFLite file on the real LiteRT WebGPU delegate, compared with XNNPACK, in a process of its own.

Where there is no GPU, Vulkan in software (SwiftShader, in Debian's `chromium` package) drives the same delegate. With
`GPU | CPU` a graph counts as accelerated though nothing of it runs on the GPU, so the gate asks for the GPU alone.
LiteRT's `Analyzer` is not used: its check of compatibility passes everything.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from export import outputs as parts
from export.inputs import noise, three
from export.outputs import figures, judged, sentence, worst
from zoo.graphs import tflite
from zoo.machine import available_threads
from zoo.program import this_python

# Of the output's range: how far the delegate may be from XNNPACK in float32 and still be right.
TOLERANCE = 1e-4
# A GPU simulates quantized graphs in float32: a value on the edge rounds to the next level, in every layer.
QUANTIZED_TOLERANCE = 0.02
# In half precision, 11 bits through a dozen layers: further off is seen.
HALF_TOLERANCE = 0.02
_ICDS = (
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/usr/lib/chromium-browser/vk_swiftshader_icd.json",
    "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
    "/opt/google/chrome/vk_swiftshader_icd.json",
)
NO_DRIVER = "Not run: no Vulkan driver; install one, or Debian's chromium and libvulkan1, which carry SwiftShader."


def run(
    path: str | Path,
    images: list[np.ndarray] | None = None,
    tasks: tuple[str, ...] = ("gpu",),
    threads: int | None = None,
    seconds: float = 1.0,
    timeout: float = 600.0,
    file: tflite.File | None = None,
    tolerance: float | None = None,
    others: list[list[np.ndarray]] | None = None,
) -> dict[str, Any]:
    """Runs a TFLite file in a child process.

    Args:
        path: the file.
        images: its inputs, in order; None makes noise over the input types' whole ranges, floats in [0, 1]. Two more
            runs follow on their negatives and on them turned round: LiteRT#8065 is right in the first run only.
        tasks: out of `"gpu"` (the delegate), `"half"` (XNNPACK in half precision) and `"latency"`, in this order.
        threads: of XNNPACK; None takes the cores that this process may use.
        seconds: about how long latency is measured.
        timeout: seconds, after which the child is ended.
        file: what lies at `path`, if it has been read already.
        tolerance: of the output's range, how far the delegate may be from XNNPACK; default: by the file's types.
        others: the inputs of further runs, in order: photographs, say.
    Returns:
        An entry a task. `gpu` has `verdict` ("right", "rounding", "wrong", "inconclusive", "not finite", "partly",
        "refused", "crashed", "not run"), `sentence`, and where it ran `device`, `fully_accelerated`, `max_difference`,
        `mean_difference` against XNNPACK and `range` of the output that decides, the `runs`, and `outputs`: a verdict
        on each by its name (`export.outputs.judged`). `half` has the differences, `verdict` ("right",
        "far", "not finite") and `sentence`; `latency` `median_ms`, `best_ms`, `runs` and `threads`. `cpu` has `finite`:
        whether XNNPACK gives neither NaN nor infinity in the file's own precision.
    """
    file = file or tflite.read(path)
    images = images if images is not None else noise(file)
    threads = threads or available_threads()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        inputs = []
        for number, each in enumerate([*three(images), *(others or [])]):
            inputs.append(str(Path(folder) / f"inputs_{number}.npz"))
            np.savez(inputs[-1], *each)
        job = {"file": str(Path(path).resolve()), "inputs": inputs, "threads": threads, "seconds": seconds}
        job["names"] = file.output_names
        on_cpu = [task for task in tasks if task != "gpu"]
        if on_cpu:
            results, _, log = child({**job, "tasks": on_cpu}, dict(os.environ), timeout)
            # What cannot be run at all is said once.
            for task in [task for task in on_cpu if task not in results][:1]:
                results[task] = {"sentence": f"Not measured: {reason(log)}."}
            if "max_difference" in results.get("half", {}):
                results["half"] |= _half(results["half"])
        if "gpu" in tasks:
            results["gpu"] = _gate({**job, "tasks": ["gpu"]}, file, folder, timeout, tolerance)
    return results


def _gate(job: dict, file: tflite.File, folder: str, timeout: float, tolerance: float | None) -> dict[str, Any]:
    log, code = "", None
    for environment in environments(folder):
        results, code, log = child(job, environment, timeout)
        device = re.search(r"Selected adapter: (.*?), arch", log)
        if device:
            name = f"LiteRT WebGPU delegate over {device[1]}"
            default = QUANTIZED_TOLERANCE if quantized(file) else TOLERANCE
            return _verdict(results.get("gpu"), code, log, name, tolerance or default)
    if not log or "No adapters found" in log:
        return {"verdict": "not run", "sentence": NO_DRIVER}
    if code is None or code < 0:  # before it named its adapter
        return _verdict(None, code, log, "LiteRT WebGPU delegate", tolerance or TOLERANCE)
    return {"verdict": "not run", "sentence": f"Not run: {reason(log)}."}


def _verdict(result: dict | None, code: int | None, log: str, device: str, tolerance: float) -> dict[str, Any]:
    if result is None:
        if code is None or code < 0:
            how = "did not end in time" if code is None else f"ended with signal {-code}"
            return {"verdict": "crashed", "device": device, "sentence": f"The process on the {device} {how}."}
        return {"verdict": "refused", "device": device, "sentence": f"Refused by the {device}: {reason(log)}."}
    outputs = judged([each["outputs"] for each in result["runs"]], tolerance)
    deciding, whole = worst(outputs), result["fully_accelerated"]
    verdict, words = deciding["verdict"], sentence(deciding, device, whole, len(result["runs"]))
    if verdict in ("right", "rounding") and not whole:
        verdict = "partly"
    found = {"verdict": verdict, "device": device, **result, **figures(deciding)}
    return {**found, "outputs": outputs, "sentence": words}


def outputs_of(entry: dict[str, Any]) -> list[str]:
    """A line for each output of a file that has several; the sentence says it of one."""
    outputs = entry.get("outputs", [])
    return [parts.line(each, len(entry["runs"])) for each in outputs] if len(outputs) > 1 else []


def quantized(file: tflite.File) -> bool:
    """Whether some operation gives another type than float32."""
    return any(tensor.dtype != "float32" for step in file.operations for tensor in filter(None, step.outputs))


def _half(result: dict) -> dict[str, Any]:
    """The verdict on half precision, by XNNPACK's: a phone's GPU computes in it unless it is told otherwise."""
    found = worst(judged([each["outputs"] for each in result["runs"]], HALF_TOLERANCE))
    difference = f"{found['max_difference']:.1e} of a range of {found['range']:.2g}"
    if not result["finite"]:
        return {"verdict": "not finite", "sentence": "In half precision: NaN or infinity; ask a GPU for float32."}
    if found["verdict"] == "wrong":
        words = f"In half precision: far off, {difference}; ask a GPU for float32."
        return {**figures(found), "verdict": "far", "sentence": words}
    return {**figures(found), "verdict": "right", "sentence": f"In half precision: {difference} off."}


def in_software() -> bool:
    """Whether it is the processor that the delegate runs on here, which takes up to minutes."""
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        found = environments(folder)
    return bool(found) and found[0].get("VK_ICD_FILENAMES", "") in _ICDS


def environments(folder: str) -> list[dict[str, str]]:
    """The environments to try, in order: the user's own Vulkan driver, then SwiftShader where it is installed."""
    base = {**os.environ}
    # Dawn wants a folder for its sockets; any will do.
    base.setdefault("XDG_RUNTIME_DIR", folder)
    if base.get("VK_ICD_FILENAMES") or base.get("VK_DRIVER_FILES"):
        return [base]
    # Without a GPU, drivers in software that cannot drive the delegate (lavapipe) would only cost time.
    devices = sys.platform != "linux" or any(Path(node).exists() for node in ("/dev/dri", "/dev/nvidia0"))
    swiftshader = [{**base, "VK_ICD_FILENAMES": icd} for icd in _ICDS if Path(icd).is_file()]
    return ([base] if devices else []) + swiftshader[:1]


def child(job: dict, environment: dict[str, str], timeout: float) -> tuple[dict[str, Any], int | None, str]:
    """The results of a job, the child's exit code (None: ended for time) and what it wrote to standard error."""
    python, environment = this_python(environment)
    try:
        done = subprocess.run(
            [*python, "-m", "export.runner"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=timeout,
        )
        code, out, log = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as stopped:
        code, out, log = None, _text(stopped.stdout), _text(stopped.stderr)
    results = {}
    for line in out.splitlines():
        if line.startswith("{"):
            results.update(json.loads(line))
    return results, code, log


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def reason(log: str) -> str:
    """Why, out of a child's log: the operations that the delegate names, or else the error that ended it."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    refused = next((number for number, line in enumerate(lines) if "are not supported by GPU delegate" in line), None)
    if refused is not None:
        end = next((n for n in range(refused, len(lines)) if "operations will run on the" in lines[n]), len(lines))
        # Of some operations it names nothing but the name.
        named = [line.rstrip(".") for line in lines[refused + 1 : end] if not line.rstrip(".").endswith(":")]
        return "; ".join(named[:4])
    # TFLite says what it minds and then which node; LiteRT names its source file first, the cause in a branch below it.
    minded = [lines[number - 1] for number, line in enumerate(lines) if re.match(r"ERROR: Node number \d+", line)]
    causes = [line for line in lines if re.match(r"└ (?!ERROR)|\w+(Error|Exception): (?!ERROR)", line)] or lines[-1:]
    causes = [line for line in minded if line.startswith("ERROR: ")] or causes
    return re.split(r"(?<=\w)\. |\.$", re.sub(r"^└ |^\w+: ", "", causes[-1]))[0] if causes else "no reason given"
