"""The comparison of docs/space.md in words: how far LR space is ahead, of whom, and which runs tell nothing of it."""

import statistics

from experiments.equal import SPACES
from experiments.runs import FALLEN
from experiments.space_figures import NAMES, Difference, Group, Groups, best_hr, difference, hr_spaces, values
from experiments.space_sections import table

ALL_HR = len(hr_spaces(SPACES))
RIVALS = {
    "hr": f"the best of {ALL_HR} networks in HR space",
    "some_hr": f"HR networks where not all {ALL_HR} were trained",
    "below_x2": "blocks of 2×2 below LR space",
    "below_x4": "blocks of 4×4 below LR space",
}
Spaces = dict[str, list[dict]]


def leads(spaces: Spaces) -> dict[str, tuple[str, Difference]]:
    """Rival → (which space it is, how far LR space is ahead of it)."""
    found = {"hr" if len(hr_spaces(spaces)) == ALL_HR else "some_hr": best_hr(spaces)}
    found |= {name: name if name in spaces else None for name in ("below_x2", "below_x4")}
    return {name: (space, difference(spaces["lr"], spaces[space])) for name, space in found.items() if space}


def failed(found: Groups) -> dict[tuple[Group, str], Group]:
    """Networks that end below the same with fewer multiplications, with the group where those are."""
    return {
        (group, space): other
        for group, spaces in found.items()
        for other, theirs in found.items()
        if (other.scale, other.regime) == (group.scale, group.regime) and other.budget < group.budget
        for space in spaces
        if space in theirs and difference(spaces[space], theirs[space]).word == "behind"
    }


def compared(found: Groups) -> Groups:
    """The groups with LR space in them, without what failed."""
    lost = failed(found)
    return {
        group: {space: runs for space, runs in spaces.items() if (group, space) not in lost}
        for group, spaces in found.items()
        if "lr" in spaces
    }


def answer(found: Groups) -> str:
    """The first paragraph, from the figures alone."""
    sentences = []
    every = [leads(spaces) for spaces in compared(found).values()]
    for rival, words in RIVALS.items():
        gains = [each[rival][1] for each in every if rival in each]
        if not gains:
            continue
        counts = {word: sum(gain.word == word for gain in gains) for word in ("ahead", "level", "behind")}
        told = ", ".join(f"{word} in {count}" for word, count in counts.items() if count)
        low, high = (f"{pick(gain.mean for gain in gains):+.2f}" for pick in (min, max))
        figures = low if low == high else f"{low} to {high}"
        margin = f"{max(gain.margin for gain in gains):.2f}"
        count = f"of {len(gains)} comparisons" if len(gains) > 1 else "of 1 comparison"
        sentences.append(f"Against {words} it is {told} {count}: {figures} dB, ± {margin} or less")
    steps = " or ".join(f"{each:,}" for each in sorted({run["steps"] for run in _runs(found)}))
    return (
        f"**LR space, at equal multiplications and equal depth, after {steps} steps of the training below.** "
        + ". ".join(sentences)
        + ". (±: twice the standard error over the seeds, of the widest; pictures and learning rates are not in it. "
        "Within it two spaces are called level. The two regimes of one line share LR space's networks.)"
    )


def cheaper(found: Groups) -> str:
    """How LR space with the fewest multiplications compares with HR space with the most, scale by scale."""
    told = []
    words = {"ahead": "ahead of", "level": "level with", "behind": "behind"}
    for scale in sorted({group.scale for group in found}):
        here = {group: spaces for group, spaces in compared(found).items() if group.scale == scale}
        least, most = (pick(here, key=lambda group: group.budget, default=None) for pick in (min, max))
        rivals = {
            (group, space): here[group][space]
            for group in here
            if group.budget == most.budget > least.budget
            for space in hr_spaces(here[group])
        }
        if rivals:
            group, space = max(rivals, key=lambda rival: statistics.mean(values(rivals[rival], "psnr")))
            lead = difference(here[least]["lr"], rivals[group, space])
            told.append(
                f"at ×{scale} LR space with {least.budget:g} GMAC is {words[lead.word]} {NAMES[space]}, with "
                f"{group.budget:g} GMAC ({lead})"
            )
    return f"With fewer multiplications: {'; '.join(told)}." if told else ""


def _runs(found: Groups) -> list[dict]:
    return [run for spaces in found.values() for runs in spaces.values() for run in runs]


def fallen(found: Groups) -> str:
    """Which runs fell far behind the other seeds, and what the comparison is without them."""
    told = []
    for group, spaces in found.items():
        for space, runs in spaces.items():
            best = max(values(runs, "psnr"))
            kept = [each for each in runs if best - each["psnr"] <= FALLEN]
            if len(kept) == len(runs) or (space, group.regime) == ("lr", "paper"):
                continue
            lost = ", ".join(f"seed {each['seed']} ({each['psnr']:.2f} dB)" for each in runs if each not in kept)
            text = f"{group}, {NAMES[space]}: {lost}, where the others reach {best:.2f} dB"
            if space == "lr":
                without = {name: lead for name, lead in leads({**spaces, "lr": kept}).items()}
                leading = "; ".join(f"against {RIVALS[name]} {lead}" for name, (_, lead) in without.items())
                text += f". Without it LR space has {leading}"
            told.append(text)
    if not told:
        return ""
    return (
        f"A run that ends more than {FALLEN} dB below the best seed has fallen apart on the way: its learning rate\n"
        "is too high for some starts. It counts in all means. " + ". ".join(told) + "."
    )


def summary(found: Groups) -> str:
    """Every comparison behind the first paragraph, a line each, and what is left out of them."""
    rows = []
    for group, spaces in compared(found).items():
        lead = leads(spaces)
        lead["hr"] = lead.get("hr") or lead.get("some_hr")
        shown = (lead.get(rival) for rival in ("hr", "below_x2", "below_x4"))
        rows.append([str(group), _best_of(spaces), *(f"{each[1]} ({each[1].word})" if each else "–" for each in shown)])
    headings = ["networks", "best HR space", "LR against it"]
    headings += [f"LR against {RIVALS[rival]}" for rival in ("below_x2", "below_x4")]
    told = [
        f"{group}, {NAMES[space]}, which end below the same at {other.budget:g} GMAC"
        for (group, space), other in failed(found).items()
    ]
    left_out = (
        f"\n\nLeft out: {'; '.join(told)}. What gives less for more multiplications tells of a training that failed, "
        "and nothing of the space."
    )
    return table(headings, rows) + (left_out if told else "")


def _best_of(spaces: Spaces) -> str:
    """The best HR space, and of how many where not all have been trained."""
    best, trained = best_hr(spaces), len(hr_spaces(spaces))
    if best is None:
        return "–"
    return NAMES[best].removeprefix("HR, ") + (f" (of {trained} trained)" if trained < ALL_HR else "")


def kernels(found: Groups) -> str:
    """What large kernels in HR space gain over more maps: the range over the HR networks, a budget each."""
    told = []
    for group, spaces in found.items():
        maps = found.get(Group(group.scale, group.budget, "practice"), {})
        both = [space for space in hr_spaces(spaces) if group.regime == "paper" and space in maps]
        if both:
            gains = [difference(spaces[space], maps[space]).mean for space in both]
            told.append(f"{min(gains):+.2f} to {max(gains):+.2f} dB at ×{group.scale}, {group.budget:g} GMAC")
    return f": {', '.join(told)}" if told else ""
