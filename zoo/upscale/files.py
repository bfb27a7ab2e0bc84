"""Picture files through a network: one at a time, or many with decoding, network and encoding side by side."""

import errno
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from zoo.engines.engine import Engine
from zoo.errors import UsageError
from zoo.upscale import pictures
from zoo.upscale.enlarge import enlarge, run_network
from zoo.upscale.pictures import Picture
from zoo.upscale.targets import Job

# Decoded pictures and their results that may be in memory at once, bytes; a larger one is alone.
_MEMORY = 400 << 20
MAX_MEGAPIXELS = 300.0


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


class Row(NamedTuple):
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


def upscale_file(job: Job, engine: Engine, options: Options) -> Row:
    """Enlarges one picture file; a failure is a row that says why, not an exception."""
    try:
        picture = _read(job, engine, options, lambda memory: None)
        result = picture.enlarged(engine.scale)
        network = enlarge(picture, result.write, engine, options.tile, options.ensemble)
        pictures.save(result, job.target, options.quality)
    except Exception as error:
        return Row(job, "failed", sentence(error))
    return Row(job, "written", "; ".join(picture.notes), (result.width, result.height), network)


def upscale_files(
    planned: list[Job],
    engine: Engine,
    options: Options,
    skip: bool = False,
    progress: Progress = lambda fraction: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Row]:
    """Enlarges many picture files: while one is in the network, the next is decoded and the last encoded.

    Args:
        skip: leave a picture alone whose result is there.
        progress: is told of every bit of work done, in pictures.
        stopped: is asked after every tile whether to end: what is being written is finished, the rest not tried.

    Yields:
        A row for each job, in the order they end; the files are the same as `upscale_file` writes. A full disk ends
        the work too.
    """
    memory = _Budget(_MEMORY)
    waiting, reading, writing = deque(planned), deque(), deque()
    ended = ""

    def go_on(fraction: float) -> None:
        progress(fraction)
        if stopped():
            raise _Stopped

    with (
        ThreadPoolExecutor(1, "decode") as decoder,
        ThreadPoolExecutor(1, "colours") as painter,
        ThreadPoolExecutor(1, "encode") as encoder,
    ):

        def through_network(job: Job, reserved: _Reservation, future: Future) -> tuple[Row, Future]:
            picture = future.result()
            result, pixels = picture.enlarged(engine.scale), picture.width * picture.height
            ways = options.tile, options.ensemble, lambda done: go_on(done / pixels)
            network, pending = run_network(picture, result.write, engine, painter, *ways)
            row = Row(job, "written", "; ".join(picture.notes), (result.width, result.height), network)
            return row, encoder.submit(_save, result, pending, job, options, reserved)

        try:
            while waiting or reading or writing:
                ended = ended or ("stopped" if stopped() else "")
                # One picture ahead of the network, a few behind it, some of which are slow to encode, as far as memory
                # allows.
                while waiting and len(reading) < 2 and not ended:
                    job = waiting.popleft()
                    if skip and job.target.exists():
                        progress(1)
                        yield Row(job, "skipped", "is there already")
                        continue
                    reserved = _Reservation(memory)
                    reading.append((job, reserved, decoder.submit(_read, job, engine, options, reserved.take)))
                if ended:
                    memory.close()
                    yield from (Row(job, "not tried", ended) for job in [*(each[0] for each in reading), *waiting])
                    reading.clear()
                    waiting.clear()
                if reading:
                    job, reserved, future = reading.popleft()
                    try:
                        writing.append(through_network(job, reserved, future))
                    except _Stopped:
                        waiting.appendleft(job)
                    except Exception as error:
                        reserved.free()
                        progress(1)
                        yield Row(job, "failed", sentence(error))
                    del future
                while writing and (len(writing) > 4 or not reading or writing[0][1].done()):
                    row, future = writing.popleft()
                    error = future.exception()
                    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                        ended = "the disk is full"
                    yield row if error is None else row._replace(state="failed", note=sentence(error), size=None)
        finally:
            memory.close()
            decoder.shutdown(wait=False, cancel_futures=True)


class _Stopped(Exception):
    """Whoever asked for the work wants it to end."""


def _read(job: Job, engine: Engine, options: Options, take: Callable[[int], None]) -> Picture:
    """Decodes a picture, once its size is allowed, its target can hold the result and there is memory for both."""
    if job.target.is_dir():
        raise UsageError(f"Expected a file's name. Received: {job.target}, a directory")
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
