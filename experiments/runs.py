"""One run of `experiments.space`: its network, its training through `zoo.training`, its measures, its record."""

import dataclasses
import functools
import json
import math
import shutil
from pathlib import Path

import numpy as np

from experiments.equal import equal_widths, sides_of
from zoo.color import to_uint8
from zoo.errors import UsageError
from zoo.files import write_json
from zoo.metrics import psnr

# Of the training pictures so many, evenly chosen, tell the loss.
_MOST = 20
# The rates that the search tries, and one more that it tries where the lowest of them is the best.
LEARNING_RATES = (1e-3, 3e-3, 1e-2)
LOWER_RATE = 3e-4
# Scale and budget at which it does so, unless others are asked for; a space's best there is its rate at all of them.
SEARCH_AT = (3, 2.0)
# A run that ends more than so many dB below the best seed has fallen apart on the way.
FALLEN = 0.3


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all runs of a grid have in common.

    Attributes:
        engine: of `zoo.training`: "tensorflow" or "device".
        output: folder of the records, a JSON file a run.
        workdir: folder of the trained networks.
        data: training pictures, as `zoo.data.by_name` takes them.
        tuning: pictures that the learning rate is chosen by.
        held_out: pictures that nothing was chosen by.
        sets: public test sets.
        steps, search_steps, batch, lr_size: of the training.
        together: whether the seeds are one computation mapped over them; engine "device" only.
    """

    engine: str
    output: Path
    workdir: Path
    data: str
    tuning: str
    held_out: str
    sets: tuple[str, ...]
    steps: int
    search_steps: int
    batch: int
    lr_size: int
    together: bool


@dataclasses.dataclass(frozen=True)
class Corner:
    """A network of the grid: where it convolves, by which rule, at which scale and for how many GMAC."""

    space: str
    regime: str
    scale: int
    budget: float

    def __str__(self) -> str:
        return f"x{self.scale}_{self.budget:g}_{self.regime}_{self.space}"

    def options(self) -> dict:
        """The network's options; empty where it has no widths of as many multiplications as the others."""
        widths = equal_widths(self.scale, self.budget).get((self.regime, self.space))
        sides = sides_of(self.space, self.regime, self.scale)
        return {"space": self.space, "widths": widths, "sides": sides} if widths else {}


def search_record(setting: Setting, corner: Corner, rate: float) -> Path:
    """Where the search's result for one learning rate stands."""
    return setting.output / f"search_{corner}_rate{rate:g}.json"


def record(setting: Setting, corner: Corner, seed: int) -> Path:
    """Where the result of a run stands."""
    return setting.output / f"{corner}_seed{seed}.json"


def all_rates() -> list[float]:
    """Those that a network may be trained at, the highest first."""
    return sorted((LOWER_RATE, *LEARNING_RATES), reverse=True)


def best_rate(setting: Setting, corner: Corner) -> float | None:
    """The best learning rate that the search has tried for a corner; None before all of `LEARNING_RATES` are tried."""
    paths = {rate: search_record(setting, corner, rate) for rate in all_rates()}
    found = {rate: read(path)["psnr"] for rate, path in paths.items() if path.is_file()}
    return max(found, key=lambda rate: found[rate]) if found.keys() >= set(LEARNING_RATES) else None


def searched(setting: Setting, corner: Corner) -> bool:
    """Whether nothing is left to try for a corner."""
    tried_lower = search_record(setting, corner, LOWER_RATE).is_file()
    return (best := best_rate(setting, corner)) is not None and (tried_lower or best > min(LEARNING_RATES))


def read(path: Path) -> dict:
    """A record as it was written."""
    return json.loads(path.read_text(encoding="utf-8"))


def prepared(setting: Setting, scale: int) -> str:
    """The training pictures as records on disk, made by the first call: workers need not decode them again.

    Raises:
        UsageError: the folder has those of other data.
    """
    from zoo.data import by_name
    from zoo.data.records import write_records

    folder = setting.workdir / f"records_x{scale}"
    source = by_name(setting.data, scale)
    # Processes at once read what is there: it is not compared byte by byte again, nor held against the others.
    if not (folder / "index.json").is_file():
        write_records(source, folder)
    elif (found := read(folder / "index.json")["name"]) != source.name:
        raise UsageError(f"Expected pictures of {source.name!r} in {folder}, or no such folder. Received: {found!r}")
    return str(folder)


