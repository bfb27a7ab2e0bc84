"""Files and folders that appear whole or not at all."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Gives a path to write a file or a folder to, which gets the name `path` when the block ends well.

    What is written lies in a hidden folder beside `path` (renaming is atomic within a file system only); when the block
    fails it is removed, and what stood at `path` stays as it was. A killed process leaves the hidden folder behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True) as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        if path.is_dir() and not path.is_symlink():
            # A folder cannot be renamed over a full one: the old one steps aside for the moment between two renames.
            old = Path(folder) / "old"
            path.rename(old)
            try:
                unfinished.rename(path)
            except OSError:
                old.rename(path)
                raise
            shutil.rmtree(old)
        else:
            unfinished.replace(path)
