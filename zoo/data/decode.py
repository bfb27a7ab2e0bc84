"""A picture file, whatever its kind, as uint8 grey or RGB."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from zoo.grey import grey_levels

# Of a picture that is trained or measured on, or of a result of `zoo upscale`, which may be told another.
MAX_MEGAPIXELS = 300.0
_ORIENTATION_TAG = 0x0112


class PictureError(ValueError):
    """A file that is no picture, is truncated, or holds what eight bits cannot; the message says which."""


def one_limit() -> None:
    """Puts `MAX_MEGAPIXELS` in the place of Pillow's limit, 178 megapixels, in a command's whole process.

    In a program of one's own Pillow's, which that may change, holds too.
    """
    Image.MAX_IMAGE_PIXELS = None


def pixel_count(path: Path) -> int:
    """Height times width, from the file's header alone.

    Raises:
        PictureError: if the header cannot be read, or tells of more than `MAX_MEGAPIXELS`.
    """
    try:
        with Image.open(path) as image:
            return _checked_size(image)
    except PictureError:
        raise
    # A damaged file makes Pillow raise OSError, SyntaxError, ValueError, struct.error, DecompressionBombError ...
    except Exception as error:
        raise PictureError(_reason(error)) from error


def read_picture(path: Path) -> np.ndarray:
    """Decodes a picture as a viewer shows it: upright by its EXIF orientation, the first of several frames.

    Palettes, bilevel and other colour spaces become RGB or grey; alpha is dropped, the colours under it kept as they
    are stored. 16-bit grey becomes 8-bit by rounding v / 257, 16-bit RGB by its high byte, all that Pillow reads.

    Returns:
        uint8, (h, w) for a grey picture or (h, w, 3) for an RGB one.

    Raises:
        PictureError: with the reason, if it cannot be decoded whole.
    """
    try:
        with Image.open(path) as image:
            _checked_size(image)
            image.load()
            return _pixels(image)
    except PictureError:
        raise
    except Exception as error:
        raise PictureError(_reason(error)) from error


def _checked_size(image: Image.Image) -> int:
    pixels = image.width * image.height
    if pixels > MAX_MEGAPIXELS * 1e6:
        raise PictureError(
            f"its {image.width}×{image.height} pixels are more than {MAX_MEGAPIXELS:g} megapixels: cut it in pieces"
        )
    return pixels


def _pixels(image: Image.Image) -> np.ndarray:
    # Only where there is an orientation: exif_transpose copies the picture even where it has nothing to turn.
    if image.getexif().get(_ORIENTATION_TAG, 1) != 1:
        image = ImageOps.exif_transpose(image)
    mode = image.mode
    if mode.startswith("I"):
        return ((grey_levels(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
    if mode == "F":
        raise PictureError("it holds floating-point values, whose range is not known")
    if mode in ("L", "RGB"):
        return np.asarray(image)
    if mode in ("1", "LA", "La"):
        return np.asarray(image.convert("L"))
    if mode == "P":
        # By way of RGBA, or the transparent entry of the palette would be blended.
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))


def _reason(error: Exception) -> str:
    return " ".join(f"{error}".split()) or type(error).__name__
