"""PSNR against multiplications: every preset, and what others published for the same architectures."""

from typing import TYPE_CHECKING, NamedTuple

from zoo import registry
from zoo.errors import UsageError, did_you_mean
from zoo.plots.chart import BLUE, GREY, figure
from zoo.published import OPTIONS, PUBLISHED, SETS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Point(NamedTuple):
    """A network on a test set.

    Attributes:
        macs: multiplications for a 1280×720 output, as its layers compute them; None for bicubic.
        macs_quoted: the same with a deconvolution's zeros counted, as the published figures have them.
        psnr: dB, mean over the set, on Y.
        ours: a preset, not a published row.
    """

    name: str
    scale: int
    macs: float | None
    macs_quoted: float | None
    psnr: float
    ours: bool


def points(dataset: str = "Set5") -> list[Point]:
    """Presets by their cards, published rows by `zoo.published`, both with the multiplications of `zoo.complexity`.

    Args:
        dataset: one of `zoo.published.SETS`.

    Raises:
        UsageError: another set.
    """
    from zoo import complexity

    if dataset not in SETS:
        raise UsageError(f"Expected one of {', '.join(SETS)}. Received: {dataset!r}{did_you_mean(dataset, SETS)}")
    found = []
    for name in registry.list_presets():
        card = registry.card(name)
        if dataset in card["results"]:
            psnr = card["results"][dataset]["psnr"]
            found.append(Point(name, card["scale"], card["macs_720p"], card["macs_720p_quoted"], psnr, True))
    for (model, scale), (results, _) in PUBLISHED.items():
        if dataset not in results:
            continue
        macs = quoted = None
        if model != "bicubic":
            options = OPTIONS.get((model, scale), {})
            cost = complexity.count(registry.create_model(model, scale=scale, **options))
            macs, quoted = cost["macs"], cost["macs_quoted"]
        found.append(Point(model, scale, macs, quoted, results[dataset][0], False))
    return found


def draw(found: list[Point], dataset: str) -> "Figure":
    """One panel a scale; a line leads from a network's multiplications to those that are quoted for it."""
    scales = sorted({point.scale for point in found})
    made = figure(4.4 * len(scales), 4.6)
    for scale, axes in zip(scales, made.subplots(1, len(scales), squeeze=False)[0]):
        here = [point for point in found if point.scale == scale]
        for point in here:
            if point.macs is None:
                continue
            colour = BLUE if point.ours else GREY
            x, quoted = point.macs / 1e9, (point.macs_quoted or point.macs) / 1e9
            if quoted > 1.001 * x:
                axes.plot([x, quoted], [point.psnr] * 2, color=colour, linewidth=0.8)
                axes.plot(quoted, point.psnr, "o", color=colour, markerfacecolor="white", markersize=5)
            axes.plot(x, point.psnr, "o", color=colour, markersize=6)
            name, below = point.name.removesuffix(f"_x{scale}"), (0, -12) if point.ours else (0, 5)
            axes.annotate(
                name, (x, point.psnr), xytext=below, textcoords="offset points", color=colour, fontsize=8, ha="center"
            )
        bicubic = "".join(f", bicubic {point.psnr:.2f} dB" for point in here if point.macs is None)
        axes.set_xscale("log")
        axes.set_xlim(0.15, 120)
        axes.set_xticks([0.3, 1, 3, 10, 30, 100], ["0.3", "1", "3", "10", "30", "100"])
        axes.minorticks_off()
        axes.grid(color="#e6e6e6")
        axes.set_axisbelow(True)
        axes.margins(y=0.12)
        axes.set_title(f"×{scale}{bicubic}", fontsize=10)
    made.suptitle(f"PSNR on Y of {dataset}, dB; blue: presets, grey: published")
    made.supxlabel("billions of multiplications for a 1280×720 output; open: as they are quoted, zeros counted")
    return made
