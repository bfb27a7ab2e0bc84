"""Checkpoints of the engine on a device: all arrays of a run in one NumPy file a step, without TensorFlow."""

import logging
import zipfile
from pathlib import Path

import numpy as np

from zoo.errors import UsageError
from zoo.files import whole_file

KEPT = 3
LOGGER = logging.getLogger("zoo.training")


class Snapshots:
    """The newest checkpoints of a run, under `workdir/checkpoints`.

    Attributes:
        step: of the newest checkpoint written or restored, None before that.
    """

    def __init__(self, workdir: Path):
        self.folder = workdir / "checkpoints"
        self.step: int | None = None

    def kept(self) -> str:
        """Says what a run that fails now can go on from."""
        return f"The checkpoint of step {self.step} is kept" if self.step is not None else "There is no checkpoint yet"

    def save(self, step: int, state: dict[str, list]) -> None:
        """Writes a checkpoint, and takes away all but the newest three up to it.

        Those of later steps, which the run has gone back from, are no more of this run.

        Args:
            state: name → arrays.
        """
        if self.step == step:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {f"{name}/{index}": np.asarray(a) for name, each in state.items() for index, a in enumerate(each)}
        with whole_file(self.folder / f"{step:09d}.npz") as unfinished:
            np.savez(unfinished, allow_pickle=False, **arrays)
        self.step = step
        for path in set(self.paths()) - set(self.paths(step)[-KEPT:]):
            path.unlink()

    def restore(self, like: dict[str, list], most: int | None = None) -> tuple[int, dict[str, list]] | None:
        """Returns step and arrays of the newest checkpoint that can be read; None where there is none.

        Args:
            like: arrays of the names, number, shapes and types that are expected.
            most: the last step that is looked at; None: all are.

        Raises:
            UsageError: if the checkpoint belongs to another network or optimizer, or none of them can be read.
        """
        unreadable = self.step = None
        for path in reversed(self.paths(most)):
            try:
                with np.load(path, allow_pickle=False) as file:
                    found = {name: file[name] for name in file.files}
            except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
                LOGGER.warning("Cannot read %s, going back to the one before it: %s", path, error)
                unreadable = path
                continue
            expected = {f"{name}/{index}": a for name, each in like.items() for index, a in enumerate(each)}
            alike = found.keys() == expected.keys() and all(
                (a.shape, a.dtype) == (found[name].shape, found[name].dtype) for name, a in expected.items()
            )
            if not alike:
                raise UsageError(f"Expected a checkpoint of this network and optimizer. Received: {path}")
            self.step = step = int(path.stem)
            return step, {name: [found[f"{name}/{index}"] for index in range(len(each))] for name, each in like.items()}
        if unreadable:
            raise UsageError(f"Expected a checkpoint that can be read. Received: {unreadable}")
        return None

    def paths(self, most: int | None = None) -> list[Path]:
        """The files of the checkpoints, oldest first: all, or those up to step `most`."""
        paths = sorted(self.folder.glob("[0-9]*.npz"))
        return [path for path in paths if most is None or int(path.stem) <= most]


def restore_together(runs: list[Snapshots], like: dict[str, list]) -> tuple[int, list]:
    """Returns the newest step of which all runs have a checkpoint that can be read, and the arrays of each there.

    Runs are saved one after the other: where that is interrupted, some are a checkpoint ahead. Where it was the first
    one, or there is none, all start from the beginning: (0, [None, …]).

    Args:
        like: see `Snapshots.restore`.

    Raises:
        UsageError: as there, and where one has no checkpoint and another one more than the first.
    """

    def restored(most: int | None = None) -> tuple[set[int], list]:
        found = [each.restore(like, most) or (0, None) for each in runs]
        return {step for step, _ in found}, [state for _, state in found]

    newest, states = restored()
    steps = newest
    while len(steps) > 1:
        steps, states = restored(min(steps))
    (step,) = steps
    if len(newest) > 1:
        if not step and any(len(each.paths()) > 1 for each in runs):
            raise UsageError(f"Expected all seeds at the same step. Received: {_listed(newest)}")
        place = f"on from the checkpoint of step {step}, the newest that all have" if step else "from the beginning"
        LOGGER.warning("The seeds' newest checkpoints are of steps %s: all go %s", _listed(newest), place)
    return step, states


def _listed(steps: set[int]) -> str:
    return ", ".join(map(str, sorted(steps)))
