"""What tests/test_training_device.py runs where there is no TensorFlow: `python device_cases.py CASE FOLDER`."""

import dataclasses
import functools
import json
import shutil
import sys
from pathlib import Path

import jax
import keras
import numpy as np

from zoo import data
from zoo.data.jpeg import jpeg
from zoo.data.on_device import patches_on_device
from zoo.training import TrainConfig, device
from zoo.training.optimizers import make_optimizer
from zoo.training.snapshots import Snapshots
from zoo.training.workdir import claimed


def read_config(folder: Path) -> TrainConfig:
    return TrainConfig(**json.loads((folder / "case.json").read_text()))


def trainer(folder: Path) -> device.Trainer:
    config, source = read_config(folder), data.by_name(str(folder / "records"), 2)
    return device.Trainer([device.Seed(config, folder / "run", Snapshots(folder / "run"))], source, source)


def drawer(source, batch: int, lr_size: int, **options):
    held, draw = patches_on_device(source, batch, lr_size, **options)
    return functools.partial(jax.jit(draw), held)


def patches(folder: Path) -> None:
    """Batches of both scales and colours, drawn twice; and such as are neither turned nor flipped."""
    found = {}
    for scale, channels in ((2, 1), (3, 3)):
        source = data.from_folder(folder / "pictures", scale, channels)
        draw, plain = drawer(source, batch=16, lr_size=5), drawer(source, batch=16, lr_size=5, augment=False)
        key = jax.random.key(7)
        for name, batches in (
            ("turned", [draw(key, step) for step in range(3)]),
            ("again", [draw(key, step) for step in range(3)]),
            ("other", [draw(jax.random.key(8), 0)]),
            ("plain", [plain(key, 0)]),
        ):
            for part, images in zip(("lr", "hr"), zip(*batches)):
                found[f"{name}_{part}_{scale}"] = np.concatenate(images)
    source = data.from_folder(folder / "pictures", 2, 1)
    degraded = drawer(source, batch=16, lr_size=5, degradation="jpeg")
    batches = [degraded(jax.random.key(7), step) for step in range(3)]
    found |= {f"degraded_{part}": np.concatenate(images) for part, images in zip(("lr", "hr"), zip(*batches))}
    found["compressed"] = jpeg(found["turned_lr_2"], np.linspace(20, 95, 48, dtype=np.float32))
    np.savez(folder / "patches.npz", **found)


def gradient(folder: Path) -> None:
    batch, run = np.load(folder / "batch.npz"), trainer(folder)
    weights, frozen = ([each[0] for each in run.state[name]] for name in ("weights", "frozen"))
    loss, gradients = run.gradient(weights, frozen, batch["lr"], batch["hr"])
    np.savez(folder / "gradient.npz", loss, *gradients)


def drawn(folder: Path) -> None:
    """Trains, and keeps the batches for the other engine."""
    config, source = read_config(folder), data.by_name(str(folder / "records"), 2)
    draw = drawer(source, config.batch, config.lr_size)
    key = jax.random.key(config.seed)
    batches = [draw(key, step) for step in range(config.steps)]
    np.savez(folder / "batches.npz", lr=[lr for lr, _ in batches], hr=[hr for _, hr in batches])
    results = device.train(config, folder / "run", source, data.sample(2, split="heldout"))
    (folder / "results.json").write_text(json.dumps(results))


def fitted(folder: Path) -> None:
    np.savez(folder / "fitted.npz", *trainer(folder).model.get_weights())


def frozen(folder: Path) -> None:
    """Trains the upsampling layer only, stopped half-way as by a kill; and once without a stop."""
    config, source = read_config(folder), data.by_name(str(folder / "records"), 2)
    valid = data.sample(2, split="heldout")
    device.train(config, folder / "whole", source, valid)
    half = device.Trainer([device.Seed(config, folder / "run", Snapshots(folder / "run"))], source, valid)
    with claimed(config, folder / "run"):
        half.advance(config.checkpoint_every)
        half.save()
    device.train(config, folder / "run", source, valid)


def lengthened(folder: Path) -> None:
    """A run of 15 steps, then of 40, without the work of a step."""
    config, source = read_config(folder), data.by_name(str(folder / "records"), 2)
    taken = []

    def advance(trainer, steps):
        trainer.step += steps
        taken.append(steps)
        return np.ones((1, steps)), np.ones((1, steps))

    device.Trainer.advance = advance
    for steps in (15, 40):
        device.train(dataclasses.replace(config, steps=steps), folder / "run", source, data.sample(2, split="heldout"))
    (folder / "taken.json").write_text(json.dumps(taken))


def decayed(folder: Path) -> None:
    """One compiled update of AdamW, a rate for each layer."""
    config, given = read_config(folder), np.load(folder / "given.npz")
    variables = [keras.Variable(given[name], name=name) for name in given.files]
    optimizer = make_optimizer(config, variables)
    state, values = ([each.value for each in kept] for kept in (optimizer.variables, variables))
    values, _ = jax.jit(optimizer.stateless_apply)(state, values, values)
    np.savez(folder / "decayed.npz", **dict(zip(given.files, values)))


def seeds(folder: Path) -> None:
    """Trains two seeds together; those again, as killed when one of them was saved; one of them alone."""
    config, source = read_config(folder), data.by_name(str(folder / "records"), 2)
    valid = data.sample(2, split="heldout")
    together = device.train_seeds(config, folder / "together", [4, 5], source, valid)
    shutil.copytree(folder / "together", folder / "killed")
    (folder / "killed" / "seed_5" / "checkpoints" / "000000040.npz").unlink()
    device.train_seeds(config, folder / "killed", [4, 5], source, valid)
    alone = device.train_seeds(config, folder / "alone", [5], source, valid)
    (folder / "results.json").write_text(json.dumps([*together, *alone]))


if __name__ == "__main__":
    assert "tensorflow" not in sys.modules
    globals()[sys.argv[1]](Path(sys.argv[2]))
