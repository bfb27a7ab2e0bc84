"""A picture's EXIF and resolution: read without what describes the old file, written with the new size."""

from PIL import Image, TiffTags

ORIENTATION = 274
# Tags that describe how the old file lies on disk, not the picture: TIFF 6.0 sections 4, 7, 11 to 16 and 18.
LAYOUT = frozenset(
    [254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291]
    + [292, 293, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 338, 339, 340, 341, 347, 512, 513, 514, 515]
    + [517, 518, 519, 520, 521, 529, 530, 531, 532, 34675, 700]
)
EXIF_IFD, GPS_IFD, _PIXELS_X, _PIXELS_Y = 34665, 34853, 40962, 40963
_RESOLUTION_X, _RESOLUTION_Y, _RESOLUTION_UNIT = 282, 283, 296


def read_exif(image: Image.Image, notes: list[str]) -> Image.Exif | None:
    """The picture's EXIF without the tags that describe the old file's layout; None if there is none."""
    try:
        exif = image.getexif()
        for tag in [*exif]:
            if tag in LAYOUT:
                del exif[tag]
        for directory in (EXIF_IFD, GPS_IFD):
            exif.get_ifd(directory)
        exif.tobytes()
        return exif if len(exif) else None
    # EXIF comes from cameras of all kinds; a picture is not refused for it.
    except Exception:
        notes.append("its EXIF cannot be read")
        return None


def texts(exif: Image.Exif) -> dict[int, bytes]:
    """The texts of EXIF's first directory, which Pillow reads as Latin-1, as the bytes that they were."""
    return {
        tag: value.encode("latin-1") if isinstance(value, str) else value
        for tag, value in exif.items()
        if isinstance(value, str) or (isinstance(value, bytes) and TiffTags.lookup(tag).type == TiffTags.ASCII)
    }


def changed_texts(exif: Image.Exif) -> list[int]:
    """The tags of texts that Pillow writes with "?" for what is not ASCII: as bytes they would be no texts."""
    own = {tag: value for tag, value in exif.items() if TiffTags.lookup(tag).type != TiffTags.ASCII}
    told = [pair for each in (own, exif.get_ifd(EXIF_IFD), exif.get_ifd(GPS_IFD)) for pair in each.items()]
    return sorted({tag for tag, value in told if isinstance(value, str) and not value.isascii()})


def resolution(image: Image.Image, exif: Image.Exif | None) -> tuple[float, float] | None:
    """The resolution that the format states, else the one in EXIF."""
    try:
        found = image.info.get("dpi")
        if found is None and exif:
            unit = {2: 1.0, 3: 2.54}[exif[_RESOLUTION_UNIT]]
            found = float(exif[_RESOLUTION_X]) * unit, float(exif[_RESOLUTION_Y]) * unit
        horizontal, vertical = (float(value) for value in found or ())
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (horizontal, vertical) if horizontal > 0 and vertical > 0 else None


def exif_for(picture, kind: str) -> Image.Exif | None:
    """The EXIF to write: the size is the new one, and WebP has no other place for the resolution."""
    exif = picture.exif
    if picture.dpi and (kind == "WEBP" or (exif is not None and _RESOLUTION_X in exif)):
        exif = Image.Exif() if exif is None else exif
        exif[_RESOLUTION_X], exif[_RESOLUTION_Y] = picture.dpi
        exif[_RESOLUTION_UNIT] = 2
    if exif is not None:
        # Pillow would put "?" for what is not ASCII.
        for tag, text in texts(exif).items():
            if not text.isascii() and TiffTags.lookup(tag).type == TiffTags.ASCII:
                exif[tag] = text
        details = exif.get_ifd(EXIF_IFD)
        if _PIXELS_X in details or _PIXELS_Y in details:
            details[_PIXELS_X], details[_PIXELS_Y] = picture.width, picture.height
    return exif
