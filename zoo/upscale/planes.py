"""From a picture's samples to the network's planes and back: grey, RGB, alpha, 8 and 16 bits or floating point.

What a luma network makes of an RGB picture, in `zoo.color`'s terms, with RGB in [0, 1]:

1. Y, Cb, Cr = `rgb_to_ycbcr(RGB)`: BT.601, studio range, floating point, not rounded.
2. Y goes through the network, not clipped before or after.
3. Cb and Cr are enlarged by bicubic interpolation: Keys' cubic with a = -0.5, half-pixel centres, mirrored border (the
   edge pixel repeated first, as MATLAB's imresize), not rounded, not clipped.
4. RGB = the inverse of step 1, times 255 or 65535, rounded half up and clipped; floating point is clipped to [0, 1].

Y enters R, G and B alike, with 255/219: steps 3 and 4 are computed as RGB = bicubic(RGB - 255/219·Y) + 255/219·SR(Y).
A grey picture is Y as it is. An RGB network takes and gives RGB; of a grey picture's three results it takes the mean.
Alpha is enlarged by the same bicubic interpolation and clipped. Colours that alpha hides are replaced by their visible
neighbours' first, so that what lies hidden (mostly black) does not darken the edge.
"""

import numpy as np

from zoo.color import rgb_to_y
from zoo.identities import keys_cubic

# Bicubic reads two pixels on either side.
NEIGHBOURS = 2
# LR rows that are enlarged at a time.
_ROWS = 32
# Y of red, green and blue alone, of black, and what one level of Y is worth in R, G and B.
_BLACK = float(rgb_to_y(np.zeros(3)))
_WEIGHTS = (rgb_to_y(np.eye(3)) - _BLACK).astype(np.float32)
_GAIN = np.float32(1 / (float(rgb_to_y(np.ones(3))) - _BLACK))


