"""The LiteRT GPU delegate on a real GPU: each network with a deconvolution and in LR form, right or wrong, how fast.

The WebGPU accelerator of the ai-edge-litert wheel, over Vulkan. A frame is: the input written, the network run, the
result read back; without reading back nothing waits for the GPU. Beside it what the GPU computes alone, from a row of
frames with one value read at its end. Without a GPU the command says so and measures nothing: what a software driver
takes is no speed. Where the machine with the GPU has no TensorFlow, another one writes the files: `--write=FOLDER`
there, `--files=FOLDER` here.
"""

import functools
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import delegate_files, record, timing
from benchmarks.delegate_files import DECONVOLUTION, SIZES, Case
from zoo.errors import exit_on_usage_error
from zoo.graphs import tflite
from zoo.machine import available_threads
from zoo.program import quiet_tensorflow

SOFTWARE = re.compile("swiftshader|llvmpipe|lavapipe|software", re.IGNORECASE)
PRECISIONS = ("f32", "f16")
# Frames in a row with one value read at the end: what the GPU computes, without the way back.
ROW = 65


def gpu(probe: Path) -> str | None:
    """The GPU that the delegate runs a small network on; None where there is none, or software in its place."""
    from export import delegate

    device = delegate.run(probe)["gpu"].get("device", "")
    return None if not device or SOFTWARE.search(device) else device


def measure_all(cases: list[Case]) -> list[dict]:
    """A row a case and form: the gate's verdict, and times where the delegate took it."""
    from export import delegate

    results = []
    with tempfile.TemporaryDirectory() as folder:
        environment = delegate.environments(folder)[0]
        for case in cases:
            gates = {form: delegate.run(path)["gpu"] for form, path in case.files.items()}
            taken = [form for form in case.files if gates[form]["verdict"] not in ("crashed", "not run")]
            times = in_child({form: str(case.files[form]) for form in taken}, environment) if taken else {}
            for form, gate in gates.items():
                row = {"network": case.network, "form": form, "lr_size": case.lr_size, "gate": gate}
                results.append({**row, **times.get(form, times if form in taken else {})})
                print(f"{case.network}, {form}, {case.lr_size[1]}×{case.lr_size[0]}: {gate['verdict']}", flush=True)
    return results


