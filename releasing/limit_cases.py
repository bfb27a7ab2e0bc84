"""What the presets are shown on docs/limits.md: a public-domain photograph and pictures drawn by code, made worse.

The photograph is scikit-image's astronaut (NASA, public domain), which no preset was trained on; what is drawn is drawn
here alone, and nothing is fitted to it.
"""

import io
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from zoo.data import crop_to_multiple, imresize

SIDE = 480
# Corners (y, x) of details that are shown, HR px.
FACE, BADGE = (62, 170), (300, 300)


class Case(NamedTuple):
    """A kind of picture.

    Attributes:
        hr_image: uint8 (480, 480, 3).
        worse: what happens to the LR image before a network sees it.
        reduced: HR image and scale → LR image; by default MATLAB's antialiased bicubic, as in training.
        corner: (y, x) of the detail that is shown.
    """

    hr_image: np.ndarray
    worse: Callable[[np.ndarray], np.ndarray] = lambda lr_image: lr_image
    reduced: Callable[[np.ndarray, int], np.ndarray] = lambda hr_image, scale: imresize(hr_image, 1 / scale)
    corner: tuple[int, int] = FACE

    def lr_image(self, scale: int) -> np.ndarray:
        return self.worse(self.reduced(crop_to_multiple(self.hr_image, scale), scale))


def cases() -> dict[str, Case]:
    """Name → case, in the page's order."""
    photograph = skimage.data.astronaut()[:SIDE, :SIDE]
    face = photograph[40:200, 140:300]
    return {
        "photograph": Case(photograph),
        "face": Case(face, corner=(22, 30)),
        "text, reduced": Case(text(), corner=(96, 0)),
        "thin lines, reduced": Case(lines(), corner=(66, 66)),
        "interface, reduced": Case(interface(), corner=(60, 14)),
        "reduced by averaging": Case(photograph, reduced=averaged),
        "JPEG, quality 90": Case(photograph, jpeg(90)),
        "JPEG, quality 60": Case(photograph, jpeg(60)),
        "JPEG, quality 30": Case(photograph, jpeg(30)),
        "noise, 5 levels": Case(photograph, noise(5)),
        "noise, 15 levels": Case(photograph, noise(15)),
        "blur, 1 LR px": Case(photograph, blur),
    }


def _levels(image: np.ndarray) -> np.ndarray:
    return np.floor(image.clip(0, 255) + 0.5).astype(np.uint8)


def averaged(hr_image: np.ndarray, scale: int) -> np.ndarray:
    """The LR image whose pixels are the means of scale × scale HR pixels."""
    height, width, channels = hr_image.shape
    blocks = hr_image.reshape(height // scale, scale, width // scale, scale, channels)
    return _levels(blocks.mean(axis=(1, 3)))


def jpeg(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    """Through a JPEG file and back, its chroma at half size."""

    def worse(lr_image: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(lr_image).save(file, "jpeg", quality=quality, subsampling=2)
        return np.asarray(Image.open(file))

    return worse


def noise(levels: float) -> Callable[[np.ndarray], np.ndarray]:
    """Gaussian noise of so many levels of 255, each sample its own."""
    return lambda lr_image: _levels(lr_image + np.random.default_rng(0).normal(0, levels, lr_image.shape))


def blur(lr_image: np.ndarray) -> np.ndarray:
    """A Gaussian of one LR pixel."""
    weights = np.exp(-0.5 * np.arange(-4, 5) ** 2.0)
    weights /= weights.sum()
    blurred = lr_image.astype(float)
    for axis in (0, 1):
        padded = np.pad(blurred, [(4, 4) if each == axis else (0, 0) for each in range(3)], mode="symmetric")
        length = blurred.shape[axis]
        blurred = sum(w * padded.take(range(i, i + length), axis) for i, w in enumerate(weights))
    return _levels(blurred)


_WORDS = "The quick brown fox jumps over the lazy dog, 0123456789: (a + b) = c; naïve café & Co. "


def text(ink="black", paper="white") -> np.ndarray:
    """A page of words, from 14 to 34 px high."""
    page = Image.new("RGB", (SIDE, SIDE), paper)
    pen, top = ImageDraw.Draw(page), 4
    for size in (14, 16, 18, 20, 22, 24, 28, 34) * 2:
        font = ImageFont.load_default(size=size)
        pen.text((4 - 3 * size, top), 3 * _WORDS, ink, font=font)
        top += round(1.25 * size)
    return np.asarray(page)


def lines() -> np.ndarray:
    """A fan of thin lines and circles, drawn four times as large and reduced: no stairs."""
    large = Image.new("RGB", (4 * SIDE, 4 * SIDE), "white")
    pen, centre = ImageDraw.Draw(large), 2 * SIDE
    for ray in range(60):
        angle = math.pi * ray / 30
        pen.line((centre, centre, centre + 1900 * math.cos(angle), centre + 1900 * math.sin(angle)), (20, 40, 90), 5)
    for radius in range(80, 4 * SIDE, 120):
        box = (centre - radius, centre - radius, centre + radius, centre + radius)
        pen.ellipse(box, outline=(170, 30, 30), width=5)
    return np.asarray(large.resize((SIDE, SIDE), Image.Resampling.BOX))


def interface() -> np.ndarray:
    """Panels, buttons and words in flat colours."""
    page = Image.new("RGB", (SIDE, SIDE), (245, 246, 248))
    pen = ImageDraw.Draw(page)
    words, title = ImageFont.load_default(size=15), ImageFont.load_default(size=20)
    colours = ((0, 120, 215), (220, 30, 60), (0, 150, 80), (255, 190, 0), (90, 60, 160), (0, 0, 0))
    pen.rectangle((0, 0, SIDE, 44), fill=(30, 34, 42))
    pen.text((14, 10), "Messages", "white", font=title)
    for row, colour in enumerate(colours):
        top = 60 + 68 * row
        pen.rectangle((14, top, SIDE - 14, top + 56), fill="white", outline=(205, 208, 214))
        pen.ellipse((24, top + 9, 62, top + 47), fill=colour)
        pen.text((74, top + 8), f"Contact {row + 1}, 12:{row}7", (30, 34, 42), font=words)
        pen.text((74, top + 30), "See you at the station at nine", (120, 126, 136), font=words)
        pen.rounded_rectangle((SIDE - 110, top + 14, SIDE - 28, top + 42), 7, fill=colour)
        pen.text((SIDE - 92, top + 19), "Reply", "white", font=words)
    return np.asarray(page)


def hard_text() -> np.ndarray:
    """Black words on white at LR size, without a grey between them: uint8 (120, 160, 3)."""
    page = Image.new("1", (160, 120), 1)
    pen = ImageDraw.Draw(page)
    for row, top in enumerate((8, 48, 88)):
        pen.text((6, top), f"Line {row + 1}: Thy", 0, font=ImageFont.load_default(size=14))
    return np.asarray(page.convert("RGB"))
