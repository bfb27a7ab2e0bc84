"""docs/space.md from what the experiments wrote into `experiments/results/`: `python -m experiments.space_page`."""

import argparse
import statistics
import sys
from pathlib import Path

from experiments.equal import REGIMES, SPACES
from experiments.runs import read
from experiments.space import BUDGETS, SCALES, corners
from experiments.space_answer import answer, cheaper, compared, fallen, kernels, summary
from experiments.space_figures import NAMES, Group, Groups, draw, groups, values
from experiments.space_rates import lowered, searched
from experiments.space_sections import containment, equal_time, last_layer, shown, table
from zoo.errors import UsageError, exit_on_usage_error
from zoo.files import whole_file

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "experiments" / "results"
PAGE, CHART = ROOT / "docs" / "space.md", ROOT / "experiments" / "results" / "space.svg"


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


LIMITS = """## Where the claim does not hold, and what was not shown

- **As an exact statement at equal cost.** The paper's argument is that an HR layer is an LR layer with tied weights.
  So it is (`to_lr_space(…, whole=True)` builds it), but a K×K kernel in HR space, K = k·scale, meets more LR pixels
  than k×k: the LR kernel has to be wider, most of its weights are zero, and it costs more. At equal multiplications
  neither space contains the other, and what is left is the measurement above.
- **In the paper's regime at small budgets.** Kernels `scale` times as large leave scale² times fewer maps: at ×3 and
  0.5 GMAC that is one or two. LR space is compared with a network nobody would build.
- **Apart from the training.** The spaces differ in the rates at which they train at all (last section): networks
  in HR space and below LR came to nothing at rates that are LR space's best. With other starts, normalisation or more
  steps the distances may be others. The rate is that of a search of 1,000 steps with one seed.
- **As a ladder that goes on.** If scale² times more maps help on the way from HR to LR, why stop there? Below LR space
  the same step is the table's last two columns. What may be behind them, and was not measured apart: blocks treat each
  of their pixels in its own way, so that what holds for a picture has to be learnt anew for the picture moved by a
  pixel, and the first and the last layer take a growing share of the multiplications."""


def choice(found: Groups) -> str:
    """What follows for somebody who chooses a network."""
    return f"""## What it means for choosing a network

Convolve in LR space and enlarge in the last layer. A network that enlarges first is a network in LR space with ties
between its weights; freed of them it improves at once, for more weights and multiplications (below). Large kernels in
HR space instead of more maps gain little{kernels(found)};
and they take longer (at equal time, below). Blocks of pixels in channels widen the reach at equal multiplications,
mostly save memory and multiply the weights: in these networks and trainings it does not pay. That it could with more
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
        *[text for each in (cheaper, fallen) if (text := each(found))],
        "![PSNR against LR space's, by the space that the layers convolve in](../experiments/results/space.svg)",
        f"""Four learned layers over a fixed bicubic path, PReLU between them, every network at bicubic when training
starts. They convolve in HR space (the picture enlarged first), in LR space (a shuffle at the end), or below it
(blocks of LR pixels made channels first). In the regime `practice` all kernels are 3×3, but for a deconvolution's of
3·scale HR pixels a side, which is 3×3 LR pixels for each phase, and the maps as many as equal multiplications allow; in
`paper` (arXiv 1609.07009, section 3) HR kernels are `scale` times as large and maps
scale² times fewer, so that memory and reach are about equal too, and below LR space 3×3 and 1×1 layers take turns, so
that all layers together reach about as far. Budgets are rounded (each table says its GMAC) and leave out the fixed
interpolations.

{summary(found)}""",
        choice(found),
        LIMITS,
        f"""## The figures

PSNR on Y by the [published protocol](numbers.md), mean ± standard deviation over seeds. Held out: pictures by
which nothing was chosen but the HR network that is called best. Error seen: mean absolute error on training pictures,
in ‰ of the range: how far the network was fitted; the gap to the held-out pictures stands apart. These may be harder
pictures: only the gap's differences between spaces tell something. Reach: radius of the receptive field, LR px. MB:
float32 maps alive at the worst moment.

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

{searched(results / "space", found)}{lowered(found)}

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
    draw(compared(groups(flags.results / "space")), flags.chart)


if __name__ == "__main__":
    sys.exit(main())
