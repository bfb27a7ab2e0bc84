"""Enlarges pictures (files, folders, patterns) with their colours, profile, EXIF and resolution, or a video."""

import argparse
import contextlib
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from zoo.data.decode import one_limit
from zoo.engines import mirrored, ranges
from zoo.engines.engine import Engine
from zoo.engines.scales import BEST, open_scaled
from zoo.errors import UsageError, exit_on_usage_error, shown
from zoo.files import read_record
from zoo.program import Parser, program, quiet
from zoo.upscale.files import MAX_MEGAPIXELS, Options, Outcome, upscale_files
from zoo.upscale.targets import Job, existing, jobs, video_job

# Bytes of files from which on a second of measuring engines is soon made up for: some tens of seconds of work.
MEASURED, MEASURED_VIDEO = 8 << 20, 1 << 20
# The enlargement where neither it nor a model is named.
SCALE = 2


def parse(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """The command's flags, and those that are the runner's."""
    parser = Parser(prog=program("zoo.upscale"), description=__doc__)
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="pictures, folders or patterns ('photos/**/*.jpg'), or one video"
    )
    parser.add_argument("--output", required=True, help="a folder, or the file to write for one picture")
    parser.add_argument("--model", default=BEST, help="a preset, a .tflite or .keras file; several with commas follow "
                        "one another; or a family of presets with --scale; default: the best preset")  # fmt: skip
    parser.add_argument("--scale", type=int, help="the enlargement; a model is repeated to reach it: 8 = 4·2 = 2·2·2; "
                        f"default: the model's, {SCALE} without --model")  # fmt: skip
    exists = parser.add_mutually_exclusive_group()
    exists.add_argument("--overwrite", action="store_true", help="write results anew that are there already")
    exists.add_argument("--skip", action="store_true", help="leave results alone that are there already")
    parser.add_argument("--format", choices=("png", "jpg", "webp", "tiff", "bmp"), help="default: the picture's own")
    parser.add_argument(
        "--quality", type=int, default=95, help="of JPEG and WebP, 1 to 100 (WebP: lossless); %(default)s"
    )
    parser.add_argument("--crf", type=int, default=17, help="of a video, 0 (lossless) to 51 (smallest); %(default)s")
    parser.add_argument("--ensemble", action="store_true", help="average over 8 flips and turns: 8 times the work")
    parser.add_argument("--max_megapixels", type=float, default=MAX_MEGAPIXELS, help="of a result; %(default)s")
    parser.add_argument("--tile", type=int, help="side of the tiles, LR px; the result does not depend on it")
    parser.add_argument("--radius", type=int, help="how far a strange network looks, LR px, if its file does not tell")
    parser.add_argument("--range", default="", dest="values", metavar="RANGE", help=ranges.HELP)
    parser.add_argument("--threads", type=int, help="default: as many as the process may use")
    parser.add_argument("--runner", help="an Apache Beam runner for a library of pictures, which goes on where it was "
                        "cut off; its own flags (--flag=value) go to it")  # fmt: skip
    flags, others = parser.parse_known_args(arguments)
    if flags.model == BEST and flags.scale is None:
        flags.scale = SCALE
    if others and flags.runner is None:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    for name, low, high in (
        ("quality", 1, 100),
        ("crf", 0, 51),
        ("tile", 1, None),
        ("radius", 0, None),
        ("threads", 1, 1024),
    ):
        value = getattr(flags, name)
        if value is not None and (value < low or (high is not None and value > high)):
            between = f"from {low} to {high}" if high else f"of at least {low}"
            raise UsageError(f"Expected --{name} {between}. Received: {value}")
    if not flags.max_megapixels > 0:
        raise UsageError(f"Expected --max_megapixels above 0. Received: {flags.max_megapixels:g}")
    return flags, others


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command `zoo upscale`; returns 0, 2 if a picture was refused or failed, 130 if interrupted."""
    flags, runner_flags = parse(arguments)
    one_limit()
    # Pillow's remarks go into the table.
    warnings.filterwarnings("ignore", module="PIL")
    video = video_job(flags.inputs, flags.output)
    planned = jobs(flags.inputs, flags.output, flags.format) if video is None else [video]
    library = None if flags.runner is None else _library(flags, runner_flags, video is not None)
    known = set() if library is None else library.known()
    there = [job for job in existing(planned) if job.target not in known]
    if there and not (flags.overwrite or flags.skip):
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"Expected new files, --overwrite or --skip. Received: {there[0].target}{more}, there already")
    kinds = _begun(planned, video is not None, library)
    with quiet():
        engine = _engine(flags, planned, video is not None, library, kinds)
    if flags.model == BEST:
        print(f"note: enlarged by {engine.name}; `zoo presets` lists others for --model", file=sys.stderr)
    for remark in (mirrored.remark(engine), ranges.remark(engine), _in_another(engine, kinds, video is not None)):
        if remark:
            print(f"note: {remark}", file=sys.stderr)
    started = time.perf_counter()
    if library is not None:
        with _signals(library.stop) as received:
            rows = library.run(planned, engine, _options(flags), flags.skip)
    else:
        with _bar(len(planned)) as progress, _signals() as received:
            rows = list(_run(planned, video is not None, engine, flags, progress, lambda: bool(received)))
    _close(rows, time.perf_counter() - started)
    if received:
        return 128 + received[0]
    return 2 if any(row.state in ("failed", "not tried") for row in rows) else 0


def _begun(planned: list[Job], video: bool, library) -> dict[str, str]:
    """`Engine.kinds` of the work that goes on, if it is such that notes it down and was begun before."""
    if library is not None:
        return library.manifest.kinds()
    stored = read_record(planned[0].parts / "work.json").get("kinds") if video else None
    return {name: kind for name, kind in stored.items() if isinstance(kind, str)} if isinstance(stored, dict) else {}


def _engine(flags: argparse.Namespace, planned: list[Job], video: bool, library, kinds: dict[str, str]) -> Engine:
    """The engine: the one that work began with which goes on, else the fastest, measured where the work is worth it."""
    size = 0
    for job in planned:
        # What is gone is named in its turn.
        with contextlib.suppress(OSError):
            size += job.source.stat().st_size
    measure = size >= (MEASURED_VIDEO if video else MEASURED)
    if library is not None:
        return library.network.open(measure, kinds)
    network = flags.model, flags.scale, flags.threads, flags.radius
    return open_scaled(*network, measure, kinds, not video, flags.values)


def _in_another(engine: Engine, kinds: dict[str, str], video: bool) -> str:
    """In a sentence, that work is done in another engine than it began in; "" where it is not."""
    gone = [kinds[name] for name, kind in engine.kinds().items() if kinds.get(name, kind) != kind]
    if not gone:
        return ""
    way = f"is made anew in {engine.kind}" if video else f"goes on in {engine.kind}: a level may differ"
    return f"this was begun in {', '.join(gone)}, which is not here, and {way}"


def _run(
    planned: list[Job], video: bool, engine: Engine, flags: argparse.Namespace, progress, stopped
) -> Iterator[Outcome]:
    if not video:
        yield from upscale_files(planned, engine, _options(flags), flags.skip, progress, stopped)
    elif flags.skip and planned[0].target.exists():
        yield Outcome(planned[0], "skipped", "is there already")
    else:
        from zoo.upscale.video import VideoOptions, upscale_video

        options = VideoOptions(flags.tile, flags.ensemble, flags.crf, max_megapixels=flags.max_megapixels)
        yield upscale_video(planned[0], engine, options, progress, stopped)


def _options(flags: argparse.Namespace) -> Options:
    return Options(flags.tile, flags.ensemble, flags.quality, flags.max_megapixels)


def _library(flags: argparse.Namespace, runner_flags: list[str], video: bool):
    """The library that a Beam runner enlarges, and the network as its processes open it."""
    if video:
        raise UsageError(f"Expected pictures with --runner. Received: {flags.inputs[0]}, a video")
    if any(name.endswith(".keras") for name in flags.model.split(",")):
        raise UsageError(f"Expected a preset or a .tflite file with --runner. Received: --model={flags.model}")
    # Beam warns of packages that other ways of using it need.
    logging.getLogger().setLevel(logging.ERROR)
    try:
        from zoo.upscale.library import Library, Network
    except ModuleNotFoundError as error:
        raise UsageError(
            "Expected Apache Beam for --runner (pip install 'subpixel-zoo[beam]', in an environment of its own). "
            f"Received: no module {error.name}"
        ) from error
    # The processes may run in another folder; and there are many, each with one thread.
    names = [os.path.abspath(name) if name.endswith(".tflite") else name for name in flags.model.split(",")]
    network = Network(",".join(names), flags.scale, flags.threads or 1, flags.radius, flags.values)
    return Library(flags.output, network, flags.runner, runner_flags)


@contextlib.contextmanager
def _signals(stop: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """Collects Ctrl-C and SIGTERM: the first ends the work in order, by `stop` or by what asks, the second at once."""
    received: list[int] = []

    def note(number: int, _frame) -> None:
        received.append(number)
        signal.signal(number, previous[number])
        stop()

    previous: dict[int, Any] = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _bar(total: int) -> Iterator[Callable[[float], None]]:
    """A bar with the time left, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.completed:.1f}/{task.total} done"), BarColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)
        yield lambda fraction: bar.advance(task, fraction)


