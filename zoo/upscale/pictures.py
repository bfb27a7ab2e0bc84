"""Picture files: what is read from them, and what is written beside the pixels (ICC profile, EXIF, resolution)."""

import contextlib
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.data.search import KINDS, SUFFIXES, WRITTEN
from zoo.errors import UsageError
from zoo.files import existing_file, whole_file
from zoo.grey import grey_levels
from zoo.upscale import damage, deep, metadata
from zoo.upscale.exif import EXIF_IFD, GPS_IFD, ORIENTATION, exif_for, read_exif, resolution

# JPEG's reader takes MPO too, a JPEG of a camera with more pictures behind the first.
_READ = tuple(dict.fromkeys(SUFFIXES.values()))
_LONGEST = {"JPEG": 65535, "WEBP": 16383}

# EXIF orientation → how the stored picture has to be turned, for Pillow and for arrays.
_TURNS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT, lambda a: a[:, ::-1]),
    3: (Image.Transpose.ROTATE_180, lambda a: a[::-1, ::-1]),
    4: (Image.Transpose.FLIP_TOP_BOTTOM, lambda a: a[::-1]),
    5: (Image.Transpose.TRANSPOSE, lambda a: a.swapaxes(0, 1)),
    6: (Image.Transpose.ROTATE_270, lambda a: np.rot90(a, -1)),
    7: (Image.Transpose.TRANSVERSE, lambda a: np.rot90(a, 2).swapaxes(0, 1)),
    8: (Image.Transpose.ROTATE_90, lambda a: np.rot90(a)),
}
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass
class Picture:
    """A decoded picture, upright: 8 bits as a Pillow image, 16 bits as an array (h, w, channels).

    Attributes:
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        notes: what of the file does not come through, in words.
    """

    pixels: Image.Image | np.ndarray
    icc: bytes | None = None
    exif: Image.Exif | None = None
    dpi: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)
    words: metadata.Words = field(default_factory=metadata.Words)

    def __post_init__(self):
        if isinstance(self.pixels, np.ndarray):
            self.height, self.width, self.channels = self.pixels.shape
            self.dtype = self.pixels.dtype
        else:
            self.width, self.height = self.pixels.size
            self.channels = len(self.pixels.getbands())
            self.dtype = np.dtype(np.uint8)

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """A rectangle, (rows, columns, channels) uint8 or uint16."""
        if isinstance(self.pixels, np.ndarray):
            return self.pixels[rows, columns]
        part = np.asarray(self.pixels.crop((columns.start, rows.start, columns.stop, rows.stop)))
        return part[..., None] if part.ndim == 2 else part

    def enlarged(self, scale: int) -> "Picture":
        """An empty picture `scale` times the size, with this one's profile, EXIF and resolution."""
        height, width = self.height * scale, self.width * scale
        pixels: Image.Image | np.ndarray
        if isinstance(self.pixels, np.ndarray):
            pixels = np.empty((height, width, self.channels), self.dtype)
        else:
            pixels = Image.new(_MODES[self.channels], (width, height))
        return Picture(pixels, self.icc, self.exif, self.dpi, words=self.words)

    def write(self, row: int, column: int, samples: np.ndarray) -> None:
        """Puts a rectangle (rows, columns, channels) into the picture."""
        if isinstance(self.pixels, np.ndarray):
            self.pixels[row : row + samples.shape[0], column : column + samples.shape[1]] = samples
        else:
            self.pixels.paste(Image.fromarray(samples[..., 0] if self.channels == 1 else samples), (column, row))


