"""A library of pictures by `python -m zoo.upscale`: a Beam runner with two processes against one, and no runner.

The whole command is measured, its start included; what the start alone takes shows in the job in which all is done
already. All ways write the same files, which is checked. Needs the environment with Beam (`make .venv-beam/installed`).
"""

import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import record
from benchmarks.files import write_pictures
from benchmarks.timing import paired, summarise
from zoo.errors import UsageError, exit_on_usage_error

PYTHON = Path(__file__).parent.parent / ".venv-beam" / "bin" / "python"
PRESET = "fsrcnn_x3"
COUNT, LARGEST = 40, 0.5
SEVERAL = ["--runner=DirectRunner", "--direct_running_mode=multi_processing"]
# Way → its flags; a runner's process has one thread, the command without a runner one for each processor.
WAYS = {
    "runner, 1 process": [*SEVERAL, "--direct_num_workers=1"],
    "runner, 2 processes": [*SEVERAL, "--direct_num_workers=2"],
    "no runner": [],
    "no runner, 1 thread": ["--threads=1"],
}


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.library`."""
    flags = record.parser("library", __doc__).parse_args(arguments)
    if not PYTHON.exists():
        raise UsageError(
            f"Expected the environment with Beam (make .venv-beam/installed). Received: nothing at {PYTHON}"
        )
    written = record.start("library")
    count, largest = (6, 0.2) if flags.quick else (COUNT, LARGEST)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "in").mkdir()
        megapixels = write_pictures(folder / "in", count, largest) / 1e6
        outputs: dict[str, Path] = {}

        def upscale(way: str) -> None:
            outputs[way] = Path(tempfile.mkdtemp(dir=folder))
            _run(folder, outputs[way], WAYS[way])

        began = time.perf_counter()
        times = paired({way: lambda way=way: upscale(way) for way in WAYS}, rounds=1, warmup=0)
        again = {way: lambda way=way: _run(folder, outputs[way], WAYS[way]) for way in WAYS if way.startswith("runner")}
        nothing_left = paired(again, rounds=1, warmup=0)
        took = time.perf_counter() - began
        reference = _pictures(outputs["no runner"])
        differing = [way for way, output in outputs.items() if _pictures(output) != reference]
        if differing or len(reference) != count:
            raise AssertionError(f"Expected {count} files, the same in all ways. Received: others in {differing}")
    written |= {
        "pictures": count,
        "lr_megapixels": megapixels,
        "preset": PRESET,
        "beam": _beam(),
        "times": summarise(times, "runner, 1 process"),
        "nothing_left": summarise(nothing_left, "runner, 1 process"),
        "seconds_in_all": took,
    }
    rows = [
        [way, f"{row['median']:.1f}", f"{count / row['median']:.2f}", f"{row['ratio']:.2f}"]
        for way, row in written["times"].items()
    ]
    rows += [[f"{way}, all done", f"{row['median']:.1f}", "", ""] for way, row in written["nothing_left"].items()]
    title = f"{count} pictures, {megapixels:.0f} Mpx, {PRESET}"
    record.table(title, ["way", "s", "pictures/s", "time / 1 process"], rows)
    values = [(way, row["median"]) for way, row in written["times"].items()]
    written["chart"] = record.chart(title, values, "s", [way for way in WAYS if way.startswith("runner")])
    record.finish(written, flags.json)


def _run(folder: Path, output: Path, flags: list[str]) -> None:
    command = [str(PYTHON), "-m", "zoo.upscale", "in", f"--output={output}", f"--model={PRESET}", *flags]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if process.returncode:
        raise AssertionError(f"Expected {' '.join(command)} to end well. Received: {process.stderr[-500:]}")


def _pictures(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir() if path.suffix != ".jsonl"}


def _beam() -> str:
    code = "from importlib import metadata; print(metadata.version('apache-beam'))"
    return subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
