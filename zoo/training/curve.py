"""The training curve as a picture: PSNR and loss over the steps."""

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 900, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 70, 40, 50
INK, GRID, PSNR, LOSS, BICUBIC = (40, 40, 40), (225, 225, 225), (20, 90, 200), (200, 150, 60), (120, 120, 120)
TWICE = 2  # drawn twice as large and shrunk: smooth lines


def draw_curve(records: list[dict], bicubic: float | None, title: str, path: Path) -> None:
    """Draws the PSNR of the validations (left axis, dB) and the loss (right axis, logarithmic) into a PNG.

    Args:
        records: lines of a run's log.
        bicubic: its PSNR on the same pictures, a dashed line; None: no line.
        title: above the curve.
    """
    psnrs = [(r["step"], r["psnr"]) for r in records if "psnr" in r]
    losses = [(r["step"], math.log10(r["loss"])) for r in records if r.get("loss", 0) > 0]
    image = Image.new("RGB", (WIDTH * TWICE, HEIGHT * TWICE), "white")
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=15 * TWICE)
    last = max([1, *(step for step, _ in psnrs + losses)])

    def x(step: float) -> float:
        return (LEFT + (WIDTH - LEFT - RIGHT) * step / last) * TWICE

    def axis(values: list[float]):
        low, high = min(values), max(values)
        margin = 0.08 * (high - low) or 0.1
        low, high = low - margin, high + margin
        return (
            lambda value: (HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)) * TWICE,
            low,
            high,
        )

    pen.text((LEFT * TWICE, 10 * TWICE), title, INK, font=font)
    for step in ticks(0, last):
        pen.line([x(step), TOP * TWICE, x(step), (HEIGHT - BOTTOM) * TWICE], GRID, TWICE)
        pen.text((x(step), (HEIGHT - BOTTOM + 8) * TWICE), f"{step:,.0f}", INK, font=font, anchor="mt")
    pen.text((WIDTH / 2 * TWICE, (HEIGHT - 8) * TWICE), "steps", INK, font=font, anchor="mb")
    if losses:
        y, low, high = axis([value for _, value in losses])
        pen.line([(x(step), y(value)) for step, value in losses], LOSS, 2 * TWICE, joint="curve")
        for value in ticks(10**low, 10**high):
            place = (WIDTH - RIGHT + 8) * TWICE, y(math.log10(value))
            pen.text(place, f"{value:.4g}", LOSS, font=font, anchor="lm")
        pen.text(((WIDTH - 10) * TWICE, 10 * TWICE), "loss", LOSS, font=font, anchor="ra")
    if psnrs:
        y, low, high = axis([value for _, value in psnrs] + ([] if bicubic is None else [bicubic]))
        for value in ticks(low, high):
            pen.line([LEFT * TWICE, y(value), (WIDTH - RIGHT) * TWICE, y(value)], GRID, TWICE)
            pen.text(((LEFT - 8) * TWICE, y(value)), f"{value:.4g}", PSNR, font=font, anchor="rm")
        if bicubic is not None:
            for start in range(LEFT, WIDTH - RIGHT, 12):
                pen.line([start * TWICE, y(bicubic), (start + 6) * TWICE, y(bicubic)], BICUBIC, 2 * TWICE)
            # At the end, on the side where the curve is not.
            above = psnrs[-1][1] < bicubic
            place = (WIDTH - RIGHT - 8) * TWICE, y(bicubic) + (-4 if above else 4) * TWICE
            words, anchor = f"bicubic {bicubic:.2f} dB", "rb" if above else "rt"
            # The loss may pass there.
            pen.rectangle(pen.textbbox(place, words, font=font, anchor=anchor), "white")
            pen.text(place, words, BICUBIC, font=font, anchor=anchor)
        points = [(x(step), y(value)) for step, value in psnrs]
        pen.line(points, PSNR, 3 * TWICE, joint="curve")
        for px, py in points:
            pen.ellipse([px - 3 * TWICE, py - 3 * TWICE, px + 3 * TWICE, py + 3 * TWICE], PSNR)
        pen.text((10 * TWICE, 10 * TWICE), "dB", PSNR, font=font)
    image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(path, "png")


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Returns about `count` round numbers between low and high: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step)
    return [step * index for index in range(first, math.floor(high / step) + 1)]
