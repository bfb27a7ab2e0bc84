"""The LiteRT GPU delegate on a real GPU: each network with a deconvolution and in LR form, right or wrong, how fast.

The WebGPU accelerator of the ai-edge-litert wheel, over Vulkan. A frame is: the input written, the network run, the
result read back; without reading back nothing waits for the GPU. Without a GPU the command says so and measures
nothing: what a software driver takes is no speed.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import record

SIZES = ((360, 640), (720, 1280))
SOFTWARE = re.compile("swiftshader|llvmpipe|lavapipe|software", re.IGNORECASE)
WARMUP, FRAMES = 5, 50


def time_file(path: str, half: bool) -> dict[str, float]:
    """In the child: ms per frame of one file on the GPU alone."""
    import numpy as np
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.gpu_options import GpuOptions
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_litert.options import Options

    interpreter = Interpreter(model_path=path)
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    image = np.random.default_rng(0).random(entry["shape"], np.float32)
    size = int(np.prod(result["shape"]))
    options = Options(hardware_accelerators=HardwareAccelerator.GPU, gpu_options=GpuOptions(enforce_f32=not half))
    model = CompiledModel.from_file(path, options=options)
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    times = []
    for frame in range(WARMUP + FRAMES):
        start = time.perf_counter()
        inputs[0].write(image)
        model.run_by_index(0, inputs, outputs)
        outputs[0].read(size, np.float32)
        if frame >= WARMUP:
            times.append(1e3 * (time.perf_counter() - start))
    low, median, high = np.percentile(times, [25, 50, 75])
    return {"median_ms": float(median), "low_ms": float(low), "high_ms": float(high), "frames": FRAMES}


def networks() -> dict[str, tuple]:
    """Name → (LR form, deconvolution form or None) of every preset, or of the papers' networks where none is there."""
    from zoo import registry

    def forms(build) -> tuple:
        try:
            return build("subpixel"), build("transposed")
        except ValueError:
            return build(None), None

    if registry.list_presets():
        return {name: forms(lambda form, name=name: registry.load(name, form)) for name in registry.list_presets()}
    made = {}
    for name in ("espcn", "fsrcnn"):
        for scale in (2, 3, 4):
            made[f"{name}_x{scale}"] = forms(
                lambda form, name=name, scale=scale: registry.create_model(name, scale=scale, upsampler=form)
            )
    return made


def gpu(folder: Path) -> str | None:
    """The GPU that the delegate runs a small network on; None where there is none, or software in its place."""
    from export.delegate import measure
    from export.prepare import prepare
    from export.tflite import write_tflite
    from zoo.registry import create_model

    write_tflite(prepare(create_model("espcn", scale=2)), folder / "small.tflite", (16, 16))
    device = measure(folder / "small.tflite")["gpu"].get("device", "")
    return None if not device or SOFTWARE.search(device) else device


def measure_all(quick: bool) -> list[dict]:
    """Correctness and time of every file; nothing where there is no GPU."""
    from export import export_model
    from export.delegate import environments, measure

    results = []
    with tempfile.TemporaryDirectory() as folder:
        if (device := gpu(Path(folder))) is None:
            return []
        environment = environments(folder)
        for name, pair in networks().items():
            for form, model in zip(("LR form", "deconvolution"), pair):
                if model is None:
                    continue
                sizes = SIZES[:1] if quick else SIZES
                target = Path(folder) / name / form.split()[0]
                keep = form == "deconvolution"
                made = export_model(model, target, sizes, ["tflite_fp32"], keep_form=keep, check=False)
                for file, size in zip(made["files"], sizes):
                    path = target / file["name"]
                    gate = measure(path)["gpu"]
                    row = {"network": name, "form": form, "lr_size": size, "device": device, "gate": gate}
                    if gate["verdict"] in ("right", "wrong", "partly"):
                        for precision in ("f32", "f16"):
                            row[precision] = _child(path, precision == "f16", environment[0])
                    results.append(row)
    return results


def _child(path: Path, half: bool, environment: dict[str, str]) -> dict:
    command = [sys.executable, "-m", "benchmarks.delegate_gpu", f"--child={int(half)},{path}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1]}


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.delegate_gpu`."""
    parser = record.parser("delegate_gpu", __doc__)
    parser.add_argument("--child", help="for the command's own processes: half,file")
    flags = parser.parse_args(arguments)
    if flags.child:
        half, path = flags.child.split(",", 1)
        print(json.dumps(time_file(path, bool(int(half)))))
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    written = record.start("delegate_gpu")
    written["results"] = measure_all(flags.quick)
    if not written["results"]:
        print("no GPU: nothing was measured")
        return
    record.table(
        written["results"][0]["device"],
        ["network, form, LR size", "verdict", "ms, f32", "ms, f16"],
        [
            [f"{row['network']}, {row['form']}, {row['lr_size'][1]}×{row['lr_size'][0]}", row["gate"]["verdict"],
             *(f"{row[kind]['median_ms']:.2f}" if "median_ms" in row.get(kind, {}) else "–" for kind in ("f32", "f16"))]
            for row in written["results"]
        ],
    )  # fmt: skip
    timed = [row for row in written["results"] if "median_ms" in row.get("f32", {}) and row["lr_size"] == SIZES[0]]
    values = [(f"{row['network']}, {row['form']} ({row['gate']['verdict']})", row["f32"]["median_ms"]) for row in timed]
    written["chart"] = record.chart(
        "GPU delegate, 640×360, read back", values, "ms", [label for label, _ in values if "LR form" in label]
    )
    record.finish(written, flags.json)


if __name__ == "__main__":
    main()