def search(setting: Setting, corner: Corner, rate: float) -> None:
    """Trains a corner's network for a short while at one learning rate, and writes down what comes of it."""
    (folder,) = train_at(setting, corner, (0,), rate, setting.search_steps, f"search_{corner}_rate{rate:g}")
    found = read(folder / "results.json")
    written = {**dataclasses.asdict(corner), "learning_rate": rate, "steps": setting.search_steps, "seed": 0}
    write_json(search_record(setting, corner, rate), {**written, "psnr": found["model"]["psnr"]})


def train(setting: Setting, corner: Corner, seeds: tuple[int, ...], rate: float) -> None:
    """Trains a corner's network from each seed at the learning rate that was found; what is trained already stays.

    Where a seed falls apart, by the pictures that rates are chosen by, that one run told too little of the rate: all
    seeds are trained again at the next lower one of the search, and what was trained stays beside it as `_rate…`.

    Raises:
        UsageError: some seeds have been trained at another rate, which an earlier search had found.
    """
    folder = setting.workdir / str(corner)
    for lower in [each for each in all_rates() if each <= rate]:
        aside = _aside(setting, corner, lower)
        if not aside.is_dir():
            _check_rate(folder, lower)
            train_at(setting, corner, seeds, lower, setting.steps, str(corner))
            if settled(folder, seeds):
                return
            folder.rename(aside)
            for path in setting.output.glob(f"{corner}_seed*.json"):
                path.unlink()


def _check_rate(folder: Path, rate: float) -> None:
    for path in sorted(folder.glob("seed_*/config.json")):
        if (found := read(path)["learning_rate"]) != rate:
            raise UsageError(
                f"Expected runs at the learning rate {rate:g} in {folder}, or no such folder. "
                f"Received: {path.parent.name} at {found:g}"
            )


def _aside(setting: Setting, corner: Corner, rate: float) -> Path:
    return setting.workdir / f"{corner}_rate{rate:g}"


def settled(folder: Path, seeds: tuple[int, ...]) -> bool:
    """Whether all seeds have come to their end together, or at the lowest rate that there is."""
    if not all(trained(folder, seed) for seed in seeds):
        return False
    ends = [read(folder / f"seed_{seed}" / "results.json") for seed in seeds]
    figures = [end["model"]["psnr"] for end in ends]
    return max(figures) - min(figures) <= FALLEN or ends[0]["config"]["learning_rate"] <= LOWER_RATE


