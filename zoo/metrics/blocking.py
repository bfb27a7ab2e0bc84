"""How much of a grid of blocks a picture shows, as JPEG leaves it."""

import math

import numpy as np


def blocking(image: np.ndarray, block: int) -> float:
    """The blocking effect factor: by how much steps across the borders of blocks exceed those elsewhere.

    η · (D_B − D_C) where that is positive, else 0; D_B and D_C are the mean squares of the differences between
    neighbouring pixels across borders of blocks and elsewhere, rows and columns together, and
    η = log₂(block) / log₂(the shorter side).

    Args:
        image: (h, w) in 8-bit levels, of any dtype; the first block starts at its first pixel.
        block: side of a block in pixels: 8 in a JPEG file, 8 · scale in a picture that was enlarged after it.

    Returns:
        Levels², at least 0; 0 for a picture without a grid.

    Raises:
        ValueError: if the picture is not larger than a block.

    References:
        Yim, Bovik: Quality assessment of deblocked images, IEEE Transactions on Image Processing 20 (2011), equations
        3 to 8.

    Example:
        >>> blocks = np.kron(np.array([[10, 20], [30, 60]]), np.ones((8, 8)))
        >>> blocking(blocks, 8) > 100, blocking(np.arange(256.0).reshape(16, 16), 8)
        (True, 0.0)
    """
    image = np.asarray(image, np.float64)
    if image.ndim != 2 or min(image.shape) <= block or block < 1:
        raise ValueError(f"Expected a picture (h, w) larger than a block of {block}. Received: shape={image.shape}")
    across, elsewhere = [], []
    for lines in (image, image.T):
        steps = np.square(np.diff(lines, axis=1))
        border = np.arange(1, lines.shape[1]) % block == 0
        across.append(steps[:, border].ravel())
        elsewhere.append(steps[:, ~border].ravel())
    excess = np.concatenate(across).mean() - np.concatenate(elsewhere).mean()
    return max(float(excess), 0.0) * math.log2(block) / math.log2(min(image.shape))
