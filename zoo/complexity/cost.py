"""What one layer costs: multiplications by two countings, and the memory of its maps."""

from dataclasses import dataclass

from zoo import identities
from zoo.layers import (
    DENSE_MAPS,
    FixedUpsampler,
    ResizeUpsampler,
    SubpixelUpsampler,
    Upsampler,
    ZeroInterleavedUpsampler,
)
from zoo.reach.keras_model import Step


@dataclass(frozen=True)
class Cost:
    """Multiply-accumulates of one layer.

    Attributes:
        macs: those that the layer's form carries out: a transposed convolution K²·I·O per LR pixel, its
            zero-interleaved form scale² times as many, its subpixel form those of the dense LR kernel.
        quoted: the same, but a transposed convolution counted like its zero-interleaved form, zeros included: the way
            the published FSRCNN figures were counted.
        fixed: multiplications by constants of an interpolation; in neither of the two above.
        workspace: values that the layer holds between its input and its output (an interleaved image, the channels
            that a shuffle is about to spread).
    """

    macs: float = 0.0
    quoted: float = 0.0
    fixed: float = 0.0
    workspace: float = 0.0


def _dense(macs: float, workspace: float = 0.0) -> Cost:
    return Cost(macs=macs, quoted=macs, workspace=workspace)


def _upsampler(layer: Upsampler, height: float, width: float, inputs: int) -> Cost:
    scale, taps = layer.scale, layer.kernel_size**2 * inputs * layer.filters
    interleaved = height * width * scale**2 * taps
    if isinstance(layer, SubpixelUpsampler):
        window = identities.lr_window(layer.kernel_size, scale)
        # A window with a crop is computed at one position more than the image has.
        positions = (height + bool(window.crop)) * (width + bool(window.crop))
        channels = scale**2 * layer.filters
        return _dense(positions * window.taps**2 * inputs * channels, workspace=positions * channels)
    if isinstance(layer, (ZeroInterleavedUpsampler, ResizeUpsampler)):
        return _dense(interleaved, workspace=height * width * scale**2 * inputs)
    return Cost(macs=height * width * taps, quoted=interleaved)


def _fixed_upsampler(layer: FixedUpsampler, height: float, width: float, inputs: int) -> Cost:
    if layer.method == "nearest":
        return Cost()
    taps = identities.interpolation_window(layer.method, layer.scale).taps
    channels = layer.scale**2 * inputs
    read = inputs if inputs <= DENSE_MAPS else 1
    return Cost(fixed=height * width * taps**2 * read * channels, workspace=height * width * channels)


def cost(step: Step, entering: tuple[float, float], leaving: tuple[float, float]) -> Cost:
    """The cost of one step for one image.

    Args:
        step: the layer with its maps; of those only the channels are used.
        entering: height and width of its first input, in px of that map, fractions allowed.
        leaving: height and width of its output.
    """
    layer, inputs, outputs = step.operation, step.inputs[0].channels, step.output.channels
    before, after = entering[0] * entering[1], leaving[0] * leaving[1]
    if isinstance(layer, Upsampler):
        return _upsampler(layer, *entering, inputs)
    if isinstance(layer, FixedUpsampler):
        return _fixed_upsampler(layer, *entering, inputs)
    names = {base.__name__ for base in type(layer).__mro__}
    if "SeparableConv2D" in names:
        window = layer.kernel_size[0] * layer.kernel_size[1]
        between = inputs * layer.depth_multiplier
        return _dense(after * between * (window + outputs), workspace=after * between)
    if "Conv2DTranspose" in names:
        taps = layer.kernel_size[0] * layer.kernel_size[1] * inputs * outputs
        return Cost(macs=before * taps, quoted=after * taps)
    if "DepthwiseConv2D" in names:
        return _dense(after * layer.kernel_size[0] * layer.kernel_size[1] * outputs)
    if "Conv2D" in names:
        return _dense(after * layer.kernel_size[0] * layer.kernel_size[1] * inputs // layer.groups * outputs)
    if "Dense" in names:
        return _dense(after * inputs * outputs)
    if "UpSampling2D" in names and layer.interpolation != "nearest":
        return Cost(fixed=after * outputs * {"bilinear": 4, "bicubic": 16}[layer.interpolation])
    return Cost()
