"""Grey pictures of more than 8 bits as Pillow holds them: which of their numbers is white is said elsewhere."""

import numpy as np
from PIL import Image

from zoo.errors import UsageError

# TIFF 6.0, section 8.
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def grey_levels(image: Image.Image) -> np.ndarray:
    """The levels of a picture of Pillow's modes I and I;16, (h, w) uint16: 0 is black and 65535 is white.

    Pillow gives a TIFF's numbers as they are stored: 12 bits a sample end at 4095, and where white is zero they are the
    picture's negative. PNG has neither.

    Raises:
        UsageError: numbers below 0 or above what 16 bits hold.
    """
    samples = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    bits = max(tags.get(_BITS, (16,))) if image.mode.startswith("I;16") else 16
    largest = (1 << bits) - 1
    if not np.issubdtype(samples.dtype, np.integer) or samples.min() < 0 or samples.max() > largest:
        raise UsageError(
            f"Expected samples of 8 or {bits} bits. Received: values from {samples.min()} to {samples.max()}"
        )
    levels = samples.astype(np.uint32)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        levels = largest - levels
    return ((levels * 65535 + largest // 2) // largest).astype(np.uint16)
