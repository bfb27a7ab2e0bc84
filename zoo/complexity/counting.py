"""How many multiplications, weights and bytes a network takes, by its spans."""

from fractions import Fraction

import keras

from zoo.complexity.cost import cost
from zoo.errors import UsageError
from zoo.reach import keras_model
from zoo.reach.spans import Span

# Divisible by 2⁴·3², so that the sizes of strided maps keep their exact ratio to the input's.
_LENGTH = 144


def receptive_field(model: keras.Model) -> int:
    """The radius of the receptive field in LR px: an output pixel depends on nothing farther than this.

    Tiles that overlap by the radius give the whole picture's result exactly, and a loss that leaves out this border
    sees no zero padding. `zoo.reach.keras_model.reach`, which this is the radius of, has the errors too.

    Example:
        >>> import zoo
        >>> receptive_field(zoo.create_model("srcnn", scale=3))
        4
    """
    return keras_model.reach(model).radius


def _size(span: Span) -> tuple[Fraction, Fraction]:
    """Slope and offset of a map's length as a function of the input's."""
    return span.ratio, span.length - span.ratio * _LENGTH


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

    Example:
        >>> import zoo
        >>> count(zoo.create_model("fsrcnn_s", scale=2), height=720, width=1280)["receptive_field"]
        5
    """
    steps = list(keras_model.walk(model, _LENGTH))
    sizes = {0: ((Fraction(1), Fraction(0)), (Fraction(1), Fraction(0)))}
    for step in steps:
        rows, columns = step.output.axes
        sizes[step.output_key] = (_size(rows), _size(columns))
    slopes = sizes[steps[-1].output_key]
    if any(slope == 0 for slope, _ in slopes):
        raise UsageError(f"Expected a model whose output is a picture. Received: {model.name!r}")
    lr_size = [(side - offset) / slope for side, (slope, offset) in zip((height, width), slopes)]

    def sides(key: int) -> tuple[float, float]:
        high, wide = (float(slope * side + offset) for side, (slope, offset) in zip(lr_size, sizes[key]))
        return high, wide

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
        pointwise = any(base.__name__ in keras_model.POINTWISE for base in type(step.operation).__mro__)
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
