"""How long the networks of `experiments.space` take: equal multiplications are not equal times.

`python -m experiments.times` times one frame, 1284×720 at ×3, in `zoo.engines` (the network opened as `zoo upscale`
opens it, in ncnn, OpenVINO or TFLite) and in plain TFLite, weights at random. About 5 minutes on an idle machine;
expected: networks in HR space several times slower, as their maps do not fit the cache. For a phone, `--files=FOLDER`
keeps the TFLite files, for the delegate's benchmark.
"""

import argparse
import dataclasses
import functools
import sys
from pathlib import Path

import numpy as np

from benchmarks.timing import machine, paired
from experiments.equal import REGIMES, SPACES
from experiments.runs import Corner
from zoo.errors import exit_on_usage_error
from zoo.files import whole_file, write_json

RESULT = Path(__file__).parent / "results" / "space_times.json"
# LR px for 720 lines at each scale; multiples of the largest block.
SIZES = {2: (360, 640), 3: (240, 428), 4: (180, 320)}


def engines(corner: Corner, size: tuple[int, int], threads: int, files: Path | None) -> dict:
    """Name → engine: the fastest that `zoo.engines` finds, and TFLite."""
    import keras

    from experiments.networks import in_space
    from zoo.engines.keras import to_tflite
    from zoo.engines.opening import Choosing, fastest
    from zoo.engines.tflite import TFLiteEngine

    # Of one size, as engines try sizes out that are no multiples of the blocks below LR space.
    free = in_space(corner.scale, **corner.options(), any_size=False)
    model = keras.models.clone_model(free, input_tensors=keras.Input((*size, 1), name="lr_image"))
    last = model.get_layer("layer_4")
    # A last layer of zeros might be computed faster.
    last.kernel.assign(np.random.default_rng(1).normal(0, 0.1, last.kernel.shape))
    content = to_tflite(model)
    if files is not None:
        files.mkdir(parents=True, exist_ok=True)
        with whole_file(files / f"{corner}.tflite") as unfinished:
            unfinished.write_bytes(content)
    name = str(corner)
    return {
        "zoo.engines": fastest(TFLiteEngine(content, name, threads), Choosing(measure=True)),
        "tflite": TFLiteEngine(content, name, threads, unbounded="it gets whole pictures"),
    }


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> None:
    """The command `python -m experiments.times`."""
    parser = argparse.ArgumentParser(prog="python -m experiments.times", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=int, default=3, choices=SIZES)
    parser.add_argument("--budgets", default="0.5,2")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--files", type=Path, help="folder for the TFLite files")
    parser.add_argument("--quick", action="store_true", help="two spaces, a small frame, two rounds")
    flags = parser.parse_args(arguments)
    spaces, budgets, size = SPACES, [float(each) for each in flags.budgets.split(",")], SIZES[flags.scale]
    if flags.quick:
        spaces, budgets, size, flags.rounds = ("lr", "hr_bicubic"), budgets[:1], (24, 40), 2
    record = {"machine": machine(), "scale": flags.scale, "lr_size": size, "threads": flags.threads}
    corners = [
        Corner(space, regime, flags.scale, budget)
        for budget in budgets
        for regime in REGIMES
        for space in spaces
        if (space, regime) != ("lr", "paper")
    ]
    lr_image = np.random.default_rng(2).random((*size, 1), np.float32)
    record["results"] = []
    for corner in [each for each in corners if each.options()]:
        # One network at a time: the maps of all of them together are gigabytes.
        opened = engines(corner, size, flags.threads, flags.files)
        jobs = {name: functools.partial(engine.run, lr_image) for name, engine in opened.items()}
        times = paired(jobs, rounds=flags.rounds, warmup=1)
        row = dataclasses.asdict(corner) | {"engine": type(opened["zoo.engines"]).__name__}
        row["ms"] = {name: 1e3 * float(np.median(each)) for name, each in times.items()}
        record["results"].append(row)
        print(f"{corner!s:32}", *(f"{name} {ms:7.1f} ms" for name, ms in row["ms"].items()), row["engine"], flush=True)
    write_json(flags.json, record)


if __name__ == "__main__":
    sys.exit(main())