def train_at(
    setting: Setting, corner: Corner, seeds: tuple[int, ...], rate: float, steps: int, name: str
) -> list[Path]:
    """Trains a corner's network from each seed into the folder of that name; returns the seeds' folders."""
    from experiments.networks import NAME, known
    from zoo.training import TrainConfig
    from zoo.training import train as train_one

    log_every = math.gcd(steps, 500)
    config = TrainConfig(
        engine=setting.engine,
        model=NAME,
        model_options=",".join(f"{key}={_text(value)}" for key, value in corner.options().items()),
        scale=corner.scale,
        data=prepared(setting, corner.scale),
        valid=setting.tuning,
        steps=steps,
        batch=setting.batch,
        lr_size=setting.lr_size,
        learning_rate=rate,
        warmup=min(100, steps // 10),
        ema=0.999 if steps >= 1000 else 0.9,
        checkpoint_every=log_every * max(1, 1000 // log_every),
        validate_every=steps,
        log_every=log_every,
    )
    workdir = setting.workdir / name
    for seed in seeds:
        _check_alike(workdir / f"seed_{seed}", config)
    missing = [seed for seed in seeds if not trained(workdir, seed)]
    with known():
        if setting.engine == "device" and missing:
            from zoo.training import device

            for group in [missing] if setting.together else [[seed] for seed in missing]:
                device.train_seeds(config, workdir, group)
        else:
            for seed in missing:
                train_one(dataclasses.replace(config, seed=seed), workdir / f"seed_{seed}")
    for seed in missing:
        # What it takes to go on is not wanted any more, and is many times as large as the network.
        shutil.rmtree(workdir / f"seed_{seed}" / "checkpoints")
        for left in ("best.weights.h5", "comparison.png"):
            (workdir / f"seed_{seed}" / left).unlink()
    return [workdir / f"seed_{seed}" for seed in seeds]


def _check_alike(folder: Path, config) -> None:
    """Sees that what is trained there was trained as `config` says, wherever its pictures lay then."""
    if not (folder / "results.json").is_file():
        return
    found = read(folder / "results.json")["config"]
    for name in ("steps", "model_options", "batch", "lr_size", "learning_rate"):
        if found[name] != getattr(config, name):
            raise UsageError(
                f"Expected {name}={getattr(config, name)} in {folder}, or no such folder. Received: {found[name]}"
            )


def trained(workdir: Path, seed: int) -> bool:
    """Whether a run has come to its end."""
    return (workdir / f"seed_{seed}" / "results.json").is_file()


def _text(value) -> str:
    """A value for `TrainConfig.model_options`."""
    return f"({','.join(map(str, value))})" if isinstance(value, tuple) else str(value)


def measure(setting: Setting, corner: Corner, seed: int) -> None:
    """Measures a trained network on all sets and writes the record of the run."""
    import keras

    from experiments.networks import in_space
    from zoo.complexity import count
    from zoo.engines.keras import KerasEngine

    folder = setting.workdir / str(corner) / f"seed_{seed}"
    results, scale = read(folder / "results.json"), corner.scale
    engine = KerasEngine(keras.models.load_model(folder / "model.keras", compile=False))
    costs = count(in_space(scale, **corner.options(), any_size=False))
    held_out, training = (_judge(engine.run, each, scale) for each in (setting.held_out, prepared(setting, scale)))
    environment, options = results["environment"], corner.options()
    fallen = [rate for rate in all_rates() if _aside(setting, corner, rate).is_dir()]
    write_json(
        record(setting, corner, seed),
        {
            **dataclasses.asdict(corner),
            "seed": seed,
            "steps": results["steps"],
            "learning_rate": results["config"]["learning_rate"],
            "fell_apart_at": fallen,
            "data": ",".join(Path(each).name for each in setting.data.split(",")),
            "batch": setting.batch,
            "lr_size": setting.lr_size,
            "widths": options["widths"],
            "sides": options["sides"],
            "psnr": held_out["psnr"],
            "sets": {Path(each).name: _judge(engine.run, each, scale)["psnr"] for each in setting.sets},
            "loss": training["loss"],
            "loss_held_out": held_out["loss"],
            "psnr_training": training["psnr"],
            "psnr_tuning": results["model"]["psnr"],
            "parameters": costs["parameters"],
            "macs": costs["macs"],
            "macs_fixed": costs["macs_fixed"],
            "activation_bytes": costs["peak_memory"],
            "receptive_field": costs["receptive_field"],
            "seconds": results["seconds"],
            "device": environment.get("device") or environment.get("processor"),
            "environment": environment,
        },
    )


@functools.lru_cache(maxsize=16)
def pictures(name: str, scale: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(LR image float32 in [0, 1], HR image uint8), (h, w, 1) each; of prepared data at most 20, evenly chosen."""
    from zoo.data import by_name, imresize
    from zoo.data.records import RecordsOnDisk

    source = by_name(name, scale, split="valid")
    pairs = [hr for _, _, hr in source.pictures()]
    if isinstance(source, RecordsOnDisk):
        pairs = pairs[:: math.ceil(len(pairs) / _MOST)]
    return [(imresize(hr / 255.0, 1 / scale).astype(np.float32), hr) for hr in pairs]


def _judge(network, name: str, scale: int) -> dict[str, float]:
    """Means over a set's pictures: PSNR in dB by the protocol of `zoo.evaluate`, absolute error (range 0 to 1)."""
    losses, figures = [], []
    for lr_image, hr_image in pictures(name, scale):
        sr_image = network(lr_image)
        if not np.isfinite(sr_image).all():
            raise UsageError(f"Expected finite values from the network on {name}. Received: others")
        losses.append(np.abs(sr_image - hr_image / 255.0).mean())
        rounded = to_uint8(sr_image.astype(np.float64))
        figures.append(psnr(hr_image[..., 0], rounded[..., 0], shave=scale))
    return {"psnr": float(np.mean(figures)), "loss": float(np.mean(losses))}
