"""A source prepared once on disk: the records that a `Source` keeps in memory, for any number of workers to read.

A folder holds `records.bin`, the bytes of `Source.records`, and `index.json`: which picture lies where, and the SHA-256
of each. Workers map the file into memory, so each reads only the ranges that its patches come from, and those on one
machine share what has been read.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from zoo.data.decode import PictureError
from zoo.data.sources import Place, Source, check_form, pack
from zoo.errors import UsageError
from zoo.files import alone, write_json
from zoo.machine import available_threads

VERSION = 1
LOGGER = logging.getLogger("zoo.data")
INDEX, RECORDS, JOURNAL = "index.json", "records.bin", "unfinished.jsonl"


def write_records(source: Source, folder, progress: Callable[[int], None] = lambda done: None) -> dict:
    """Prepares a source in a folder, or goes on where a call that was stopped or killed had come to.

    Each picture is on the disk before the journal says so; what lies behind the journal's last line is written again.

    Args:
        source: one that has not been read yet.
        folder: made if it is not there.
        progress: called with the number of pictures dealt with.

    Returns:
        What `index.json` holds.

    Raises:
        UsageError: if the folder holds other data, or the pictures are not those that were begun with.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder, "preparation"):
        return _write_records(source, folder, progress)


def _write_records(source: Source, folder: Path, progress: Callable[[int], None]) -> dict:
    head = {"version": VERSION, "name": source.name, "scale": source.scale, "channels": source.channels}
    if (folder / INDEX).exists():
        index = _undamaged(folder, head)
        if index is not None:
            _check_pictures(folder, index, source)
            return index
        for name in (INDEX, JOURNAL, RECORDS):
            (folder / name).unlink(missing_ok=True)
    width = source.channels * (1 + source.scale**2)
    header_skipped = list(source.skipped)
    with open(folder / JOURNAL, "a+b") as journal, open(folder / RECORDS, "a+b") as records:
        lines = _whole_lines(journal)
        if lines:
            _check_head(folder, lines[0], head)
        else:
            _append(journal, head)
        entries = _written(lines[1:], records, width)
        if len(entries) < len(lines[1:]):
            LOGGER.warning("%s is damaged: pictures from the %d. on are prepared anew", folder, len(entries) + 1)
            journal.truncate(0)
            for line in (head, *entries):
                _append(journal, line)
        for picture, found in source.read(known=[entry["path"] for entry in entries]):
            if isinstance(found, PictureError):
                entry = {"path": picture.path, "skipped": str(found)}
            else:
                lr, hr, digest = found
                height, breadth = lr.shape[:2]
                content = np.empty((height * breadth, width), np.uint8)
                pack(lr, hr, source.scale, content)
                records.write(content.data)
                records.flush()
                os.fsync(records.fileno())
                entry = {
                    "path": picture.path,
                    "name": picture.name,
                    "height": height,
                    "width": breadth,
                    "luma": digest.hex(),
                    "sha256": hashlib.sha256(content.data).hexdigest(),
                }
            _append(journal, entry)
            entries.append(entry)
            progress(len(entries))
    pictures = [entry for entry in entries if "name" in entry]
    skipped = [*header_skipped, *((entry["path"], entry["skipped"]) for entry in entries if "skipped" in entry)]
    if not pictures:
        raise UsageError(f"Expected at least one picture that can be read in {source.name!r}. Received: {skipped[:3]}")
    index = {**head, "pictures": pictures, "skipped": skipped, "lr_images": source.lr_images}
    index = {**index, "sha256": _digest(index)}
    write_json(folder / INDEX, index)
    (folder / JOURNAL).unlink()
    return index


def _check_pictures(folder: Path, index: dict, source: Source) -> None:
    """Sees that what was prepared are the pictures of `source`, by their paths."""
    if not source.total:
        return  # only reading such a source tells what it holds
    prepared = {entry["path"] for entry in index["pictures"]} | {path for path, _ in index["skipped"]}
    there = {picture.path for picture in source._unread} | {path for path, _ in source.skipped}
    for paths, what in ((there - prepared, "new ones"), (prepared - there, "others, which are not there now")):
        if paths:
            raise OtherData(
                f"Expected the pictures that {str(folder)!r} was prepared from, or another folder. Received: {what}, "
                f"{len(paths)} in number, as {min(paths)}"
            )


def _undamaged(folder: Path, head: dict) -> dict | None:
    """The index of a folder that is prepared and whole; None, with a word in the log, where it is damaged.

    Raises:
        UsageError: it holds other data.
    """
    try:
        index = _read_index(folder)
        _check_head(folder, {name: index[name] for name in head}, head)
        RecordsOnDisk(folder, head["scale"], head["channels"]).records  # noqa: B018 - compares every byte
        return index
    except OtherData:
        raise
    except (UsageError, OSError) as error:
        LOGGER.warning("%s: all is prepared anew", error)
        return None


