"""Time of one frame, LR 640×360 luma, in the project's engine and in the engines that a user might pick instead.

Every network in LR form and with a deconvolution (one function, the same weights), at ×3 → 1920×1080 and ×2 →
1280×720, on 1 and on 2 threads. Outputs are checked against Keras before anything is timed. Each number of threads has
a process of its own, bound to as many cores. `zoo` is what `zoo.upscale` runs: the file for every size, whose
convolutions fit a CPU's vectors, in the engine chosen after as many measurements as count; `TFLite` the same file in
TFLite's own engine; the engines after them have the file as the rewrite leaves it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Engine → where it finds the network. The LR form is what the project runs; the other one is what was published.
NETWORKS = {"espcn": "transposed", "fsrcnn": "transposed", "srcnn": None}
SIZE = (360, 640)
# Those that come near the project, in the form in which they do. The others are slower by far, some take seconds, and
# show their ratio in a few rounds; the check before was their warm-up.
NEAR = ("zoo, LR form", "TFLite, LR form", "onnxruntime", "OpenVINO, plain, LR form", "OpenCV dnn, LR form")
# Of the output's range.
TOLERANCE = 1e-5


def candidates(model, form: str, folder: Path, threads: int) -> tuple[dict[str, Any], dict[str, str]]:
    """The engines that can run this model: name → function of the LR image; and name → why another one cannot."""
    from benchmarks import peers
    from export import tflite_dynamic
    from export.onnx import write_onnx
    from export.prepare import prepare
    from export.tflite import write_tflite
    from zoo.engines.tflite import TFLiteEngine
    from zoo.errors import UsageError

    folder.mkdir()
    tflite, plain, onnx = folder / "model.tflite", folder / "plain.tflite", folder / f"{model.name}.onnx"
    keep_form = form == "deconvolution"
    tflite_dynamic(model, tflite, keep_form=keep_form)
    write_tflite(prepare(model, keep_form=keep_form), plain, None)
    makers = {
        "zoo": lambda: _chosen(tflite, threads).run,
        "TFLite": lambda: TFLiteEngine(tflite.read_bytes(), "TFLite", threads).run,
        "TFLite, plain": lambda: TFLiteEngine(plain.read_bytes(), "TFLite", threads).run,
        "onnxruntime": lambda: peers.onnxruntime(onnx, threads),
        "OpenVINO, plain": lambda: peers.openvino(plain, threads),
        "OpenCV dnn": lambda: peers.opencv(onnx, threads),
        "PyTorch": lambda: peers.torch(model, threads, channels_last=False),
        "PyTorch channels_last": lambda: peers.torch(model, threads, channels_last=True),
        "tf.function": lambda: peers.tensorflow(model, jit=False),
        "XLA": lambda: peers.tensorflow(model, jit=True),
        "model.predict": lambda: peers.predict(model),
    }
    runs, missing = {}, {}
    try:
        write_onnx(model, onnx)
    except UsageError as error:
        missing[f"ONNX, {form}"] = str(error)
        del makers["onnxruntime"], makers["OpenCV dnn"]
    for name, make in makers.items():
        try:
            runs[f"{name}, {form}"] = make()
        except ImportError as error:
            missing[f"{name}, {form}"] = str(error)
    return runs, missing


def _chosen(tflite: Path, threads: int):
    """The engine that a file has after as many measurements as count."""
    from zoo.engines import choices
    from zoo.engines.opening import measured, open_engine
    from zoo.engines.tflite import TFLiteEngine

    for _ in range(choices.ENOUGH):
        measured(TFLiteEngine(tflite.read_bytes(), tflite.name, threads))
    return open_engine(tflite, threads)


def check(runs: dict[str, Any], lr_image, expected) -> dict[str, float]:
    """The largest difference of every engine's output from Keras'.

    Raises:
        AssertionError: an engine computes something else.
    """
    import numpy as np

    differences = {}
    for name, run in runs.items():
        result = run(lr_image)
        differences[name] = float(np.abs(result - expected).max()) if result.shape == expected.shape else float("inf")
        assert differences[name] < TOLERANCE * np.ptp(expected), f"{name} is {differences[name]} away from Keras"
    return differences


def randomise(model) -> None:
    """Weights of a trained network's size: FSRCNN's own start gives outputs so small that no error would show."""
    import numpy as np

    random = np.random.default_rng(1)
    for weight in model.weights:
        inputs = np.prod(weight.shape[:-1]) if len(weight.shape) == 4 else 16
        weight.assign(random.normal(0, max(inputs, 1) ** -0.5, weight.shape))


def sgemm_peak() -> float:
    """GFLOP/s of a float32 matrix product, the best of some: what this process' threads can do at all."""
    import numpy as np

    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best / 1e9


