"""What the files of one export have in common."""

import math
import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from export.int8 import IO
from export.int8.copies import MORE
from export.int8.pictures import DRAWN
from export.shaders.code import BORDERS
from zoo.data import Source
from zoo.errors import UsageError, one_of
from zoo.registry import FREE
from zoo.targets import records
from zoo.targets.record import Target

GATES = ("full", "small", "off")


@dataclass(frozen=True)
class Options:
    """How files are written and checked.

    Attributes:
        color: `"rgb"` wraps a luma model so that it takes and gives RGB; `"y"` insists on luma in and out.
        io: what an int8 file takes and gives: `"float"` in [0, 1] or `"uint8"` levels. It clips its output either way.
        clip: the output is clipped to [0, 1]; always with `color="rgb"`.
        keep_form: leaves the upsampling as it is instead of moving it into LR space.
        calibration: whose LR pictures int8 is fitted to; by default the sample photographs.
        drawn: how much drawn graphics count beside photographs where int8 is fitted; more keeps text and lines nearer
            to the float network and photographs farther.
        copies: how many multiplications an int8 file may have besides, as a part of its own, for channels that are
            computed several times (`export.int8.copies`, `export.int8.overflow`); 0 for none. Copies of a channel that
            sets the step of all weights behind it come besides.
        data: folders of test sets to measure PSNR on.
        check: whether the files are run at all; False writes them, and no report on them.
        gate: `"full"` runs each static TFLite file on the GPU delegate at its own size and re-exported at small ones,
            `"small"` leaves out its own size (minutes, without a GPU), `"off"` runs nothing.
        target: a name out of `zoo.targets.records`: the form of an enlargement and the activations that files are
            written with, and the rules that they are held against; None is the GPU delegate.
        terms: licence of the weights and credits of the pictures behind them, for the metadata of TFLite files.
        layer_errors: writes, beside each int8 file, a JSON file for Model Explorer that says where it loses.
        border: what a shader takes to lie outside the picture: `"mirror"` or `"zeros"`.

    Raises:
        UsageError: an unknown `io`, `gate`, `border` or `target`, or `target` with `keep_form`.

    Example:
        >>> Options(io="uint8").gate
        'full'
    """

    color: str | None = None
    io: str = "float"
    clip: bool = False
    keep_form: bool = False
    calibration: Source | None = None
    drawn: float = DRAWN
    copies: float = MORE
    data: Sequence[str] = ()
    check: bool = True
    gate: str = "full"
    target: str | None = None
    border: str = "mirror"
    layer_errors: bool = False
    terms: str = ""

    def __post_init__(self):
        for name, valid in (("io", IO), ("gate", GATES), ("border", BORDERS)):
            one_of(name, getattr(self, name), valid)
        for name in ("drawn", "copies"):
            value = getattr(self, name)
            if not (isinstance(value, numbers.Real) and 0 <= value < math.inf):
                raise UsageError(f"Expected {name} to be a number of at least 0. Received: {value!r}")
        if self.keep_form and self.record.name == self.target:
            raise UsageError(f"Expected target or keep_form. Received: both; the target {self.target} chooses the form")

    @property
    def record(self) -> Target:
        """Of the target, by default the GPU delegate's."""
        return records.named(self.target or "gpu_delegate")


def fitting(card: dict[str, Any]) -> dict[str, Any]:
    """The options by which a preset's int8 files are fitted: what its card names, else the defaults."""
    return {"drawn": card.get("int8_drawn", DRAWN), "copies": card.get("int8_copies", MORE)}


def better_in_int8(card: dict[str, Any], cards: Iterable[dict[str, Any]]) -> str:
    """Says which preset that may be shipped a preset is ahead of, but not in int8; "" where there is none.

    Args:
        card: of the preset that is asked for.
        cards: of all presets.

    Example:
        >>> cards = [
        ...     {"name": name, "scale": 2, "channels": 1, "redistribution": FREE,
        ...      "results": {"Set5": {"psnr": psnr}}, "int8_loss_db": {"Set5": loss}}
        ...     for name, psnr, loss in (("deep", 37.3, -0.6), ("plain", 37.1, -0.1))
        ... ]
        >>> better_in_int8(cards[0], cards)
        'in int8 deep loses 0.60 dB on Set5 and is behind plain, which loses 0.10'
        >>> better_in_int8(cards[1], cards)
        ''
    """

    def own(each: dict[str, Any]) -> float:
        return sum(result["psnr"] for result in each["results"].values())

    def left(each: dict[str, Any]) -> float:
        return own(each) + sum(each["int8_loss_db"][name] for name in each["results"])

    def kind(each: dict[str, Any]) -> tuple:
        return each["scale"], each["channels"], "compressed" in each, each["results"].keys()

    alike = [each for each in cards if each["redistribution"] == FREE and kind(each) == kind(card)]
    best = max((each for each in alike if own(each) <= own(card)), key=left, default=card)
    if left(best) <= left(card):
        return ""
    name = next(iter(card["int8_loss_db"]))
    losses = [abs(each["int8_loss_db"][name]) for each in (card, best)]
    return (
        f"in int8 {card['name']} loses {losses[0]:.2f} dB on {name} and is behind {best['name']}, "
        f"which loses {losses[1]:.2f}"
    )
