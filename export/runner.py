"""The child process that runs one TFLite file: `python -m export.runner` with a job as JSON on standard input.

A driver or a delegate may bring its process down, so nothing else happens here. One JSON line a task comes out at once,
so that what was found before a crash is kept. TensorFlow is not imported.
"""

import json
import statistics
import sys
import time

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.cpu_options import CpuOptions
from ai_edge_litert.gpu_options import GpuOptions
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.options import Options

# XNNPACK's FORCE_FP16: compute in half precision where the CPU can, the nearest to a phone's GPU without one.
FORCE_FP16 = 4


class Xnnpack:
    """The file on the CPU, at its own size or at that of the input."""

    def __init__(self, path: str, threads: int, images: list[np.ndarray]):
        self.interpreter = Interpreter(model_path=path, num_threads=threads)
        for detail, image in zip(self.interpreter.get_input_details(), images, strict=True):
            if tuple(detail["shape"]) != image.shape:
                self.interpreter.resize_tensor_input(detail["index"], image.shape)
        self.interpreter.allocate_tensors()
        self.images = images

    def run(self) -> list[np.ndarray]:
        for detail, image in zip(self.interpreter.get_input_details(), self.images, strict=True):
            self.interpreter.set_tensor(detail["index"], image)
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(detail["index"]) for detail in self.interpreter.get_output_details()]

    def to_real(self, outputs: list[np.ndarray]) -> list[np.ndarray]:
        """Quantized outputs in the units that they stand for."""
        real = []
        for detail, output in zip(self.interpreter.get_output_details(), outputs, strict=True):
            scale, zero = detail["quantization"]
            real.append((output.astype(np.float64) - zero) * (scale or 1.0))
        return real


def compare(reference: list[np.ndarray], other: list[np.ndarray]) -> dict[str, float | bool]:
    """Largest and mean difference and the reference's range, over all outputs; whether the other is finite throughout.

    What is not finite is left out of the figures.
    """
    expected, received = (np.concatenate([part.ravel() for part in parts]) for parts in (reference, other))
    finite = np.isfinite(expected) & np.isfinite(received)
    differences = np.abs(expected[finite] - received[finite])
    values = expected[np.isfinite(expected)]
    return {
        "max_difference": float(differences.max(initial=0)),
        "mean_difference": float(differences.mean()) if differences.size else 0.0,
        "range": float(np.ptp(values)) if values.size else 0.0,
        "finite": bool(np.isfinite(received).all()),
    }


def compare_each(names: list[str], reference: list[np.ndarray], other: list[np.ndarray]) -> list[dict]:
    """`compare` for each output by itself, with its name and the reference's lowest and highest value."""
    found = []
    for name, expected, received in zip(names, reference, other, strict=True):
        values = expected[np.isfinite(expected)]
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        found.append({"name": name, "low": low, "high": high, **compare([expected], [received])})
    return found


def compiled(path: str, options: Options, engine: Xnnpack, runs: list[list[np.ndarray]], like: list[np.ndarray]):
    """Runs a file by CompiledModel on the inputs of each run in turn.

    Returns:
        Whether all of it was accelerated, and each run's outputs in the shapes of `like`.
    """
    model = CompiledModel.from_file(path, options=options)
    for index, (detail, image) in enumerate(zip(engine.interpreter.get_input_details(), runs[0], strict=True)):
        if -1 in detail["shape_signature"]:
            model.resize_input_tensor(index, image.shape)
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    results = []
    for images in runs:
        for buffer, image in zip(inputs, images, strict=True):
            buffer.write(image)
        model.run_by_index(0, inputs, outputs)
        results.append(
            [
                buffer.read(output.size, output.dtype.type).reshape(output.shape)
                for buffer, output in zip(outputs, like, strict=True)
            ]
        )
    return model.is_fully_accelerated(), results


def together(compared: list[dict]) -> dict:
    """Of several runs the worst figures, and each run's own."""
    worst = {name: max(run[name] for run in compared) for name in ("max_difference", "mean_difference", "range")}
    return {**worst, "finite": all(run["finite"] for run in compared), "runs": compared}


def latency(engine: Xnnpack, seconds: float) -> dict[str, float | int]:
    """Median and best of a run, ms, over at least five runs and about `seconds`."""
    engine.run()
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        begun = time.perf_counter()
        engine.run()
        times.append((time.perf_counter() - begun) * 1000)
    return {"median_ms": statistics.median(times), "best_ms": min(times), "runs": len(times)}


def main() -> None:
    """Job: `file`, `inputs` (an .npz of the inputs in order for each run), `names` of the outputs, `threads`, `tasks`.

    The first line says whether what XNNPACK computes in the file's own precision is finite.
    """
    job = json.load(sys.stdin)
    runs = [_arrays(path) for path in job["inputs"]]
    engine = Xnnpack(job["file"], job["threads"], runs[0])
    references = []
    for images in runs:
        engine.images = images
        outputs = engine.run()
        references.append(engine.to_real(outputs))
    finite = all(bool(np.isfinite(part).all()) for reference in references for part in reference)
    print(json.dumps({"cpu": {"finite": finite}}), flush=True)
    options = {
        "half": Options(cpu_options=CpuOptions(num_threads=job["threads"], xnnpack_flags=FORCE_FP16)),
        "gpu": Options(hardware_accelerators=HardwareAccelerator.GPU, gpu_options=GpuOptions(enforce_f32=True)),
    }
    for task in job["tasks"]:
        if task == "latency":
            result = {"threads": job["threads"], **latency(engine, job["seconds"])}
        else:
            accelerated, others = compiled(job["file"], options[task], engine, runs, outputs)
            pairs = zip(references, others, strict=True)
            compared = [
                {**compare(reference, real), "outputs": compare_each(job["names"], reference, real)}
                for reference, real in ((reference, engine.to_real(other)) for reference, other in pairs)
            ]
            result = {"fully_accelerated": accelerated, **together(compared)}
        print(json.dumps({task: result}), flush=True)


def _arrays(path: str) -> list[np.ndarray]:
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


if __name__ == "__main__":
    main()
