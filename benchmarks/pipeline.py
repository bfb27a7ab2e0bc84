"""Patches per second of the training input, beside the usual ways, and the share of its time that a trainer waits.

LR 32 / HR 96, luma, batches of 16. The pictures are 2040×1356, put together from the sample photographs, as PNG files
in DIV2K's layout; `zoo.data` also flips and turns its patches, which the other ways do not.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import record, timing

SCALE, BATCH, LR_SIZE = 3, 16, 32
OURS = "zoo.data"


def write_pictures(folder: Path, count: int) -> list[tuple[Path, Path]]:
    """Writes grey pictures of DIV2K's size with their LR images, in DIV2K's layout; returns (LR, HR) files."""
    from PIL import Image

    from zoo import data

    rng = np.random.default_rng(0)
    photographs = [hr[..., 0] for _, _, hr in data.sample(2).pictures()]
    pairs = []
    for number in range(1, count + 1):
        canvas = np.empty((1356, 2040), np.uint8)
        for top in range(0, 1356, 226):
            for left in range(0, 2040, 340):
                photograph = photographs[rng.integers(len(photographs))]
                # Mirrored on, where the photograph is smaller than its field.
                photograph = np.pad(photograph, ((0, 226), (0, 340)), mode="symmetric")
                row, column = rng.integers(photograph.shape[0] - 225), rng.integers(photograph.shape[1] - 339)
                canvas[top : top + 226, left : left + 340] = photograph[row : row + 226, column : column + 340]
        files = (
            folder / f"DIV2K_train_LR_bicubic/X{SCALE}/{number:04d}x{SCALE}.png",
            folder / f"DIV2K_train_HR/{number:04d}.png",
        )
        for file, image in zip(files, (data.imresize(canvas, 1 / SCALE), canvas)):
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file, compress_level=6)
        pairs.append(files)
    return pairs


def measure(dataset, seconds: float) -> tuple[float, float]:
    """Seconds and processor seconds per patch of a dataset that starts anew, once its first buffers are used up."""
    batches, count = iter(dataset), 0
    next(batches)
    began = time.perf_counter()
    while time.perf_counter() - began < seconds / 2:
        next(batches)
    began, processor = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        next(batches)
        count += 1
    patches = count * BATCH
    return (time.perf_counter() - began) / patches, (time.process_time() - processor) / patches


def degrading() -> float:
    """Seconds to make the LR image of a 2040×1356 RGB picture at scale 4; the median of five."""
    from zoo import data

    picture = np.random.default_rng(0).integers(0, 256, (1356, 2040, 3), dtype=np.uint8)
    times = timing.paired({"imresize": lambda: data.imresize(picture, 1 / 4)}, rounds=5, warmup=1)
    return float(np.median(times["imresize"]))


def throughput(folder: Path, count: int, rounds: int, seconds: float) -> list[dict]:
    """Patches per second of every way, measured in turns; the order turns round from one round to the next."""
    from benchmarks.input_ways import Ways
    from zoo import data

    pairs = write_pictures(folder, count)
    source = data.from_folder(folder, SCALE)
    began = time.perf_counter()
    megapixels = sum(hr.size for _, _, hr in source.pictures()) / 1e6
    print(f"zoo.data has read {count} pictures, {megapixels:.0f} Mpx, in {time.perf_counter() - began:.1f} s")
    ways = Ways(pairs, SCALE, BATCH, LR_SIZE, folder).all()
    ways = {
        OURS: lambda: source.patches(BATCH, LR_SIZE, seed=0),
        f"{OURS}, augment=False": lambda: source.patches(BATCH, LR_SIZE, seed=0, augment=False),
        **ways,
    }
    times, processor = ({name: [] for name in ways} for _ in range(2))
    for turn in range(rounds):
        for name in list(ways) if turn % 2 == 0 else reversed(ways):
            elapsed, used = measure(ways[name](), seconds)
            times[name].append(elapsed)
            processor[name].append(used)
    return [
        {
            "way": name,
            "patches_per_second": 1 / figures["median"],
            "times_as_fast": 1 / figures["ratio"],
            "processor_us": 1e6 * float(np.median(processor[name])),
            **figures,
        }
        for name, figures in timing.summarise(times, OURS).items()
    ]


def waiting(folder: Path, model: str, steps: int) -> dict:
    """The share of its time that the project's own trainer waits for data, on all cores, as its log has it."""
    settings = {
        "model": model, "scale": SCALE, "batch": BATCH, "lr_size": LR_SIZE, "steps": steps, "data": "sample",
        "validate_every": steps, "checkpoint_every": steps, "log_every": 20, "workdir": folder / "run",
    }  # fmt: skip
    command = [sys.executable, "-m", "zoo.command", "train", "--noexport"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = [json.loads(line) for line in (folder / "run/log.jsonl").read_text().splitlines()]
    # The first lines contain the compilation.
    lines = [line for line in lines if "data_wait" in line][2:]
    return {
        "model": model,
        "steps_per_second": float(np.median([line["steps_per_second"] for line in lines])),
        "data_wait": float(np.median([line["data_wait"] for line in lines])),
        "data_wait_worst": max(line["data_wait"] for line in lines),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measures, prints the two tables, and writes the record."""
    flags = record.parser("pipeline", __doc__).parse_args(arguments)
    written = record.start("pipeline")
    written["imresize_seconds"] = degrading()
    print(f"imresize of 2040×1356 RGB to 1/4: {written['imresize_seconds']:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        written["throughput"] = throughput(Path(folder), *((4, 1, 0.5) if flags.quick else (12, 3, 0.6)))
    rows = sorted(written["throughput"], key=lambda way: -way["patches_per_second"])
    record.table(
        f"Patches per second, LR {LR_SIZE} / HR {LR_SIZE * SCALE}",
        ["way", "patches/s", "× zoo.data", "processor, µs a patch"],
        [
            [
                way["way"],
                f"{way['patches_per_second']:,.0f}",
                f"{way['times_as_fast']:.2f}",
                f"{way['processor_us']:,.0f}",
            ]
            for way in rows
        ],
    )
    written["waiting"] = []
    for model in ("espcn", "fsrcnn"):
        with tempfile.TemporaryDirectory() as folder:
            written["waiting"].append(waiting(Path(folder), model, 80 if flags.quick else 300))
    record.table(
        "A trainer's time",
        ["network", "steps/s", "waits for data"],
        [[run["model"], f"{run['steps_per_second']:.1f}", f"{run['data_wait']:.2%}"] for run in written["waiting"]],
    )
    written["chart"] = record.chart(
        "Patches per second", [(way["way"], way["patches_per_second"]) for way in rows], "/s",
        [way["way"] for way in rows if way["way"].startswith(OURS)],
    )  # fmt: skip
    record.finish(written, flags.json)


if __name__ == "__main__":
    main()
