"""Sections of docs/space.md beside the grid: containment, the last layer, equal time."""

import json
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
    # LR networks are the same in both regimes.
    kinds = sorted({_kind(each) for each in fits} - {("paper", "lr", "lr")}, reverse=True)
    hr_students, lr_students = (
        [each["fidelity"] for each in fits if each["student"] == student != each["teacher"]]
        for student in ("hr_nearest", "lr")
    )
    fidelity = [
        [
            regime,
            NAMES[teacher],
            NAMES[student],
            ", ".join(f"{each['fidelity']:.1f}" for each in fits if _kind(each) == (regime, teacher, student)),
        ]
        for regime, teacher, student in kinds
    ]
    return f"""A network that convolves in HR space (×2, nearest first, four 3×3 layers) is trained, then written as
the LR network that computes the same (`to_lr_space(…, whole=True)`; the answers differ by at most
{max(each["difference"] for each in freed):.0e}), and both are trained on, on the same batches
(`python -m experiments.containment`; {len(freed)} seeds). PSNR in dB after so many more steps:

{table(["network", "weights", "GMAC", *map(str, marks)], rows)}

Freed of its ties the LR network ends {statistics.mean(ends):+.2f} dB from the HR network that it contains (seed by seed
{", ".join(f"{end:+.2f}" for end in ends)}). It has more weights and more multiplications: containment is exact, and
it is not free. At equal multiplications an LR network does not contain the HR network, and the question is which of
the two stands in for the other. Networks with random weights (teachers, about 0.5 GMAC) fitted by trained ones
(students, {fits[0]["steps"]:,} steps); fidelity is the mean square of what the teacher adds to bicubic over that of
the student's error, seed by seed; a student in its teacher's own space shows what training alone loses:

{table(["regime", "teacher", "student", "fidelity, dB"], fidelity)}

HR students of LR teachers come to {min(hr_students):.1f} to {max(hr_students):.1f} dB, LR students of HR teachers to
{min(lr_students):.1f} to {max(lr_students):.1f} dB."""


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
    ways: dict[bool, list[float]] = {True: [], False: []}
    for label, each in by_label.items():
        ways["ICNR" in label] += [mark["checkerboard"]["flat"] for record in each for mark in record["marks"]]
    ends = [record["marks"][-1]["checkerboard"]["flat"] for each in by_label.values() for record in each]
    headings = ["last layer", "GMAC", "weights", *(f"after {mark}" for mark in marks), "ramp, at the end", "PSNR, dB"]
    return f"""ESPCN ×2 at random, each form of the last layer on the same batches (`python -m
experiments.last_layer`). After so many steps, the checkerboard that the network puts on a flat field (root mean
square, levels of 255; the spectra are in the records), at the end that on a ramp, and PSNR
({len(next(iter(by_label.values())))} seeds):

{table(headings, rows)}

Transposed, zero-interleaved and subpixel are one function of one kernel. From the same start and the same batches they
come apart by rounding alone, which a network at random magnifies in its first steps, and end alike. `resize` is
another, smaller class of functions: its kernel works on pixels repeated, and a flat field stays flat. Of the others,
ICNR alone starts without a checkerboard and has at most {max(ways[True]):.1f} levels on the way, where starts at random
come to {max(ways[False]):.1f}; at the end all have {max(ends):.2f} or less. A kernel that scale does not divide (9×9)
costs multiplications in LR form, where its window is padded with zeros, and neither PSNR nor a checkerboard at the end
tells it from one that scale divides."""


def equal_time(found: Groups, times: dict) -> str:
    """Milliseconds of every network, and what else comes to within the time of each network in LR space."""
    ms = {(row["regime"], row["space"], row["scale"], row["budget"]): row for row in times["results"]}
    ms |= {("paper", *key[1:]): row for key, row in ms.items() if key[1] == "lr"}
    points = [
        (group, space, row, statistics.mean(values(runs, "psnr")))
        for group, spaces in found.items()
        for space, runs in spaces.items()
        if (row := ms.get((group.regime, space, group.scale, group.budget)))
    ]
    rows = [
        [
            str(group),
            NAMES[space],
            *map(_ms, (row["ms"]["zoo.engines"], row["ms"]["tflite"])),
            row["engine"].removesuffix("Engine"),
            f"{db:.2f}",
        ]
        for group, space, row, db in points
    ]
    within = [
        [
            f"×{group.scale}, {group.budget:g} GMAC",
            f"{_ms(row['ms']['zoo.engines'])} ms, {db:.2f} dB",
            *(
                _within(
                    row["ms"]["zoo.engines"],
                    db,
                    [each for each in points if each[0].scale == group.scale and each[1].startswith(family)],
                )
                for family in ("hr_", "below_")
            ),
        ]
        for group, space, row, db in points
        if space == "lr" and group.regime == "practice"
    ]
    height, width = (times["scale"] * side for side in times["lr_size"])
    return (
        f"One frame of {width}×{height} on {times['threads']} thread of {times['machine']['processor']}\n"
        "(`python -m experiments.times`), in the engine that `zoo.engines` finds fastest and in TFLite. What else of\n"
        "its scale comes to within the time of a network in LR space, by whatever multiplications:\n\n"
        + table(["LR space", "it", "the best in HR space", "the best below LR space"], within)
        + "\n\n"
        + table(["networks", "space", "zoo.engines, ms", "TFLite, ms", "engine", "held out, dB"], rows)
    )


def _ms(value: float) -> str:
    return f"{value:.1f}"


def _within(time: float, psnr: float, points: list[tuple]) -> str:
    """The highest PSNR of networks that take no longer, and its distance; else the fastest network's time."""
    if not points:
        return "–"

    def ms(point: tuple) -> float:
        return point[2]["ms"]["zoo.engines"]

    fast = [point for point in points if ms(point) <= time]
    chosen = max(fast, key=lambda point: point[3]) if fast else min(points, key=ms)
    group, space, _, best = chosen
    told = f"{NAMES[space]}, {group.budget:g} GMAC, {group.regime}: {_ms(ms(chosen))} ms, {best:.2f} dB"
    return f"{'' if fast else 'none; the fastest is '}{told} ({best - psnr:+.2f})"
