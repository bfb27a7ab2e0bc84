"""What was measured of the engines on this machine: kept in the user's cache, else for the process.

A record of each network, in a file of its own: processes that write at once cannot lose each other's, and a record is
there whole or not at all.
"""

import datetime
import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import zoo
from zoo import machine
from zoo.engines.kinds import KINDS, PACKAGES
from zoo.files import read_record, sweep, user_cache, write_json

LOGGER = logging.getLogger("zoo.engines")
# Windows of a picture of some megapixels, all of one size.
RUNS = 8
# Measurements of a network, in as many processes, until the record is taken as it is: other programs and a processor
# that is still cold disturb one of them, hardly all.
ENOUGH = 3
# What this process has measured or read: also where the cache cannot be written.
KNOWN: dict[Path, "Choice"] = {}
# What this process has measured itself.
OWN: set[Path] = set()


@dataclass(frozen=True)
class Choice:
    """What a measurement of the engines of one network found.

    Attributes:
        seconds: kind → the least time that a window of noise took.
        ready: kind → how much longer the first window of another size took; not of those that were far behind.
        refused: kind → why it was not measured.
        date: of the last measurement, as 2026-11-27.
        measurements: that the times are the least of.
    """

    seconds: dict[str, float]
    ready: dict[str, float]
    refused: dict[str, str]
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())
    measurements: int = 1

    def order(self, sizes: bool = False) -> list[str]:
        """The kinds, the fastest first.

        Args:
            sizes: the work has pictures of many sizes, so that engines get ready again and again.
        """
        # Who was not asked is taken to be as slow as the slowest that was.
        most = max(self.ready.values(), default=0.0)
        return sorted(self.seconds, key=lambda kind: self.seconds[kind] + sizes * self.ready.get(kind, most) / RUNS)

    def and_before(self, earlier: "Choice") -> "Choice":
        """This measurement and those before it: each kind's least times, the kinds that are measured now."""
        return replace(
            self,
            seconds={kind: min(time, earlier.seconds.get(kind, time)) for kind, time in self.seconds.items()},
            ready={
                kind: min(times)
                for kind in self.seconds
                if (times := [each.ready[kind] for each in (self, earlier) if kind in each.ready])
            },
            measurements=self.measurements + earlier.measurements,
        )


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


def kept(fingerprint: str) -> bool:
    """Whether anything was measured of a network here: to ask without the versions, which takes longer."""
    try:
        return bool(KNOWN) or any(folder().glob(f"{fingerprint[:16]}-*.json"))
    except OSError:
        return False


def read(key: dict[str, Any]) -> Choice | None:
    """The choice that was measured under a key of `of`, now or earlier; None if there is none."""
    path = _path(key)
    if path in KNOWN:
        return KNOWN[path]
    try:
        record = read_record(path)
        if record.get("of") != key:
            return None
        choice = Choice(*(record[each.name] for each in fields(Choice)))
        sound = all(time > 0 for time in choice.seconds.values()) and all(time >= 0 for time in choice.ready.values())
        if choice.measurements < 1 or not choice.seconds or not sound:
            raise ValueError("times")
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        LOGGER.warning("%s cannot be read (%s): engines are chosen anew", path, error)
        return None
    KNOWN[path] = choice
    return choice


def keep(key: dict[str, Any], choice: Choice) -> Choice:
    """Keeps a measurement for this process, and in the user's cache where that can be written.

    Returns:
        What is known now: the measurement, and those before it.
    """
    path = _path(key)
    if earlier := read(key):
        choice = choice.and_before(earlier)
    KNOWN[path] = choice
    OWN.add(path)
    try:
        sweep([path], age=3600)
        write_json(path, {"of": key, **asdict(choice)})
    except OSError as error:
        LOGGER.info("%s cannot be written (%s): the engine is chosen for this process only", path, error)
    return choice


def settled(key: dict[str, Any], known: Choice | None) -> bool:
    """Whether another measurement in this process would tell nothing new: it has made one, or there are enough."""
    return known is not None and (_path(key) in OWN or known.measurements >= ENOUGH)


def _path(key: dict[str, Any]) -> Path:
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder() / f"{key['network'][:16]}-{name[:16]}.json"