class Planes:
    """How pictures of one kind pass through networks of one kind.

    Args:
        channels: of the picture: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        dtype: uint8, uint16, or floating point in [0, 1].
        network_channels: 1 (luma) or 3 (RGB).
        scale: of the network.
        radius: of the network, LR px.
    """

    def __init__(self, channels: int, dtype: np.dtype, network_channels: int, scale: int, radius: int | None):
        self.colours = 1 if channels < 3 else 3
        self.alpha = channels in (2, 4)
        self.dtype, self.scale, self.network_channels = np.dtype(dtype), scale, network_channels
        self.integer = np.issubdtype(self.dtype, np.integer)
        self.maximum = np.float32(np.iinfo(self.dtype).max if self.integer else 1)
        # Whatever shows lies within NEIGHBOURS of a visible pixel, and the network looks `radius` further.
        self.spread = (radius or 0) + NEIGHBOURS if self.alpha else 0

    def network_input(self, samples: np.ndarray, margin: tuple[slice, slice]) -> np.ndarray:
        """(h, w, channels) samples, with `spread` px around the window where the picture has them → float32 planes."""
        planes = self._colour(samples)[(slice(None), *margin)]
        if self.network_channels == 3:
            return np.stack([*planes] if self.colours == 3 else [planes[0]] * 3, axis=-1)
        return (planes[0] if self.colours == 1 else _luma(planes) + np.float32(_BLACK))[..., None]

    def finish(self, samples: np.ndarray, around: tuple, sr_image: np.ndarray) -> np.ndarray:
        """The network's result and the picture's samples → samples (scale·h, scale·w, channels).

        Args:
            samples: (h', w', channels), the tile with `spread` + 2 px around where the picture has them.
            around: for rows and columns, how many px of `samples` lie before the tile, and how many are the tile's.
            sr_image: the network's result for the tile.
        """
        finished = np.empty((*sr_image.shape[:2], self.colours + self.alpha), self.dtype)
        interpolated = self._interpolated(samples, around)
        # A few rows at a time stay in the cache.
        step = _ROWS * self.scale
        for row in range(0, len(sr_image), step):
            lr_rows = slice(row // self.scale, row // self.scale + _ROWS + 2 * NEIGHBOURS)
            self._finish_rows(interpolated[:, lr_rows], sr_image[row : row + step], finished[row : row + step])
        return finished

    def _interpolated(self, samples: np.ndarray, around: tuple) -> np.ndarray:
        """What bicubic interpolation enlarges, neighbours around: planes of chroma (3), alpha, both or none."""
        chroma = 3 if self.colours == 3 and self.network_channels == 1 else 0
        planes = np.empty((chroma + self.alpha, *samples.shape[:2]), np.float32)
        if chroma:
            colours = self._colour(samples)
            colours -= _GAIN * _luma(colours)
            np.multiply(colours, self.maximum, out=planes[:3])
        if self.alpha:
            planes[-1] = samples[..., -1]
        return bordered(planes, around)

    def _finish_rows(self, interpolated: np.ndarray, sr_image: np.ndarray, finished: np.ndarray) -> None:
        planes = bicubic(interpolated, self.scale)
        if len(planes) >= 3:
            bright = sr_image[..., 0] * (_GAIN * self.maximum)
            bright -= _GAIN * np.float32(_BLACK) * self.maximum
            planes[:3] += bright
        else:
            colour = sr_image.transpose(2, 0, 1) * self.maximum
            if self.colours < len(colour):
                colour = colour.mean(axis=0, keepdims=True)
            planes = np.concatenate([colour, planes]) if self.alpha else colour
        if self.integer:
            planes += np.float32(0.5)  # rounded half up
        np.clip(planes, 0, self.maximum, out=planes)
        finished[...] = planes.astype(self.dtype).transpose(1, 2, 0)

    def _colour(self, samples: np.ndarray) -> np.ndarray:
        """The picture's colours in [0, 1], plane by plane: (1 or 3, h, w) float32."""
        planes = np.empty((self.colours, *samples.shape[:2]), np.float32)
        for channel in range(self.colours):
            planes[channel] = samples[..., channel]
        planes /= self.maximum
        if self.alpha and not samples[..., -1].all():
            spread_colours(planes, samples[..., -1] > 0, self.spread)
        return planes


def _luma(planes: np.ndarray) -> np.ndarray:
    """Y of (3, h, w), without its offset. Plane by plane: a matrix product's last bit may depend on the shape."""
    luma = _WEIGHTS[0] * planes[0]
    for weight, plane in zip(_WEIGHTS[1:], planes[1:]):
        luma += weight * plane
    return luma


def bicubic(planes: np.ndarray, scale: int, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Enlarges (n, h + 4, w + 4) float32, two px of border on each side, to (n, scale·h, scale·w).

    Keys' cubic with a = -0.5; output pixel i lies at (i + 0.5) / scale - 0.5 + shift in the input.

    Tap by tap, so that a pixel's value depends on its neighbours alone and not on the tile it lies in; columns first,
    so that most of the work runs along rows.
    """
    count, height, width = planes.shape[0], planes.shape[1] - 2 * NEIGHBOURS, planes.shape[2] - 2 * NEIGHBOURS
    for_rows, for_columns = (_weights(scale, each) for each in shift)
    taps = range(len(for_rows))
    wide = np.empty((count, height + 2 * NEIGHBOURS, width, scale), np.float32)
    column = np.empty(wide.shape[:3], np.float32)
    for phase in range(scale):
        _weighted(for_columns[:, phase], [planes[..., tap : tap + width] for tap in taps], column)
        wide[..., phase] = column
    wide = wide.reshape(count, height + 2 * NEIGHBOURS, width * scale)
    enlarged = np.empty((count, height, scale, width * scale), np.float32)
    for phase in range(scale):
        _weighted(for_rows[:, phase], [wide[:, tap : tap + height] for tap in taps], enlarged[:, :, phase])
    return enlarged.reshape(count, height * scale, width * scale)


def _weights(scale: int, shift: float) -> np.ndarray:
    """What the five nearest input pixels contribute to each phase of the output, (5, scale) float32."""
    position = (np.arange(scale) + 0.5) / scale - 0.5 + shift
    return keys_cubic(position - np.arange(-NEIGHBOURS, NEIGHBOURS + 1)[:, None]).astype(np.float32)


def _weighted(weights: np.ndarray, taps: list[np.ndarray], total: np.ndarray) -> None:
    """The weighted sum of the taps, into `total`."""
    (weight, tap), *others = [(weight, tap) for weight, tap in zip(weights, taps) if weight]
    np.multiply(tap, weight, out=total)
    term = np.empty(total.shape, np.float32)
    for weight, tap in others:
        total += np.multiply(tap, weight, out=term)


def bordered(planes: np.ndarray, around: tuple) -> np.ndarray:
    """The tile with exactly `NEIGHBOURS` px around it, mirrored where the picture ends."""
    inside, missing = [], []
    for length, (before, kept) in zip(planes.shape[1:], around):
        first, last = max(before - NEIGHBOURS, 0), min(before + kept + NEIGHBOURS, length)
        inside.append(slice(first, last))
        missing.append((NEIGHBOURS - (before - first), NEIGHBOURS - (last - before - kept)))
    return np.pad(planes[(slice(None), *inside)], [(0, 0), *missing], mode="symmetric")


def spread_colours(planes: np.ndarray, visible: np.ndarray, distance: int) -> None:
    """Gives hidden pixels the mean colour of their known neighbours, `distance` px outwards; in place.

    Args:
        planes: (channels, h, w) float32.
        visible: (h, w) bool.
    """
    known = np.pad(visible, 1).astype(np.float32)
    padded = np.pad(planes, [(0, 0), (1, 1), (1, 1)]) * known
    height, width = visible.shape
    inner = (slice(1, -1), slice(1, -1))
    for _ in range(distance):
        unknown = known[inner] == 0
        if not unknown.any():
            break
        near, total = np.zeros_like(known[inner]), np.zeros_like(planes)
        for row in range(3):
            for column in range(3):
                near += known[row : row + height, column : column + width]
                total += padded[:, row : row + height, column : column + width]
        found = unknown & (near > 0)
        for plane, sums in zip(padded, total):
            plane[inner][found] = sums[found] / near[found]
        known[inner][found] = 1
    np.copyto(planes, padded[:, 1:-1, 1:-1], where=known[inner] > 0)
