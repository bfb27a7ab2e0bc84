"""What int8 is fitted to: crops of photographs, and of what a screen shows besides them.

Ranges found on photographs alone are too narrow for text, lines, noise and checkerboards, whose edges are the hardest
that there are: there maps reach two or three times as far.
"""

from typing import NamedTuple

import numpy as np

from zoo.data import graphics

SIDE = 48
KINDS = ("photographs", "drawn", "noise", "hardest")
# How much a drawn crop's squared error counts beside a photograph's; one of noise a third of it, one of the hardest a
# twentieth.
DRAWN = 1.0


class Crops(NamedTuple):
    """Crops and how much each counts.

    Attributes:
        images: (N, 48, 48, C) float32 in [0, 1].
        weights: (N,) float32.
        kinds: (N,): which of `KINDS` each is, by its number.
    """

    images: np.ndarray
    weights: np.ndarray
    kinds: np.ndarray

    def only(self, *names: str) -> "Crops":
        """Those of some of `KINDS`."""
        chosen = np.isin(self.kinds, [KINDS.index(name) for name in names])
        return Crops(self.images[chosen], self.weights[chosen], self.kinds[chosen])


def crops(pictures, count: int = 64, seed: int = 0) -> np.ndarray:
    """(count, 48, 48, C) float32 crops in [0, 1] of LR pictures (name, LR uint8, HR), in turn, at random places.

    Smaller pictures are mirrored. One of each four is stretched to the whole of [0, 1]: pictures seldom reach pure
    black and white, but some do.
    """
    pictures = [lr_image for _, lr_image, _ in pictures]
    rng = np.random.default_rng(seed)
    chosen = []
    for number in range(count):
        picture = pictures[number % len(pictures)]
        missing = [(0, max(0, SIDE - side)) for side in picture.shape[:2]]
        picture = np.pad(picture, [*missing, (0, 0)], mode="symmetric")
        top, left = (rng.integers(0, side - SIDE + 1) for side in picture.shape[:2])
        crop = picture[top : top + SIDE, left : left + SIDE].astype(np.float32) / 255
        if number % 4 == 3:
            crop = (crop - crop.min()) / max(np.ptp(crop), 1 / 255)
        chosen.append(crop)
    return np.stack(chosen)


def drawn(channels: int, count: int, seed: int = 0) -> np.ndarray:
    """(count, 48, 48, C) float32 crops of graphics made by code, as a screen shows them: edges within one pixel."""
    sheets = [(name, sheet, None) for name, _, sheet in graphics(2, channels).pictures()]
    chosen = crops(sheets, count, seed)
    # Every other one the other way round: dark screens.
    return np.where(np.arange(count)[:, None, None, None] // 2 % 2, 1 - chosen, chosen)


def noise(channels: int, count: int, seed: int = 0) -> np.ndarray:
    """(count, 48, 48, C) float32: uniform noise, black and white noise, checkerboards of one and two px, in turn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    chosen = []
    for number in range(count):
        kind, shape = number % 4, (SIDE, SIDE, channels)
        if kind == 0:
            crop = rng.integers(0, 256, shape) / 255
        elif kind == 1:
            crop = rng.integers(0, 2, shape) * np.ones(shape)
        else:
            block = kind - 1
            low, high = (0.0, 1.0) if number % 8 < 4 else np.sort(rng.random((2, channels)), axis=0)
            crop = np.where(((y // block + x // block) % 2 == 1)[..., None], high, low) * np.ones(shape)
        chosen.append(crop)
    return np.asarray(chosen, np.float32)


def hardest(channels: int, count: int = 24, seed: int = 0) -> np.ndarray:
    """(count, 48, 48, C) float32: what drives maps the farthest, in two colours, black and white first.

    Lines that meet in a point, gratings, single pixels and rings that become ever narrower, in turn.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    chosen = []
    for number in range(count):
        top, left = rng.uniform(SIDE / 4, 3 * SIDE / 4, 2)
        angle, width = np.arctan2(y - top, x - left), np.hypot(y - top, x - left)
        rays, turn, period = rng.integers(12, 40), rng.uniform(0, np.pi), 2 + number // 4 % 4
        ink = (
            # As far from the nearest ray as half a pixel.
            np.abs((angle * rays / (2 * np.pi) + 0.5) % 1 - 0.5) * 2 * np.pi / rays * width < 0.5,
            np.floor(2 * (x * np.cos(turn) + y * np.sin(turn)) / period) % 2 == 0,
            (x % period == 0) & (y % period == 0),
            np.cos(width**2 / rng.uniform(4, 16)) > 0.3,
        )[number % 4]
        one, other = (rng.random((2, channels)) > 0.5) if number % 8 > 5 else (np.zeros(channels), np.ones(channels))
        if number // 4 % 2:
            one, other = other, one
        chosen.append(np.where(ink[..., None], one, other))
    return np.asarray(chosen, np.float32)


def mixed(pictures, channels: int, count: int = 64, seed: int = 0, counts: float = DRAWN) -> Crops:
    """Photographs, and for every eight of them two drawn crops, one of noise and three of the hardest.

    `counts` is how much a drawn crop does beside a photograph; one of noise a third of it, one of the hardest a
    twentieth.
    """
    parts = (
        crops(pictures, count, seed),
        drawn(channels, count // 4, seed),
        noise(channels, count // 8, seed),
        hardest(channels, count * 3 // 8, seed),
    )
    kinds = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    weights = np.array([1, counts, counts / 3, counts / 20], np.float32)
    return Crops(np.concatenate(parts), weights[kinds], kinds)
