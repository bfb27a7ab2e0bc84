"""What a picture file says beside its pixels, profile and EXIF; and what of it a format does not hold, in words."""

import contextlib
import re
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin

from zoo.upscale.exif import changed_texts

# Pillow, and readers like it, refuse a longer profile or text of a PNG; what is read here may be longer.
PNG_LIMIT = PngImagePlugin.MAX_TEXT_CHUNK
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20
# A JPEG's segment.
_JPEG_LIMIT = 65533
_EXIF_IFD, _MAKER_NOTE, _USER_COMMENT = 34665, 37500, 37510
RESOLUTION = {282, 283, 296}
# XMP's tag in a TIFF: XMP specification, part 3, 1.1.3.
XMP = 700
# How a PNG's numbers become colours and light: PNG specification, third edition, 11.3.2.
_LIGHT = (b"mDCV", b"cLLI")
_COLOUR_CHUNKS = (b"cHRM", b"gAMA", b"sRGB", b"cICP", *_LIGHT)
# What is pixels, read elsewhere, or holds for the old file alone: its time, histogram and background, an animation's.
_OTHER_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"tIME", b"hIST",
                 b"bKGD", b"sBIT", b"acTL", b"fcTL", b"iDOT")  # fmt: skip
# Content credentials (C2PA) are signed for the old bytes.
_CREDENTIALS = {b"caBX": "its content credentials, which are signed for the old file"}
# Where an aerial picture's pixels lie on the map: GeoTIFF 1.1, 7.1; they are others now.
_GEO = (33550, 33922, 34264)
# The side up is the first again: XMP specification, part 2, 3.3.
_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|\s*>\s*))[2-8]")
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
        comment: a JPEG's or GIF's.
    """

    xmp: bytes | None = None
    comment: bytes | None = None
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
    with contextlib.suppress(Exception):
        comment = image.info.get("comment") or None
        words.comment = comment.encode() if isinstance(comment, str) else comment
        notes += _beside(image)
    if image.format == "PNG":
        with contextlib.suppress(Exception):
            texts = getattr(image, "text", {})
            words.texts = {key: str(text) for key, text in texts.items() if key != "XML:com.adobe.xmp"}
        with contextlib.suppress(Exception):
            found = dict(_chunks(path))
            words.chunks = {name: content for name, content in found.items() if name in _COLOUR_CHUNKS}
            others = [name for name in found if name not in (*_COLOUR_CHUNKS, *_OTHER_CHUNKS)]
            notes += [f"left out: {_CREDENTIALS.get(name, f'its chunk {name.decode()}')}" for name in others]
    return words


def upright(words: Words) -> None:
    """What is said of a picture that has been turned."""
    if words.xmp is not None:
        words.xmp = _ORIENTATION.sub(rb"\g<1>1", words.xmp)


def _beside(image: Image.Image) -> list[str]:
    """What a JPEG carries that is not taken along, in words."""
    segments = [content for name, content in getattr(image, "applist", ()) if name == "APP11"]
    lost = [*_CREDENTIALS.values()] if any(b"jumb" in content for content in segments) else []
    if image.info.get("photoshop"):
        lost.append("what IPTC and Photoshop say of it")
    return [f"left out: {each}" for each in lost]


def _chunks(path: Path):
    """The chunks of a PNG before its pixels: name and content."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
            length = int.from_bytes(head[:4], "big")
            content = file.read(length) if head[4:] in _COLOUR_CHUNKS else b""
            yield head[4:], content
            file.seek(length + 4 - len(content), 1)


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
    if words.comment is not None and kind not in ("JPEG", "PNG"):
        lost.append("its comment")
    if picture.exif is not None and any(tag in picture.exif for tag in _GEO):
        for tag in _GEO:
            picture.exif.pop(tag, None)
        lost.append("its place on the map, which holds for the old pixels")
    deep = picture.dtype == np.uint16 and picture.channels > 1
    further = {tag for tag, value in (picture.exif or {}).items() if not isinstance(value, str)} - RESOLUTION
    if kind == "TIFF" and deep and further:
        lost.append("its EXIF but for texts, which is not written into a TIFF of 16-bit colour")
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
    if picture.exif is not None and not (kind == "TIFF" and deep):
        changed = changed_texts(picture.exif)
        picture.notes += [f"EXIF's tag {tag} has ? for what is not ASCII" for tag in changed]


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


def add_light(path: Path, words: Words) -> None:
    """Puts what Pillow does not write, the light of the display that a picture was made on, behind a PNG's header."""
    light = [(name, content) for name, content in words.chunks.items() if name in _LIGHT]
    if light:
        written = path.read_bytes()
        # The signature and IHDR are 8 and 25 bytes long.
        path.write_bytes(written[:33] + b"".join(chunk(*each) for each in light) + written[33:])


def chunk(name: bytes, content: bytes) -> bytes:
    """A PNG's chunk with its length and check sum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_info(words: Words) -> PngImagePlugin.PngInfo:
    """What Pillow writes into a PNG."""
    info = PngImagePlugin.PngInfo()
    for name, content in words.chunks.items():
        info.add(name, content)
    if words.comment is not None and "Comment" not in words.texts:
        info.add_itxt("Comment", words.comment.decode(errors="replace"))
    for key, text in words.texts.items():
        info.add_itxt(key, text) if not text.isascii() else info.add_text(key, text)
    if words.xmp is not None:
        info.add_itxt("XML:com.adobe.xmp", words.xmp.decode(errors="replace"))
    return info
