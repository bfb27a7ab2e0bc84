"""What was measured of the engines on this machine: kept in the user's cache, else for the process.

A record of each network, in a file of its own: processes that write at once cannot lose each other's, and a record is
there whole or not at all.
"""

import datetime
import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import zoo
from zoo import machine
from zoo.engines.kinds import KINDS, PACKAGES
from zoo.files import read_record, sweep, user_cache, write_json

LOGGER = logging.getLogger("zoo.engines")
# Windows of a picture of some megapixels, all of one size.
RUNS = 8
# What this process has measured or read: also where the cache cannot be written.
KNOWN: dict[Path, "Choice"] = {}


@dataclass(frozen=True)
class Choice:
    """What a measurement of the engines of one network found.

    Attributes:
        seconds: kind → the least time that a window of noise took.
        ready: kind → how much longer the first window of another size took.
        refused: kind → why it was not measured.
        date: of the measurement, as 2026-11-27.
    """

    seconds: dict[str, float]
    ready: dict[str, float]
    refused: dict[str, str]
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())

    def order(self, sizes: bool = False) -> list[str]:
        """The kinds, the fastest first.

        Args:
            sizes: the work has pictures of many sizes, so that engines get ready again and again.
        """
        return sorted(self.seconds, key=lambda kind: self.seconds[kind] + sizes * self.ready.get(kind, 0) / RUNS)


def folder() -> Path:
    """Where the records lie: below the folder `ZOO_CACHE`, or the user's cache as the system has it."""
    return Path(os.environ.get("ZOO_CACHE") or user_cache(), "engines")


def of(fingerprint: str, threads: int) -> dict[str, Any]:
    """What a choice holds for: the processor, the threads, the versions, and the file, by its hash."""
    return {
        "network": fingerprint,
        "threads": threads,
        "processor": machine.processor_model(),
        "system": machine.system(),
        "versions": {"zoo": zoo.__version__, **machine.versions(PACKAGES)},
        "kinds": sorted(KINDS),
    }


def read(key: dict[str, Any]) -> Choice | None:
    """The choice that was measured under a key of `of`, now or earlier; None if there is none."""
    path = _path(key)
    if path in KNOWN:
        return KNOWN[path]
    try:
        record = read_record(path)
        if record.get("of") != key:
            return None
        choice = Choice(record["seconds"], record["ready"], record["refused"], record["date"])
        if not choice.seconds or not all(choice.seconds[kind] > 0 <= choice.ready[kind] for kind in choice.order()):
            raise ValueError("times")
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        LOGGER.warning("%s cannot be read (%s): engines are chosen anew", path, error)
        return None
    KNOWN[path] = choice
    return choice


def keep(key: dict[str, Any], choice: Choice) -> None:
    """Keeps a choice for this process, and in the user's cache where that can be written."""
    path = _path(key)
    KNOWN[path] = choice
    try:
        sweep([path], age=3600)
        write_json(path, {"of": key, **asdict(choice)})
    except OSError as error:
        LOGGER.info("%s cannot be written (%s): the engine is chosen for this process only", path, error)


def _path(key: dict[str, Any]) -> Path:
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder() / f"{name[:32]}.json"
