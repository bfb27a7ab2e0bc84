"""What a network costs before it is run: parameters, multiplications by both countings, receptive field, memory.

`python -m zoo.complexity` prints the whole registry as one table.
"""

from fractions import Fraction

import keras
import numpy as np

from zoo import registry
from zoo.complexity.cost import cost
from zoo.complexity.trace import POINTWISE, Map, walk
from zoo.errors import UsageError

# Divisible by 2⁴·3², so that the sizes of strided maps keep their exact ratio to the input's.
_LENGTH = 144
_LONGEST = 16 * _LENGTH


def _size(short: Map, long: Map, axis: int) -> tuple[Fraction, Fraction]:
    """Slope and offset of a map's length as a function of the input's, from its lengths at two inputs."""
    first, second = short.axes[axis].length, long.axes[axis].length
    slope = Fraction(second - first, _LENGTH)
    return slope, first - slope * _LENGTH


def _reach(output: Map, slopes: list[Fraction], offsets: list[Fraction]) -> int:
    """The farthest input pixel that any output pixel reads, seen from the input pixel that lies under it."""
    farthest = 0
    for span, slope, offset in zip(output.axes, slopes, offsets):
        read = span.low <= span.high
        # A map that lost its border to 'valid' convolutions lies in the middle of the image.
        first, part = (offset / 2).as_integer_ratio()
        y = np.flatnonzero(read) * part - first
        centre = y * slope.denominator // (part * slope.numerator)
        if len(centre):
            farthest = max(farthest, (centre - span.low[read]).max(), (span.high[read] - centre).max())
    return int(farthest)


def _output(model: keras.Model, length: int) -> Map:
    *_, last = walk(model, length)
    return last.output


def receptive_field(model: keras.Model) -> int:
    """The radius of the receptive field in LR px: an output pixel reads nothing farther than this from its LR pixel.

    Tiles that overlap by the radius give the whole picture's result exactly, and a loss that leaves out this border
    sees no zero padding. Exact for the zoo's layers as they are built (weights that happen to be zero count as read);
    an upper bound for dilated transposed convolutions.

    Args:
        model: a functional or Sequential Keras model of the usual layers, image (N, H, W, C) in and out.

    Raises:
        UsageError: a layer whose reach is not known, or one that reads the whole picture (global pooling).
    """
    short, output = _output(model, _LENGTH), _output(model, 2 * _LENGTH)
    slopes, offsets = zip(*(_size(short, output, axis) for axis in (0, 1)))
    length = 2 * _LENGTH
    while length <= _LONGEST and all(slopes):
        radius = _reach(output, slopes, offsets)
        # As far as the image goes: a longer one has to show whether there is a limit at all.
        if radius < length - 1:
            return radius
        length *= 2
        output = _output(model, length)
    raise UsageError(f"Expected a bounded receptive field. Received: {model.name!r}, which reads the whole picture")


def count(model: keras.Model, height: float = 720, width: float = 1280) -> dict:
    """Counts a model's cost for one output picture.

    Args:
        model: a functional or Sequential Keras model of the usual layers, channels last.
        height, width: of the output, in px; the LR image may have fractions of pixels (1280 / 3).

    Returns:
        A dict: `parameters` (weights that the model holds), `macs` (multiply-accumulates as the layers compute them),
        `macs_quoted` (a deconvolution counted in HR space with its zeros, as the published FSRCNN figures are),
        `macs_fixed` (multiplications by an interpolation's constants, in neither of the two), `receptive_field`
        (radius, LR px; None where a layer reads the whole picture), `peak_memory` (bytes of float32 maps alive at
        the worst moment: a layer's input, output and intermediate, and maps that a later layer reads; what works on
        each position by itself writes over its input).

    Raises:
        UsageError: a layer that cannot be counted.

    References: arXiv 1609.07009, section 2 (the costs of the forms); reference figures in tests/test_complexity.py.
    """
    steps, longer = list(walk(model, _LENGTH)), list(walk(model, 2 * _LENGTH))
    sizes = {0: ((Fraction(1), Fraction(0)), (Fraction(1), Fraction(0)))}
    for step, long in zip(steps, longer):
        sizes[step.output_key] = tuple(_size(step.output, long.output, axis) for axis in (0, 1))
    slopes = sizes[steps[-1].output_key]
    if any(slope == 0 for slope, _ in slopes):
        raise UsageError(f"Expected a model whose output is a picture. Received: {model.name!r}")
    lr_size = [(side - offset) / slope for side, (slope, offset) in zip((height, width), slopes)]

    def sides(key: int) -> tuple[float, float]:
        return tuple(float(slope * side + offset) for side, (slope, offset) in zip(lr_size, sizes[key]))

    costs = [cost(step, sides(step.input_keys[0]), sides(step.output_key)) for step in steps]
    try:
        radius = receptive_field(model)
    except UsageError:
        radius = None
    return {
        "parameters": model.count_params(),
        "macs": round(sum(each.macs for each in costs)),
        "macs_quoted": round(sum(each.quoted for each in costs)),
        "macs_fixed": round(sum(each.fixed for each in costs)),
        "receptive_field": radius,
        "peak_memory": _peak_memory(steps, costs, sides),
    }


def _peak_memory(steps, costs, sides) -> int:
    """Bytes of float32 maps alive at the worst moment, in the order of computation."""
    last_use = {key: position for position, step in enumerate(steps) for key in step.input_keys}
    values = {0: sides(0)[0] * sides(0)[1] * steps[0].inputs[0].channels}
    peak = 0.0
    for position, (step, each) in enumerate(zip(steps, costs)):
        height, width = sides(step.output_key)
        output = height * width * step.output.channels
        dying = {key for key in step.input_keys if last_use[key] == position}
        alive = sum(values.values())
        spent = sum(values[key] for key in dying)
        pointwise = any(base.__name__ in POINTWISE for base in type(step.operation).__mro__)
        if pointwise and any(values[key] == output for key in dying):
            peak = max(peak, alive)
        elif each.workspace:
            peak = max(peak, alive + each.workspace, alive - spent + each.workspace + output)
        else:
            peak = max(peak, alive + output)
        for key in dying:
            del values[key]
        values[step.output_key] = output
    return round(4 * peak)


def rows(height: float = 720, width: float = 1280, scales: tuple[int, ...] = (2, 3, 4)) -> list[dict]:
    """The cost of every model of the registry at every scale, luma, in its published form: `count`'s dicts, named."""
    return [
        {"model": name, "scale": scale, **count(registry.create_model(name, scale=scale), height, width)}
        for name in registry.list_models()
        for scale in scales
    ]


def summary(height: float = 720, width: float = 1280, scales: tuple[int, ...] = (2, 3, 4)) -> None:
    """Prints `rows` as one table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"One luma picture of {width:g}×{height:g}",
        caption="quoted: deconvolutions with their zeros; fixed: interpolation; radius in LR px; MB of float32 maps",
    )
    table.add_column("model", no_wrap=True)
    for heading in ("scale", "parameters", "GMAC", "quoted", "fixed", "radius", "MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows(height, width, scales):
        table.add_row(
            row["model"],
            f"×{row['scale']}",
            f"{row['parameters']:,}",
            *(f"{row[key] / 1e9:.2f}" for key in ("macs", "macs_quoted", "macs_fixed")),
            "whole" if row["receptive_field"] is None else str(row["receptive_field"]),
            f"{row['peak_memory'] / 1e6:.0f}",
        )
    Console().print(table)
