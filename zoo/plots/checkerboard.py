"""Checkerboards: what a network adds, pixel by pixel of its upsampling, to a flat field and to a ramp.

Where the phases of an upsampler do not treat the image alike its output carries a pattern of period scale. A flat field
shows it for what it is; on a ramp nearest-neighbour enlargement has one too, its stairs.

References: Odena et al. 2016, *Deconvolution and checkerboard artifacts*; arXiv 1707.02937 (ICNR).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zoo import registry
from zoo.identities import METHODS
from zoo.plots.chart import figure

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

FIELDS = ("flat", "ramp")
# LR px of a field that are looked at, and that a network of the zoo reaches beyond them at most (SRCNN, FSRCNN: 7).
_SIDE, _BORDER = 32, 10
# LR px from the middle that are drawn, and how many times the contrast is raised for that.
_SHOWN, _CONTRAST = 5, 20


class Case(NamedTuple):
    """A network to look at: the upsampler's form, the side of its kernel in HR px, and whether ICNR starts it."""

    form: str
    kernel_size: int
    icnr: bool = False

    @property
    def label(self) -> str:
        side = "" if self.form in METHODS else f" {self.kernel_size}×{self.kernel_size}"
        return f"{self.form}{side}{', ICNR' if self.icnr else ''}"


def cases(scale: int) -> list[Case]:
    """Every upsampler; of the three exact forms, which are one function, a kernel that divides by scale and one not."""
    even, uneven = 3 * scale, 4 * scale + 1
    return [
        Case("transposed", uneven),
        Case("transposed", uneven, icnr=True),
        Case("subpixel", even),
        Case("subpixel", even, icnr=True),
        Case("resize", 3),
        *(Case(method, even) for method in METHODS),
    ]


def network(case: Case, scale: int, seed: int = 0) -> "keras.Model":
    """An untrained ESPCN with the case's last layer, started at random."""
    import keras

    from zoo.layers import ICNR

    keras.utils.set_random_seed(seed)
    model = registry.create_model("espcn", scale=scale, upsampler=case.form, kernel_size=case.kernel_size)
    if case.icnr:
        kernel = model.get_layer("upsampler").kernel
        kernel.assign(ICNR(scale, seed=seed)(kernel.shape))
    return model


def train(model: "keras.Model", patches, steps: int) -> None:
    """Trains a network on the batches of a source, with Adam and mean absolute error, as the README does."""
    import keras

    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mae")
    model.fit(patches, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)


def field(name: str) -> np.ndarray:
    """`"flat"`: 0.5 everywhere; `"ramp"`: from 0.2 to 0.8 along the diagonal. (1, h, w, 1) float32, LR px."""
    side = _SIDE + 2 * _BORDER
    rows, columns = np.mgrid[:side, :side] / (side - 1)
    values = np.full((side, side), 0.5) if name == "flat" else 0.2 + 0.3 * (rows + columns)
    return values[None, ..., None].astype(np.float32)


def residual(model, name: str, scale: int) -> np.ndarray:
    """What the network's answer to a field has beside a smooth surface; (h, w), levels of 255.

    The surface is the polynomial of third degree that fits the means over the LR pixels' areas best: it takes away the
    field itself and the bend of an activation, and nothing of a pattern of period scale. The picture's border is left
    out.
    """
    inside = np.s_[_BORDER * scale : (_BORDER + _SIDE) * scale]
    answer = 255 * np.asarray(model(field(name)), np.float64)[0, inside, inside, 0]
    means = answer.reshape(_SIDE, scale, _SIDE, scale).mean(axis=(1, 3))
    fitted, *_ = np.linalg.lstsq(_powers(_SIDE), means.ravel(), rcond=None)
    return answer - (_powers(_SIDE * scale) @ fitted).reshape(answer.shape)


def _powers(side: int) -> np.ndarray:
    """Products of powers up to the third of the pixels' places, from -1 to 1: (side², 10)."""
    place = (2 * np.arange(side) + 1) / side - 1
    rows, columns = (axis.ravel() for axis in np.meshgrid(place, place, indexing="ij"))
    return np.stack([rows**i * columns**j for i in range(4) for j in range(4 - i)], axis=1)