def measure(threads: int, scale: int, quick: bool) -> list[dict]:
    """All networks at one scale in this process, which has `threads` cores."""
    import numpy as np
    import tensorflow as tf

    from benchmarks.timing import paired, summarise
    from zoo import complexity
    from zoo.registry import create_model

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    height, width = (45, 80) if quick else SIZE
    lr_image = np.random.default_rng(2).random((height, width, 1), np.float32)
    results = []
    for network, other in NETWORKS.items():
        model = create_model(network, scale=scale, **({"upsampler": "subpixel"} if other else {}))
        randomise(model)
        forms = {"LR form": model}
        if other:
            forms["deconvolution"] = create_model(network, scale=scale, upsampler=other)
            forms["deconvolution"].set_weights(model.get_weights())
        expected = np.asarray(model(lr_image[None]))[0]
        peak = sgemm_peak()
        macs = complexity.count(model, scale * height, scale * width)
        with tempfile.TemporaryDirectory() as folder:
            runs, missing, differences = {}, {}, {}
            for form, each in forms.items():
                made, absent = candidates(each, form, Path(folder) / form, threads)
                differences |= check(made, lr_image, expected)
                runs, missing = runs | made, missing | absent
            jobs = {name: lambda run=run: run(lr_image) for name, run in runs.items()}
            fast = {name: job for name, job in jobs.items() if name.startswith(NEAR)}
            slow = {name: job for name, job in jobs.items() if name not in fast or name == "zoo, LR form"}
            times = paired(fast, rounds=2 if quick else 15, warmup=1, seconds=2.5)
            few = paired(slow, rounds=2, warmup=0)
        results.append(
            {
                "network": network,
                "scale": scale,
                "threads": threads,
                "gflop": 2 * (macs["macs"] + macs["macs_fixed"]) / 1e9,
                "sgemm_peak_gflops": peak,
                "contest": summarise(times, "zoo, LR form"),
                "others": summarise(few, "zoo, LR form"),
                "largest_difference": differences,
                "missing": missing,
                "engine": runs["zoo, LR form"].__self__.kind,
                "against": against(times, few),
            }
        )
    return results


def against(*measured: dict[str, list[float]]) -> dict[str, float]:
    """Engine → the project's time / the engine's in its faster form: below 1 the project is faster.

    Args:
        measured: as `timing.paired` returns them, names "engine, form", the project's "zoo, LR form" in each; the
            ratios are medians over the rounds.
    """
    import numpy as np

    found: dict[str, float] = {}
    for times in measured:
        ours = np.asarray(times["zoo, LR form"])
        for name, values in times.items():
            engine, ratio = name.rsplit(", ", 1)[0], float(np.median(ours / np.asarray(values)))
            if engine != "zoo":
                found[engine] = max(ratio, found.get(engine, 0.0))
    return found


def in_child(threads: int, scale: int, quick: bool) -> list[dict]:
    """`measure` in a process that sees `threads` cores only."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {
        **os.environ,
        **{name: str(threads) for name in variables},
        "OMP_WAIT_POLICY": "passive",
    }
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.inference", f"--child={threads},{scale},{int(quick)},{result}"]
        subprocess.run(command, env=environment, check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
        return json.loads(result.read_text())


def rows(results: list[dict]) -> list[list[str]]:
    """The table: the median, its ratio to the project's and the share of the peak, engine by engine."""
    lines = []
    for each in results:
        for name, row in {**each["others"], **each["contest"]}.items():
            share = each["gflop"] / row["median"] / each["sgemm_peak_gflops"]
            lines.append(
                [
                    f"{each['network']} ×{each['scale']}, {each['threads']} threads: {name}",
                    f"{1e3 * row['median']:.1f}",
                    f"{row['ratio']:.2f}",
                    f"{share:.0%}" if "LR form" in name else "",
                ]
            )
    return lines


def threads_and_scales(text: str) -> list[tuple[int, int]]:
    """The cases of "2x3,1x3"; ValueError for anything else."""
    pairs = [tuple(int(number) for number in case.split("x")) for case in text.split(",")]
    if any(len(pair) != 2 or min(pair) < 1 for pair in pairs):
        raise ValueError(text)
    return pairs


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.inference`."""
    from benchmarks import record
    from zoo.machine import available_threads
    from zoo.program import quiet_tensorflow

    parser = record.parser("inference", __doc__)
    help_text = "threads and scale, several with commas: 2x3,1x3; default: all four, which takes 7 minutes"
    parser.add_argument("--cases", type=threads_and_scales, help=help_text)
    parser.add_argument("--child", help="for the command's own processes: threads,scale,quick,file")
    flags = parser.parse_args(arguments)
    if flags.child:
        quiet_tensorflow()
        threads, scale, quick, path = flags.child.split(",", 3)
        Path(path).write_text(json.dumps(measure(int(threads), int(scale), bool(int(quick)))))
        return
    written = record.start("inference")
    most = min(2, available_threads())
    cases = [(most, 3)] if flags.quick else [(threads, scale) for scale in (3, 2) for threads in range(most, 0, -1)]
    if flags.cases:
        cases = flags.cases
    written["results"] = [each for threads, scale in cases for each in in_child(threads, scale, flags.quick)]
    record.table("One frame", ["network and engine", "ms", "time / zoo's", "of the peak"], rows(written["results"]))
    shown = [
        (f"{each['network']}, {name.split(',')[0]}", 1e3 * row["median"])
        for each in written["results"][: len(NETWORKS)]
        for name, row in each["contest"].items()
        if "LR form" in name
    ]
    first = written["results"][0]
    title = f"One frame ×{first['scale']}, LR form, {first['threads']} threads"
    written["chart"] = record.chart(title, shown, "ms", [label for label, _ in shown if label.endswith("zoo")])
    record.finish(written, flags.json)


if __name__ == "__main__":
    main()
