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
        """Writes a checkpoint, then takes away those older than the newest three.

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
        for path in self._paths()[:-KEPT]:
            path.unlink()

    def restore(self, like: dict[str, list]) -> tuple[int, dict[str, list]] | None:
        """Returns step and arrays of the newest checkpoint that can be read; None where there is none.

        Args:
            like: arrays of the names, number, shapes and types that are expected.

        Raises:
            UsageError: if the checkpoint belongs to another network or optimizer, or none of them can be read.
        """
        unreadable = None
        for path in reversed(self._paths()):
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

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.npz"))