def _close(rows: list[Outcome], seconds: float) -> None:
    """Names what is not as it should be, and counts the rest."""
    if len(rows) == 1 and rows[0].state == "failed":
        raise UsageError(rows[0].note)
    remarks = [row for row in rows if row.note and row.state in ("written", "failed")]
    if remarks:
        from rich.console import Console
        from rich.table import Table

        table = Table("picture", "result", "why")
        for column in table.columns:
            column.overflow = "fold"
        for row in remarks:
            table.add_row(shown(str(row.job.source)), row.state, shown(row.note))
        # In a log a line should not be broken.
        Console(width=None if sys.stdout.isatty() else 240).print(table, markup=False)
    counts = {state: sum(row.state == state for row in rows) for state in ("written", "skipped", "failed", "not tried")}
    words = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    reasons = {row.note for row in rows if row.state == "not tried"}
    words += "".join(f" ({reason})" for reason in reasons)
    if counts["written"]:
        megapixels = sum(row.size[0] * row.size[1] * row.frames for row in rows if row.size) / 1e6
        words += f": {megapixels:.1f} megapixels in {seconds:.1f} s"
        # A runner's processes do not tell.
        share = sum(row.network for row in rows) / seconds
        words += f", {share:.0%} of it in the network" if share else ""
        frames = max(row.frames for row in rows)
        words += f", {frames / seconds:.1f} frames/s" if frames > 1 else ""
    print(words)


if __name__ == "__main__":
    sys.exit(main())
