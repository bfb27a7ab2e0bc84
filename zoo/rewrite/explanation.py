"""What a rewrite does to every layer that it looks at, as rows and as a table."""

import io
from dataclasses import dataclass

import keras

from zoo import identities
from zoo import layers as zoo_layers


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
    """

    def __init__(self, name: str, rows: list[Row]):
        self.name = name
        self.rows = rows

    def __str__(self) -> str:
        from rich.console import Console

        if not self.rows:
            return f"{self.name}: no upsampling found"
        console = Console(file=io.StringIO(), width=150)
        console.print(self._table())
        return console.file.getvalue().rstrip("\n")

    def __repr__(self) -> str:
        moved = sum(row.action == "moved" for row in self.rows)
        return f"<Explanation of {self.name}: {moved} of {len(self.rows)} moved>"

    def _table(self):
        from rich.table import Table

        table = Table(
            title=self.name,
            caption=r"multiplications per LR pixel of the layer, \[in HR space with the zeros between the pixels]",
        )
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
        return table


def _multiplications(row: Row) -> str:
    if row.macs_quoted == row.macs:
        return f"{row.macs:,}" if row.macs else ""
    return rf"{row.macs:,} \[{row.macs_quoted:,}]"


def by(sides) -> str:
    """(9, 9) → "9×9"."""
    return "×".join(str(side) for side in sides)


def described(layer) -> str:
    """A layer in a few words."""
    kind = type(layer).__name__
    if isinstance(layer, keras.layers.Conv2DTranspose):
        strides = by(layer.strides) if len(set(layer.strides)) > 1 else str(layer.strides[0])
        output_padding = f", output padding {by(layer.output_padding)}" if layer.output_padding else ""
        return f"{kind} {by(layer.kernel_size)}, stride {strides}, {layer.padding}{output_padding}"
    if isinstance(layer, keras.layers.UpSampling2D):
        return f"{kind} {layer.interpolation} {by(layer.size)}"
    if isinstance(layer, zoo_layers.Upsampler):
        return f"{kind} {layer.kernel_size}×{layer.kernel_size}, scale {layer.scale}"
    if isinstance(layer, zoo_layers.FixedUpsampler):
        return f"{kind} {layer.method}, scale {layer.scale}"
    if isinstance(layer, keras.layers.Conv2D):
        return f"{kind} {by(layer.kernel_size)}, {layer.padding}"
    return kind


def row_that_stays(path: str, layer, reason: str) -> Row:
    return Row(path + layer.name, described(layer), note=reason)


def row_of_moved(path: str, moved) -> Row:
    """The row of a `zoo.rewrite.find.Moved`."""
    layer, lr, scale = moved.layer, moved.terms[0].lr, moved.scale
    transposed = type(layer) is keras.layers.Conv2DTranspose
    kernel = tuple(layer.kernel.shape)
    outputs = kernel[2] if transposed else kernel[3]
    inputs = sum(term.tensor.shape[-1] for term in moved.terms)
    taps = kernel[0] * kernel[1]
    window = by(lr.kernel.shape[:2])
    parts = [f"Conv2D {window}", f"DepthToSpace {scale}"]
    if any(any(pad) for pad in lr.pads) and not lr.same:
        parts.insert(0, "pad")
    cropped = any(any(crop) for crop in lr.crops)
    if cropped:
        parts.append("crop")
    if moved.rest:
        parts.append(f"Conv2D {by(kernel[:2])} of the {sum(t.shape[-1] for t in moved.rest)} HR maps + Add")
    rest = scale**2 * moved.rest_kernel.size if moved.rest else 0
    notes = []
    between = [call.operation.name for term in moved.terms for call in term.between]
    if between:
        notes.append(f"{', '.join(between)} computed in LR space")
    if moved.inexact:
        notes.append(f"differs in a border of {moved.inexact} HR px")
    biases = (outputs if moved.rest else outputs * scale**2) if layer.use_bias else 0
    lr_weights = sum(term.lr.kernel.size for term in moved.terms)
    return Row(
        path + layer.name,
        described(layer) if not _follows_resize(moved) else f"{_resize(moved)}, then {described(layer)}",
        "moved",
        ", ".join(parts),
        "; ".join(notes),
        kernel,
        tuple(lr.kernel.shape[:2]) + (inputs, lr.kernel.shape[3]),
        scale,
        inputs,
        outputs,
        taps * inputs * outputs * (1 if transposed else scale**2),
        taps * inputs * outputs * scale**2,
        lr_weights,
        rest,
        lr.zeros,
        lr.kernel.shape[0] * lr.kernel.shape[1] * scale**2,
        layer.count_params(),
        lr_weights + (moved.rest_kernel.size if moved.rest else 0) + biases,
        moved.inexact,
        cropped,
    )


def _follows_resize(moved) -> bool:
    return type(moved.layer) is keras.layers.Conv2D


def _resize(moved) -> str:
    methods = dict.fromkeys(term.method for term in moved.terms)
    return f"{' and '.join(methods)} ×{moved.scale}"


def row_of_enlargement(path: str, layer, method: str, scale: int, channels: int, follows: str) -> Row:
    """The row of an enlargement that becomes the zoo's `FixedUpsampler`."""
    window = identities.interpolation_window(method, scale).taps
    reads = {"nearest": 0, "bilinear": 4, "bicubic": 16}[method]
    macs = reads * scale**2 * channels
    return Row(
        path + layer.name,
        described(layer),
        "moved",
        f"FixedUpsampler {method}",
        follows,
        None,
        None if method == "nearest" else (window, window, channels, scale**2 * channels),
        scale,
        channels,
        channels,
        macs,
        macs,
        0 if method == "nearest" else window**2 * scale**2 * channels**2,
    )


def row_of_zoo_layer(path: str, layer, moved: bool) -> Row:
    """The row of the zoo's own layers, which need no new weights."""
    if isinstance(layer, zoo_layers.FixedUpsampler):
        return Row(path + layer.name, described(layer), "already in LR space", scale=layer.scale)
    side, scale, inputs = layer.kernel_size, layer.scale, layer.kernel.shape[3]
    taps = side**2 * inputs * layer.filters
    window = identities.lr_window(side, scale).taps
    dense = window**2 * scale**2
    interleaved = isinstance(layer, zoo_layers.ZeroInterleavedUpsampler)
    return Row(
        path + layer.name,
        described(layer),
        "moved" if moved else "already in LR space",
        "SubpixelUpsampler" if moved else "",
        "the same weights, gathered in the LR layout",
        tuple(layer.kernel.shape),
        (window, window, inputs, scale**2 * layer.filters),
        scale,
        inputs,
        layer.filters,
        (taps * scale**2 if interleaved else taps) if moved else dense * inputs * layer.filters,
        taps * scale**2 if moved else dense * inputs * layer.filters,
        dense * inputs * layer.filters,
        0,
        dense - side**2,
        dense,
        layer.count_params(),
        layer.count_params(),
        cropped=identities.lr_window(side, scale).crop > 0,
    )