@dataclass(frozen=True)
class Header:
    """What a file's first bytes say; `memory` is a bound on the bytes that the decoded picture takes."""

    width: int
    height: int
    memory: int


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Header, Image.Image]]:
    """Opens a picture's file and reads its header, no pixels.

    Raises:
        UsageError: nothing is there, or a folder, a pipe or a device, or no picture that can be read.
    """
    existing_file(path, "a picture")
    with contextlib.ExitStack() as stack:
        with refusing(path):
            image = stack.enter_context(Image.open(path, formats=_READ))
        yield Header(*image.size, image.width * image.height * (8 if _deep(image) else 4)), image


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Says in one sentence that a file is not a whole picture, whatever its decoder raises."""
    try:
        yield
    except (UsageError, FileNotFoundError, PermissionError, MemoryError):
        raise
    # A decoder fed by a stranger fails in any way: struct.error, SyntaxError, zlib.error, IndexError ….
    except Exception as error:
        reason = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error))  # TensorFlow's own names
        reason = " ".join(reason.split()).replace(str(path), path.name) or type(error).__name__
        raise UsageError(f"Expected a whole picture ({KINDS}). Received: {path.name}: {reason}") from error


def decode(path: Path, image: Image.Image) -> Picture:
    """Decodes an opened file: turned upright, in grey or RGB with or without alpha, 8 or 16 bits.

    Raises:
        UsageError: a truncated or broken file, or samples of another kind.
    """
    with refusing(path):
        notes = []
        frames = _frames(image)
        if frames:
            notes.append(f"the first of {frames} frames")
        icc = image.info.get("icc_profile") or None
        deep_codec = _deep(image)
        if image.format == "PNG":
            # Pillow reads the pixels for the EXIF behind them, and would forget that they were damaged.
            damage.check_png(path)
            # Pillow spreads the levels of 2 and 4 bits to 0 … 255, and the one that is transparent not.
            tiles = getattr(image, "tile", ())
            step = {"L;2": 85, "L;4": 17}.get(str(tiles[0][3]) if tiles else "", 1)
            image.load()
            if isinstance(image.info.get("transparency"), int):
                image.info["transparency"] *= step
        exif = read_exif(image, notes)
        orientation = exif.get(ORIENTATION, 1) if exif else 1
        dpi = resolution(image, exif)
        words = metadata.read(image, path, notes)
        if deep_codec:
            pixels = deep_codec(path)
        else:
            image.load()
            pixels, icc = _plain(image, icc, notes)
        # Pillow turns a TIFF itself when it decodes it, and takes the tag away.
        turn = _TURNS.get(exif.get(ORIENTATION, 1)) if exif else None
        if turn:
            pixels = turn[1](pixels) if isinstance(pixels, np.ndarray) else pixels.transpose(turn[0])
        if exif and orientation in _TURNS:
            exif[ORIENTATION] = 1
            metadata.upright(words)
            dpi = dpi[::-1] if dpi and orientation >= 5 else dpi
        return Picture(pixels, icc, exif, dpi, notes, words)


def _frames(image: Image.Image) -> str:
    """How many pictures a file holds, in words; "" for one. Of a TIFF's pages only the second is looked for."""
    if image.format != "TIFF":
        count = getattr(image, "n_frames", 1)
        return str(count) if count > 1 and image.format != "MPO" else ""
    try:
        image.seek(1)
        return "several"
    # There is none, or it is damaged: that is no reason against the first.
    except Exception:
        return ""
    finally:
        image.seek(0)


def _deep(image: Image.Image):
    """The reader of 16-bit colour, which Pillow would cut to 8 bits; None for the rest."""
    tiles = getattr(image, "tile", ())
    if image.mode not in ("RGB", "RGBA", "LA", "CMYK") or not any(";16" in str(tile[3]) for tile in tiles):
        return None
    transparent = image.info.get("transparency")
    read_png = functools.partial(deep.read_png, transparent=transparent if isinstance(transparent, tuple) else None)
    return {"PNG": read_png, "TIFF": deep.read_tiff}.get(image.format or "")


