"""What docs/space.md says of the learning rates: which were tried where, and which did not last."""

from collections import Counter
from pathlib import Path

from experiments.runs import FALLEN, read
from experiments.space_figures import NAMES, Group, Groups
from experiments.space_sections import table


def searched(folder: Path) -> str:
    """The learning rates that were tried, and the PSNR that they came to."""
    tried: dict[tuple[Group, str], dict[float, dict]] = {}
    for each in map(read, sorted(folder.glob("search_*.json"))):
        group = Group(each["scale"], each["budget"], each["regime"])
        tried.setdefault((group, each["space"]), {})[each["learning_rate"]] = each
    if not tried:
        return ""
    places = Counter(f"×{group.scale}, {group.budget:g} GMAC" for group, _ in tried)
    usual, *others = (place for place, _ in places.most_common())
    every = sorted({rate for rates in tried.values() for rate in rates})
    rows, edges = [], []
    for group, space in sorted(tried, key=_place):
        rates = tried[group, space]
        rows.append(
            [str(group), NAMES[space], *(f"{rates[rate]['psnr']:.2f}" if rate in rates else "–" for rate in every)]
        )
        if max(rates, key=lambda rate: rates[rate]["psnr"]) in (min(rates), max(rates)):
            edges.append(f"{NAMES[space]} ({group})")
    said = f"At an end of the range, so that a rate beyond it may be better: {'; '.join(edges)}." if edges else ""
    takes = "at all budgets" + (f", but for {', '.join(others)}" if others else "")
    steps = " or ".join(
        f"{each:,}" for each in sorted({one["steps"] for rates in tried.values() for one in rates.values()})
    )
    return (
        f"Learning rates were searched at {' and '.join([usual, *others])}, one seed, {steps} steps, on pictures that "
        f"serve for nothing else; each space takes the best at {usual}, {takes}. PSNR in dB, where a run that came to "
        "nothing stays at its start, bicubic:\n\n"
        + table(["searched at", "space", *(f"{rate:g}" for rate in every)], rows)
        + f"\n\n{said}"
    )


def _place(network: tuple[Group, str]) -> tuple:
    group, space = network
    return group.budget, group.scale, group.regime == "paper", list(NAMES).index(space)


def lowered(found: Groups) -> str:
    """Where a seed fell apart at the rate that was found, so that all were trained at a lower one."""
    told = []
    for group, spaces in found.items():
        for space, (first, *_) in spaces.items():
            rates = first.get("fell_apart_at", [])
            if rates and (space, group.regime) != ("lr", "paper"):
                came = " and ".join(f"{rate:g}" for rate in sorted(rates, reverse=True))
                told.append(f"{group}, {NAMES[space]}, at {came}")
    if not told:
        return ""
    return (
        f"\n\nWhere a seed ends more than {FALLEN} dB below the best one, by the same pictures, one short run has told "
        "too little of the rate: all seeds are trained again at the next lower one. So it went with "
        + "; ".join(told)
        + "."
    )
