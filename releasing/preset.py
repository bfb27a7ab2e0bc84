"""A finished training run becomes a preset: weights, a TFLite file for every size, and a card that says all of it.

    python -m releasing.preset --workdir=runs/fsrcnn_x3 --name=fsrcnn_x3 --data=Set5,Set14,BSD100

The folders of `--data` hold the public test sets; their figures go into the card as `zoo.evaluate` measures them.
"""

import argparse
import dataclasses
import datetime
import hashlib
import json
import platform
import sys
from pathlib import Path

from zoo.program import quiet_tensorflow

quiet_tensorflow()

from export import tflite_dynamic
from export.described import terms
from releasing.cards import write_card
from releasing.int8_losses import int8_figures
from releasing.picture_terms import TERMS, redistribution
from zoo import complexity, evaluate, registry
from zoo.data import benchmark
from zoo.data.records import INDEX, is_prepared
from zoo.errors import UsageError, exit_on_usage_error
from zoo.files import whole_file
from zoo.published import published
from zoo.registry import PRESETS, create_model
from zoo.training import TrainConfig
from zoo.training.config import assignments
from zoo.training.start import build_model


def training_card(workdir: Path, config: TrainConfig) -> dict:
    """What was trained, on what, how long and on which machine, out of the run's own files."""
    log = [json.loads(line) for line in (workdir / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    seconds, steps = 0.0, 0
    for record in log:
        if "steps_per_second" in record and record["step"] > steps:
            seconds, steps = seconds + (record["step"] - steps) / record["steps_per_second"], record["step"]
    names = _pictures(config.data)
    defaults = TrainConfig()
    flags = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name in ("model", "scale") or getattr(config, field.name) != getattr(defaults, field.name)
    }
    # Folders by their names: where they lay on one machine is of no use on another.
    for option in ("data", "valid"):
        if option in flags:
            flags[option] = ",".join(_pictures(flags[option]))
    if flags.get("weights"):
        flags["weights"] = "/".join(Path(flags["weights"]).parts[-2:])
    command = " ".join(["python train.py", *(f"--{name}={value}" for name, value in flags.items()), "--workdir=DIR"])
    earlier = _earlier(config, command)
    best = json.loads((workdir / "best.json").read_text(encoding="utf-8"))
    return {
        "command": command,
        "command_on_div2k": command.replace(f"--data={flags.get('data')}", "--data=div2k").replace(
            f"--valid={flags.get('valid')}", "--valid=div2k"
        ),
        "data": {name: TERMS.get(name, "no terms stated") for name in names},
        "steps": best["step"],
        "planned_steps": config.steps,
        "hours": round(seconds / 3600, 2),
        "seed": config.seed,
        "environment": json.loads((workdir / "environment.json").read_text(encoding="utf-8")),
        "valid_psnr": round(best["psnr"], 4),
        **({"started_from": earlier} if earlier else {}),
    }


def _pictures(folders: str) -> list[str]:
    """The names of the sets in `--data`; of prepared data, of what it was prepared from."""
    if is_prepared(Path(folders)):
        folders = json.loads((Path(folders) / INDEX).read_text(encoding="utf-8"))["name"]
    return [Path(folder).name for folder in folders.split(",")]


def _earlier(config: TrainConfig, command: str) -> dict | None:
    """The training card of what a run started from: a preset, or another run's weights beside its files."""
    if config.preset:
        training = registry.card(config.preset)["training"]
        # The preset may be this very run's by now.
        return training.get("started_from") if training["command"] == command else training
    folder = Path(config.weights).parent
    if config.weights and (folder / "config.json").is_file():
        return training_card(folder, TrainConfig.load(folder / "config.json"))
    return None


def scores(model, scale: int, folders: list[Path]) -> dict:
    """PSNR and SSIM by the published protocol, per test set."""
    results = {}
    for folder in folders:
        mean = evaluate.mean(evaluate.evaluate(model, benchmark(folder), scale))
        if mean.psnr is None or mean.ssim is None:
            raise UsageError(f"Expected pictures that can be compared in {folder}. Received: none")
        results[folder.name] = {"psnr": round(mean.psnr, 4), "ssim": round(mean.ssim, 5)}
    return results


def make_preset(workdir: Path, name: str, folders: list[Path], output: Path = PRESETS) -> dict:
    """Writes NAME.weights.h5, NAME.tflite and, last, NAME.json.

    Args:
        workdir: a run of `zoo.training.train` that has validated at least once.
        name: ARCH_xSCALE or ARCH_VARIANT_xSCALE.
        folders: public test sets, their pictures in the folder or its `HR`.
        output: where the three files go.
    Returns:
        The card.
    Raises:
        UsageError: the folder holds no such run, or the name does not fit it.
    """
    if not (workdir / "config.json").is_file() or not (workdir / "best.weights.h5").is_file():
        raise UsageError(f"Expected a training run that has validated. Received: {workdir}")
    config = TrainConfig.load(workdir / "config.json")
    if not (name.startswith(config.model) and name.endswith(f"_x{config.scale}")):
        raise UsageError(f"Expected a name {config.model}[_VARIANT]_x{config.scale}. Received: {name!r}")
    options = {"channels": config.channels, **assignments(config.model_options, "model_options")}
    upsampler = {"SubpixelUpsampler": "subpixel", "TransposedUpsampler": "transposed"}
    form = upsampler.get(type(build_model(config).get_layer("upsampler")).__name__)
    if form:
        options["upsampler"] = form
    # By the preset's name, which its files tell and the run did not know.
    model = create_model(config.model, config.scale, name=name, **options)
    model.load_weights(workdir / "best.weights.h5")

    training = training_card(workdir, config)
    may = redistribution(training)
    cost = complexity.count(model)
    # Published figures count the form the paper has, the zeros between the pixels included.
    paper = {key: value for key, value in options.items() if key != "upsampler"}
    as_published = complexity.count(create_model(config.model, config.scale, **paper))
    # Measured before anything is written: what is there loads as long as card and files fit together.
    results = scores(model, config.scale, folders)
    unmeasured = dict.fromkeys(("int8_loss_db", "int8_input_loss_db", "int8_agreement_db"))
    int8 = int8_figures(model, folders) if folders else unmeasured

    output.mkdir(parents=True, exist_ok=True)
    files = {"weights.h5": output / f"{name}.weights.h5", "tflite": output / f"{name}.tflite"}
    with whole_file(files["weights.h5"]) as unfinished:
        model.save_weights(unfinished)
    tflite_dynamic(model, files["tflite"], terms=terms({"name": name, **may, "training": training}))
    card = {
        "name": name,
        "model": config.model,
        "scale": config.scale,
        "channels": config.channels,
        "options": options,
        "parameters": cost["parameters"],
        "macs_720p": cost["macs"],
        "macs_720p_quoted": as_published["macs_quoted"],
        "radius": complexity.receptive_field(model),
        **may,
        "training": training,
        "results": results,
        "published": published(config.model, config.scale),
        **int8,
        "date": datetime.date.today().isoformat(),
        "sha256": {suffix: hashlib.sha256(path.read_bytes()).hexdigest() for suffix, path in files.items()},
    }
    card["training"]["environment"]["machine"] = platform.machine()
    write_card(card, output)
    return card


@exit_on_usage_error
def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m releasing.preset", description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", required=True, type=Path, help="the training run")
    parser.add_argument("--name", required=True, help="ARCH_xSCALE or ARCH_VARIANT_xSCALE")
    parser.add_argument("--data", default="", help="folders of public test sets, joined with commas")
    parser.add_argument("--output", type=Path, default=PRESETS, help="folder of the presets")
    options = parser.parse_args(argv)
    folders = [Path(folder) for folder in options.data.split(",") if folder]
    card = make_preset(options.workdir, options.name, folders, options.output)
    print(json.dumps({key: card[key] for key in ("name", "results", "int8_loss_db")}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
