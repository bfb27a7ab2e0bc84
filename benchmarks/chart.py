"""A chart, as SVG text, of the figures that a benchmark wrote: `python -m benchmarks.chart FILE.json`."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

WIDTH, LABEL, LINE, TOP = 760, 300, 22, 34
OURS, OTHERS, WRONG = "#1f6fb2", "#b8c0c8", "#c0392b"
# Of lines, a colour a family and a dash a scale.
COLOURS, DASHES = ("#1f6fb2", "#d9822b", "#3a8f4d", "#8e44ad", "#c0392b", "#6b7780"), ("", "6 3", "2 3")


def _start(title: str, height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="10" y="20" font-weight="bold">{escape(title)}</text>',
    ]


def number(value: float) -> str:
    """Three digits, or all before the point: 0.0123, 12.3, 1,390."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def bars(
    title: str,
    values: Sequence[tuple[str, float]],
    unit: str,
    ours: Sequence[str] = (),
    wrong: Sequence[str] = (),
    note: str = "",
) -> str:
    """Horizontal bars, one a value, the number written behind each.

    Args:
        ours: labels that are set off by colour.
        wrong: labels whose bars are red and only outlined: what took that time is no result.
        note: what is not drawn, and why.

    Of ratios (the unit ×) a line at 1 tells what gained from what lost.
    """
    longest = max((value for _, value in values), default=1.0) or 1.0
    room = WIDTH - LABEL - 90
    bottom = TOP + LINE * len(values)
    ratios = unit == "×"
    lines = _start(title, bottom + (LINE if note or ratios else 0) + 10)
    for row, (label, value) in enumerate(values):
        top = TOP + LINE * row
        colour = f'fill="{OURS if label in ours else OTHERS}"'
        if label in wrong:
            colour = f'fill="#ffffff" stroke="{WRONG}"'
        length = max(1.0, room * value / longest)
        lines += [
            f'<text x="{LABEL - 8}" y="{top + 15}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABEL}" y="{top + 3}" width="{length:.1f}" height="{LINE - 6}" {colour}/>',
            f'<text x="{LABEL + length + 6:.1f}" y="{top + 15}">{number(value)} {escape(unit)}</text>',
        ]
    if ratios:
        x = LABEL + room / longest
        lines.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="{WRONG}"/>')
        lines.append(f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle" fill="{WRONG}">1 ×</text>')
    if note:
        lines.append(f'<text x="10" y="{bottom + 17}">{escape(note)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def curves(title: str, across: str, up: str, found: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Lines over a logarithmic axis to the base 2, each named at its end; the thin grey one is y = x.

    Args:
        across: what the horizontal axis is, `up` what the vertical one is.
        found: name → points (x, y); names NAME_xSCALE have a colour a name and a dash a scale.
    """
    right, bottom, height = WIDTH - 190, 420, 470
    farthest = max(x for points in found.values() for x, _ in points)
    highest = max(y for points in found.values() for _, y in points)

    def place(x: float, y: float) -> tuple[float, float]:
        return 50 + (right - 50) * math.log2(x) / math.log2(farthest), bottom - (bottom - TOP - 20) * y / highest

    lines = _start(title, height)
    for exponent in range(round(math.log2(farthest)) + 1):
        x, _ = place(2**exponent, 0)
        lines.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#e6e6e6"/>')
        lines.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{2**exponent}</text>')
    step = 10 ** math.floor(math.log10(highest))
    step = next(size for size in (step / 5, step / 2, step, 2 * step) if highest / size < 10)
    for index in range(int(highest / step) + 1):
        _, y = place(1, index * step)
        lines.append(f'<line x1="50" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#e6e6e6"/>')
        lines.append(f'<text x="44" y="{y + 5:.1f}" text-anchor="end">{index * step:g}</text>')
    ideal = [place(2 ** (part / 8), 2 ** (part / 8)) for part in range(8 * 20) if 2 ** (part / 8) <= highest]
    lines.append(_path(ideal, OTHERS, ""))
    families = list(dict.fromkeys(name.rpartition("_x")[0] for name in found))
    scales = sorted({name.rpartition("_x")[2] for name in found})
    ends = []
    for name, points in found.items():
        family, _, scale = name.rpartition("_x")
        colour = COLOURS[families.index(family) % len(COLOURS)]
        lines.append(_path([place(*point) for point in points], colour, DASHES[scales.index(scale) % len(DASHES)]))
        ends.append([*place(*points[-1]), name, colour])
    # Names that would overprint move down, and all back up from below where there is no room left.
    ends.sort(key=lambda end: end[1])
    for above, end in zip([None, *ends], ends):
        end.append(end[1] if above is None else max(end[1], above[-1] + 14))
    rise = max(0.0, ends[-1][-1] - bottom)
    for x, y, name, colour, label in ends:
        wanted = label - rise
        lines.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{right + 22}" y2="{wanted:.1f}" stroke="#d0d0d0"/>')
        lines.append(f'<text x="{right + 26}" y="{wanted + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    lines.append(f'<text x="{(50 + right) / 2:.0f}" y="{height - 10}" text-anchor="middle">{escape(across)}</text>')
    lines.append(f'<text x="50" y="{TOP + 6}">{escape(up)}; grey: ideal</text>')
    return "\n".join([*lines, "</svg>", ""])


def _path(points: Sequence[tuple[float, float]], colour: str, dash: str) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>'


def draw(record: dict) -> str:
    """The chart of a benchmark's record, from its `chart` entry: title, unit, values, ours, and what else it holds."""
    chart = record["chart"]
    if "curves" in chart:
        return curves(chart["title"], chart["across"], chart["up"], chart["curves"])
    values = [tuple(value) for value in chart["values"]]
    return bars(chart["title"], values, chart["unit"], chart["ours"], chart.get("wrong", ()), chart.get("note", ""))


def main(arguments: list[str] | None = None) -> None:
    """Draws FILE.json into FILE.svg."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chart", description=__doc__)
    parser.add_argument("file", type=Path, nargs="+", help="what a benchmark wrote with --json")
    for path in parser.parse_args(arguments).file:
        path.with_suffix(".svg").write_text(draw(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
