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


def compare(reference: list[np.ndarray], other: list[np.ndarray]) -> dict[str, float]:
    """Largest and mean difference and the reference's range, over all outputs; NaN counts as infinitely far."""
    differences = np.concatenate([np.abs(a - b).ravel() for a, b in zip(reference, other, strict=True)])
    differences = np.where(np.isnan(differences), np.inf, differences)
    values = np.concatenate([a.ravel() for a in reference])
    return {
        "max_difference": float(differences.max()),
        "mean_difference": float(differences.mean()),
        "range": float(values.max() - values.min()),
    }


def compiled(path: str, options: Options, engine: Xnnpack, like: list[np.ndarray]):
    """Runs a file by CompiledModel; whether all of it was accelerated, and its outputs in the shapes of `like`."""
    model = CompiledModel.from_file(path, options=options)
    for index, (detail, image) in enumerate(zip(engine.interpreter.get_input_details(), engine.images, strict=True)):
        if -1 in detail["shape_signature"]:
            model.resize_input_tensor(index, image.shape)
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    for buffer, image in zip(inputs, engine.images, strict=True):
        buffer.write(image)
    model.run_by_index(0, inputs, outputs)
    results = [
        buffer.read(output.size, output.dtype.type).reshape(output.shape)
        for buffer, output in zip(outputs, like, strict=True)
    ]
    return model.is_fully_accelerated(), results


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
    """Job: `file`, `input` (an .npz of the inputs in order), `threads`, `tasks` out of latency, half and gpu."""
    job = json.load(sys.stdin)
    with np.load(job["input"]) as arrays:
        images = [arrays[name] for name in arrays.files]
    engine = Xnnpack(job["file"], job["threads"], images)
    outputs = engine.run()
    reference = engine.to_real(outputs)
    options = {
        "half": Options(cpu_options=CpuOptions(num_threads=job["threads"], xnnpack_flags=FORCE_FP16)),
        "gpu": Options(hardware_accelerators=HardwareAccelerator.GPU, gpu_options=GpuOptions(enforce_f32=True)),
    }
    for task in job["tasks"]:
        if task == "latency":
            result = {"threads": job["threads"], **latency(engine, job["seconds"])}
        else:
            accelerated, others = compiled(job["file"], options[task], engine, outputs)
            result = {"fully_accelerated": accelerated, **compare(reference, engine.to_real(others))}
        print(json.dumps({task: result}), flush=True)


if __name__ == "__main__":
    main()
