"""Sections of docs/space.md beside the grid: containment, the last layer, equal time."""

import json
import math
import statistics
from pathlib import Path

from experiments.space_figures import NAMES, Groups, spread, values


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [headings, ["---"] * len(headings), *rows])


def shown(numbers: list[float], digits: int = 2) -> str:
    """Mean and standard deviation; of one value itself."""
    mean = f"{statistics.mean(numbers):.{digits}f}"
    return f"{mean} ± {spread(numbers):.{digits}f}" if len(numbers) > 1 else mean


def records(folder: Path) -> dict[str, dict]:
    """Name → record of an experiment."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def containment(folder: Path) -> str:
    """A network freed of its ties, and students of teachers; empty where either is missing."""
    found = records(folder)
    freed = [record for name, record in found.items() if name.startswith("train_on")]
    fits = [record for name, record in found.items() if not name.startswith("train_on")]
    if not freed or not fits:
        return ""
    first, marks = freed[0], [mark for mark, _ in freed[0]["psnr"]["hr"]]
    rows = [
        [
            NAMES["hr_nearest"] if name == "hr" else "the same function in LR space",
            f"{first['parameters'][name]:,}",
            f"{first['macs'][name] / 1e9:.2f}",
            *(shown([each["psnr"][name][index][1] for each in freed]) for index in range(len(marks))),
        ]
        for name in ("hr", "lr")
    ]
    ends = [each["psnr"]["lr"][-1][1] - each["psnr"]["hr"][-1][1] for each in freed]
    kinds = sorted({_kind(each) for each in fits}, reverse=True)
    fidelity = [
        [
            regime,
            NAMES[teacher],
            NAMES[student],
            shown([each["fidelity"] for each in fits if _kind(each) == (regime, teacher, student)], 1),
        ]
        for regime, teacher, student in kinds
    ]
    return f"""A network that convolves in HR space (×2, nearest first, four 3×3 layers) is trained, then written as
the LR network that computes the same (`to_lr_space(…, whole=True)`; the answers differ by at most
{max(each["difference"] for each in freed):.0e}), and both are trained on, on the same batches
(`python -m experiments.containment`). PSNR in dB after so many more steps:

{table(["network", "weights", "GMAC", *map(str, marks)], rows)}

Freed of its ties the LR network ends {statistics.mean(ends):+.2f} dB from the HR network that it contains (seed by seed
{", ".join(f"{end:+.2f}" for end in ends)}). It has more weights and more multiplications: containment is exact, and
it is not free. At equal multiplications an LR network does not contain the HR network, and the question is which of
the two stands in for the other. Networks with random weights (teachers, about 0.5 GMAC) fitted by trained ones
(students, {fits[0]["steps"]:,} steps); fidelity is the mean square of what the teacher adds to bicubic over that of
the student's error, and a student in its teacher's own space shows what training alone loses:

{table(["regime", "teacher", "student", "fidelity, dB"], fidelity)}"""


def _kind(record: dict) -> tuple[str, str, str]:
    return record["regime"], record["teacher"], record["student"]


def last_layer(folder: Path) -> str:
    """The forms of the last layer on the way; empty where there are no records."""
    by_label: dict[str, list[dict]] = {}
    for record in records(folder).values():
        by_label.setdefault(record["label"], []).append(record)
    if not by_label:
        return ""
    marks = [mark["step"] for mark in next(iter(by_label.values()))[0]["marks"]]
    rows = [
        [
            label,
            f"{each[0]['macs'] / 1e9:.2f}",
            f"{each[0]['parameters']:,}",
            *(
                f"{statistics.mean(record['marks'][index]['checkerboard']['flat'] for record in each):.3f}"
                for index in range(len(marks))
            ),
            f"{statistics.mean(record['marks'][-1]['checkerboard']['ramp'] for record in each):.3f}",
            shown([record["marks"][-1]["psnr"] for record in each]),
        ]
        for label, each in by_label.items()
    ]
    flat = [mark["checkerboard"]["flat"] for each in by_label.values() for record in each for mark in record["marks"]]
    ends = [record["marks"][-1]["checkerboard"]["flat"] for each in by_label.values() for record in each]
    headings = ["last layer", "GMAC", "weights", *(f"after {mark}" for mark in marks), "ramp, at the end", "PSNR, dB"]
    return f"""ESPCN ×2 at random, each form of the last layer on the same batches (`python -m
experiments.last_layer`). After so many steps, the checkerboard that the network puts on a flat field (root mean
square, levels of 255; the spectra are in the records), at the end that on a ramp, and PSNR:

{table(headings, rows)}

Transposed, zero-interleaved and subpixel are one function of one kernel. From the same start and the same batches they
come apart by rounding alone, which a network at random magnifies in its first steps, and end alike: which of them is
trained is a matter of speed. `resize` is another, smaller class of functions: its kernel works on pixels repeated,
and a flat field stays flat. Of the others, ICNR alone starts without a checkerboard, gets one in its first steps like
all, and ends where they end: the largest on the way is {max(flat):.1f} levels, the largest at the end {max(ends):.2f}.
A kernel that scale does not
divide (9×9) costs multiplications in LR form, where its window is padded with zeros, and neither PSNR nor a
checkerboard at the end tells it from one that scale divides."""


def between(points: list[tuple[float, float]], at: float) -> float | None:
    """The value at a place between two points, on a logarithmic axis; None outside."""
    points = sorted(points)
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x0 <= at <= x1:
            return y0 + (y1 - y0) * (math.log(at / x0) / math.log(x1 / x0) if x1 > x0 else 0)
    return None


def equal_time(found: Groups, times: dict) -> str:
    """Milliseconds of every network, and PSNR at LR space's time, read off between the budgets."""
    ms = {(row["regime"], row["space"], row["scale"], row["budget"]): row for row in times["results"]}
    ms |= {("paper", *key[1:]): row for key, row in ms.items() if key[1] == "lr"}
    rows = []
    for group, spaces in found.items():
        own = ms.get((group.regime, "lr", group.scale, group.budget))
        if own is None or "lr" not in spaces:
            continue
        lr_psnr, lr_ms = statistics.mean(values(spaces["lr"], "psnr")), own["ms"]["zoo.engines"]
        for space, runs in spaces.items():
            points = [
                (row["ms"]["zoo.engines"], statistics.mean(values(others[space], "psnr")))
                for other, others in found.items()
                if (other.scale, other.regime) == (group.scale, group.regime) and space in others
                if (row := ms.get((group.regime, space, group.scale, other.budget)))
            ]
            row, at = ms.get((group.regime, space, group.scale, group.budget)), between(points, lr_ms)
            if row is not None:
                rows.append(
                    [
                        str(group),
                        NAMES[space],
                        *(f"{row['ms'][engine]:.1f}" for engine in ("zoo.engines", "tflite")),
                        row["engine"].removesuffix("Engine"),
                        f"{statistics.mean(values(runs, 'psnr')):.2f}",
                        "–" if at is None else f"{at:.2f} ({at - lr_psnr:+.2f})",
                    ]
                )
    headings = ["networks", "space", "zoo.engines, ms", "TFLite, ms", "engine", "held out, dB", "at LR's time, dB"]
    height, width = (times["scale"] * side for side in times["lr_size"])
    return (
        f"One frame of {width}×{height} on {times['threads']} thread of {times['machine']['processor']}\n"
        "(`python -m experiments.times`). The last column is read off between the budgets, where LR space's time lies\n"
        "between two of the space's own, with its distance to LR space; a dash where it does not.\n\n"
        + table(headings, rows)
    )
