"""The flags of the experiments that train small networks one after another."""

import argparse
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.runs import read
from zoo.errors import UsageError
from zoo.files import write_json


def parse(module: str, description: str, output: Path, quick_steps: int, arguments: Sequence[str] | None):
    """Reads data, valid, steps, seeds (how many) and output; with `--quick` few steps and one seed."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=description.splitlines()[0])
    made.add_argument("--data", default="sample", help="what to train on, as train.py takes it")
    made.add_argument("--valid", default="sample", help="pictures to measure on")
    made.add_argument("--steps", type=int, default=2000)
    made.add_argument("--seeds", type=int, default=2)
    made.add_argument("--output", type=Path, default=output, help="folder of the records, a JSON file a run")
    made.add_argument("--quick", action="store_true", help=f"{quick_steps} steps, one seed")
    flags = made.parse_args(arguments)
    if flags.quick:
        flags.steps, flags.seeds = quick_steps, 1
    return flags


def recorded(path: Path, steps: int, train: Callable[[], dict]) -> dict:
    """The record at `path`: the one that is there, else what `train` gives, written there.

    Raises:
        UsageError: the one that is there is of another number of steps.
    """
    if not path.is_file():
        write_json(path, train())
    if (found := read(path))["steps"] != steps:
        raise UsageError(f"Expected a record of {steps} steps in {path}, or none. Received: {found['steps']}")
    return found


def record_seeds(
    module: str, description: str, output: Path, train: Callable[..., dict], arguments: Sequence[str] | None
) -> None:
    """Runs an experiment that compares networks once a seed; what has its record is not done again.

    Args:
        train: (data, valid, steps, seed) → a record whose `rows` are network → [[step, dB], …].
    """
    flags = parse(module, description, output, 50, arguments)
    for seed in range(flags.seeds):
        path = flags.output / f"seed{seed}.json"
        found = recorded(path, flags.steps, functools.partial(train, flags.data, flags.valid, flags.steps, seed))
        for name, figures in found["rows"].items():
            print(f"seed {seed}, {name}: {figures[-1][1]:.2f} dB", flush=True)
