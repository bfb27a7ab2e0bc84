"""What a rewrite does to every layer that it looks at, as rows and as a table."""

import io
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.targets.facts import Upsampling


@dataclass(frozen=True)
class Row:
    """One upsampling, or one convolution that moves with it.

    Attributes:
        layer: its name, after the names of the models around it.
        found: what it is.
        action: `"moved"` (into LR space), `"swapped"` (for an enlargement that every accelerator takes; what follows it
            still runs in HR space), `"stays"` or `"already in LR space"`.
        becomes: what replaces it; empty where it stays.
        note: why it stays, or what there is to know about the replacement.
        facts: of an upsampling that moves or that a target was asked about: scale, maps, shapes of its kernels.
        macs, macs_quoted: multiplications per LR pixel of the layer as it stands, and counted in HR space with the
            zeros between the LR pixels (arXiv 1609.07009, section 2), as the published FSRCNN figures are.
        macs_after: multiplications per LR pixel of the replacement; it has no interleaved zeros, so both countings
            agree.
        zeros, taps: structural zeros among the weights between one input and one output map of the LR kernel.
        weights, weights_after: numbers of weights and biases; of a fixed interpolation, its constants.
        faster: how many times faster the replacement is expected to be in TFLite on a CPU (`zoo.targets.xnnpack`), also
            where the layer stays; 0 where that is not known.
        verdict, verdict_after: what the target makes of the layer as it stands, and of its replacement: `"right"`,
            `"wrong"` or `"refused"`, of a file's operations `"uncertain"` too (versions differ); empty where it was not
            asked.
        inexact: width of the HR border, in px, where the result differs; 0: exact at every pixel.
    """

    layer: str
    found: str
    action: str = "stays"
    becomes: str = ""
    note: str = ""
    facts: Upsampling | None = None
    macs: int = 0
    macs_quoted: int = 0
    macs_after: int = 0
    zeros: int = 0
    taps: int = 0
    weights: int = 0
    weights_after: int = 0
    inexact: int = 0
    faster: float = 0.0
    verdict: str = ""
    verdict_after: str = ""


class Explanation:
    """The rows of a rewrite; prints as a table that fits the terminal.

    Attributes:
        name: the model's name.
        rows: one `Row` for each upsampling of the model, and with `whole=True` for each layer that moves.
        shared: the layers that could not be made anew, each with the reason: the new model holds the original's.
        plainly: the layers under another name than the one that the rows have, each with what it is.
        lost: the models of a class of one's own that came back as Keras' plain ones.
        runtime: whose verdicts the rows have.
    """

    def __init__(
        self,
        name: str,
        rows: list[Row],
        whole: bool = False,
        shared: Sequence[str] = (),
        runtime: str = "",
        plainly: Sequence[str] = (),
    ):
        self.name = name
        self.rows = rows
        self.shared = list(shared)
        self.plainly = list(plainly)
        self.lost: list[str] = []
        self.runtime = runtime
        self._whole = whole

    def __str__(self) -> str:
        from rich.console import Console

        if not self.rows:
            return "\n".join([f"{self.name}: no upsampling found", *self._sentences()])
        width = shutil.get_terminal_size((80, 24)).columns
        text = io.StringIO()
        # In a notebook rich would show the table by itself and leave the text empty, or colour it.
        width = min(max(width, 60), 120)
        plain = Console(file=text, width=width, force_jupyter=False, force_terminal=False, color_system=None)
        plain.print(self._table())
        return "\n".join([text.getvalue().rstrip("\n"), *self._sentences()])

    def _sentences(self) -> list[str]:
        plainly = [f"said plainly: {each}" for each in self.plainly]
        shared = [f"taken over as it is, shared with the original: {each}" for each in self.shared]
        lost = [f"comes back as a plain keras.Model, without its class: {each}" for each in self.lost]
        return plainly + shared + lost

    def __repr__(self) -> str:
        return f"<Explanation of {self.name}: {self._counted()}>"

    def _counted(self) -> str:
        """`3 of 5 moved, 1 swapped, 1 stays`."""
        count = Counter(row.action for row in self.rows)
        words = [f"{count['moved']} of {len(self.rows)} moved"]
        words += [
            f"{count[action]} {action}" for action in ("swapped", "stays", "already in LR space") if count[action]
        ]
        return ", ".join(words)

    def _table(self):
        from rich.table import Table

        columns = [column for column in self._columns() if any(column[1](row) for row in self.rows)]
        table = Table(title=f"{self.name}: {self._counted()}", caption=self._caption(), show_lines=True)
        table.add_column("layer", overflow="fold", ratio=1)
        table.add_column("what becomes of it", ratio=3)
        for heading, _ in columns:
            table.add_column(heading, justify="right")
        for row in self.rows:
            table.add_row(row.layer, _story(row), *(cell(row) for _, cell in columns))
        if self._whole:
            total = self.totals
            weights = f"{total['weights']:,}\n{total['weights_after']:,}"
            multiplications = f"{total['macs']:,} → {total['macs_after']:,} multiplications"
            table.add_row("all that moved", multiplications, *(weights for _ in columns))
        return table

    def _columns(self):
        """(heading, cell of a row) for each column of figures: before, and after on the line below."""
        if self._whole:
            return [("weights", _weights)]
        return [("weights", _weights), ("CPU", _time), (self.runtime, _verdicts)]

    def _caption(self) -> str:
        if self._whole:
            return "multiplications per pixel of the LR map; the HR weights are the free ones of the LR weights"
        return (
            r"multiplications per LR pixel, \[in HR space with the zeros in between]; figures before and after; CPU: "
            "expected time in TFLite"
        )

    @property
    def inexact(self) -> int:
        """The width of the widest HR border, in px, where the result differs; 0: exact at every pixel."""
        return max((row.inexact for row in self.rows), default=0)

    @property
    def totals(self) -> dict[str, int]:
        """Sums over what moved: `macs`, `macs_after`, `weights`, `weights_after`."""
        moved = [row for row in self.rows if row.action == "moved"]
        keys = ("macs", "macs_after", "weights", "weights_after")
        return {key: sum(getattr(row, key) for row in moved) for key in keys}


def _story(row: Row) -> str:
    """A row in words."""
    becomes = f"{row.action}: {row.becomes}" if row.becomes else row.action
    lines = [row.found, becomes]
    if row.becomes and row.macs:
        zeros = f", {row.zeros} of {row.taps} taps zero" if row.zeros else ""
        lines.append(f"{_multiplications(row)} → {row.macs_after:,} multiplications{zeros}")
    return "\n".join([*lines, *([row.note] if row.note else [])])


def _weights(row: Row) -> str:
    if not row.becomes:
        return f"{row.weights:,}" if row.weights else ""
    return f"{row.weights:,}\n{row.weights_after:,}" if row.weights or row.weights_after else ""


def _time(row: Row) -> str:
    if not row.becomes or not row.faster:
        return ""
    faster, slower = f"{row.faster:.1f}×\nfaster", f"{1 / row.faster:.1f}×\nslower"
    return faster if row.faster >= 1 else slower


def _verdicts(row: Row) -> str:
    return "\n".join(filter(None, (row.verdict, row.verdict_after)))


def _multiplications(row: Row) -> str:
    if row.macs_quoted == row.macs:
        return f"{row.macs:,}"
    return rf"{row.macs:,} \[{row.macs_quoted:,}]"
