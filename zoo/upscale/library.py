"""A library of pictures through a network as an Apache Beam pipeline: any number of processes, and it goes on.

The workers need the TFLite engine, neither Keras nor TensorFlow, and see the pictures and the output under the same
paths as the command does.
"""

import json
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
from apache_beam.runners.runner import PipelineState
from apache_beam.utils.shared import Shared

from zoo.data.decode import one_limit
from zoo.data.search import WRITTEN
from zoo.engines.engine import Engine
from zoo.engines.scales import open_scaled
from zoo.errors import UsageError
from zoo.files import sweep
from zoo.program import quiet
from zoo.upscale import runners
from zoo.upscale.files import Options, Outcome, upscale_file
from zoo.upscale.manifest import Entry, Manifest, Work, append, entry_of, sha256
from zoo.upscale.targets import Job

# A runner may work on several pictures at once in one process: the interpreter, and the memory, are for one.
_ONE_AT_A_TIME = threading.Lock()


class Network(NamedTuple):
    """What `open_scaled` opens; a model's file by its absolute path."""

    model: str
    scale: int | None
    threads: int
    radius: int | None
    values: str = ""

    def open(self, measure: bool = False, kinds: Mapping[str, str] | None = None) -> Engine:
        return open_scaled(self.model, self.scale, self.threads, self.radius, measure, kinds, True, self.values)


def _told(engine: Engine) -> str:
    """What tells a network from another; --radius may be what makes it one."""
    return f"{engine.fingerprint()} {engine.radius}"


class Library:
    """Pictures that a runner's processes enlarge into one folder, with a manifest of what became of them."""

    def __init__(self, output: str, network: Network, runner: str, runner_flags: list[str]):
        """Takes the runner's name and its own flags, as Beam knows them.

        Raises:
            UsageError: an output that is no folder, a runner or flags that Beam does not know.
        """
        if Path(output).suffix.lower() in WRITTEN and not Path(output).is_dir():
            raise UsageError(f"Expected a folder as --output with --runner. Received: {output}")
        self.output, self.manifest = Path(output), Manifest(Path(os.path.abspath(output)))
        self.network, self.runner = network, runner
        self.pipeline = runners.pipeline(runner, runner_flags)

    def known(self) -> set[Path]:
        """The results, there or not, that this or an earlier job wrote or was to write."""
        return {self.output / target for target in self.manifest.entries().keys() | self.manifest.listed()}

    def stop(self) -> None:
        """Ends the job in order: the pictures in hand are finished, the others not tried."""
        self.manifest.ask_to_stop()

    def run(self, planned: list[Job], engine: Engine, options: Options, skip: bool) -> list[Outcome]:
        """Enlarges the pictures, those left out whose result is there as the manifest describes it.

        Args:
            planned: the targets in the output folder.
            engine: of the network, as the processes open it too.
            skip: leave every result alone that is there, whatever the manifest says.

        Returns:
            A row for each job.
        """
        work = Work(self.network.model, _told(engine), engine.kinds(), options.ensemble, options.quality)
        jobs = {
            job.target.relative_to(self.output).as_posix(): job for job in planned if not (skip and job.target.exists())
        }
        before = self.manifest.entries()
        pictures = [(target, Path(os.path.abspath(job.source))) for target, job in jobs.items()]
        # A runner may deal them out in turn, and every second one be of the kind that takes longer.
        random.Random(0).shuffle(pictures)
        with self.manifest.job(dict(pictures)):
            sweep(job.target for job in jobs.values())
            (
                self.pipeline
                | "the list" >> beam.Create([str(self.manifest.list)])
                | "its pictures" >> beam.FlatMap(_lines)
                | beam.Reshuffle()
                | "upscale" >> beam.ParDo(Upscale(self.manifest.output, self.network, work, options))
            )
            self._run()
            written = self.manifest.written()
            stopped = self.manifest.stop.exists()
        there = {job.target for job in jobs.values()}
        rows = [Outcome(job, "skipped", "is there already") for job in planned if job.target not in there]
        for target, job in jobs.items():
            entry = written.get(target)
            if entry is not None:
                size = (entry.width, entry.height) if entry.width and entry.height else None
                rows.append(Outcome(job, "failed" if entry.error else "written", entry.error or entry.note, size))
            elif target in before and before[target].error is None:
                rows.append(Outcome(job, "skipped", "is done"))
            else:
                rows.append(Outcome(job, "not tried", "stopped" if stopped else "the runner left it out"))
        return rows

    def _run(self) -> None:
        with runners.watched():
            try:
                state = self.pipeline.run().wait_until_finish()
            except KeyboardInterrupt:
                # The second one: at once. The processes end with this one.
                os._exit(130)
            except Exception as error:
                # Beam puts a worker's whole traceback into the message; what happened stands last.
                lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
                raise UsageError(
                    f"Expected {self.runner} to run the pipeline. Received: {lines[-1].strip()}"
                ) from error
        if state != PipelineState.DONE:
            raise UsageError(f"Expected {self.runner} to run the pipeline to its end. Received: {state}")


class Upscale(beam.DoFn):
    """Enlarges the picture of one line of the list and writes down, in a file of its own, what became of it."""

    def __init__(self, output: Path, network: Network, work: Work, options: Options):
        self.manifest, self.network, self.work, self.options = Manifest(output), network, work, options
        self.shared = Shared()

    def setup(self) -> None:
        one_limit()
        with quiet():
            self.engine = self.shared.acquire(lambda: self.network.open(kinds=self.work.kinds))
        if _told(self.engine) != self.work.network:
            raise UsageError(f"Expected the network that the job began with. Received: another {self.network.model}")
        # Another one might differ by a level here and there.
        if self.engine.kinds() != self.work.kinds:
            wanted, here = (", ".join(kinds.values()) for kinds in (self.work.kinds, self.engine.kinds()))
            raise UsageError(
                f"Expected {wanted}, the engine that the job runs in, on every machine (`zoo engines` says why it is "
                f"not there). Received: {here}"
            )
        self.part = self.manifest.part()

    def process(self, line: str) -> None:
        source, target, earlier = json.loads(line)
        job = Job(Path(source), self.manifest.output / target)
        with _ONE_AT_A_TIME:
            if self.manifest.stop.exists():
                return
            if earlier is not None and entry_of(earlier).is_done(self.work, job):
                return
            append(self.part, self._upscale(job, target))

    def _upscale(self, job: Job, target: str) -> Entry:
        # Before it is read: a picture that changes meanwhile is done again.
        source = sha256(job.source)
        began = time.perf_counter()
        row = upscale_file(job, self.engine, self.options)
        seconds = round(time.perf_counter() - began, 4)
        failed = row.state == "failed"
        return Entry(
            target=target,
            source=str(job.source),
            input=source,
            output=None if failed else sha256(job.target),
            work=self.work,
            width=row.size and row.size[0],
            height=row.size and row.size[1],
            seconds=seconds,
            note="" if failed else row.note,
            error=row.note if failed else None,
        )


def _lines(file: str) -> Iterator[str]:
    with open(file, encoding="utf-8") as lines:
        yield from lines
