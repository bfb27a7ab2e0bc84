"""What every benchmark does around its measurement: flags, the table on the screen, the JSON and its chart."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chart import draw
from benchmarks.timing import machine
from zoo.files import whole, write_json

RESULTS = Path(__file__).parent / "results"


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The flags that all benchmarks have."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description.strip().splitlines()[0])
    made.add_argument("--json", type=Path, help="where to write the figures; a chart, .svg, goes beside them")
    made.add_argument("--quick", action="store_true", help="smaller and fewer: shows that it works, measures little")
    return made


def start(name: str) -> dict[str, Any]:
    """The head of a record, made before the measurement: the machine as it was then."""
    return {"benchmark": name, "machine": machine()}


def finish(record: dict[str, Any], path: Path | None) -> None:
    """Writes the record to `path` and its chart beside it, whole or not at all; without a path it only ends."""
    if path is None:
        return
    write_json(path, record)
    if "chart" in record:
        with whole(path.with_suffix(".svg")) as unfinished:
            unfinished.write_text(draw(record), encoding="utf-8")
    print(f"written: {path}")


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
