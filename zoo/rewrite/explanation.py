"""What a rewrite does to every layer that it looks at, as rows and as a table."""

import io
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One upsampling, or one convolution that moves with it.

    Attributes:
        layer: its name, after the names of the models around it.
        found: what it is.
        action: `"moved"`, `"stays"` or `"already in LR space"`.
        becomes: what replaces it; empty where it stays.
        note: why it stays, or what there is to know about the replacement.
        kernel: shape of its kernel, None for a layer without one.
        lr_kernel: shape of the kernel in LR space.
        kind: `"transposed"`, `"zero_interleaved"`, `"resized"` (an enlargement and its convolution), or the method of
            an enlargement alone.
        scale, inputs, outputs: enlargement, input maps that are enlarged, output maps.
        macs, macs_quoted: multiplications per LR pixel of the layer as it stands, and counted in HR space with the
            zeros between the LR pixels (arXiv 1609.07009, section 2), as the published FSRCNN figures are.
        macs_after: multiplications per LR pixel of the replacement; it has no interleaved zeros, so both countings
            agree.
        macs_rest: multiplications per LR pixel that stay in HR space before and after, in none of the three above.
        zeros, taps: structural zeros among the weights between one input and one output map of the LR kernel.
        weights, weights_after: numbers of weights and biases.
        inexact: width of the HR border, in px, where the result differs; 0: exact at every pixel.
        cropped: whether HR pixels are cropped after the shuffle.
    """

    layer: str
    found: str
    action: str = "stays"
    becomes: str = ""
    note: str = ""
    kernel: tuple[int, ...] | None = None
    lr_kernel: tuple[int, ...] | None = None
    kind: str = ""
    scale: int = 0
    inputs: int = 0
    outputs: int = 0
    macs: int = 0
    macs_quoted: int = 0
    macs_after: int = 0
    macs_rest: int = 0
    zeros: int = 0
    taps: int = 0
    weights: int = 0
    weights_after: int = 0
    inexact: int = 0
    cropped: bool = False


class Explanation:
    """The rows of a rewrite; prints as a table.

    Attributes:
        name: the model's name.
        rows: one `Row` for each upsampling of the model, and with `whole=True` for each layer that moves.
        shared: the layers that could not be made anew, each with the reason: the new model holds the original's.
    """

    def __init__(self, name: str, rows: list[Row], whole: bool = False, shared: Sequence[str] = ()):
        self.name = name
        self.rows = rows
        self.shared = list(shared)
        self._whole = whole

    def __str__(self) -> str:
        from rich.console import Console

        if not self.rows:
            return "\n".join([f"{self.name}: no upsampling found", *self._shared()])
        console = Console(file=io.StringIO(), width=150)
        console.print(self._table())
        return "\n".join([console.file.getvalue().rstrip("\n"), *self._shared()])

    def _shared(self) -> list[str]:
        return [f"taken over as it is, shared with the original: {each}" for each in self.shared]

    def __repr__(self) -> str:
        moved = sum(row.action == "moved" for row in self.rows)
        return f"<Explanation of {self.name}: {moved} of {len(self.rows)} moved>"

    def _table(self):
        from rich.table import Table

        caption = r"multiplications per LR pixel of the layer, \[in HR space with the zeros between the pixels]"
        if self._whole:
            caption = "multiplications per pixel of the LR map; the HR weights are the free ones of the LR weights"
        table = Table(title=self.name, caption=caption)
        for heading in ("layer", "found", "becomes"):
            table.add_column(heading, overflow="fold")
        for heading in ("multiplications", "after", "zero taps", "weights", "after"):
            table.add_column(heading, justify="right")
        table.add_column("note", ratio=1)
        for row in self.rows:
            moved = row.action == "moved"
            table.add_row(
                row.layer,
                row.found,
                row.becomes or row.action,
                _multiplications(row),
                f"{row.macs_after:,}" if moved else "",
                f"{row.zeros} of {row.taps}" if row.taps else "",
                f"{row.weights:,}" if row.weights else "",
                f"{row.weights_after:,}" if moved and row.weights_after else "",
                row.note,
            )
        if self._whole:
            total = self.totals
            numbers = [f"{total[key]:,}" for key in ("macs", "macs_after", "weights", "weights_after")]
            table.add_section()
            table.add_row("all that moved", "", "", *numbers[:2], "", *numbers[2:], "")
        return table

    @property
    def totals(self) -> dict[str, int]:
        """Sums over what moved: `macs`, `macs_after`, `weights`, `weights_after`."""
        moved = [row for row in self.rows if row.action == "moved"]
        keys = ("macs", "macs_after", "weights", "weights_after")
        return {key: sum(getattr(row, key) for row in moved) for key in keys}


def _multiplications(row: Row) -> str:
    if row.macs_quoted == row.macs:
        return f"{row.macs:,}" if row.macs else ""
    return rf"{row.macs:,} \[{row.macs_quoted:,}]"
