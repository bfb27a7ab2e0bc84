"""What happens to a picture before a network gets it: blur, noise and JPEG, for patches of luma in training.

Written with `keras.ops`, so that it runs inside `tf.data` and inside a compiled loop on an accelerator alike.
"""

import io

import numpy as np
from keras import ops
from PIL import Image

# ITU-T T.81 (JPEG), Annex K, table K.1: the steps of the luminance coefficients at quality 50, as encoders use them.
_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
# Orthonormal DCT of 8 values: T.81, A.3.3.
_DCT = np.sqrt(np.where(np.arange(8) == 0, 1, 2) / 8)[:, None] * np.cos(
    np.pi * (2 * np.arange(8) + 1) * np.arange(8)[:, None] / 16
)
_DCT = _DCT.astype(np.float32)

# Of the patches, the shares that are compressed, blurred and noisy, and how much at most.
COMPRESSED, BLURRED, NOISY = 0.6, 0.1, 0.1
QUALITIES = 30.0, 95.0
MOST_BLUR = 0.8  # standard deviation in LR pixels
MOST_NOISE = 5.0  # standard deviation in 8-bit levels
# The qualities that validation and the protocols of `zoo.evaluate` compress with.
JUDGED = (30, 45, 60, 90)


def jpeg(images, quality):
    """The luma of pictures after JPEG at a quality: the lossy steps of the standard, without its files.

    A JPEG file of an RGB picture codes luma by itself, so this is what compression does to the Y of a picture but for
    the rounding of the decoded R, G and B; `tests/test_data_jpeg.py` holds it against libjpeg.

    Args:
        images: (n, h, w, 1) floating point in [0, 1]: Y of BT.601 in studio range, or of a grey picture with levels
            beyond it, which are kept; its steps are finer than a grey file's, by 219/255. JPEG's blocks of 8×8 start
            at the first pixel; what is missing of the last ones is the edge repeated.
        quality: (n,) in [1, 100], as libjpeg counts it.

    Returns:
        (n, h, w, 1), of the same dtype, in [0, 1].

    References:
        ITU-T T.81 (1992), A.3 and Annex K; JFIF 1.02: Y in full range.

    Example:
        >>> flat = np.full((1, 9, 15, 1), 16 / 255, np.float32)
        >>> bool(np.allclose(jpeg(flat, np.array([30.0])), flat))
        True
    """
    height, width = images.shape[1:3]
    rows, columns = (np.minimum(np.arange(-(-side // 8) * 8), side - 1) for side in (height, width))
    whole = ops.take(ops.take(images, rows, axis=1), columns, axis=2)
    levels = ops.round((255 * whole - 16) * (255 / 219))
    # A grey picture is Y as it is: its 0 and 255, which lie beyond studio range, are levels that a file keeps.
    low = ops.minimum(ops.amin(levels, axis=(1, 2, 3), keepdims=True), 0)
    high = ops.maximum(ops.amax(levels, axis=(1, 2, 3), keepdims=True), 255)
    levels = levels - 128
    blocks = ops.reshape(levels, (-1, len(rows) // 8, 8, len(columns) // 8, 8))
    dct = ops.cast(_DCT, images.dtype)
    coefficients = ops.einsum("nhiwj,ui,vj->nhuwv", blocks, dct, dct)
    steps = quantization_steps(ops.cast(quality, images.dtype))[:, None, :, None, :]
    coefficients = ops.round(coefficients / steps) * steps
    blocks = ops.einsum("nhuwv,ui,vj->nhiwj", coefficients, dct, dct)
    decoded = ops.reshape(ops.round(blocks + 128), (-1, len(rows), len(columns), 1))[:, :height, :width]
    decoded = ops.clip(decoded, low, high)
    return (16 + decoded * (219 / 255)) / 255


def through_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """A picture, uint8 (h, w) or (h, w, 3), written as a JPEG file by libjpeg, chroma halved, and read again."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))


def worn(images, uniform, normal):
    """Patches as people have them: some blurred, some noisy, most compressed, each by its own share of chance.

    Args:
        images: (n, h, w, 1) floating point, Y of BT.601 in [0, 1].
        uniform: (n, 4) random numbers in [0, 1): blur, noise, whether JPEG, and its quality.
        normal: random numbers of unit variance, of the shape of `images`.

    Returns:
        (n, h, w, 1), of the same dtype.
    """

    def share(column: int, part: float):
        """0 for all but this part of the patches, for those evenly in [0, 1)."""
        return ops.reshape(ops.relu(uniform[:, column] - (1 - part)) / part, (-1, 1, 1, 1))

    images = _blurred(images, MOST_BLUR * share(0, BLURRED))
    images = images + MOST_NOISE / 255 * share(1, NOISY) * normal
    low, high = QUALITIES
    compressed = jpeg(images, low + (high - low) * uniform[:, 3])
    return ops.where(ops.reshape(uniform[:, 2] < COMPRESSED, (-1, 1, 1, 1)), compressed, images)


def quantization_steps(quality):
    """The 8×8 quantisation steps at each quality, (n, 8, 8), as libjpeg scales them."""
    # Whole numbers, as libjpeg divides.
    percent = ops.where(quality < 50, ops.floor(5000 / quality), 200 - 2 * quality)[:, None, None]
    return ops.clip(ops.floor((ops.cast(_STEPS, quality.dtype) * percent + 50) / 100), 1, 255)


def _blurred(images, deviation):
    """A Gaussian of five taps a side, its standard deviation (n, 1, 1, 1) in pixels; beyond the edge lies the edge."""
    taps = [ops.exp(-(tap**2) / (2 * ops.maximum(deviation, 1e-2) ** 2)) for tap in range(-2, 3)]
    total = sum(taps)
    for axis in (1, 2):
        side = images.shape[axis]
        shifted = [ops.take(images, np.clip(np.arange(side) + tap, 0, side - 1), axis=axis) for tap in range(-2, 3)]
        images = sum(weight / total * each for weight, each in zip(taps, shifted))
    return images