def in_child(paths: dict[str, str], environment: dict[str, str]) -> dict:
    command = [sys.executable, "-m", "benchmarks.delegate_gpu", f"--child={json.dumps(paths)}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1]}


def time_forms(paths: dict[str, str], rounds: int = 30, seconds: float = 6.0) -> dict[str, dict[str, dict]]:
    """In the child: form → precision → ms, all forms of a network in both precisions in turn on the GPU alone."""
    from export.delegate import noise
    from export.runner import Xnnpack, compare

    measured: dict[str, dict[str, dict]] = {form: {} for form in paths}
    candidates = {}
    for form, path in paths.items():
        (image,) = noise(tflite.read(path))
        (reference,) = Xnnpack(path, available_threads(), [image]).run()
        for precision in PRECISIONS:
            try:
                frame = Frame(path, image, precision)
            except RuntimeError as error:
                measured[form][precision] = {"failed": str(error).strip().splitlines()[-1]}
                continue
            measured[form][precision] = compare([reference], [frame.run(1, reference.size).reshape(reference.shape)])
            for way, (count, size) in {"frame": (1, reference.size), "one": (1, 1), "row": (ROW, 1)}.items():
                candidates[precision, form, way] = functools.partial(frame.run, count, size)
    times = timing.paired(candidates, rounds=rounds, warmup=3, pause=0.0, seconds=seconds)
    for precision in PRECISIONS:
        forms = [form for form in paths if "failed" not in measured[form][precision]]
        for form, summary in summarise({form: times_of(times, precision, form) for form in forms}).items():
            measured[form][precision] |= summary
    return measured


def times_of(times: dict[tuple[str, str, str], list[float]], precision: str, form: str) -> dict[str, list[float]]:
    """s a round of a frame that is read back, and of one that is not: a row of frames less one, waited for alike."""
    one, row = times[precision, form, "one"], times[precision, form, "row"]
    return {
        "frame": times[precision, form, "frame"],
        "computing": [(long - short) / (ROW - 1) for short, long in zip(one, row, strict=True)],
    }


def summarise(forms: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    """Form → median ms of both, and the time of computing as a ratio to the first form's, unless only that is left
    which the LR form is compared with.
    """
    if not forms:
        return {}
    first = next(iter(forms))
    computing = timing.summarise({form: each["computing"] for form, each in forms.items()}, first)
    return {
        form: {
            "frame_ms": 1e3 * statistics.median(each["frame"]),
            "computing_ms": 1e3 * computing[form]["median"],
            **({} if first == DECONVOLUTION else {"ratio": computing[form]["ratio"]}),
            "rounds": computing[form]["rounds"],
        }
        for form, each in forms.items()
    }


class Frame:
    """A file compiled for the GPU in one precision, with buffers of its own."""

    def __init__(self, path: str, image: np.ndarray, precision: str):
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.gpu_options import GpuOptions
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        from ai_edge_litert.options import Options

        gpu_options = GpuOptions(enforce_f32=precision == "f32")
        options = Options(hardware_accelerators=HardwareAccelerator.GPU, gpu_options=gpu_options)
        self.model = CompiledModel.from_file(path, options=options)
        self.inputs, self.outputs = self.model.create_input_buffers(0), self.model.create_output_buffers(0)
        self.image = image

    def run(self, count: int, size: int) -> np.ndarray:
        """The input written, the network run `count` times, `size` values of the last result read back."""
        self.inputs[0].write(self.image)
        for _ in range(count):
            self.model.run_by_index(0, self.inputs, self.outputs)
        return self.outputs[0].read(size, self.image.dtype.type)


HEADINGS = ["network and form", "LR", "verdict", "ms, f32", "computing", "ms, f16", "computing", "× LR", "f16 off by"]


def rows(results: list[dict]) -> list[list[str]]:
    """The rows of the table on the screen and on the page; the error of half precision as a part of the range."""
    made = []
    for row in results:
        full, half = row.get("f32", {}), row.get("f16", {})
        kinds = ("frame_ms", "computing_ms")
        times = [f"{each[kind]:.2f}" if kind in each else "–" for each in (full, half) for kind in kinds]
        ratio = f"{full['ratio']:.2f}" if "ratio" in full else "–"
        error = f"{half['max_difference'] / half['range']:.4f}" if "range" in half else "–"
        size = f"{row['lr_size'][1]}×{row['lr_size'][0]}"
        made.append([f"{row['network']}, {row['form']}", size, row["gate"]["verdict"], *times, ratio, error])
    return made


def chart(results: list[dict]) -> dict:
    """The times of one size; what computes something else is set off, and what did not run is named."""
    here = [row for row in results if tuple(row["lr_size"]) == SIZES[0]]
    labels = [f"{row['network']}, {row['form']} ({row['gate']['verdict']})" for row in here]
    times = [row.get("f32", {}).get("computing_ms") for row in here]
    values = [(label, time) for label, time in zip(labels, times) if time is not None]
    ours = [label for label, _ in values if DECONVOLUTION not in label]
    made = record.chart("GPU delegate, 640×360, not read back", values, "ms", ours)
    absent = [label for label, time in zip(labels, times) if time is None]
    note = "red: computes something else" + (f"; no time: {', '.join(absent)}" if absent else "")
    return made | {"wrong": [label for label, _ in values if label.endswith("(wrong)")], "note": note}


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command `python -m benchmarks.delegate_gpu`."""
    parser = record.parser("delegate_gpu", __doc__)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="only write the files, for another machine")
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="measure the files that --write wrote")
    parser.add_argument("--child", help="for the command's own processes: a JSON object, form to file")
    flags = parser.parse_args(arguments)
    if flags.child:
        print(json.dumps(time_forms(json.loads(flags.child))))
        return 0
    quiet_tensorflow()
    if flags.write:
        delegate_files.write_probe(flags.write)
        delegate_files.write(flags.write, flags.quick)
        return 0
    cases = delegate_files.read(flags.files) if flags.files else []
    written = record.start("delegate_gpu")
    with tempfile.TemporaryDirectory() as made:
        if not cases:
            delegate_files.write_probe(Path(made))
        device = gpu((flags.files or Path(made)) / delegate_files.PROBE)
        if device is None:
            print("no GPU: nothing was measured")
            return 0
        if not cases:
            delegate_files.write(Path(made), flags.quick)
            cases = delegate_files.read(Path(made))
        written |= {"device": device, "results": measure_all(cases)}
    record.table(device, HEADINGS, rows(written["results"]))
    written["chart"] = chart(written["results"])
    record.finish(written, flags.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
