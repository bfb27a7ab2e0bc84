"""Where the error is: the differences from the original, pixel by pixel, of bicubic and of networks."""

from typing import TYPE_CHECKING

import numpy as np

from zoo.engines import Engine
from zoo.errors import UsageError
from zoo.evaluate import compared
from zoo.metrics import psnr
from zoo.plots.chart import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Levels of 255 at which the colours end: errors at edges are larger, and few.
LIMIT = 30


def differences(picture: np.ndarray, networks: dict[str, Engine]) -> dict[str, np.ndarray]:
    """SR minus HR in levels of Y, by the published protocol: float64 (h, w), the border of scale px left out.

    Args:
        picture: uint8, (h, w) or (h, w, 3).
        networks: name → network, all of one scale; bicubic goes before them.

    Raises:
        UsageError: networks of several scales, or none; a picture that is all border.
    """
    scales = {network.scale for network in networks.values()}
    if len(scales) != 1:
        raise UsageError(f"Expected networks of one scale. Received: {', '.join(map(str, sorted(scales))) or 'none'}")
    (scale,) = scales
    height, width = picture.shape[:2]
    if min(height, width) < 3 * scale:
        raise UsageError(f"Expected at least {3 * scale} px a side for ×{scale}. Received: {width}×{height}")
    inside = np.s_[scale:-scale, scale:-scale]
    found = {}
    for name, network in {"bicubic": "bicubic", **networks}.items():
        hr_image, sr_image = compared(network, picture, scale)
        found[name] = (sr_image.astype(np.float64) - hr_image)[inside]
    return found


def draw(measured: dict[str, np.ndarray], picture: np.ndarray) -> "Figure":
    """Draws the picture, the size of every error, and how much larger bicubic's is than the last network's."""
    *_, last = measured
    height, width = measured[last].shape
    panels = {f"{name}: |error|, {decibels(error):.2f} dB": np.abs(error) for name, error in measured.items()}
    better = np.abs(measured["bicubic"]) - np.abs(measured[last])
    columns = len(panels) + 2
    made = figure(3.1 * columns, 3.1 * height / width + 0.9)
    # The bars of colours in a row of their own: what stands above has one size.
    grid = made.add_gridspec(2, columns, height_ratios=(1, 0.04))
    first, *middle, final = (made.add_subplot(grid[0, column]) for column in range(columns))
    first.imshow(picture, cmap="gray", vmin=0, vmax=255)
    first.set_title("original", fontsize=9)
    for axes, (title, error) in zip(middle, panels.items()):
        shown = axes.imshow(error, cmap="magma", vmin=0, vmax=LIMIT)
        axes.set_title(title, fontsize=9)
    units = "levels of 255"
    made.colorbar(shown, made.add_subplot(grid[1, 1:-1]), extend="max", orientation="horizontal", label=units)
    shown = final.imshow(better, cmap="RdBu", vmin=-LIMIT / 2, vmax=LIMIT / 2)
    final.set_title(f"blue: {last} is nearer", fontsize=9)
    made.colorbar(shown, made.add_subplot(grid[1, -1]), extend="both", orientation="horizontal", label=units)
    for axes in (first, *middle, final):
        axes.set_axis_off()
    return made


def decibels(error: np.ndarray) -> float:
    """The PSNR that an error in levels of 255 amounts to."""
    return psnr(np.zeros(error.shape), np.abs(error) / 255)
