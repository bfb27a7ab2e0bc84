"""The pictures of docs/identity.md: `python docs/figures.py` writes docs/figures/*.svg.

Nothing in them is drawn from memory: kernels whose weights are their own numbers go through `zoo.identities` and
`zoo.rewrite`, and what comes out is what is written into the cells.
"""

from pathlib import Path

import numpy as np

from zoo import identities
from zoo.identities.lr_convolution import lr_convolution, resized_convolution
from zoo.plots.drawing import CELL, EMPTY, PHASES, PLAIN, Drawing
from zoo.plots.split import numbered, split
from zoo.rewrite.containment import contain_convolution

FOLDER = Path(__file__).parent / "figures"


def write(name: str, svg: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.svg").write_text(svg, encoding="utf-8")


def taps_of_phases(side: int, scale: int) -> tuple[np.ndarray, identities.Window]:
    """One axis: the number of the HR tap at (LR tap, phase), from 0; -1 for none. And the LR window."""
    window = identities.lr_window(side, scale)
    # A column of weights: across it only phase 0 reads the one tap.
    lr = identities.transposed_to_subpixel(numbered(side, 1), scale, offsets=(None, 0))
    return lr.reshape(window.taps, scale, scale)[:, :, 0].astype(int) - 1, window


def scatter(side: int = 4, scale: int = 2, pixels: int = 4) -> None:
    """Form A: every LR pixel writes a kernel's worth of HR pixels."""
    drop, full = identities.same_offset(side, scale), scale * (pixels - 1) + side
    left, top, step = 130, 40, CELL + 8
    drawing = Drawing()
    drawing.text(
        8, 22, f"transposed convolution, stride {scale}: every LR pixel writes all taps, {scale} pixels further"
    )
    for p in range(pixels):
        y = top + p * step
        drawing.cell(20, y, PLAIN, f"x{p}")
        drawing.text(66, y + 22, "writes")
        for k in range(side):
            column = scale * p + k
            drawing.cell(left + column * CELL, y, PHASES[(column - drop) % scale], f"W{k}")
    y = top + pixels * step
    drawing.text(8, y + 22, "and the sum is")
    for column in range(full):
        hr = column - drop
        inside = 0 <= hr < scale * pixels
        drawing.cell(left + column * CELL, y, PHASES[hr % scale] if inside else PLAIN, f"y{hr}" if inside else "cut")
    taps, window = taps_of_phases(side, scale)
    used = [" and ".join(f"W{k}" for k in sorted(taps[:, (a + window.crop) % scale]) if k >= 0) for a in range(scale)]
    drawing.text(left, y + CELL + 24, f"even pixels (blue) are made of {used[0]} alone, odd ones (orange) of {used[1]}")
    write("scatter", drawing.svg())


def interleave(side: int = 4, scale: int = 2, pixels: int = 4, shown: int = 4) -> None:
    """Form B: zeros between the LR pixels, an ordinary convolution over them."""
    kernel = identities.transposed_to_zero_interleaved(numbered(side, 1))[:, 0, 0, 0].astype(int) - 1
    before = side - 1 - identities.same_offset(side, scale)
    left, top, step = 130, 40, CELL + 8
    drawing = Drawing()
    drawing.text(8, 22, f"the same with {scale - 1} zero after every LR pixel and an ordinary convolution")
    drawing.text(8, top + 22, "LR, zeros")
    for z in range(-before, scale * pixels + before):
        lr = z % scale == 0 and 0 <= z < scale * pixels
        drawing.cell(left + (z + before) * CELL, top, PLAIN if lr else EMPTY, f"x{z // scale}" if lr else "0")
    for y in range(shown):
        row = top + (y + 1) * step
        drawing.text(8, row + 22, f"taps for y{y + 2}")
        for j in range(side):
            z = y + 2 + j - before
            meets = z % scale == 0 and 0 <= z < scale * pixels
            drawing.cell(left + (z + before) * CELL, row, PHASES[y % scale] if meets else EMPTY, f"W{kernel[j]}")
    drawing.text(left, top + (shown + 1) * step + 16, "grey taps meet a zero, every time: that work is wasted")
    write("interleave", drawing.svg())


def gather(side: int = 4, scale: int = 2, pixels: int = 4) -> None:
    """Form C: one small convolution per phase over the LR pixels, then the results take turns."""
    taps, window = taps_of_phases(side, scale)
    left, top, step = 150, 40, CELL + 8
    positions = pixels + bool(window.crop)
    drawing = Drawing()
    drawing.text(
        8, 22, f"the convolution in LR space: {scale} kernels of {window.taps} taps, then the results take turns"
    )
    drawing.text(8, top + 22, "LR, zeros around")
    for p in range(-window.before, pixels + window.after):
        inside = 0 <= p < pixels
        drawing.cell(left + (p + window.before) * CELL, top, PLAIN if inside else EMPTY, f"x{p}" if inside else "0")
    for a in range(scale):
        row = top + (a + 1) * step
        drawing.text(8, row + 22, f"kernel {a}")
        for j in range(window.taps):
            drawing.cell(left + (1 + j) * CELL, row, PHASES[(a - window.crop) % scale], f"W{taps[j, a]}")
        drawing.text(left + (2 + window.taps) * CELL, row + 22, f"gives {positions} values, one per position")
    row = top + (scale + 1) * step
    drawing.text(8, row + 22, "in turns")
    for column in range(scale * positions):
        hr = column - window.crop
        inside = 0 <= hr < scale * pixels
        drawing.cell(left + column * CELL, row, PHASES[hr % scale] if inside else PLAIN, f"y{hr}" if inside else "cut")
    words = "every weight is there once, and none meets a zero that was put between pixels"
    drawing.text(left, row + CELL + 24, words)
    write("gather", drawing.svg())


def nearest(side: int = 3, scale: int = 2, cell: float = 58) -> None:
    """Nearest-neighbour enlargement and a convolution: weights that meet copies of one LR pixel add up."""
    window = lr_convolution(resized_convolution(np.ones((side, side, 1, 1)), "nearest", scale)).kernel.shape[0]
    # One weight at a time: which LR taps of which phases it ends up in.
    cells = {}
    for number in range(side**2):
        one = np.zeros((side, side, 1, 1))
        one.flat[number] = 1
        lr = lr_convolution(resized_convolution(one, "nearest", scale)).kernel[:, :, 0]
        for place in np.argwhere(lr):
            cells.setdefault(tuple(place), []).append("abcdefghijklmnopqrstuvwxyz"[number])
    top, right, gap = 34, 10 + side * 34 + 50, 14
    drawing = Drawing()
    drawing.text(10, 22, f"{side}×{side} HR kernel")
    drawing.text(right, 22, f"after nearest ×{scale}: four LR kernels of {window}×{window}, sums of its weights")
    for number in range(side**2):
        y, x = divmod(number, side)
        drawing.cell(10 + x * 34, top + y * 34, PLAIN, "abcdefghijklmnopqrstuvwxyz"[number])
    for (j, i, phase), letters in cells.items():
        a, b = divmod(int(phase), scale)
        x, y = right + b * (window * cell + gap) + i * cell, top + a * (window * cell + gap) + j * cell
        drawing.cell(x, y, PHASES[phase], "+".join(letters), cell)
    write("nearest", drawing.svg())


def bicubic(scale: int = 3) -> None:
    """A fixed interpolation: its curve, read at the places that each phase needs."""
    weights = identities.interpolation_weights("bicubic", scale)
    radius = weights.shape[0] // 2
    left, top, unit, height = 40, 40, 110, 150
    drawing = Drawing()
    drawing.text(8, 22, f"bicubic ×{scale}: the curve, read at LR distances that depend on the output phase alone")
    base = top + height
    drawing.line((left, base), (left + 2 * radius * unit, base))
    for a in range(scale):
        shift = (a + 0.5) / scale - 0.5
        for j, weight in enumerate(weights[:, a]):
            distance = shift - (j - radius)
            if abs(distance) < radius:
                x, y = left + (radius - distance) * unit, base - weight * height
                drawing.line((x, base), (x, y), PHASES[a], 7)
    for a in range(scale):
        drawing.cell(left + a * 130, base + 34, PHASES[a], side=16)
        drawing.text(
            left + a * 130 + 22, base + 47, f"phase {a}: {np.count_nonzero(np.abs(weights[:, a]) > 1e-12)} taps"
        )
    write("bicubic", drawing.svg())


def containment(side: int = 3, scale: int = 2, cell: float = 9) -> None:
    """An HR convolution over phases: where its weights lie among those of the LR convolution that contains it."""
    lr = contain_convolution(numbered(side, side), scale, [1], ((side - 1) // 2,) * 2).kernel.astype(int)
    taps, phases = lr.shape[0], lr.shape[2]
    gap, top, left = 10, 40, 10
    block = phases * cell + gap
    drawing = Drawing()
    drawing.text(8, 22, f"{side}×{side} HR convolution as {taps}×{taps} LR convolution, {phases} → {phases} maps")
    for j in range(taps):
        for i in range(taps):
            for read in range(phases):
                for written in range(phases):
                    number = lr[j, i, read, written]
                    fill = PHASES[(number - 1) % len(PHASES)] if number else EMPTY
                    drawing.cell(left + i * block + written * cell, top + j * block + read * cell, fill, side=cell)
    words = f"{np.count_nonzero(lr)} of {lr.size} weights, {side**2} free ones: one colour, one weight"
    drawing.text(left, top + taps * block + 18, words)
    write("containment", drawing.svg())


def main() -> None:
    """Writes all pictures."""
    scatter()
    interleave()
    gather()
    write("split_4x4", split(4, 2))
    write("split_9x9_scale3", split(9, 3))
    write("split_9x9_scale2", split(9, 2))
    nearest()
    bicubic()
    containment()


if __name__ == "__main__":
    main()
