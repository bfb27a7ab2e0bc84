"""What every benchmark does around its measurement: flags, the table on the screen, the JSON and its chart."""

import argparse
import datetime
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chart import draw
from benchmarks.timing import machine
from zoo.files import read_record, whole_file, write_json

RESULTS = Path(__file__).parent / "results"


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The flags that all benchmarks have."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description.strip().splitlines()[0])
    made.add_argument("--json", type=Path, help="where to write the figures; a chart, .svg, goes beside them")
    made.add_argument("--quick", action="store_true", help="smaller and fewer: shows that it works, measures little")
    return made


def start(name: str) -> dict[str, Any]:
    """The head of a record, made before the measurement: the day, and the machine as it was then."""
    return {"benchmark": name, "date": datetime.date.today().isoformat(), "machine": machine()}


def finish(record: dict[str, Any], path: Path | None) -> None:
    """Writes the record to `path` and its chart beside it, whole or not at all; without a path it only ends.

    What another processor's record has in its place is kept beside it: `NAME.PROCESSOR.json`.
    """
    if path is None:
        return
    set_aside(path, record)
    write_json(path, record)
    if "chart" in record:
        with whole_file(path.with_suffix(".svg")) as unfinished:
            unfinished.write_text(draw(record), encoding="utf-8")
    print(f"written: {path}")


def set_aside(path: Path, record: dict[str, Any]) -> None:
    """Gives another processor's record at `path` a name of its own; an older one of this processor goes."""
    processor = record["machine"]["processor"]
    path.with_suffix(f".{_slug(processor)}.json").unlink(missing_ok=True)
    before = read_record(path).get("machine", {}).get("processor", processor)
    if before != processor:
        path.replace(path.with_suffix(f".{_slug(before)}.json"))


def of_all_machines(folder: Path, name: str) -> list[dict[str, Any]]:
    """The records of a benchmark: the newest, then those of other processors."""
    paths = [folder / f"{name}.json", *sorted(folder.glob(f"{name}.*.json"))]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def _slug(processor: str) -> str:
    return "_".join(re.findall("[a-z0-9]+", processor.lower()))


def chart(title: str, values: Sequence[tuple[str, float]], unit: str, ours: Sequence[str]) -> dict[str, Any]:
    """The `chart` entry of a record."""
    return {"title": title, "unit": unit, "values": [list(value) for value in values], "ours": list(ours)}


def table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows of text; the first column to the left, the others to the right."""
    from rich.console import Console
    from rich.table import Table

    made = Table(title=title)
    for column, heading in enumerate(headings):
        made.add_column(heading, justify="right" if column else "left", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    # Wider than a pipe's 80 columns, so that no figure is cut off.
    Console(width=120).print(made)
