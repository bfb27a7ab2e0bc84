"""What the records of `experiments.space` say: means over seeds, differences with their uncertainty, one chart."""

import dataclasses
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

# From the enlarged picture down to blocks of pixels.
ORDER = ("hr_nearest", "hr_bilinear", "hr_bicubic", "hr_deconvolution", "lr", "below_x2", "below_x4")
NAMES = {
    "hr_nearest": "HR, nearest first",
    "hr_bilinear": "HR, bilinear first",
    "hr_bicubic": "HR, bicubic first",
    "hr_deconvolution": "HR, deconvolution first",
    "lr": "LR",
    "below_x2": "below LR, blocks of 2×2",
    "below_x4": "below LR, blocks of 4×4",
}


@dataclasses.dataclass(frozen=True, order=True)
class Group:
    """Networks that are compared: one scale, one number of multiplications, one rule."""

    scale: int
    budget: float
    regime: str

    def __str__(self) -> str:
        return f"×{self.scale}, {self.budget:g} GMAC, {self.regime}"


Groups = dict[Group, dict[str, list[dict]]]


def groups(folder: Path) -> Groups:
    """Group → space → the records of its seeds; LR space's are the same in both regimes."""
    found: Groups = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.glob("x*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        for regime in ("practice", "paper") if record["space"] == "lr" else (record["regime"],):
            found[Group(record["scale"], record["budget"], regime)][record["space"]].append(record)
    # A group of one space compares nothing.
    order = {"practice": 0, "paper": 1}
    kept = sorted((g for g in found if len(found[g]) > 1), key=lambda g: (g.scale, g.budget, order[g.regime]))
    return {group: {space: found[group][space] for space in ORDER if space in found[group]} for group in kept}


def values(records: list[dict], field: str) -> list[float]:
    """One figure of each seed; a set's PSNR by the set's name."""
    return [record["sets"][field] if field in record["sets"] else record[field] for record in records]


def spread(numbers: list[float]) -> float:
    """The standard deviation over seeds; 0 for one seed."""
    return statistics.stdev(numbers) if len(numbers) > 1 else 0.0


@dataclasses.dataclass(frozen=True)
class Difference:
    """A mean difference in dB, and twice its standard error over seeds."""

    mean: float
    margin: float

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ± {self.margin:.2f} dB"

    @property
    def word(self) -> str:
        """`ahead`, `behind`, or `level` where it is within the margin."""
        return "level" if abs(self.mean) <= self.margin else "ahead" if self.mean > 0 else "behind"


def difference(ours: list[dict], theirs: list[dict], field: str = "psnr") -> Difference:
    """How far one space is ahead of another."""
    a, b = values(ours, field), values(theirs, field)
    error = math.sqrt(spread(a) ** 2 / len(a) + spread(b) ** 2 / len(b))
    return Difference(statistics.mean(a) - statistics.mean(b), 2 * error)


def hr_spaces(spaces: Iterable[str]) -> list[str]:
    """Those of the spaces that enlarge first."""
    return [space for space in spaces if space.startswith("hr_")]


def best_hr(spaces: dict[str, list[dict]], field: str = "psnr") -> str | None:
    """The HR space with the highest figure."""
    return max(hr_spaces(spaces), key=lambda space: statistics.mean(values(spaces[space], field)), default=None)


def draw(found: Groups, path: Path) -> None:
    """The chart: PSNR against LR space's, by space, a line a group; each has LR space."""
    from zoo.plots.chart import figure, save

    made = figure(8.2, 4.2)
    axes = made.subplots()
    colours = {"practice": "#1f6fb2", "paper": "#d9822b"}
    scales, budgets = (sorted({getattr(group, name) for group in found}) for name in ("scale", "budget"))
    for group, spaces in found.items():
        gains = {space: difference(records, spaces["lr"]) for space, records in spaces.items()}
        axes.errorbar(
            [ORDER.index(space) for space in gains],
            [gain.mean for gain in gains.values()],
            [gain.margin if space != "lr" else 0 for space, gain in gains.items()],
            label=str(group), color=colours[group.regime], capsize=3, marker="^ov"[scales.index(group.scale)],
            linestyle=("-", "--", ":")[budgets.index(group.budget)],
        )  # fmt: skip
    axes.axhline(0, color="#8a9199", linewidth=0.8)
    axes.set_xticks(range(len(ORDER)), [NAMES[space].replace(", ", "\n", 1) for space in ORDER], fontsize=8)
    axes.set_ylabel("PSNR against LR space, dB")
    axes.legend(fontsize=8)
    axes.set_title("Equal multiplications, equal depth: where the layers convolve", fontsize=10)
    save(made, path)
