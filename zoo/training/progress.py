"""What a run shows and writes while it goes: a bar, and lines of JSON."""

import contextlib
import json
import logging
import math
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zoo.files import whole_file

LOGGER = logging.getLogger("zoo.training")


class Recorder:
    """Writes `log.jsonl`, draws the bar and hands everything on to `events`; a context manager.

    Args:
        workdir: the run's folder.
        step: the step the run starts or resumes at; lines of later steps, from before a kill, are taken out.
        steps: the step at which the run ends.
        enabled: False on every machine but the chief.
        events: a `zoo.training.events.Events`, where the engine has them.
    """

    def __init__(self, workdir: Path, step: int, steps: int, enabled: bool = True, events=None):
        self.workdir, self.enabled = workdir, enabled
        self.records = read_log(workdir)
        self.columns = {"loss": "", "psnr": ""}
        if not enabled:
            return
        kept = [record for record in self.records if record["step"] <= step]
        if (workdir / "log.jsonl").exists():
            text = "".join(json.dumps(record) + "\n" for record in kept)
            with whole_file(workdir / "log.jsonl") as unfinished:
                unfinished.write_text(text)
        self.records = kept
        self.log = open(workdir / "log.jsonl", "a")  # noqa: SIM115 - closed by __exit__
        self.events = events
        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[news]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("training", total=steps, completed=step, news="")
        self.bar.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.enabled:
            self.bar.stop()
            self.log.close()
            if self.events:
                self.events.close()

    def advance(self, step: int) -> None:
        """Moves the bar."""
        if self.enabled:
            self.bar.update(self.task, completed=step)

    def record(self, step: int, **values: float) -> None:
        """Appends one line to the log, and the same values to the events."""
        if not self.enabled:
            return
        values = {name: value for name, value in values.items() if value is not None}
        line = {"step": step, **{name: _rounded(value) for name, value in values.items()}}
        self.records.append(line)
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()
        if self.events:
            self.events.scalars(step, values)
        if "loss" in values:
            self.columns["loss"] = f"loss {values['loss']:.5f}  {values['steps_per_second']:.1f} steps/s"
        if "psnr" in values:
            self.columns["psnr"] = f"PSNR {values['psnr']:.2f} dB"
        news = "  ".join(filter(None, self.columns.values()))
        self.bar.update(self.task, completed=step, news=news)
        if self.bar.disable and "psnr" in values:
            LOGGER.info("step %d  %s", step, news)

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """Hands a uint8 image (H, W, 3) to the events."""
        if self.enabled and self.events:
            self.events.picture(step, name, image)


class Stopwatch:
    """Steps per second since the last reading, and the share of the time spent waiting for data."""

    def __init__(self):
        self.restart()

    def restart(self) -> None:
        self.start, self.steps = time.perf_counter(), 0

    def read(self, waited: float) -> dict[str, float]:
        """`waited`: seconds a step, on average."""
        seconds = max(time.perf_counter() - self.start, 1e-9)
        reading = {"steps_per_second": self.steps / seconds, "data_wait": self.steps * waited / seconds}
        self.restart()
        return reading


def read_log(workdir: Path) -> list[dict]:
    """Returns the lines of a run's log; left out are one cut off by a kill and damaged ones, which are counted."""
    path, records = workdir / "log.jsonl", []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    for line in lines:
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("step"), int):
                records.append(record)
    if len(lines) - len(records) > 1:
        LOGGER.warning("%s has %d damaged lines, which are left out", path, len(lines) - len(records))
    return records


def _rounded(value: float) -> float | str:
    return float(f"{value:.6g}") if math.isfinite(value) else str(value)
