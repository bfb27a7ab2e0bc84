"""docs/space.md from what the experiments wrote into `experiments/results/`: `python -m experiments.space_page`."""

import argparse
import statistics
import sys
from pathlib import Path

from experiments.runs import LEARNING_RATES, read
from experiments.space_figures import NAMES, Difference, Group, Groups, best_hr, difference, draw, groups, values
from experiments.space_sections import containment, equal_time, last_layer, shown, table
from zoo.errors import UsageError, exit_on_usage_error
from zoo.files import whole

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "experiments" / "results"
PAGE, CHART = ROOT / "docs" / "space.md", ROOT / "docs" / "figures" / "space.svg"
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
        margin = f"{max(gain.margin for gain in gains):.2f}"
        sentences.append(
            f"Against {words} it is {told} of {len(gains)} comparisons: {low} to {high} dB, ± {margin} or less"
        )
    return (
        "**At equal multiplications and equal depth, how does LR space do?** "
        + ". ".join(sentences)
        + ". (±: twice the "
        "standard error over the seeds, of the widest; within it two spaces are called level.)"
    )


def summary(found: Groups) -> str:
    """Every comparison behind the first paragraph, a line each."""
    rows = []
    for group, spaces in found.items():
        if "lr" not in spaces:
            continue
        lead = leads(spaces)
        best = lead.get("hr")
        rows.append(
            [
                str(group),
                NAMES[best[0]].removeprefix("HR, ") if best else "–",
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


def search(folder: Path) -> str:
    """The learning rates that were tried, and the PSNR that they came to."""
    found = [read(path) for path in sorted(folder.glob("search_*.json"))]
    if not found:
        return ""
    kinds = [key for key in {(each["regime"], each["space"]): None for each in found}]
    rows = []
    for regime, space in sorted(kinds, key=lambda kind: (kind[0] == "paper", list(NAMES).index(kind[1]))):
        tried = {each["learning_rate"]: each for each in found if (each["regime"], each["space"]) == (regime, space)}
        cells = [f"{tried[rate]['psnr']:.2f}" if rate in tried else "–" for rate in LEARNING_RATES]
        rows.append([regime, NAMES[space], *cells])
    first = found[0]
    return (
        f"Learning rates were searched at ×{first['scale']}, {first['budget']:g} GMAC, one seed, {first['steps']:,} "
        "steps, on pictures that serve for nothing else; each space takes the best, at all budgets. PSNR in dB:\n\n"
        + table(["regime", "space", *(f"{rate:g}" for rate in LEARNING_RATES)], rows)
    )


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
  pixel, and the first and the last layer take a growing share of the multiplications."""


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
    steps = ", ".join(f"{step:,}" for step in sorted({record["steps"] for record in every}))
    tables = "\n\n".join(group_table(group, spaces, named) for group, spaces in found.items())
    sections = [
        "<!-- Written by `python -m experiments.space_page` from experiments/results/. -->",
        "# In which space should a network convolve?",
        answer(found),
        "![PSNR against LR space's, by the space that the layers convolve in](figures/space.svg)",
        f"""Four learned layers over a fixed bicubic path, PReLU between them, every network at bicubic when training
starts. They convolve in HR space (the picture enlarged first), in LR space (a shuffle at the end), or below it
(blocks of LR pixels made channels first). In the regime `practice` all kernels are 3×3 and the maps make the
multiplications equal; in `paper` (arXiv 1609.07009, section 3) HR kernels are `scale` times as large and maps scale²
times fewer, so that memory and reach are about equal too, and below LR space 3×3 and 1×1 layers take turns, so that
all layers together reach as far.

{summary(found)}""",
        LIMITS,
        f"""## The figures

PSNR on Y by the [published protocol](numbers.md), mean ± standard deviation over seeds. Held out: pictures of the
kind that was trained on, by which nothing was chosen. Error seen: mean absolute error on training pictures, in ‰ of
the range: what the network represents; the gap to the held-out pictures stands apart. Reach: radius of the receptive
field, LR px. MB: float32 maps alive at the worst moment.

{tables}""",
    ]
    if (results / "space_times.json").is_file():
        sections.append(f"## At equal time\n\n{equal_time(found, read(results / 'space_times.json'))}")
    if text := containment(results / "containment"):
        sections.append(f"## Containment\n\n{text}")
    if text := last_layer(results / "last_layer"):
        sections.append(f"## The last layer\n\n{text}")
    sections.append(
        f"""## How it was done

`python -m experiments.space`, on {devices}; `--quick` shows the direction in minutes.
{steps} steps of {every[0]["batch"]} patches with sides of {every[0]["lr_size"]} LR pixels, the same for all; L1,
Adam, cosine.

{search(results / "space")}
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
    with whole(flags.page) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    draw(groups(flags.results / "space"), flags.chart)


if __name__ == "__main__":
    sys.exit(main())
