"""docs/space.md from what the experiments wrote into `experiments/results/`: `python -m experiments.space_page`."""

import argparse
import statistics
import sys
from pathlib import Path

from experiments.equal import REGIMES, SPACES
from experiments.runs import FALLEN, read
from experiments.space import BUDGETS, SCALES, corners
from experiments.space_figures import (
    NAMES,
    Difference,
    Group,
    Groups,
    best_hr,
    difference,
    draw,
    groups,
    hr_spaces,
    values,
)
from experiments.space_rates import lowered, searched
from experiments.space_sections import containment, equal_time, last_layer, shown, table
from zoo.errors import UsageError, exit_on_usage_error
from zoo.files import whole_file

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "experiments" / "results"
PAGE, CHART = ROOT / "docs" / "space.md", ROOT / "experiments" / "results" / "space.svg"
ALL_HR = len(hr_spaces(SPACES))
RIVALS = {
    "hr": "the best network in HR space",
    "below_x2": "blocks of 2×2 below LR space",
    "below_x4": "blocks of 4×4 below LR space",
}


def leads(spaces: dict[str, list[dict]]) -> dict[str, tuple[str, Difference]]:
    """Rival → (which space it is, how far LR space is ahead of it)."""
    found = {"hr": best_hr(spaces), **{name: name if name in spaces else None for name in ("below_x2", "below_x4")}}
    return {name: (space, difference(spaces["lr"], spaces[space])) for name, space in found.items() if space}


def answer(found: Groups) -> str:
    """The first paragraph, from the figures alone."""
    sentences = []
    for rival, words in RIVALS.items():
        gains = [leads(spaces)[rival][1] for spaces in found.values() if "lr" in spaces and rival in leads(spaces)]
        if not gains:
            continue
        counts = {word: sum(gain.word == word for gain in gains) for word in ("ahead", "level", "behind")}
        told = ", ".join(f"{word} in {count}" for word, count in counts.items() if count)
        low, high = (f"{pick(gain.mean for gain in gains):+.2f}" for pick in (min, max))
        figures = low if low == high else f"{low} to {high}"
        margin = f"{max(gain.margin for gain in gains):.2f}"
        count = f"of {len(gains)} comparisons" if len(gains) > 1 else "of 1 comparison"
        partly = sum(0 < len(hr_spaces(spaces)) < ALL_HR for spaces in found.values() if "lr" in spaces)
        if rival == "hr" and partly:
            count += f" (in {partly} of them not all {ALL_HR} HR networks were trained)"
        sentences.append(f"Against {words} it is {told} {count}: {figures} dB, ± {margin} or less")
    return (
        "**LR space at equal multiplications and equal depth.** " + ". ".join(sentences) + ". (±: twice the "
        "standard error over the seeds, of the widest; within it two spaces are called level.)"
    )


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


def best_of(spaces: dict[str, list[dict]]) -> str:
    """The best HR space, and of how many where not all have been trained."""
    best, trained = best_hr(spaces), len(hr_spaces(spaces))
    if best is None:
        return "–"
    return NAMES[best].removeprefix("HR, ") + (f" (of {trained} trained)" if trained < ALL_HR else "")


def summary(found: Groups) -> str:
    """Every comparison behind the first paragraph, a line each."""
    rows = []
    for group, spaces in found.items():
        if "lr" not in spaces:
            continue
        lead = leads(spaces)
        rows.append(
            [
                str(group),
                best_of(spaces),
                *(f"{lead[rival][1]} ({lead[rival][1].word})" if rival in lead else "–" for rival in RIVALS),
            ]
        )
    headings = ["networks", "best HR space", *(f"LR against {words}" for words in RIVALS.values())]
    return table(headings, rows)


def sets(found: Groups) -> list[str]:
    """The public test sets that every record has."""
    every = [record for spaces in found.values() for each in spaces.values() for record in each]
    return [name for name in every[0]["sets"] if all(name in record["sets"] for record in every)]


def group_table(group: Group, spaces: dict[str, list[dict]], named: list[str]) -> str:
    """All figures of one comparison."""
    headings = ["space", "maps", "weights", "MB", "reach, px", "rate", "held out, dB"]
    headings += [*(f"{each}, dB" for each in named), "error seen, ‰", "gap, ‰"]
    rows = []
    for space, runs in spaces.items():
        first = runs[0]
        rows.append(
            [
                NAMES[space],
                "–".join(map(str, first["widths"])),
                f"{first['parameters']:,}",
                f"{first['activation_bytes'] / 1e6:.0f}",
                str(first["receptive_field"]),
                f"{first['learning_rate']:g}",
                *(shown(values(runs, name)) for name in ("psnr", *named)),
                shown([1e3 * each["loss"] for each in runs], 3),
                f"{statistics.mean(1e3 * (each['loss_held_out'] - each['loss']) for each in runs):.3f}",
            ]
        )
    macs = [record["macs"] for runs in spaces.values() for record in runs]
    seeds = sorted({len(runs) for runs in spaces.values()})
    said = f"{min(macs) / 1e9:.3f} to {max(macs) / 1e9:.3f} GMAC for 1280×720, {' or '.join(map(str, seeds))} seeds."
    return f"### {group}\n\n{said}\n\n{table(headings, rows)}"


