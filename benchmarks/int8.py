"""Which preset to take for int8: bytes, multiplications and time of the float and of the int8 file of each.

One file of 320×180 LR px each; what int8 costs in dB, on text too, is in the presets' cards.
"""

import functools
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import record, timing
from zoo import registry
from zoo.errors import exit_on_usage_error
from zoo.machine import available_threads
from zoo.program import quiet_tensorflow

SIZE = (180, 320)
FORMATS = ("tflite_fp32", "tflite_int8")
HEADINGS = ["preset", "kB", "int8", "GMAC", "int8", "ms", "int8", "times faster"]


def written(name: str, folder: Path) -> dict[str, Path]:
    """Format → a preset's file, fitted as its card says."""
    import export
    from export.options import fitting

    report = export.export_model(
        registry.load(name), folder / name, [SIZE], FORMATS, check=False, **fitting(registry.card(name))
    )
    return {file["format"]: folder / name / file["name"] for file in report["files"]}


def measure(name: str, files: dict[str, Path], quick: bool) -> dict:
    """A preset's row: bytes, multiplications and seconds of its two files, run in turn."""
    from export.measure import describe
    from zoo.graphs import tflite
    from zoo.targets import records

    target = records.named("gpu_delegate")
    known = registry.card(name)
    row: dict = {"preset": name, "scale": known["scale"], "parameters": known["parameters"], "bytes": {}, "macs": {}}
    frames = {}
    for form, path in files.items():
        row["bytes"][form] = path.stat().st_size
        row["macs"][form] = describe(tflite.read(path), target)["macs"]
        frames[form] = frame(path)
    rounds = 3 if quick else 30
    times = timing.summarise(timing.paired(frames, rounds=rounds, warmup=2, pause=0.0), FORMATS[1])
    row["seconds"] = {form: times[form]["median"] for form in FORMATS}
    # Below 1 the float file is slower by that.
    row["faster"] = times[FORMATS[0]]["ratio"]
    return row


def frame(path: Path):
    """A function that runs a file once, on all threads."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=available_threads())
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    image = np.random.default_rng(0).random(given["shape"], dtype=np.float32)
    whole = np.round(255 * image + (-128 if given["dtype"] == np.int8 else 0))
    image = image if given["dtype"] == np.float32 else whole.astype(given["dtype"])
    return functools.partial(once, interpreter, given["index"], image)


def once(interpreter, index: int, image: np.ndarray) -> None:
    interpreter.set_tensor(index, image)
    interpreter.invoke()


def quiet(machine: dict) -> bool:
    """Whether the machine was free enough before the run for milliseconds, and not for ratios alone."""
    return machine["load_before"] < machine["cores"]


def cells(row: dict, milliseconds: bool) -> list[str]:
    """A row as text; milliseconds only where the machine was quiet."""
    kilobytes = [f"{row['bytes'][form] / 1000:.1f}" for form in FORMATS]
    multiplications = [f"{row['macs'][form] / 1e9:.2f}" for form in FORMATS]
    times = [f"{1e3 * row['seconds'][form]:.1f}" if milliseconds else "–" for form in FORMATS]
    return [row["preset"], *kilobytes, *multiplications, *times, f"{row['faster']:.2f}"]


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command `python -m benchmarks.int8`."""
    parser = record.parser("int8", __doc__)
    parser.add_argument("--presets", default="", help="names with commas; default: those whose cards have int8 figures")
    flags = parser.parse_args(arguments)
    quiet_tensorflow()
    names = [name for name in flags.presets.split(",") if name]
    names = names or [name for name in registry.list_presets() if registry.card(name).get("int8_agreement_db")]
    # Its load is that of others: before this command's own.
    made = record.start("int8")
    with tempfile.TemporaryDirectory() as folder:
        # Fitting takes minutes and heats the machine: all of it comes before the first time is taken.
        files = {}
        for name in names:
            files[name] = written(name, Path(folder))
            print(f"{name}: fitted", flush=True)
        made["results"] = [measure(name, files[name], flags.quick) for name in names]
    title = f"Float and int8, {SIZE[1]}×{SIZE[0]}"
    record.table(title, HEADINGS, [cells(row, True) for row in made["results"]])
    values = [(row["preset"], row["faster"]) for row in made["results"]]
    gained = [name for name, faster in values if faster >= 1]
    made["chart"] = record.chart(f"int8: times as fast as the float file, {SIZE[1]}×{SIZE[0]}", values, "×", gained)
    record.finish(made, flags.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
