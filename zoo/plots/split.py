"""How a deconvolution becomes scale² small kernels: where the identity puts each of its weights."""

import numpy as np

from zoo import identities
from zoo.plots.drawing import EMPTY, PHASES, Drawing


def numbered(*shape: int) -> np.ndarray:
    """A kernel whose weights are 1, 2, 3 …: the identities move them and add nothing, so they can be followed."""
    return np.arange(1, 1 + np.prod(shape), dtype=float).reshape(*shape, 1, 1)


def split(side: int, scale: int, cell: float = 24) -> str:
    """The HR kernel, its weights numbered, and the scale² LR kernels that they end up in.

    Args:
        side: of the kernel, HR px.
        scale: the stride.
        cell: side of a cell, px.

    Returns:
        SVG text.
    """
    window = identities.lr_window(side, scale)
    lr = identities.transposed_to_subpixel(numbered(side, side), scale)[:, :, 0].astype(int)

    def phase_of(channel: int) -> int:
        """The output phase that a channel is for: with a crop the shuffle's first pixels are cut off."""
        a, b = divmod(channel, scale)
        return (a - window.crop) % scale * scale + (b - window.crop) % scale

    colour = {number: phase_of(channel) for channel in range(scale**2) for number in lr[:, :, channel].ravel()}
    across = scale * (window.taps * cell + 14)
    top, right = 34, max(70 + side * cell, 290)
    drawing = Drawing()
    drawing.text(10, 22, f"{side}×{side} kernel, stride {scale}, coloured by output phase")
    drawing.text(right, 22, f"its {scale**2} LR kernels, {window.taps}×{window.taps}")
    for number in range(side**2):
        y, x = divmod(number, side)
        drawing.cell(10 + x * cell, top + y * cell, PHASES[colour[number + 1] % len(PHASES)], str(number), cell)
    for phase in range(scale**2):
        a, b = divmod(phase, scale)
        for j in range(window.taps):
            for i in range(window.taps):
                number = lr[j, i, phase]
                left, upper = right + b * (window.taps * cell + 14), top + a * (window.taps * cell + 14)
                fill = PHASES[phase_of(phase) % len(PHASES)] if number else EMPTY
                drawing.cell(left + i * cell, upper + j * cell, fill, str(number - 1) if number else "", cell)
    zeros = int((lr == 0).sum())
    words = (
        f"grey: {zeros} structural zeros of {lr.size}" if zeros else "no structural zeros: the same weights, reordered"
    )
    drawing.text(right, top + across + 14, words)
    return drawing.svg()
