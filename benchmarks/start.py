"""From the command to the file: `python -m zoo.upscale small.png`, and what of it is importing and opening.

The first run in the table is the first after the file was made; the others follow it, so that files are in memory.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import record
from benchmarks.subject import network_file, picture
from benchmarks.timing import paired, summarise

PROGRAMS = {
    "an empty Python": "pass",
    "import zoo": "import zoo; zoo.list_models",
    "import zoo.upscale": "import zoo.upscale",
    "import tensorflow": "import tensorflow",
}


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.start`."""
    flags = record.parser("start", __doc__).parse_args(arguments)
    written = record.start("start")
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        path = network_file(folder, "espcn", 3)
        Image.fromarray(picture(128, 128)).save(folder / "small.png")
        command = [sys.executable, "-m", "zoo.upscale", str(folder / "small.png"), f"--model={path}"]
        command += [f"--output={folder / 'large.png'}", "--overwrite"]

        def run(arguments: list[str]) -> None:
            subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        began = time.perf_counter()
        run(command)
        written["first_seconds"] = time.perf_counter() - began
        written["modules"] = imported(command[3:])
        candidates = {"python -m zoo.upscale small.png": lambda: run(command)}
        for name, program in PROGRAMS.items():
            candidates[name] = lambda program=program: run([sys.executable, "-c", program])
        times = paired(candidates, rounds=2 if flags.quick else 7, warmup=1)
    written["times"] = summarise(times, "python -m zoo.upscale small.png")
    heavy = [name for name in ("tensorflow", "keras") if name in written["modules"]]
    record.table(
        "From start to end, 128×128 ×3",
        ["command", "median, s", "best, s"],
        [[name, f"{row['median']:.2f}", f"{row['best']:.2f}"] for name, row in written["times"].items()],
    )
    print(f"first run: {written['first_seconds']:.2f} s; imports {', '.join(heavy) or 'neither TensorFlow nor Keras'}")
    values = [(name, row["median"]) for name, row in written["times"].items()]
    written["chart"] = record.chart("From start to end", values, "s", ["python -m zoo.upscale small.png"])
    record.finish(written, flags.json)


def imported(arguments: list[str]) -> list[str]:
    """The top-level modules that the command has imported when it is done."""
    program = (
        "import json, sys; from zoo.upscale.__main__ import main; main(json.loads(sys.argv[1]));"
        "print('MODULES', json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    command = [sys.executable, "-c", program, json.dumps(arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout.rsplit("MODULES ", 1)[1])


if __name__ == "__main__":
    main()
