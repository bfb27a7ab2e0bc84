"""What docs/space.md says of the learning rates: which were tried where, and which did not last."""

from pathlib import Path

from experiments.runs import FALLEN, SEARCH_AT, read
from experiments.space_figures import NAMES, Group, Groups
from experiments.space_sections import table

# Of a network, the PSNR that each rate came to.
Tried = dict[tuple[Group, str], dict[float, float]]


def tried(folder: Path) -> Tried:
    """What the search has recorded, in the order of the page's other tables."""
    found: Tried = {}
    for each in map(read, folder.glob("search_*.json")):
        group = Group(each["scale"], each["budget"], each["regime"])
        found.setdefault((group, each["space"]), {})[each["learning_rate"]] = each["psnr"]
    return {network: found[network] for network in sorted(found, key=_order)}


def _order(network: tuple[Group, str]) -> tuple:
    group, space = network
    return group.scale, group.budget, group.regime == "paper", list(NAMES).index(space)


def searched(folder: Path, found: Groups) -> str:
    """The learning rates that were tried, and which of them the networks have."""
    networks = tried(folder)
    if not networks:
        return ""
    every = sorted({rate for rates in networks.values() for rate in rates})
    rows, edges = [], []
    for (group, space), rates in networks.items():
        rows.append([str(group), NAMES[space], *(f"{rates[rate]:.2f}" if rate in rates else "–" for rate in every)])
        if _best(rates) in (min(rates), max(rates)):
            edges.append(f"{NAMES[space]} ({group})")
    steps = read(next(folder.glob("search_*.json")))["steps"]
    usual, *others = [f"×{scale}, {budget:g} GMAC" for scale, budget in _places(networks)]
    own = "".join(f"; at {place} it takes its best there" for place in others)
    text = (
        f"Learning rates were searched with one seed, {steps:,} steps and pictures by which nothing else is judged. "
        f"Each space takes its best at {usual} for all scales and budgets{own}. PSNR in dB, where a run that came to "
        "nothing stays at its start, bicubic:\n\n"
        + table(["searched at", "space", *(f"{rate:g}" for rate in every)], rows)
    )
    if edges:
        text += f"\n\nAt an end of the range, so that a rate beyond it may be better: {'; '.join(edges)}."
    if others_rate := _otherwise(networks, found):
        text += f"\n\nTrained before the search had come so far, and not again since: {'; '.join(others_rate)}."
    return text


def _best(rates: dict[float, float]) -> float:
    return max(rates, key=lambda rate: rates[rate])


def _places(networks: Tried) -> list[tuple[int, float]]:
    """Scales and budgets at which rates were searched, the usual ones first."""
    return sorted({(group.scale, group.budget) for group, _ in networks}, key=lambda place: (place != SEARCH_AT, place))


def _otherwise(networks: Tried, found: Groups) -> list[str]:
    """Networks at a rate that is not the best found, and that no seed fell apart at."""
    told = []
    (scale, budget), *_ = _places(networks)
    for group, spaces in found.items():
        for space, (first, *_) in spaces.items():
            rates = networks.get((group, space)) or networks.get((Group(scale, budget, group.regime), space))
            if rates and _best(rates) not in (first["learning_rate"], *first.get("fell_apart_at", [])):
                told.append(f"{group}, {NAMES[space]}, at {first['learning_rate']:g} in place of {_best(rates):g}")
    return told


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
