"""A bar chart, as SVG text, of the figures that a benchmark wrote: `python -m benchmarks.chart FILE.json`."""

import argparse
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

WIDTH, LABEL, LINE, TOP = 760, 300, 22, 34


def bars(title: str, values: Sequence[tuple[str, float]], unit: str, ours: Sequence[str] = ()) -> str:
    """Horizontal bars, one a value, the number written behind each; the labels in `ours` are set off by colour."""
    longest = max((value for _, value in values), default=1.0) or 1.0
    room = WIDTH - LABEL - 90
    height = TOP + LINE * len(values) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="10" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for row, (label, value) in enumerate(values):
        top = TOP + LINE * row
        colour = "#1f6fb2" if label in ours else "#b8c0c8"
        length = max(1.0, room * value / longest)
        lines += [
            f'<text x="{LABEL - 8}" y="{top + 15}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABEL}" y="{top + 3}" width="{length:.1f}" height="{LINE - 6}" fill="{colour}"/>',
            f'<text x="{LABEL + length + 6:.1f}" y="{top + 15}">{value:.3g} {escape(unit)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def draw(record: dict) -> str:
    """The chart of a benchmark's record, from its `chart` entry: title, unit, values and ours."""
    chart = record["chart"]
    return bars(chart["title"], [tuple(value) for value in chart["values"]], chart["unit"], chart["ours"])


def main(arguments: list[str] | None = None) -> None:
    """Draws FILE.json into FILE.svg."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chart", description=__doc__)
    parser.add_argument("file", type=Path, nargs="+", help="what a benchmark wrote with --json")
    for path in parser.parse_args(arguments).file:
        path.with_suffix(".svg").write_text(draw(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
