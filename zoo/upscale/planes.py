"""From a picture's samples to the network's planes and back: grey, RGB, alpha, 8 and 16 bits.

What a luma network makes of an RGB picture, in `zoo.color`'s terms, with RGB in [0, 1]:

1. Y, Cb, Cr = `rgb_to_ycbcr(RGB)`: BT.601, studio range, floating point, not rounded.
2. Y goes through the network, not clipped before or after.
3. Cb and Cr are enlarged by bicubic interpolation: Keys' cubic with a = -0.5, half-pixel centres, mirrored border (the
   edge pixel repeated first, as MATLAB's imresize), not rounded, not clipped.
4. RGB = the inverse of step 1, times 255 or 65535, rounded half up and clipped.

Y enters R, G and B alike, with 255/219: steps 3 and 4 are computed as RGB = bicubic(RGB - 255/219·Y) + 255/219·SR(Y).
A grey picture is Y as it is. An RGB network takes and gives RGB; of a grey picture's three results it takes the mean.
Alpha is enlarged by the same bicubic interpolation and clipped. Colours that alpha hides are replaced by their visible
neighbours' first, so that what lies hidden (mostly black) does not darken the edge.
"""

import numpy as np

from zoo import identities
from zoo.color import rgb_to_y

# Bicubic reads two pixels on either side.
REACH = 2
# Y of red, green and blue alone, of black, and what one level of Y is worth in R, G and B.
_BLACK = float(rgb_to_y(np.zeros(3)))
_WEIGHTS = (rgb_to_y(np.eye(3)) - _BLACK).astype(np.float32)
_GAIN = np.float32(1 / (float(rgb_to_y(np.ones(3))) - _BLACK))


class Planes:
    """How pictures of one kind pass through networks of one kind.

    Args:
        channels: of the picture: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        dtype: uint8 or uint16.
        network_channels: 1 (luma) or 3 (RGB).
        scale: of the network.
        radius: of the network, LR px.
    """

    def __init__(self, channels: int, dtype: np.dtype, network_channels: int, scale: int, radius: int | None):
        self.colours = 1 if channels < 3 else 3
        self.alpha = channels in (2, 4)
        self.dtype, self.scale, self.network_channels = np.dtype(dtype), scale, network_channels
        self.maximum = np.float32(np.iinfo(dtype).max)
        # Whatever shows lies within REACH of a visible pixel, and the network looks `radius` further.
        self.spread = (radius or 0) + REACH if self.alpha else 0

    def network_input(self, samples: np.ndarray, margin: tuple[slice, slice]) -> np.ndarray:
        """(h, w, channels) integers, with `spread` px around the window where the picture has them → float32 planes."""
        planes = self._colour(samples)[(slice(None), *margin)]
        if self.network_channels == 3:
            return np.stack(planes if self.colours == 3 else [planes[0]] * 3, axis=-1)
        return (planes[0] if self.colours == 1 else _luma(planes) + np.float32(_BLACK))[..., None]

    def finish(self, samples: np.ndarray, around: tuple, sr_image: np.ndarray) -> np.ndarray:
        """The network's result and the picture's samples → integers (scale·h, scale·w, channels).

        Args:
            samples: (h', w', channels) integers, the tile with `spread` + 2 px around where the picture has them.
            around: for rows and columns, how many px of `samples` lie before the tile, and how many are the tile's.
            sr_image: the network's result for the tile.
        """
        height, width, _ = sr_image.shape
        finished = np.empty((height, width, self.colours + self.alpha), self.dtype)
        if self.colours == 3 and self.network_channels == 1:
            planes = self._colour(samples)
            planes -= _GAIN * _luma(planes)
            planes *= self.maximum
            bright = sr_image[..., 0] * (_GAIN * self.maximum)
            # Half a level, for the rounding, and Y's black.
            bright += np.float32(0.5) - _GAIN * np.float32(_BLACK) * self.maximum
            for channel, plane in enumerate(planes):
                enlarged = bicubic(_bordered(plane, around), self.scale)
                enlarged += bright
                self._store(enlarged, finished[..., channel])
        elif self.colours == 1 and self.network_channels == 3:
            self._store(sr_image.mean(axis=2) * self.maximum + np.float32(0.5), finished[..., 0])
        else:
            for channel in range(self.colours):
                self._store(sr_image[..., channel] * self.maximum + np.float32(0.5), finished[..., channel])
        if self.alpha:
            alpha = bicubic(_bordered(samples[..., -1].astype(np.float32), around), self.scale)
            self._store(alpha + np.float32(0.5), finished[..., -1])
        return finished

    def _store(self, plane: np.ndarray, target: np.ndarray) -> None:
        """Clips and cuts to integers; half a level is in `plane` already, which is used up."""
        np.clip(plane, 0, self.maximum, out=plane)
        # Contiguous first: a cast into every third byte is slower than a cast and a copy.
        target[...] = plane.astype(self.dtype)

    def _colour(self, samples: np.ndarray) -> np.ndarray:
        """The picture's colours in [0, 1], plane by plane: (1 or 3, h, w) float32."""
        planes = np.empty((self.colours, *samples.shape[:2]), np.float32)
        for channel in range(self.colours):
            planes[channel] = samples[..., channel]
        planes /= self.maximum
        if self.alpha and not samples[..., -1].all():
            _spread(planes, samples[..., -1] > 0, self.spread)
        return planes


def _luma(planes: np.ndarray) -> np.ndarray:
    """Y of (3, h, w), without its offset. Plane by plane: a matrix product's last bit may depend on the shape."""
    luma = _WEIGHTS[0] * planes[0]
    for weight, plane in zip(_WEIGHTS[1:], planes[1:]):
        luma += weight * plane
    return luma


def bicubic(plane: np.ndarray, scale: int) -> np.ndarray:
    """Enlarges (h + 4, w + 4) float32, two px of border on each side, to (scale·h, scale·w).

    Tap by tap, so that a pixel's value depends on its neighbours alone and not on the tile it lies in.
    """
    height, width = (side - 2 * REACH for side in plane.shape)
    weights = identities.interpolation_weights("bicubic", scale).astype(np.float32)
    rows = np.empty((height, scale, width + 2 * REACH), np.float32)
    for phase in range(scale):
        rows[:, phase] = _weighted(weights[:, phase], [plane[tap : tap + height] for tap in range(len(weights))])
    rows = rows.reshape(height * scale, -1)
    enlarged = np.empty((height * scale, width, scale), np.float32)
    for phase in range(scale):
        columns = [rows[:, tap : tap + width] for tap in range(len(weights))]
        enlarged[..., phase] = _weighted(weights[:, phase], columns)
    return enlarged.reshape(height * scale, width * scale)


def _weighted(weights: np.ndarray, taps: list[np.ndarray]) -> np.ndarray:
    used = [(weight, tap) for weight, tap in zip(weights, taps) if weight]
    total = used[0][0] * used[0][1]
    term = np.empty_like(total)
    for weight, tap in used[1:]:
        total += np.multiply(weight, tap, out=term)
    return total


def _bordered(plane: np.ndarray, around: tuple) -> np.ndarray:
    """The tile with exactly `REACH` px around it, mirrored where the picture ends."""
    inside, missing = [], []
    for length, (before, kept) in zip(plane.shape, around):
        first, last = max(before - REACH, 0), min(before + kept + REACH, length)
        inside.append(slice(first, last))
        missing.append((REACH - (before - first), REACH - (last - before - kept)))
    return np.pad(plane[tuple(inside)], missing, mode="symmetric")


def _spread(planes: np.ndarray, visible: np.ndarray, distance: int) -> None:
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