def _written(entries: list[dict], records, width: int) -> list[dict]:
    """The first entries of a journal, as far as the records are those that it tells of; what lies behind is cut off."""
    records.seek(0)
    size, whole_ones = 0, []
    for entry in entries:
        try:
            length = width * entry["height"] * entry["width"] if "name" in entry else 0
            content = records.read(length) if length else b""
            if not isinstance(entry["path"], str) or (length and _hash(content) != entry["sha256"]):
                break
            if not length and not isinstance(entry["skipped"], str):
                break
        except (KeyError, TypeError, ValueError):
            break
        size += length
        whole_ones.append(entry)
    records.truncate(size)
    records.seek(size)
    return whole_ones


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def is_prepared(folder: Path) -> bool:
    """Whether `write_records` has written there, to the end or not."""
    return (folder / RECORDS).is_file() and ((folder / INDEX).is_file() or (folder / JOURNAL).is_file())


class RecordsOnDisk(Source):
    """A prepared source. Every byte is compared with its hash when the pictures are first needed.

    Args:
        folder: as `write_records` left it.
        scale, channels: what the source is expected to be prepared for.

    Raises:
        UsageError: on an unfinished folder, another scale or number of channels; later, on a byte that has changed.
    """

    def __init__(self, folder, scale: int, channels: int = 1):
        check_form(scale, channels)
        self.folder = Path(folder)
        self._index = _read_index(self.folder)
        if (self._index["scale"], self._index["channels"]) != (scale, channels):
            raise UsageError(
                f"Expected data prepared for scale {scale} and {channels} channels. Received: {str(folder)!r}, "
                f"prepared for scale {self._index['scale']} and {self._index['channels']} channels"
            )
        skipped = [tuple(each) for each in self._index["skipped"]]
        super().__init__(self._index["name"], scale, channels, (), 0, skipped, self._index.get("lr_images", ""))

    def _load(self) -> np.ndarray:
        if self._records is not None:
            return self._records
        path, start = self.folder / RECORDS, 0
        places: list[Place] = []
        hashes: dict[bytes, str] = {}
        for entry in self._index["pictures"]:
            place = Place(entry["name"], entry["path"], start, entry["height"], entry["width"])
            start += place.height * place.width
            places.append(place)
            hashes.setdefault(bytes.fromhex(entry["luma"]), entry["path"])
        shape = (start, self.channels * (1 + self.scale**2))
        size = path.stat().st_size
        if size != start * shape[1]:
            raise UsageError(f"Expected {start * shape[1]} bytes in {path}. Received: {size}; prepare the data again")
        # Copy on write: never written, but TensorFlow does not take memory that cannot be.
        records = np.memmap(path, np.uint8, "c", shape=shape)

        def damaged(place: Place, entry: dict) -> bool:
            rows = records[place.start : place.start + place.height * place.width]
            return hashlib.sha256(rows.data).hexdigest() != entry["sha256"]

        with ThreadPoolExecutor(available_threads()) as pool:
            found = list(pool.map(damaged, places, self._index["pictures"]))
        if any(found):
            names = ", ".join(place.name for place, wrong in zip(places, found) if wrong)
            raise UsageError(f"Expected {path} as it was prepared. Received: other bytes in {names}; prepare it again")
        self._places, self._hashes, self._records = places, hashes, records
        return records


def _read_index(folder: Path) -> dict:
    path = folder / INDEX
    if not path.exists():
        raise UsageError(f"Expected data whose preparation has ended. Received: {str(folder)!r}; run its command again")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        right = index.pop("sha256") == _digest(index)
    except (ValueError, KeyError, AttributeError, TypeError):
        right = False
    if not right:
        raise UsageError(f"Expected {path} as it was prepared. Received: a file that has changed; prepare it again")
    if index["version"] != VERSION:
        raise UsageError(f"Expected version {VERSION} of prepared data in {path}. Received: {index['version']}")
    return index


class OtherData(UsageError):
    """A folder holds what was prepared from another source, or for another network."""


def _check_head(folder: Path, found: dict, wanted: dict) -> None:
    if found != wanted:
        raise OtherData(f"Expected a new folder, or one for {wanted}. Received: {str(folder)!r} for {found}")


def _whole_lines(journal) -> list[dict]:
    """Reads the journal up to the first line that is none; what a kill cut off is taken out of it."""
    journal.seek(0)
    lines, size = [], 0
    for line in journal.read().splitlines(keepends=True):
        try:
            entry = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            break
        lines.append(entry)
        size += len(line)
    journal.truncate(size)
    return lines


def _append(journal, entry: dict) -> None:
    journal.write(json.dumps(entry).encode() + b"\n")
    journal.flush()
    os.fsync(journal.fileno())


def _digest(index: dict) -> str:
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
