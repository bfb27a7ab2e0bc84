"""Picture files through a network: one at a time, or many with decoding, network and encoding side by side."""

import errno
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from zoo.data.decode import MAX_MEGAPIXELS
from zoo.engines.engine import Engine
from zoo.errors import UsageError
from zoo.files import sweep
from zoo.upscale import pictures
from zoo.upscale.enlarge import enlarge, run_network
from zoo.upscale.pictures import Picture
from zoo.upscale.targets import Job

# Decoded pictures and their results that may be in memory at once, bytes; a larger one is alone.
MEMORY = 400 << 20


@dataclass(frozen=True)
class Options:
    """How pictures are enlarged and written.

    Attributes:
        tile, ensemble: as in `zoo.upscale.upscale`.
        quality: of JPEG and WebP, 1 to 100.
        max_megapixels: a larger result is refused before anything is decoded.
    """

    tile: int | None = None
    ensemble: bool = False
    quality: int = 95
    max_megapixels: float = MAX_MEGAPIXELS


class Outcome(NamedTuple):
    """What became of one picture.

    Attributes:
        state: "written", "skipped", "failed" or "not tried".
        note: why it failed, or what did not come through.
        size: (width, height) of the result, px.
        network: seconds in the network.
        frames: how many pictures of that size were made: more than one for a video.
    """

    job: Job
    state: str
    note: str = ""
    size: tuple[int, int] | None = None
    network: float = 0.0
    frames: int = 1


Progress = Callable[[float], None]


def upscale_file(job: Job, engine: Engine, options: Options) -> Outcome:
    """Enlarges one picture file; a failure is an outcome that says why, not an exception."""
    try:
        picture = _read(job, engine, options, lambda memory: None)
        result = picture.enlarged(engine.scale)
        network = enlarge(picture, result.write, engine, options.tile, options.ensemble)
        pictures.save(result, job.target, options.quality)
    except Exception as error:
        return Outcome(job, "failed", sentence(error))
    return Outcome(job, "written", "; ".join(picture.notes), (result.width, result.height), network)


