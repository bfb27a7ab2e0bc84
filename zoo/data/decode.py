"""A picture file, whatever its kind, as uint8 grey or RGB."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from zoo.errors import UsageError
from zoo.grey import grey_levels

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
_ORIENTATION_TAG = 0x0112


class PictureError(ValueError):
    """A file that is no picture, is truncated, or holds what eight bits cannot; the message says which."""


def picture_files(folder: Path) -> list[Path]:
    """The picture files in `folder` and below, sorted by path; names that begin with a dot are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def existing_folder(path) -> Path:
    """`path` as a Path, or a `UsageError` where it is not a folder."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UsageError(f"Expected a folder of pictures. Received: {str(path)!r}, which is not a folder")
    return folder


def pixel_count(path: Path) -> int:
    """Height times width, from the file's header alone.

    Raises:
        PictureError: if the header cannot be read.
    """
    try:
        with Image.open(path) as image:
            return image.width * image.height
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
            image.load()
            return _pixels(image)
    except PictureError:
        raise
    except Exception as error:
        raise PictureError(_reason(error)) from error


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
