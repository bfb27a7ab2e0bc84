"""Networks for other values than [0, 1]: a ramp of grey finds them out, and told of their range they are used in it."""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from zoo.engines.engine import Engine
from zoo.errors import UsageError, one_of
from zoo.registry import is_shipped

# What [0, 1] becomes, as `--range` has it: value · span + low.
RANGES = {"0..1": (1.0, 0.0), "0..255": (255.0, 0.0), "-1..1": (2.0, -1.0)}
HELP = (
    f"values that a file's network takes and gives: one of {', '.join(RANGES)}, or two with a colon where they differ; "
    "default 0..1, and a note where a network seems to want others. Presets have theirs"
)
# (height, width), LR px, of the ramp where the network leaves it free.
_SIZE = (24, 36)
# A larger picture would take too long for a remark.
_LARGEST = 1 << 20
# How far a ramp may come back from where it should be: a network that enlarges keeps a gentle ramp.
_RIGHT, _WRONG = 0.05, 0.1


class Ranged(Engine):
    """A network for values of other ranges, as one from [0, 1] to [0, 1].

    Args:
        engine: the network as it is.
        values: one of `RANGES`, or what it takes and what it gives with a colon between them.

    Raises:
        UsageError: another range.

    Example:
        >>> from zoo.engines import open_engine
        >>> Ranged(open_engine("fsrcnn_s_x2"), "0..255").taken
        (255.0, 0.0)
    """

    def __init__(self, engine: Engine, values: str):
        taken, colon, given = values.partition(":")
        names = (taken, given if colon else taken)
        self.taken, self.given = (RANGES[one_of("--range", name, RANGES)] for name in names)
        self.engine, self.values = engine, values
        of = engine
        super().__init__(of.name, of.scale, of.channels, of.radius, of.unbounded, of.size, of.cell, of.step, of.kind)

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        return self._out(self.engine.run(self._in(lr_image)))

    def run_part(self, lr_image: np.ndarray, rows: slice, columns: slice, ensemble: bool = False) -> np.ndarray:
        return self._out(self.engine.run_part(self._in(lr_image), rows, columns, ensemble))

    def fingerprint(self) -> str:
        return f"{self.engine.fingerprint()} {self.values}"

    def kinds(self) -> dict[str, str]:
        return self.engine.kinds()

    def _in(self, image: np.ndarray) -> np.ndarray:
        span, low = self.taken
        return image * np.float32(span) + np.float32(low)

    def _out(self, image: np.ndarray) -> np.ndarray:
        span, low = self.given
        return (image - np.float32(low)) / np.float32(span)


def ranged(engine: Engine, values: str) -> Engine:
    """The engine, in its own range where `values` names one: see `Ranged`."""
    return Ranged(engine, values) if values not in ("", "0..1", "0..1:0..1") else engine


def for_files(values: str, names: Iterable[str]) -> dict[str, str]:
    """Name of a preset or file → what `--range` says of it: of a file `values`, of a preset nothing, as it has its own.

    Raises:
        UsageError: no such range, or values for presets alone.

    Example:
        >>> for_files("0..255", ["fsrcnn_x3", "mine.tflite"])
        {'fsrcnn_x3': '', 'mine.tflite': '0..255'}
    """
    for part in values.split(":", 1) if values else ():
        one_of("--range", part, RANGES)
    found = {name: values if Path(name).suffix in (".tflite", ".keras") else "" for name in names}
    if values and not any(found.values()):
        raise UsageError(f"Expected --range for a file's network. Received: --range={values} for {', '.join(found)}; "
                         "presets take and give values from 0 to 1")  # fmt: skip
    return found


def remark(engine: Engine, flag: bool = True) -> str:
    """In a sentence, that a network seems to take or give other values than [0, 1]; "" where nothing speaks for it.

    Of a preset nothing has to be found out. Through another network a ramp of grey goes in each of the ranges. Only
    where it comes back in one of the others, and not from [0, 1] into [0, 1], something is said: a network that was
    never trained brings none back.

    Args:
        flag: whether the command has `--range`, which then is the advice.

    Example:
        >>> from zoo.engines import open_engine
        >>> remark(open_engine("fsrcnn_s_x2"))
        ''
    """
    height, width = engine.size or _SIZE
    if height * width > _LARGEST or is_shipped(engine.fingerprint()):
        return ""
    line = np.linspace(0.1, 0.9, width, dtype=np.float32)
    ramp = np.broadcast_to(line[:, None], (height, width, engine.channels))
    centres = (np.arange(engine.scale * width) + 0.5) / engine.scale - 0.5
    expected = np.interp(centres, np.arange(width), line)[:, None]

    def errors(taken: str) -> dict[tuple[str, str], float]:
        """How far the ramp in one range comes back from where it should be, by the range that it may come back in."""
        span, low = RANGES[taken]
        sr_image = engine.run(np.ascontiguousarray(ramp * np.float32(span) + np.float32(low)))
        return {
            (taken, given): float(np.nan_to_num(np.median(np.abs((sr_image - low) / span - expected)), nan=np.inf))
            for given, (span, low) in RANGES.items()
        }

    # What a network makes of values that it is not made for may be an error.
    try:
        found = errors("0..1")
        if found["0..1", "0..1"] <= _WRONG:
            return ""
        found |= errors("0..255") | errors("-1..1")
    except Exception:
        return ""
    taken, given = min(found, key=lambda each: found[each])
    if found[taken, given] > _RIGHT:
        return ""
    values = taken if taken == given else f"{taken}:{given}"
    advice = f"--range={values} says so" if flag else "put the change of range into it, as its first and last layer"
    words = [name.replace("..", " to ") for name in (taken, given)]
    return (
        f"{engine.name} seems to take values from {words[0]} and to give values from {words[1]}, and is used from "
        f"0 to 1 to 0 to 1: {advice}"
    )


def say(engines: Iterable[Engine]) -> None:
    """Prints what there is to remark of the engines of a command that has `--range`."""
    for said in filter(None, map(remark, engines)):
        print(f"note: {said}", file=sys.stderr)