def upscale_files(
    planned: list[Job],
    engine: Engine,
    options: Options,
    skip: bool = False,
    progress: Progress = lambda fraction: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Enlarges many picture files: while one is in the network, the next is decoded and the last encoded.

    Args:
        skip: leave a picture alone whose result is there.
        progress: is told of every bit of work done, in pictures.
        stopped: is asked after every tile whether to end: what is being written is finished, the rest not tried.

    Yields:
        The outcome of each job, in the order they end; the files are the same as `upscale_file` writes. A full disk
        ends the work too.
    """
    # What a killed process left; what others may be writing is younger.
    sweep((job.target for job in planned), age=3600)
    with _Line(engine, options, progress, stopped) as line:
        waiting = deque(planned)
        while waiting or line.reading or line.writing:
            if not line.ended and stopped():
                line.ended = "stopped"
            yield from line.take_in(waiting, skip)
            if line.ended:
                yield from line.give_up(waiting)
            yield from line.through_network(waiting)
            yield from line.finished()


class _Reading(NamedTuple):
    job: Job
    reserved: "_Reservation"
    picture: Future[Picture]


class _Writing(NamedTuple):
    outcome: Outcome
    saved: Future[None]


class _Line:
    """Pictures in work: one ahead of the network, a few behind it, some of which are slow to encode.

    Attributes:
        ended: why no further picture is tried; "" while they are.
    """

    def __init__(self, engine: Engine, options: Options, progress: Progress, stopped: Callable[[], bool]):
        self.engine, self.options, self.progress, self.stopped = engine, options, progress, stopped
        self.memory, self.ended = _Budget(MEMORY), ""
        self.reading: deque[_Reading] = deque()
        self.writing: deque[_Writing] = deque()
        self.decoder, self.painter, self.encoder = (
            ThreadPoolExecutor(1, name) for name in ("decode", "colours", "encode")
        )

    def __enter__(self) -> "_Line":
        return self

    def __exit__(self, *_) -> None:
        self.memory.close()
        self.decoder.shutdown(cancel_futures=True)
        self.painter.shutdown()
        self.encoder.shutdown()

    def take_in(self, waiting: deque[Job], skip: bool) -> Iterator[Outcome]:
        """Has the next pictures decoded, as far as memory allows."""
        while waiting and len(self.reading) < 2 and not self.ended:
            job = waiting.popleft()
            if skip and job.target.exists():
                self.progress(1)
                yield Outcome(job, "skipped", "is there already")
                continue
            reserved = _Reservation(self.memory)
            picture = self.decoder.submit(_read, job, self.engine, self.options, reserved.take)
            self.reading.append(_Reading(job, reserved, picture))

    def give_up(self, waiting: deque[Job]) -> Iterator[Outcome]:
        """Nothing more is tried; what is being encoded is finished."""
        self.memory.close()
        for job in [*(each.job for each in self.reading), *waiting]:
            yield Outcome(job, "not tried", self.ended)
        self.reading.clear()
        waiting.clear()

    def through_network(self, waiting: deque[Job]) -> Iterator[Outcome]:
        """Takes the next decoded picture through the network and has it encoded; a stopped one waits again."""
        if not self.reading:
            return
        job, reserved, decoded = self.reading.popleft()
        try:
            self.writing.append(self._enlarged(job, reserved, decoded.result()))
        except _Stopped:
            waiting.appendleft(job)
        except Exception as error:
            reserved.free()
            self.progress(1)
            yield Outcome(job, "failed", sentence(error))

    def _enlarged(self, job: Job, reserved: "_Reservation", picture: Picture) -> _Writing:
        result, pixels = picture.enlarged(self.engine.scale), picture.width * picture.height

        def on_tile(done: int) -> None:
            self.progress(done / pixels)
            if self.stopped():
                raise _Stopped

        tile, ensemble = self.options.tile, self.options.ensemble
        seconds, pending = run_network(picture, result.write, self.engine, self.painter, tile, ensemble, on_tile)
        outcome = Outcome(job, "written", "; ".join(picture.notes), (result.width, result.height), seconds)
        return _Writing(outcome, self.encoder.submit(_save, result, pending, job, self.options, reserved))

    def finished(self) -> Iterator[Outcome]:
        """What has been encoded; waits for it only where too much lies behind the network, or nothing before it."""
        while self.writing and (len(self.writing) > 4 or not self.reading or self.writing[0].saved.done()):
            outcome, saved = self.writing.popleft()
            failure = saved.exception()
            if isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT):
                self.ended = "the disk is full"
            if failure is not None:
                outcome = outcome._replace(state="failed", note=sentence(failure), size=None)
            yield outcome


class _Stopped(Exception):
    """Whoever asked for the work wants it to end."""


def _read(job: Job, engine: Engine, options: Options, take: Callable[[int], None]) -> Picture:
    """Decodes a picture, once its size is allowed, its target can hold the result and there is memory for both."""
    if job.target.is_dir():
        raise UsageError(f"Expected a file's name. Received: {job.target}, a folder")
    with pictures.opened(job.source) as (header, image):
        megapixels = header.width * header.height * engine.scale**2 / 1e6
        if megapixels > options.max_megapixels:
            raise UsageError(
                f"Expected a result of at most {options.max_megapixels:g} megapixels (--max_megapixels raises it). "
                f"Received: {job.source.name}, {header.width}×{header.height}, {megapixels:g} at scale {engine.scale}"
            )
        take(header.memory * (1 + engine.scale**2))
        picture = pictures.decode(job.source, image)
    pictures.check_target(job.target, picture, engine.scale)
    return picture


def _save(result: Picture, pending: list[Future], job: Job, options: Options, reserved: "_Reservation") -> None:
    """Encodes a picture once its colours are put together."""
    try:
        for future in pending:
            future.result()
        pictures.save(result, job.target, options.quality)
    finally:
        reserved.free()


def sentence(error: BaseException) -> str:
    """An error as one sentence for a table."""
    if isinstance(error, UsageError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {Path(error.filename).name}" if error.filename else error.strerror
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


class _Budget:
    """Bytes that pictures in work may hold together; whoever wants more than is left waits."""

    def __init__(self, limit: int):
        self.limit, self.used, self.closed = limit, 0, False
        self.changed = threading.Condition()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()


class _Reservation:
    def __init__(self, budget: _Budget):
        self.budget, self.size = budget, 0

    def take(self, size: int) -> None:
        budget = self.budget
        with budget.changed:
            # What is larger than the limit goes alone.
            budget.changed.wait_for(lambda: budget.closed or not budget.used or budget.used + size <= budget.limit)
            budget.used += size
            self.size = size

    def free(self) -> None:
        with self.budget.changed:
            self.budget.used -= self.size
            self.size = 0
            self.budget.changed.notify_all()
