"""What a picture file says beside its pixels, profile and EXIF; and what of it a format does not hold, in words."""

import contextlib
import struct
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, PngImagePlugin, TiffImagePlugin

# Pillow, and readers like it, refuse a longer profile or text of a PNG; what is read here may be longer.
PNG_LIMIT = PngImagePlugin.MAX_TEXT_CHUNK
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20
# A JPEG's segment.
_JPEG_LIMIT = 65533
_EXIF_IFD, _MAKER_NOTE, _USER_COMMENT = 34665, 37500, 37510
# XMP's tag in a TIFF: XMP specification, part 3, 1.1.3.
XMP = 700
# How a PNG's numbers become colours: PNG specification, third edition, 11.3.2.
_COLOUR_CHUNKS = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
# The gamma of sRGB, which everybody takes for granted.
_USUAL = (struct.pack(">I", 45455), struct.pack(">I", 45454))
# XMP that speaks of further pictures in the file, which are not there any more.
_GAIN_MAP = (b"hdrgm:", b"http://ns.google.com/photos/1.0/container/")


@dataclass
class Words:
    """What a picture file says beside its pixels, profile and EXIF.

    Attributes:
        xmp: a packet of XMP.
        texts: a PNG's, by their keywords.
        chunks: a PNG's chunks that say what its numbers stand for.
    """

    xmp: bytes | None = None
    texts: dict[str, str] = field(default_factory=dict)
    chunks: dict[bytes, bytes] = field(default_factory=dict)


def read(image: Image.Image, path: Path, notes: list[str]) -> Words:
    """Reads it; a picture is not refused for what cannot be read of it."""
    words = Words()
    with contextlib.suppress(Exception):
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
        words.xmp = xmp.encode() if isinstance(xmp, str) else xmp
        if words.xmp and any(sign in words.xmp for sign in _GAIN_MAP):
            words.xmp = None
            notes.append("left out: its gain map and the XMP that tells of it")
        elif image.format == "MPO" and getattr(image, "n_frames", 1) > 1:
            notes.append("left out: the further pictures behind the first")
    if image.format == "PNG":
        with contextlib.suppress(Exception):
            texts = getattr(image, "text", {})
            words.texts = {key: str(text) for key, text in texts.items() if key != "XML:com.adobe.xmp"}
        with contextlib.suppress(Exception):
            words.chunks = {name: content for name, content in _chunks(path) if name in _COLOUR_CHUNKS}
    return words


def _chunks(path: Path):
    """The chunks of a PNG before its pixels: name and content."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
            length = int.from_bytes(head[:4], "big")
            if head[4:] in _COLOUR_CHUNKS:
                yield head[4:], file.read(length)
                length = 0
            file.seek(length + 4, 1)


def fit(picture, kind: str) -> None:
    """Takes out of a picture what a format does not hold, and notes it.

    Args:
        picture: a `zoo.upscale.pictures.Picture`; changed in place.
        kind: Pillow's name of the format.
    """
    words, lost = picture.words, []
    if kind != "PNG":
        if words.texts:
            lost.append(f"its texts ({', '.join(words.texts)}), which only PNG holds")
        told = {name.decode() for name, content in words.chunks.items() if content not in _USUAL and name != b"sRGB"}
        if told and picture.icc is None:
            lost.append(f"what its numbers stand for ({', '.join(sorted(told))})")
        words.texts, words.chunks = {}, {}
    if kind == "PNG" and picture.icc is not None and len(picture.icc) > PNG_LIMIT:
        lost.append(
            f"its colour profile of {len(picture.icc) / 1e6:.1f} MB, which readers of PNG refuse (TIFF holds it)"
        )
        picture.icc = None
    if kind == "JPEG" and picture.exif is not None:
        lost += _short_exif(picture)
    if kind == "JPEG" and words.xmp is not None and len(words.xmp) > _JPEG_LIMIT - 40:
        lost.append("its XMP, of which a JPEG holds 64 kB")
        words.xmp = None
    if kind == "TIFF" and picture.exif is not None:
        lost += _writable_exif(picture)
    if kind == "BMP":
        held = {"colour profile": picture.icc, "EXIF": picture.exif, "XMP": words.xmp}
        lost += [f"its {name}, which BMP does not hold" for name, content in held.items() if content]
        picture.icc = picture.exif = words.xmp = None
    picture.notes += [f"left out: {each}" for each in lost]


def _short_exif(picture) -> list[str]:
    """EXIF that fits into one segment of a JPEG: without the camera's own notes, or none."""
    lost: list[str] = []
    for name, tags in (("the camera's own notes in its EXIF", (_MAKER_NOTE, _USER_COMMENT)), ("its EXIF", None)):
        if len(picture.exif.tobytes()) <= _JPEG_LIMIT:
            break
        if tags is None:
            picture.exif, lost = None, []
        else:
            for tag in tags:
                picture.exif.get_ifd(_EXIF_IFD).pop(tag, None)
        lost.append(f"{name}, of which a JPEG holds 64 kB")
        if picture.exif is None:
            break
    return lost


def _writable_exif(picture) -> list[str]:
    """The tags that a TIFF takes: cameras write some with values of another kind."""
    lost: list[str] = []
    for tag, value in [*picture.exif.items()]:
        try:
            directory = TiffImagePlugin.ImageFileDirectory_v2()
            directory[tag] = value
            directory.tobytes()
        except Exception:
            del picture.exif[tag]
            lost.append(f"EXIF's tag {tag}, whose value is of another kind")
    return lost


def png_info(words: Words) -> PngImagePlugin.PngInfo:
    """What Pillow writes into a PNG."""
    info = PngImagePlugin.PngInfo()
    for name, content in words.chunks.items():
        info.add(name, content)
    for key, text in words.texts.items():
        info.add_itxt(key, text) if not text.isascii() else info.add_text(key, text)
    if words.xmp is not None:
        info.add_itxt("XML:com.adobe.xmp", words.xmp.decode(errors="replace"))
    return info
