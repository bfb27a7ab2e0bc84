"""The folder of a run: whose it is, and what decides the last bits of its weights."""

import logging
from pathlib import Path

from zoo.errors import UsageError
from zoo.files import read_record, whole_file, write_json
from zoo.training.config import TrainConfig

LOGGER = logging.getLogger("zoo.training")


def claim_workdir(config: TrainConfig, workdir: Path) -> None:
    """Makes `workdir` this run's, or finds that it is already.

    Raises:
        UsageError: if the folder belongs to a run with another configuration; the difference is named.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    path = workdir / "config.json"
    if path.exists():
        differences = config.differences(TrainConfig.load(path))
        if differences:
            raise UsageError(
                f"Expected the configuration that {workdir} was started with, or another workdir. "
                f"Received: {'; '.join(differences)}"
            )
    with whole_file(path) as unfinished:
        config.save(unfinished)


def note_environment(workdir: Path, now: dict) -> None:
    """Keeps what decides the last bits of the weights; warns where it differs from when the run started."""
    workdir.mkdir(parents=True, exist_ok=True)
    path = workdir / "environment.json"
    before = read_record(path)
    if before:
        for name, value in now.items():
            if before.get(name) != value:
                LOGGER.warning(
                    "%s is %r and was %r when this run started: it goes on, but not bit for bit as it would have there",
                    name, value, before.get(name),
                )  # fmt: skip
        return
    write_json(path, now)
