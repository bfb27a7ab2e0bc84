"""Files and folders that appear whole or not at all, and where the user's cache is."""

import contextlib
import hashlib
import json
import logging
import math
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from zoo.errors import UsageError

LOGGER = logging.getLogger("zoo")


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Gives a path to write a file or a folder to, which gets the name `path` when the block ends well.

    What is written has its own name already, as writers that go by the suffix want it, in a hidden folder beside `path`
    (renaming is atomic within a file system only). When the block fails it is removed, and what stood at `path` stays
    as it was. A killed process leaves the hidden folder behind; `sweep` removes it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(f"{folder}/report.md") as unfinished:
        ...         _ = unfinished.write_text("# Report")
        ...     Path(folder, "report.md").read_text()
        '# Report'
    """
    path = Path(path)
    # Several machines may share a folder, with equal numbers of their processes.
    hidden = path.with_name(f".{_short(path.name)}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    hidden.mkdir(parents=True)
    try:
        unfinished = hidden / path.name
        yield unfinished
        if path.is_dir() and not unfinished.is_dir():
            raise UsageError(f"Expected a file's name to write to. Received: {str(path)!r}, a folder")
        if path.is_dir() and not path.is_symlink():
            # A folder cannot be renamed over a full one: the old one steps aside for the moment between two renames.
            old = hidden / f"{_short(path.name)}.old"
            path.rename(old)
            try:
                unfinished.rename(path)
            except OSError:
                old.rename(path)
                raise
        else:
            unfinished.replace(path)
    finally:
        remove(hidden)


def write_json(path: str | Path, values: Any) -> None:
    """Writes a JSON file, whole or not at all; a float that is not finite, which JSON does not have, becomes null."""
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(_finite(values), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _finite(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _finite(value) for name, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


@contextlib.contextmanager
def alone(folder: Path, kind: str) -> Iterator[None]:
    """Holds a folder against every other process that asks for it so; the system gives it back however this one ends.

    The folder itself is locked, so that no file is left in it, and none that leads elsewhere is opened.

    Args:
        kind: what goes on there, for the sentence: "Expected one {kind} at a time in …".

    Raises:
        UsageError: another process holds it.
    """
    try:
        import fcntl
    # Not on Windows.
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"Expected one {kind} at a time in {folder}. Received: a second one") from error
        # Some network's file systems lock nothing.
        except OSError:
            pass
        # Its holder may have removed it, or it and made another, between the two calls.
        if not folder.is_dir() or not os.path.samestat(os.fstat(handle), os.stat(folder)):
            raise UsageError(f"Expected one {kind} at a time in {folder}. Received: a second one, as the first ended")
        yield
    finally:
        os.close(handle)


def read_record(path: str | Path) -> dict[str, Any]:
    """What `write_json` wrote, if it is there and whole; {} otherwise, and a damaged file is named in the log."""
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        values = None
    if not isinstance(values, dict):
        LOGGER.warning("%s is damaged and is made anew", path)
        return {}
    return values


def existing_file(path: str | Path, kind: str = "a file") -> Path:
    """`path`, where a regular file is there: of a pipe or a device bytes would be waited for without end.

    Args:
        kind: what is wanted, for the sentence that all commands say.

    Raises:
        UsageError: it is something else, or not there.

    Example:
        >>> existing_file("gone.tflite", "a TFLite file")
        Traceback (most recent call last):
        zoo.errors.UsageError: Expected a TFLite file. Received: 'gone.tflite', which is not there
    """
    path = Path(path)
    if path.is_file():
        return path
    what = "a folder" if path.is_dir() else "no regular file" if path.exists() else "which is not there"
    raise UsageError(f"Expected {kind}. Received: {str(path)!r}, {what}")


def expanded(path: str | Path) -> Path:
    """`path` with `~` resolved, as it is where no such user is known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def existing_folder(path: str | Path, kind: str = "a folder") -> Path:
    """`path`, `~` resolved, where a folder is there.

    Raises:
        UsageError: it is something else, or not there.
    """
    folder = expanded(path)
    if str(path) and folder.is_dir():
        return folder
    what = "which is no folder" if str(path) and folder.exists() else "which is not there"
    raise UsageError(f"Expected {kind}. Received: {str(path)!r}, {what}")


def file_to_write(path: str | Path) -> Path:
    """`path`, where a file can be written: asked before the work that it is to hold.

    Raises:
        UsageError: a folder has that name, or the folder that it would lie in is not there or cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"Expected a file's name to write to. Received: {str(path)!r}, a folder")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        what = "which cannot be written to" if path.parent.is_dir() else "which is not there"
        raise UsageError(f"Expected a folder to write {path.name} to. Received: {str(path.parent)!r}, {what}")
    return path


def in_place_of(path: str | Path) -> str:
    """The end of a sentence on a file that is to be written: ", in place of what was there", where something was.

    A command says so of every file that it replaces; an empty one holds nothing that could be missed.
    """
    path = Path(path)
    return ", in place of what was there" if path.is_dir() or path.is_file() and path.stat().st_size else ""


def sha256(path: str | Path) -> str:
    """A file's SHA-256, read piece by piece."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(paths: Iterable[Path], age: float = 0) -> None:
    """Removes what `whole_file` left beside these files where its process was killed.

    Args:
        age: only what is older, seconds, where another process may be writing the same files.
    """
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(_short(path.name))
    for folder, own in names.items():
        for left in folder.glob(".*.tmp"):
            if left.name[1:-4].rpartition(".")[0] in own and left.lstat().st_mtime <= time.time() - age:
                remove(left)


def _short(name: str) -> str:
    """The name, or, where file systems (255 bytes) leave no room around it, what stands for it."""
    content = os.fsencode(name)
    return name if len(content) <= 200 else hashlib.sha256(content).hexdigest()


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there; of a link the link, not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def user_cache() -> Path:
    """The folder for what can be made again, below the user's cache as the system has it; it need not be there.

    Example:
        >>> user_cache().name
        'subpixel-zoo'
    """
    try:
        home = Path.home()
    # A user whom the system does not know: nothing can be kept.
    except RuntimeError:
        home = Path(os.devnull)
    default = {"darwin": home / "Library" / "Caches", "win32": Path(os.environ.get("LOCALAPPDATA", home))}
    cache = os.environ.get("XDG_CACHE_HOME") or default.get(sys.platform, home / ".cache")
    return Path(cache, "subpixel-zoo")
