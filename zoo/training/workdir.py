"""The folder of a run: whose it is, and what decides the last bits of its weights."""

import contextlib
import dataclasses
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import UsageError
from zoo.files import alone, read_record, whole_file, write_json
from zoo.training.config import TrainConfig
from zoo.training.optimizers import LearningRate
from zoo.training.progress import read_log

LOGGER = logging.getLogger("zoo.training")


@contextlib.contextmanager
def claimed(config: TrainConfig, workdir: Path) -> Iterator[None]:
    """Holds `workdir` as this run's. A start that is refused before its first step leaves it as it was.

    Raises:
        UsageError: another process trains there, or the folder belongs to a run with another configuration; the
            difference is named.
    """
    made = next((each for each in (*reversed(workdir.parents), workdir) if not each.exists()), None)
    workdir.mkdir(parents=True, exist_ok=True)
    # What another process has there is looked at by nobody else.
    with alone(workdir, "training"):
        path, before, log = workdir / "config.json", set(workdir.iterdir()), read_log(workdir)
        config_before = path.read_bytes() if path.exists() else None
        try:
            _claim(config, workdir)
            yield
        except UsageError:
            if read_log(workdir) == log:
                _take_back(workdir, before, made)
                if config_before is not None:
                    with whole_file(path) as unfinished:
                        unfinished.write_bytes(config_before)
            raise


def _claim(config: TrainConfig, workdir: Path) -> None:
    path = workdir / "config.json"
    if path.exists():
        before = TrainConfig.load(path)
        longer = config.steps > before.steps
        differences = config.differences(dataclasses.replace(before, steps=config.steps) if longer else before)
        if differences:
            hint = "; a run may be lengthened, not shortened" if config.steps < before.steps else ""
            raise UsageError(
                f"Expected the configuration that {workdir} was started with, or another workdir. "
                f"Received: {'; '.join(differences)}{hint}"
            )
        if longer:
            LOGGER.info("%s", _lengthened(before, config))
    with whole_file(path) as unfinished:
        config.save(unfinished)


def _lengthened(before: TrainConfig, config: TrainConfig) -> str:
    """What more steps do to the learning rate."""
    said = f"Lengthened from {before.steps:,} to {config.steps:,} steps"
    if config.schedule != "cosine":
        return f"{said}; the learning rate is what it would have been in one run"
    old, new = (float(LearningRate(each)(before.steps - 1)) for each in (before, config))
    return (
        f"{said}: the learning rate follows the cosine of {config.steps:,} steps from here on, so that at step "
        f"{before.steps:,} it is {new:.1e} in place of {old:.1e}, and the weights are not those of one long run"
    )


def _take_back(workdir: Path, before: set[Path], made: Path | None) -> None:
    """Removes what a refused start has put into its folder, and the folders that it made for it."""
    for path in set(workdir.iterdir()) - before:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    folder = workdir
    while made is not None and folder != made.parent:
        with contextlib.suppress(OSError):
            folder.rmdir()
        folder = folder.parent


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