def checkerboard(rest: np.ndarray, scale: int) -> float:
    """The part of a residual that repeats every scale px, as root mean square: how far the phases lie apart."""
    height, width = rest.shape
    return float(rest.reshape(height // scale, scale, width // scale, scale).mean(axis=(0, 2)).std())


def spectrum(rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies, cycles per HR px from 0 to 0.5, and amplitudes (root mean square) of a square residual.

    A wave in two dimensions counts at the higher of its two frequencies; the squares sum up to the mean square.
    """
    side = len(rest)
    power = np.abs(np.fft.fft2(rest) / rest.size) ** 2
    cycles = np.minimum(np.arange(side), side - np.arange(side))
    higher = np.maximum(cycles[:, None], cycles)
    return np.arange(side // 2 + 1) / side, np.sqrt(np.bincount(higher.ravel(), power.ravel()))


class Residuals(NamedTuple):
    """A network's residuals by field, before training and after it; a preset has no before."""

    label: str
    before: dict[str, np.ndarray] | None
    after: dict[str, np.ndarray]


def measure(scale: int, steps: int, batch: int = 8) -> Iterator[Residuals]:
    """Measures every case before and after `steps` on the sample photographs, and the presets of that scale."""
    from zoo.data import sample

    source = sample(scale)

    def residuals(model) -> dict[str, np.ndarray]:
        return {name: residual(model, name, scale) for name in FIELDS}

    for case in cases(scale):
        model = network(case, scale)
        before = residuals(model)
        train(model, source.patches(batch=batch, lr_size=24, seed=0), steps)
        yield Residuals(case.label, before, residuals(model))
    for name in registry.list_presets():
        card = registry.card(name)
        if card["scale"] == scale and card["channels"] == 1:
            yield Residuals(name, None, residuals(registry.load(name)))


def draw(rows: list[Residuals], scale: int, steps: int) -> "Figure":
    """The middle of every residual, its contrast raised, and its checkerboard's size: the cases above the presets."""
    trained, presets = ([row for row in rows if (row.before is None) == alone] for alone in (False, True))
    times = {"before": "as started", "after": f"after {steps:,} steps"}
    bands = [(trained, [(name, when, words) for name in FIELDS for when, words in times.items()])]
    bands.append((presets, [(name, "after", "preset") for name in FIELDS]))
    columns = max(len(trained), len(presets))
    made = figure(1.2 * columns + 0.8, 1.35 * sum(len(lines) for band, lines in bands if band) + 0.6)
    grid = made.add_gridspec(sum(len(lines) for band, lines in bands if band), columns)
    top = 0
    for band, lines in bands:
        for line, (name, when, words) in enumerate(lines if band else ()):
            for column, row in enumerate(band):
                rest = (row.before or {} if when == "before" else row.after)[name]
                axes = made.add_subplot(grid[top + line, column], label=f"{row.label}, {name}, {when}")
                inside = np.s_[len(rest) // 2 - _SHOWN * scale : len(rest) // 2 + _SHOWN * scale]
                axes.imshow(_CONTRAST * rest[inside, inside], cmap="gray", vmin=-128, vmax=128)
                axes.set_xticks([]), axes.set_yticks([])
                size = checkerboard(rest, scale)
                axes.set_xlabel(f"{size:.3f}" if size >= 5e-4 else "0", fontsize=7, labelpad=2)
                if line == 0:
                    axes.set_title(row.label, fontsize=6.5)
                if column == 0:
                    axes.set_ylabel(f"{name},\n{words}", fontsize=7)
        top += len(lines) if band else 0
    made.suptitle(
        f"×{scale}: what a network adds to a flat field and to a ramp, {2 * _SHOWN * scale}×{2 * _SHOWN * scale} px, "
        f"contrast ×{_CONTRAST}\nbelow each: how strong the checkerboard is, levels of 255",
        fontsize=9,
    )
    return made