def missing(found: Groups) -> str:
    """What of the whole grid has no records."""
    told = []
    for scale in sorted(SCALES):
        for budget in BUDGETS:
            grid = corners((scale,), (budget,), REGIMES, SPACES)
            absent = [c for c in grid if c.space not in found.get(Group(scale, budget, c.regime), {})]
            if len(absent) == len(grid):
                told.append(f"×{scale}, {budget:g} GMAC, all of it")
            elif absent:
                names = "; ".join(f"{NAMES[corner.space]} ({corner.regime})" for corner in absent)
                told.append(f"×{scale}, {budget:g} GMAC: {names}")
    return "".join(f"\n- {each}" for each in told)


LIMITS = """## Where the claim does not hold

- **As an exact statement at equal cost.** The paper's argument is that an HR layer is an LR layer with tied weights.
  So it is (`to_lr_space(…, whole=True)` builds it), but a K×K kernel in HR space, K = k·scale, meets more LR pixels
  than k×k: the LR kernel has to be wider, most of its weights are zero, and it costs more. At equal multiplications
  neither space contains the other, and what is left is the measurement above.
- **In the paper's regime for small networks.** Kernels `scale` times as large leave scale² times fewer maps: at ×3 and
  0.5 GMAC that is one or two, at ×4 one. LR space is compared with a network nobody would build.
- **As a ladder that goes on.** If scale² times more maps help on the way from HR to LR, why stop there? Below LR space
  the same step is the table's last two columns. What may be behind them, and was not measured apart: blocks treat each
  of their pixels in its own way, so that what holds for a picture has to be learnt anew for the picture moved by a
  pixel, and the first and the last layer take a growing share of the multiplications. Nor are they tuned to the end:
  where the best learning rate is the lowest one tried (last section), a lower one may still bring something."""


CHOICE = """## What it means for choosing a network

Convolve in LR space and enlarge in the last layer. A network that enlarges first is a network in LR space with ties
between its weights; freed of them it improves at once (below). Larger kernels in HR space instead of more maps buy
memory and reach, and little else. Putting blocks of pixels into channels saves memory and widens the reach at equal
multiplications, and multiplies the weights: in these networks and trainings it does not pay. That it could with more
depth, longer training or other starts is not excluded by this."""


def page(results: Path) -> str:
    """The page of all records.

    Raises:
        UsageError: there are none.
    """
    found = groups(results / "space")
    if not found:
        raise UsageError(f"Expected records of experiments.space in {results / 'space'}. Received: none")
    named = sets(found)
    every = [record for spaces in found.values() for each in spaces.values() for record in each]
    devices = ", ".join(sorted({record["device"] for record in every}))
    data = ", ".join(sorted({record["data"] for record in every}))
    steps = ", ".join(f"{step:,}" for step in sorted({record["steps"] for record in every}))
    tables = "\n\n".join(group_table(group, spaces, named) for group, spaces in found.items())
    sections = [
        "<!-- Written by `python -m experiments.space_page` from experiments/results/. -->",
        "# In which space should a network convolve?",
        answer(found),
        *([text] if (text := fallen(found)) else []),
        "![PSNR against LR space's, by the space that the layers convolve in](../experiments/results/space.svg)",
        f"""Four learned layers over a fixed bicubic path, PReLU between them, every network at bicubic when training
starts. They convolve in HR space (the picture enlarged first), in LR space (a shuffle at the end), or below it
(blocks of LR pixels made channels first). In the regime `practice` all kernels are 3×3 and the maps as many as
equal multiplications allow; in `paper` (arXiv 1609.07009, section 3) HR kernels are `scale` times as large and maps
scale² times fewer, so that memory and reach are about equal too, and below LR space 3×3 and 1×1 layers take turns, so
that all layers together reach as far.

{summary(found)}""",
        CHOICE,
        LIMITS,
        f"""## The figures

PSNR on Y by the [published protocol](numbers.md), mean ± standard deviation over seeds. Held out: pictures by
which nothing was chosen. Error seen: mean absolute error on training pictures, in ‰ of
the range: what the network represents; the gap to the held-out pictures stands apart. Most of the gap is that the
held-out pictures are harder: only its differences between spaces tell something. Reach: radius of the receptive
field, LR px. MB: float32 maps alive at the worst moment.

{tables}""",
    ]
    if (results / "space_times.json").is_file():
        sections.append(f"## At equal time\n\n{equal_time(found, read(results / 'space_times.json'))}")
    else:
        sections.append("## At equal time\n\nNot measured yet: `python -m experiments.times`, on an idle machine.")
    if text := containment(results / "containment"):
        sections.append(f"## Containment\n\n{text}")
    if text := last_layer(results / "last_layer"):
        sections.append(f"## The last layer\n\n{text}")
    sections.append(
        f"""## How it was done

`python -m experiments.space`, on {devices}; `--quick` shows the direction in minutes.
{steps} steps of {every[0]["batch"]} patches with sides of {every[0]["lr_size"]} LR pixels, the same for all; L1,
Adam, cosine. Trained on {data}; rates were chosen by the first 20 of DIV2K's validation pictures (`--tuning`; centre
crops of 256×256), and the other 80 are held out (`--held_out`). The large kernels of HR space are computed on blocks of
pixels while they train, the same function of the same weights (`experiments/on_blocks.py`).

{searched(results / "space")}{lowered(found)}

Of the whole grid there is no record yet, and the same command goes on with it, of:
{missing(found)}
"""
    )
    return "\n\n".join(sections)


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.space_page", description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--chart", type=Path, default=CHART)
    flags = parser.parse_args(arguments)
    text = page(flags.results)
    for path in (flags.page, flags.chart):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(flags.page) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    draw(groups(flags.results / "space"), flags.chart)


if __name__ == "__main__":
    sys.exit(main())
