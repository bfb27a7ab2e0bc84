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
        macs: multiplications for a 1280×720 output, as its layers compute them in LR form; None for bicubic.
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
    from zoo.complexity.table import lr_form

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
            macs = complexity.count(lr_form(model, scale, **options))["macs"]
            quoted = complexity.count(registry.create_model(model, scale=scale, **options))["macs_quoted"]
        found.append(Point(model, scale, macs, quoted, results[dataset][0], False))
    return found


def draw(found: list[Point], dataset: str) -> "Figure":
    """One panel a scale; a line leads from a network's multiplications to those that are quoted for it."""
    scales = sorted({point.scale for point in found})
    made, panels = figure(4.4 * len(scales), 5.2), []
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
        bicubic = "".join(f", bicubic {point.psnr:.2f} dB" for point in here if point.macs is None)
        axes.set_xscale("log")
        axes.set_xlim(0.15, 120)
        axes.set_xticks([0.3, 1, 3, 10, 30, 100], ["0.3", "1", "3", "10", "30", "100"])
        axes.minorticks_off()
        axes.grid(color="#e6e6e6")
        axes.set_axisbelow(True)
        axes.margins(y=0.12)
        axes.set_title(f"×{scale}{bicubic}", fontsize=10)
        panels.append((axes, here))
    made.suptitle(f"PSNR on Y of {dataset}, dB; blue: presets, grey: published")
    made.supxlabel(
        "billions of multiplications for a 1280×720 output, in LR form; open: as they are quoted, zeros counted"
    )
    # Only now do the axes lie where they stay.
    made.draw_without_rendering()
    for axes, here in panels:
        _label(axes, here)
    return made


# Where a name may stand beside its mark, points right and up of it, the first choice first.
_PLACES = [(0, -9), (0, 9), *((side * 6, up) for up in (0, 9, -9, 18, -18, 27, -27) for side in (1, -1))]
_SIZE = 8


def _label(axes, here: list[Point]) -> None:
    """Writes each network's name where it meets no mark, no other name and no border, joined where it stands apart."""
    point = axes.figure.dpi / 72
    frame = axes.get_window_extent()
    named = [(each, each.macs / 1e9, (each.macs_quoted or each.macs) / 1e9) for each in here if each.macs]
    marks = [axes.transData.transform([(macs, each.psnr), (quoted, each.psnr)]) for each, macs, quoted in named]
    taken = [(x - 4 * point, y - 4 * point, end + 4 * point, y + 4 * point) for (x, y), (end, _) in marks]
    for ((x, y), _), (each, macs, _) in sorted(zip(marks, named), key=lambda pair: -pair[0][0][1]):
        name = each.name.removesuffix(f"_x{each.scale}")
        width, height = 0.58 * _SIZE * len(name) * point, 1.1 * _SIZE * point

        def box(right: float, up: float, x=x, y=y, width=width, height=height):
            left = x + right * point + {0: -width / 2, 1: 0, -1: -width}[(right > 0) - (right < 0)]
            return left, y + up * point - height / 2, left + width, y + up * point + height / 2

        def free(place: tuple[float, float], box=box) -> bool:
            left, low, right, high = box(*place)
            inside = left > frame.x0 and right < frame.x1 and low > frame.y0 and high < frame.y1
            return inside and all(
                right <= other[0] or other[2] <= left or high <= other[1] or other[3] <= low for other in taken
            )

        place = next(filter(free, _PLACES), _PLACES[0])
        taken.append(box(*place))
        axes.annotate(
            name, (macs, each.psnr), xytext=place, textcoords="offset points", fontsize=_SIZE, va="center",
            color=BLUE if each.ours else GREY, ha="left" if place[0] > 0 else "right" if place[0] < 0 else "center",
        )  # fmt: skip
