"""Which pictures are meant, and where each result goes: never outside the output, never two to one place."""

import glob
import itertools
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from zoo.data.search import KINDS, READ_ONLY, SUFFIXES, WRITTEN, files_below
from zoo.errors import UsageError, did_you_mean
from zoo.files import existing_file

LOGGER = logging.getLogger("zoo.upscale")
# The containers that a video is written to, by suffix, and what is taken for a video.
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
VIDEOS = (*CONTAINERS, ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv")


@dataclass(frozen=True)
class Job:
    """One picture to read and the file to write."""

    source: Path
    target: Path

    @property
    def parts(self) -> Path:
        """The hidden folder beside the target where a video's segments lie until all are there."""
        return self.target.with_name(f".{self.target.name}.parts")


def jobs(inputs: list[str], output: str, form: str | None = None) -> list[Job]:
    """Finds the pictures and names their results.

    Args:
        inputs: files, folders (searched through, hidden files left out) and patterns (`**` too).
        output: a folder, or, for one picture, the file to write. Results of a folder keep their place in it.
        form: the suffix of the results without its dot; default: the picture's own.

    Raises:
        UsageError: nothing found, two results with one name, a result on top of its picture or outside the output.
    """
    target = Path(output)
    single = target.suffix.lower() in WRITTEN and not target.is_dir()
    if not single and target.exists() and not target.is_dir():
        raise UsageError(f"Expected a folder or a picture's name ({', '.join(WRITTEN)}) as output. Received: {output}")
    found = [pair for each in inputs for pair in _find(each, target)]
    alone = len(inputs) == 1 and len(found) == 1 and not Path(inputs[0]).is_dir()
    if alone and not single and target.suffix and not target.exists() and not output.endswith(("/", os.sep)):
        raise UsageError(
            f"Expected a picture's name ({', '.join(WRITTEN)}), or a folder, which is there or ends with /, as output. "
            f"Received: {output}{did_you_mean(target.suffix, WRITTEN)}"
        )
    if single:
        if len(found) != 1 or Path(inputs[0]).is_dir():
            raise UsageError(f"Expected a folder as output of {len(found)} pictures. Received: {output}")
        if form and WRITTEN[f".{form}"] != WRITTEN[target.suffix.lower()]:
            raise UsageError(f"Expected an output that ends with .{form}. Received: {output}")
        planned = [Job(found[0][0], target)]
    else:
        planned = [Job(source, target / _renamed(place, form)) for source, place in found]
    _check(planned, target.parent if single else target)
    return planned


def video_job(inputs: list[str], output: str) -> Job | None:
    """The job of a video: its file, and a file or a folder for the result; None if no video is meant.

    Raises:
        UsageError: a video beside other inputs, or an output that is no place for it.
    """
    videos = [each for each in inputs if Path(each).suffix.lower() in VIDEOS and not Path(each).is_dir()]
    if not videos:
        return None
    source, target = Path(videos[0]), Path(output)
    if len(inputs) > 1:
        raise UsageError(f"Expected one video at a time. Received: {source} and {len(inputs) - 1} more")
    existing_file(source, "a video")
    if target.is_dir() or not target.suffix:
        target /= source.name if source.suffix.lower() in CONTAINERS else f"{source.stem}.mkv"
    if target.suffix.lower() not in CONTAINERS:
        raise UsageError(f"Expected an output that ends with {', '.join(CONTAINERS)}. Received: {output}")
    job = Job(source, target)
    _check([job], target.parent)
    return job


def existing(planned: list[Job]) -> list[Job]:
    """The jobs whose result is there already."""
    return [job for job in planned if os.path.lexists(job.target)]


def _find(name: str, output: Path) -> list[tuple[Path, Path]]:
    """(file, its place in the output) for what one argument names."""
    path = Path(name)
    if path.is_dir():
        found = _walk(path, output)
        if not found:
            raise UsageError(f"Expected a folder with pictures ({KINDS}). Received: {name}, without one")
        return found
    if os.path.lexists(path):
        return [(path, Path(path.name))]
    if not glob.has_magic(name):
        raise UsageError(f"Expected a picture, a folder or a pattern. Received: {name!r}, which is not there")
    # Matches keep their place below what of the pattern is fixed, folders that match with all that is in them.
    fixed = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
    # Results of an earlier run are no pictures to enlarge.
    results = output.resolve()
    below = output.is_dir() and fixed.resolve() in results.parents
    found = []
    for match in map(Path, sorted(glob.glob(name, recursive=True))):
        if below and match.resolve().is_relative_to(results):
            continue
        if match.is_dir() and "**" not in name:
            found += [(source, match.relative_to(fixed) / place) for source, place in _walk(match, output)]
        elif match.suffix.lower() in SUFFIXES and not match.is_dir():
            found.append((match, match.relative_to(fixed)))
    if not found:
        raise UsageError(f"Expected a pattern that matches pictures. Received: {name!r}, which matches none")
    return found


def _walk(folder: Path, output: Path) -> list[tuple[Path, Path]]:
    # Results of an earlier run are no pictures to enlarge.
    found = files_below(folder, SUFFIXES, LOGGER, lambda below: not _same(below, output), VIDEOS)
    return [(path, path.relative_to(folder)) for path in found]


def _same(one: Path, other: Path) -> bool:
    return other.exists() and os.path.samefile(one, other)


def _renamed(place: Path, form: str | None) -> Path:
    if form is None and place.suffix.lower() in WRITTEN:
        return place
    if form is None and place.suffix.lower() in READ_ONLY:
        # Beside a picture of the same name that is one of ours.
        return place.with_name(f"{place.name}.png")
    return place.with_suffix(f".{form or 'png'}")


def _check(planned: list[Job], folder: Path) -> None:
    taken: dict[Path, Path] = {}
    inside = folder.resolve()
    resolved: dict[Path, Path] = {}
    sources: set[Path] = set()
    for job in planned:
        if job.target in taken:
            both = f"{taken[job.target]} and {job.source}"
            raise UsageError(f"Expected results with names of their own. Received: {job.target} from {both}")
        taken[job.target] = job.source
        parent = job.target.parent
        # A link in the output folder may lead anywhere.
        resolved.setdefault(parent, parent.resolve())
        if not resolved[parent].is_relative_to(inside):
            raise UsageError(f"Expected results inside {folder}. Received: {job.target}, in {resolved[parent]}")
        # What is not there is no picture of the call; a library's results mostly are not.
        if not job.target.exists():
            continue
        if job.source.exists() and os.path.samefile(job.source, job.target):
            raise UsageError(f"Expected an output other than the picture itself. Received: {job.target}")
        # Another job may not have read it yet.
        sources = sources or {each.source.resolve() for each in planned}
        if job.target.resolve() in sources:
            raise UsageError(f"Expected an output other than the pictures themselves. Received: {job.target}")
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"Expected an output that can be written. Received: {folder}, which cannot")
