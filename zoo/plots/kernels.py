"""The learned kernels of a network's last layer, in HR space and split by output phase."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zoo import identities
from zoo.errors import UsageError
from zoo.plots.chart import figure

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure


class Kernels(NamedTuple):
    """The kernels that read the same `maps` input maps of a layer, strongest first, for its first output map.

    Attributes:
        hr: (maps, K, K).
        lr: (maps, scale, scale, k, k): by output phase, rows first.
        inputs: how many input maps the layer has.
    """

    hr: np.ndarray
    lr: np.ndarray
    inputs: int


def by_phase(kernel: np.ndarray, scale: int) -> np.ndarray:
    """(K, K, O, I) as Conv2DTranspose holds it → (scale, scale, k, k, I, O): the LR kernel of each output phase."""
    lr = identities.transposed_to_subpixel(kernel, scale)
    taps, _, inputs, _ = lr.shape
    phases = lr.reshape(taps, taps, inputs, scale, scale, -1).transpose(3, 4, 0, 1, 2, 5)
    # With a crop the shuffle's first pixels are cut off, and its first phase is not the output's.
    crop = identities.lr_window(kernel.shape[0], scale).crop
    return np.roll(phases, (-crop, -crop), axis=(0, 1))


def kernels(model: "keras.Model", maps: int = 8) -> Kernels:
    """Reads the kernels out of a model.

    Args:
        model: with one of the three exact upsamplers (`zoo.layers`) or a `Conv2DTranspose` (padding 'same', square).
        maps: how many kernels, at most.

    Raises:
        UsageError: no such layer.
    """
    import keras

    from zoo.layers import EXACT, LEARNED

    exact = tuple(LEARNED[form] for form in EXACT)
    found = [layer for layer in model.layers if isinstance(layer, exact) or _square(layer)]
    if not found:
        raise UsageError(
            "Expected a network with a transposed, zero_interleaved or subpixel upsampler, or a square Conv2DTranspose "
            f"of padding 'same'. Received: {model.name}"
        )
    scale = found[-1].strides[0] if isinstance(found[-1], keras.layers.Conv2DTranspose) else found[-1].scale
    kernel = keras.ops.convert_to_numpy(found[-1].kernel).astype(np.float64)
    strongest = np.argsort(-np.square(kernel).sum(axis=(0, 1, 2)), kind="stable")[:maps]
    lr = by_phase(kernel, scale)[..., strongest, 0].transpose(4, 0, 1, 2, 3)
    return Kernels(kernel[:, :, 0, strongest].transpose(2, 0, 1), lr, kernel.shape[3])


def _square(layer) -> bool:
    import keras

    if not isinstance(layer, keras.layers.Conv2DTranspose) or layer.padding != "same":
        return False
    same = len(set(layer.kernel_size)) == len(set(layer.strides)) == 1 and layer.strides[0] > 1
    return same and set(layer.dilation_rate) == {1} and layer.output_padding is None


def draw(measured: Kernels, name: str) -> "Figure":
    """Draws the HR kernels in one row, and below each the LR kernels that it consists of."""
    maps, scale, _, taps, _ = measured.lr.shape
    side = measured.hr.shape[1]
    made = figure(1.25 * maps + 0.9, 3.5)
    made.set_layout_engine("constrained", w_pad=0.07)
    axes = made.subplots(2, maps, squeeze=False)
    limit = np.abs(measured.hr).max()
    # A gap of one cell, empty, between the phases.
    wide = scale * (taps + 1) - 1
    for column in range(maps):
        tiled = np.full((wide, wide), np.nan)
        for a, b in np.ndindex(scale, scale):
            rows, columns = (slice(phase * (taps + 1), phase * (taps + 1) + taps) for phase in (a, b))
            tiled[rows, columns] = measured.lr[column, a, b]
        for row, cells in enumerate((measured.hr[column], tiled)):
            shown = axes[row, column].imshow(cells, cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes[row, column].set_axis_off()
    made.suptitle(
        f"{name}: {maps} of the {measured.inputs} kernels of the last layer, the strongest\n"
        f"above: {side}×{side} in HR space; below: the same as {scale**2} kernels of {taps}×{taps}, one per phase",
        fontsize=10,
    )
    made.colorbar(shown, ax=axes, shrink=0.8)
    return made
