"""The flags of the experiments that train small networks one after another."""

import argparse
from collections.abc import Sequence
from pathlib import Path


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
