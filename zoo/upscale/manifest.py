"""What became of each picture of a library, in lines of JSON that a killed job leaves whole.

Beside the results lies `manifest.jsonl`. While a job runs, the hidden folder `.manifest` holds the list of its
pictures and what each process has done so far; what a killed job left there counts as if it stood in the manifest.
"""

import contextlib
import itertools
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo import files
from zoo.errors import UsageError
from zoo.files import alone, whole_file
from zoo.upscale.targets import Job


@dataclass(frozen=True)
class Work:
    """What is done to every picture, as far as it shows in the results.

    Attributes:
        preset: the network as it was named.
        network: its fingerprint, and how far it looks.
        kinds: `Engine.kinds` of what computes it.
        ensemble, quality: as in `zoo.upscale.files.Options`.
    """

    preset: str
    network: str
    kinds: dict[str, str]
    ensemble: bool
    quality: int


@dataclass(frozen=True)
class Entry:
    """What became of one picture.

    Attributes:
        target: the result's place below the output; no two entries of a manifest share it.
        source: the picture's file.
        input, output: SHA-256 of both files; None where there is none.
        width, height: of the result, px.
        seconds: from reading to the written file.
        note: what of the picture did not come through.
        error: why there is no result; None if there is.
    """

    target: str
    source: str
    input: str | None
    output: str | None
    work: Work
    width: int | None
    height: int | None
    seconds: float
    note: str
    error: str | None

    def is_done(self, work: Work, job: Job) -> bool:
        """Whether the result is there, as it was written, from this very picture by this very work."""
        return (
            self.error is None
            and (self.work.network, self.work.ensemble, self.work.quality)
            == (work.network, work.ensemble, work.quality)
            and job.target.is_file()
            and (self.input, self.output) == (sha256(job.source), sha256(job.target))
        )


class Manifest:
    """The manifest of one output folder."""

    def __init__(self, output: Path):
        self.output, self.file, self.folder = output, output / "manifest.jsonl", output / ".manifest"
        self.list, self.stop = self.folder / "list.jsonl", self.folder / "stop"

    def entries(self) -> dict[str, Entry]:
        """Target → what became of it, in jobs that ended and in jobs that were killed."""
        return self._read([self.file, *self._parts()])

    def kinds(self) -> dict[str, str]:
        """The engines of jobs that ended or were killed, as `zoo.engines.open_engine` takes them up."""
        return {name: kind for entry in self.entries().values() for name, kind in entry.work.kinds.items()}

    def written(self) -> dict[str, Entry]:
        """Target → what became of it in the job that runs."""
        return self._read(self._parts())

    def listed(self) -> set[str]:
        """The targets of a job that was killed: a result among them is its own, though no entry tells so yet."""
        targets = set()
        # What is damaged of a list is listed anew.
        with contextlib.suppress(ValueError, TypeError):
            targets |= {target for _, target, _ in map(json.loads, _lines(self.list)) if isinstance(target, str)}
        return targets

    @contextlib.contextmanager
    def job(self, pictures: dict[str, Path]) -> Iterator[None]:
        """Writes down what will be done, {target: source}, and at the end, whatever it is, what became of it.

        Raises:
            UsageError: another job is at work on the same output.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.folder.is_symlink():
            raise UsageError(f"Expected a folder of this command at {self.folder}. Received: a link")
        self.folder.mkdir(exist_ok=True)
        with alone(self.folder, "job"):
            self._merge()
            known = self.entries()
            with whole_file(self.list) as unfinished, unfinished.open("w", encoding="utf-8") as lines:
                for target, source in pictures.items():
                    entry = known.get(target)
                    lines.write(json.dumps([str(source), target, entry and asdict(entry)]) + "\n")
            self.stop.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._merge()
        shutil.rmtree(self.folder)

    def ask_to_stop(self) -> None:
        """Leaves word for the processes that they shall end; a link that somebody put there is not followed."""
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            os.close(os.open(self.stop, os.O_WRONLY | os.O_CREAT | os.O_EXCL))

    def part(self) -> Path:
        """A new file for what one process does: no two ever write to the same."""
        return self.folder / f"{uuid.uuid4().hex}.part"

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("*.part"))

    def _merge(self) -> None:
        parts, entries = self._parts(), self.entries()
        with whole_file(self.file) as unfinished, unfinished.open("w", encoding="utf-8") as lines:
            for _, entry in sorted(entries.items()):
                lines.write(json.dumps(asdict(entry)) + "\n")
        for part in parts:
            part.unlink()

    def _read(self, files: Iterable[Path]) -> dict[str, Entry]:
        found = {}
        for file in files:
            line = ""
            try:
                for line in _lines(file):
                    entry = entry_of(json.loads(line))
                    found[entry.target] = entry
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise UsageError(
                    f"Expected a manifest in {file}. Received: the line {line.strip()[:80]!r}, or one behind it; "
                    "without the file all pictures are done again"
                ) from error
        return found


def entry_of(fields: dict) -> Entry:
    """An entry from its JSON."""
    entry = Entry(**fields | {"work": Work(**fields["work"])})
    texts = (entry.target, entry.source, entry.note, entry.error or "", *entry.work.kinds.values())
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("texts")
    return entry


def append(part: Path, entry: Entry) -> None:
    """Writes down what became of one picture."""
    with part.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(entry)) + "\n")


def sha256(path: Path) -> str | None:
    """A file's SHA-256; None if it cannot be read."""
    try:
        return files.sha256(path)
    except OSError:
        return None


def _lines(file: Path) -> Iterator[str]:
    """The whole lines of a file. Its process may be writing a piece of one just now, or was killed there: that piece
    ends the reading, as what comes behind it when it is read on is the rest of the line and no line."""
    if file.is_file():
        with file.open(encoding="utf-8") as lines:
            yield from itertools.takewhile(lambda line: line.endswith("\n"), lines)