def _plain(image: Image.Image, icc: bytes | None, notes: list[str]) -> tuple[Image.Image | np.ndarray, bytes | None]:
    mode = image.mode
    if mode.startswith("I"):
        levels, hidden = grey_levels(image), image.info.get("transparency")
        if not isinstance(hidden, int):
            return levels[..., None], icc
        # One level of a 16-bit PNG is wholly transparent.
        return np.stack([levels, np.where(np.asarray(image) == hidden, 0, 65535).astype(np.uint16)], axis=-1), icc
    if mode == "CMYK":
        notes.append("CMYK became RGB")
        return _from_cmyk(image, icc)
    if mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image, icc
    if mode in ("1", "L", "La", "LA"):
        return image.convert("LA" if image.has_transparency_data else "L"), icc
    if mode in ("P", "PA", "RGB", "RGBX", "RGBa", "YCbCr"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB"), icc
    raise UsageError(f"Expected grey, RGB, CMYK or palette colours. Received: mode {mode}")


def _from_cmyk(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """RGB by the picture's own profile where it has one: the result is then in sRGB and says so."""
    from io import BytesIO

    from PIL import ImageCms

    if icc is None:
        return image.convert("RGB"), None
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        converted = ImageCms.profileToProfile(image, BytesIO(icc), srgb, outputMode="RGB")
        return (image if converted is None else converted), srgb.tobytes()
    except ImageCms.PyCMSError:
        return image.convert("RGB"), None


def check_target(path: Path, picture: Picture, scale: int) -> None:
    """Refuses, before any work, a file that cannot hold the enlarged picture; notes what beside the pixels it cannot.

    Raises:
        UsageError: transparency into JPEG or BMP, 16 bits into JPEG, WebP or BMP, more pixels than the format counts.
    """
    kind = WRITTEN[path.suffix.lower()]
    width, height = picture.width * scale, picture.height * scale
    limit = _LONGEST.get(kind, (1 << 31) - 1)
    if max(width, height) > limit:
        raise UsageError(f"Expected at most {limit} px a side for {kind}. Received: {width}×{height}")
    if kind in ("JPEG", "BMP") and picture.channels in (2, 4):
        raise UsageError(f"Expected no transparency for {kind} (--format=png keeps it). Received: {path.name}")
    if picture.dtype == np.uint16 and kind not in ("PNG", "TIFF"):
        raise UsageError(f"Expected 8 bits for {kind} (--format=png keeps 16). Received: {path.name} with 16 bits")
    metadata.fit(picture, kind)


def save(picture: Picture, path: Path, quality: int = 95) -> None:
    """Writes a picture by its suffix, whole or not at all, with its profile, EXIF and resolution.

    Args:
        quality: of JPEG (4:4:4) and WebP, 1 to 100; WebP is lossless at 100.
    """
    kind = WRITTEN[path.suffix.lower()]
    options: dict[str, Any] = {} if picture.icc is None else {"icc_profile": picture.icc}
    if picture.dpi and kind != "WEBP":
        options["dpi"] = picture.dpi
    exif = exif_for(picture, kind)
    with whole_file(path) as unfinished:
        if isinstance(picture.pixels, np.ndarray) and picture.channels > 1:
            deep.WRITERS[kind](unfinished, picture.pixels, picture.icc, picture.dpi, exif, picture.words)
            return
        image = picture.pixels
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image[..., 0])
        if kind == "TIFF" and picture.words.xmp is not None:
            exif = Image.Exif() if exif is None else exif
            exif[metadata.XMP] = picture.words.xmp
        if exif is not None:
            options["tiffinfo" if kind == "TIFF" else "exif"] = exif
        if kind == "PNG":
            # Pillow's default, 6, takes longer than the network, for files that are hardly smaller.
            options |= {"compress_level": 2, "pnginfo": metadata.png_info(picture.words)}
        elif kind == "JPEG":
            options |= {"quality": quality, "subsampling": 0}
            if picture.words.comment is not None:
                options["comment"] = picture.words.comment
            if picture.words.xmp is not None:
                options["xmp"] = picture.words.xmp
        elif kind == "WEBP":
            options |= {"quality": quality, "lossless": quality == 100, "exact": True}
            if picture.words.xmp is not None:
                options["xmp"] = picture.words.xmp
        elif kind == "TIFF":
            directories = {tag: exif.get_ifd(tag) for tag in (EXIF_IFD, GPS_IFD)} if exif else {}
            exif and exif.update({tag: content for tag, content in directories.items() if content})
            # libtiff, which compresses, cannot write EXIF's directories.
            options["compression"] = None if any(directories.values()) else "tiff_adobe_deflate"
        image.save(unfinished, kind, **options)
        if kind == "PNG":
            metadata.add_light(unfinished, picture.words)
