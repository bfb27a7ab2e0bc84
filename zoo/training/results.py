"""What a finished run leaves: the model, the table, the curve, the comparison, and all figures as JSON."""

import dataclasses
import logging
import math
import tempfile
from pathlib import Path

import keras
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zoo.data.jpeg import JUDGED
from zoo.evaluate import PROTOCOLS, evaluate, left_out, mean
from zoo.files import read_record, sha256, whole_file, write_json
from zoo.registry import load
from zoo.training.comparison import Comparison
from zoo.training.config import TrainConfig
from zoo.training.curve import draw_curve
from zoo.training.finished import advice, judged, rival
from zoo.training.input import judged_pictures
from zoo.training.progress import read_log

# Pictures on which a preset is computed too.
COMPARED = 20
LOGGER = logging.getLogger("zoo.training")


def keep_best(workdir: Path, average: keras.Model, step: int, psnr: float, keep: str = "best") -> None:
    """Writes the averaged weights, and `best.json` with their hash, if no earlier validation was better.

    With `keep="last"` none was: the last validation counts as the best.
    """
    if keep == "best" and best(workdir).get("psnr", float("-inf")) >= psnr:
        return
    weights = workdir / "best.weights.h5"
    write_network(weights, average.save_weights)
    write_json(workdir / "best.json", {"step": step, "psnr": psnr, "sha256": sha256(weights)})


def best(workdir: Path) -> dict:
    """Returns step and PSNR of the best validation so far, and its weights' hash; empty before the first.

    Where the record or the weights are damaged they are named, and count as not there: the next validation keeps its
    own.
    """
    record, weights = read_record(workdir / "best.json"), workdir / "best.weights.h5"
    if not record:
        return {}
    fits = all(isinstance(record.get(name), (int, float)) for name in ("step", "psnr"))
    if not fits or not weights.is_file() or sha256(weights) != record.get("sha256"):
        LOGGER.warning("%s and best.json do not fit together: the best of the next validations is kept", weights)
        return {}
    return record


def write_results(
    config: TrainConfig, workdir: Path, average: keras.Model, valid, comparison: Comparison, step: int
) -> dict:
    """Writes `model.keras` with the best weights, `results.json`, `curve.png` and `comparison.png`.

    Args:
        average: the network; holds the best weights afterwards.
        valid: the source whose pictures are measured.
        step: the number of steps done.

    Returns:
        What `results.json` holds.
    """
    kept = best(workdir)
    if kept:
        average.load_weights(workdir / "best.weights.h5")
    write_network(workdir / "model.keras", average.save)

    pictures = []
    for name, hr, lr in judged_pictures(valid, config.degradation):
        grey = hr.shape[-1] == 1
        pictures.append((name, hr[..., 0] if grey else hr, lr[..., 0] if grey and lr is not None else lr))
    kind = "of one's own" if config.degradation == "none" else f"as JPEG, quality {', '.join(map(str, JUDGED))} in turn"
    given = sum(lr is not None for _, _, lr in pictures)
    rows = {
        name: evaluate(model, pictures, config.scale) for name, model in (("bicubic", "bicubic"), ("model", average))
    }
    without = left_out(rows.values())
    records = read_log(workdir)
    low, high = (mean(each, without).psnr for each in rows.values())
    results = {
        "network": average.name,
        "parameters": average.count_params(),
        "steps": step,
        "best_step": kept.get("step", step),
        "last_psnr": next((each["psnr"] for each in reversed(records) if "psnr" in each), None),
        "verdict": judged(records, low, high),
        "seconds": round(training_seconds(records), 1),
        "protocol": PROTOCOLS["y"].description + f"; LR images {kind}: {given} of {len(pictures)}" * bool(given),
        "valid": valid.name,
        **{name: dict(zip(("psnr", "ssim"), mean(each, without)[1:])) for name, each in rows.items()},
        "left_out": without,
        "pictures": [
            {"name": low.name, "bicubic": [low.psnr, low.ssim], "model": [high.psnr, high.ssim]}
            for low, high in zip(*rows.values())
            if low.name not in without
        ],
        "preset": against_preset(config, pictures, rows["model"]),
        "config": dataclasses.asdict(config),
        "environment": read_record(workdir / "environment.json"),
    }
    sheet = comparison.draw(lambda lr: average(lr, training=False), config.channels)
    with whole_file(workdir / "comparison.png") as unfinished:
        Image.fromarray(sheet).save(unfinished)
    title = f"{average.name} on {valid.name}"
    with whole_file(workdir / "curve.png") as unfinished:
        draw_curve(records, results["bicubic"]["psnr"], title, unfinished)
    write_json(workdir / "results.json", results)
    return results


def against_preset(config: TrainConfig, pictures: list, rows: list) -> dict:
    """How a preset of the same architecture does on the first pictures; {} of a run that started from one, say.

    Returns:
        `name`, the `flags` that start from it, `psnr`, its mean in dB, and `model`, that of the run on the same.
    """
    chosen = rival(config)
    if chosen is None:
        return {}
    name, flags = chosen
    theirs = evaluate(load(name), pictures[:COMPARED], config.scale)
    without = left_out([theirs, rows[:COMPARED]])
    psnr, model = (mean(each, without).psnr for each in (theirs, rows[:COMPARED]))
    return {} if psnr is None or model is None else {"name": name, "flags": flags, "psnr": psnr, "model": model}


def print_results(results: dict, console: Console | None = None) -> None:
    """Prints the table: bicubic against the model, on every picture where there are few, and the mean."""
    of = results["config"]["keep"]
    caption = f"{results['protocol']}; {of} of {results['steps']} steps: {results['best_step']}"
    caption += "".join(f"; left out: {name}: {why}" for name, why in results["left_out"].items())
    table = Table(title=escape(f"{results['network']} on {results['valid']}"), caption=escape(caption))
    table.add_column("picture")
    for heading in ("bicubic, dB", "model, dB", "gain, dB", "bicubic, SSIM", "model, SSIM"):
        table.add_column(heading, justify="right")
    rows = [(each["name"], each["bicubic"], each["model"]) for each in results["pictures"]]
    if len(rows) > 20:
        rows = []
    if len(results["pictures"]) > 1:
        bicubic, model = ([results[name]["psnr"], results[name]["ssim"]] for name in ("bicubic", "model"))
        rows.append((f"mean of {len(results['pictures'])}", bicubic, model))
    for name, low, high in rows:
        table.add_row(
            escape(name), *(f"{v:.2f}" for v in (low[0], high[0], high[0] - low[0])), f"{low[1]:.4f}", f"{high[1]:.4f}"
        )
    (console or Console()).print(table)
    for line in advice(results):
        (console or Console()).print(line, highlight=False)


def training_seconds(records: list[dict]) -> float:
    """Returns the time spent in steps, over all the times the run was started: the log has the speed of each part."""
    seconds, before = 0.0, 0
    for record in records:
        if "steps_per_second" in record:
            seconds += (record["step"] - before) / record["steps_per_second"]
            before = record["step"]
    return seconds


def write_network(path: Path, save) -> None:
    """Calls save(path of the same suffix elsewhere) and writes what it wrote, whole or not at all.

    HDF5 takes the whole process down when the disk is full; a plain write gives a plain error. So room is seen to
    before HDF5 writes into the temporary folder, and a whole file is what comes into the other.
    """
    numbers = sum(math.prod(variable.shape) for variable in save.__self__.variables)
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder) / "room"
        room.write_bytes(bytes(16 * numbers + (1 << 20)))
        room.unlink()
        save(Path(folder) / path.name)
        content = (Path(folder) / path.name).read_bytes()
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)
