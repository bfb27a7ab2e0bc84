"""What a phone shows besides photographs, as LR pictures: text, line art, user interfaces, maps, noise, checkerboards.

Drawn here and nowhere else: nothing is fitted to these pictures, but to checkerboards, which have no other form.
"""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 150, 110
_WORDS = "Sphinx of black quartz, judge my vow: 9,876 km/h & 54% off? [Yes] {No} #3 @home (sub-pixel) = x^2 + y;"
# Ink and paper: black on white, white on black, and colours.
_PAIRS = (
    ("black", "white"),
    ("white", "black"),
    ((255, 235, 0), (0, 0, 160)),
    ((200, 0, 60), (235, 240, 220)),
    ((0, 90, 40), (160, 200, 255)),
)


def screens(channels: int) -> dict[str, list[np.ndarray]]:
    """Kind of picture → pictures (110, 150, channels) uint8; one channel is Y of BT.601.

    Example:
        >>> {kind: len(pictures) for kind, pictures in screens(1).items()}
        {'text': 5, 'lines': 5, 'interface': 5, 'map': 5, 'noise': 2, 'checkerboard': 3}
    """
    kinds = {
        "text": [_text(*pair, size) for pair, size in zip(_PAIRS, (9, 11, 13, 16, 24))],
        "lines": [_lines(*pair, seed) for seed, pair in enumerate(_PAIRS)],
        "interface": [_interface(*pair) for pair in _PAIRS],
        "map": [_map(*pair, seed) for seed, pair in enumerate(_PAIRS)],
        "noise": [_noise(levels) for levels in (256, 2)],
        "checkerboard": [_checkerboard(block) for block in (1, 2, 3)],
    }
    return {kind: [_in_channels(picture, channels) for picture in pictures] for kind, pictures in kinds.items()}


def _in_channels(picture: Image.Image, channels: int) -> np.ndarray:
    from zoo.color import rgb_to_y

    rgb = np.asarray(picture.convert("RGB"))
    return rgb if channels == 3 else np.round(rgb_to_y(rgb)).astype(np.uint8).reshape(*rgb.shape[:2], 1)


def _sheet(paper) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("RGB", (WIDTH, HEIGHT), paper)
    return sheet, ImageDraw.Draw(sheet)


def _text(ink, paper, size: int) -> Image.Image:
    sheet, pen = _sheet(paper)
    font = ImageFont.load_default(size=size)
    left = 2
    for row, top in enumerate(range(2, HEIGHT - size, int(1.25 * size))):
        pen.text((left - 7 * row, top), _WORDS[5 * row :] + _WORDS, ink, font=font)
    return sheet


def _lines(ink, paper, seed: int) -> Image.Image:
    sheet, pen = _sheet(paper)
    centre = (WIDTH / 2 + 5 * seed, HEIGHT / 2)
    for ray in range(36):
        angle = math.pi * ray / 18 + 0.05 * seed
        pen.line((centre, (centre[0] + 70 * math.cos(angle), centre[1] + 70 * math.sin(angle))), ink, 1 + ray % 2)
    for radius in range(8, 75, 9):
        pen.ellipse((8, 4, 8 + radius, 4 + radius), outline=ink)
        pen.rectangle((WIDTH - radius - 3, HEIGHT - radius - 3, WIDTH - 3, HEIGHT - 3), outline=ink)
    return sheet


def _interface(ink, paper) -> Image.Image:
    sheet, pen = _sheet(paper)
    small, large = ImageFont.load_default(size=9), ImageFont.load_default(size=12)
    pen.rectangle((0, 0, WIDTH, 15), fill=ink)
    pen.text((4, 1), "Messages   12:47", paper, font=large)
    for row in range(4):
        top = 20 + 17 * row
        pen.ellipse((4, top, 16, top + 12), fill=ink)
        pen.text((22, top + 1), f"Contact {row + 1}: see you at {row + 7}", ink, font=small)
        pen.rounded_rectangle((122, top, 145, top + 12), 6, fill=paper if row % 2 else ink, outline=ink)
        pen.line((0, top + 15, WIDTH, top + 15), ink)
    pen.rounded_rectangle((20, 90, 70, 106), 4, fill=ink)
    pen.text((30, 92), "Send", paper, font=large)
    pen.rectangle((80, 90, 130, 106), outline=ink, width=2)
    pen.text((86, 92), "Cancel", ink, font=large)
    return sheet


def _map(ink, paper, seed: int) -> Image.Image:
    """Blocks of houses, a river, roads with a border, names."""
    sheet, pen = _sheet(paper)
    random = np.random.default_rng(100 + seed)
    for x in range(0, WIDTH, 22):
        for y in range(0, HEIGHT, 18):
            shade = tuple(int(level) for level in random.integers(90, 230, 3))
            pen.polygon([(x + 3, y + 3), (x + 19, y + 2), (x + 18, y + 14), (x + 4, y + 15)], fill=shade, outline=ink)
    river = [(x, 55 + 20 * math.sin(x / 25 + seed)) for x in range(0, WIDTH + 5, 5)]
    pen.line(river, (120, 170, 230), 7, joint="curve")
    for start, end in (((0, 20), (WIDTH, 90)), ((40, 0), (60, HEIGHT)), ((0, 100), (WIDTH, 12))):
        pen.line((start, end), ink, 6)
        pen.line((start, end), "white", 4)
    for name, place in (("Oak St", (8, 30)), ("Market", (80, 70)), ("Park", (100, 8))):
        pen.text(place, name, "black", font=ImageFont.load_default(size=10), stroke_width=1, stroke_fill="white")
    return sheet


def _noise(levels: int) -> Image.Image:
    random = np.random.default_rng(7)
    values = random.integers(0, levels, (HEIGHT, WIDTH, 3)) * 255 // (levels - 1)
    if levels == 2:
        values[..., 1:] = values[..., :1]
    return Image.fromarray(values.astype(np.uint8))


def _checkerboard(block: int) -> Image.Image:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return Image.fromarray(((y // block + x // block) % 2 * 255).astype(np.uint8))
