"""16-bit colour, which Pillow cuts to 8 bits: PNG through TensorFlow's codec, TIFF through tifffile."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.errors import UsageError
from zoo.program import quiet_tensorflow
from zoo.upscale import metadata
from zoo.upscale.damage import check_tiff
from zoo.upscale.exif import texts


def read_png(path: Path, transparent: tuple[int, ...] | None = None) -> np.ndarray:
    """The samples of a 16-bit PNG, (h, w, 2 to 4) uint16.

    Args:
        transparent: the colour that the file says is (its tRNS), which becomes an alpha channel.
    """
    samples = _tensorflow(path).io.decode_png(path.read_bytes(), dtype="uint16").numpy()
    if transparent is None or samples.shape[-1] != len(transparent):
        return samples
    alpha = np.where((samples == transparent).all(axis=-1, keepdims=True), 0, 65535)
    return np.concatenate([samples, alpha.astype(np.uint16)], axis=-1)


def write_png(
    path: Path, samples: np.ndarray, icc: bytes | None, dpi, exif: Image.Exif | None, words: metadata.Words
) -> None:
    """Writes (h, w, 2 to 4) uint16 as PNG; the profile, resolution (dpi), EXIF and words go before the pixels."""
    encoded = _tensorflow(path).io.encode_png(samples).numpy()
    chunks = b""
    if icc is not None:
        chunks += metadata.chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if dpi is not None:
        chunks += metadata.chunk(b"pHYs", struct.pack(">IIB", *(round(each / 0.0254) for each in dpi), 1))
    if exif is not None:
        chunks += metadata.chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    for name, content, *_ in metadata.png_info(words).chunks:
        chunks += metadata.chunk(name, content)
    # The signature and IHDR are 8 and 25 bytes long.
    path.write_bytes(encoded[:33] + chunks + encoded[33:])


def _tensorflow(path: Path):
    quiet_tensorflow()
    try:
        import tensorflow as tf
    except ImportError as error:
        raise UsageError(f"Expected TensorFlow for 16-bit colour PNG. Received: {path.name} without it") from error
    return tf


def read_tiff(path: Path) -> np.ndarray:
    """The samples of a 16-bit colour TIFF's first page, (h, w, 3 or 4) uint16."""
    from tifffile import PHOTOMETRIC, TiffFile

    with TiffFile(path) as file:
        page: Any = file.pages[0]
        check_tiff(page)
        samples = page.asarray()
        if page.planarconfig == 2:
            samples = np.moveaxis(samples, 0, -1)
        if page.photometric != PHOTOMETRIC.RGB or samples.ndim != 3 or samples.shape[2] not in (3, 4):
            raise UsageError(f"Expected 16-bit RGB or RGBA. Received: {page.photometric.name}, shape {samples.shape}")
        # 1: colours multiplied by alpha.
        if samples.shape[2] == 4 and 1 in page.extrasamples:
            raise UsageError("Expected alpha that is not multiplied into the colours. Received: 16 bits, premultiplied")
        return samples


def write_tiff(
    path: Path, samples: np.ndarray, icc: bytes | None, dpi, exif: Image.Exif | None, words: metadata.Words
) -> None:
    """Writes (h, w, 2 to 4) uint16 as TIFF with profile and resolution (dpi); EXIF's texts only."""
    import tifffile

    tags: list[tuple] = [(tag, 2, 0, text, True) for tag, text in texts(exif).items()] if exif else []
    if words.xmp is not None:
        tags.append((metadata.XMP, 1, len(words.xmp), words.xmp, True))
    tifffile.imwrite(
        path,
        samples,
        photometric="rgb" if samples.shape[2] > 2 else "minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"] if samples.shape[2] in (2, 4) else None,
        compression="adobe_deflate",
        iccprofile=icc,
        resolution=dpi,
        resolutionunit="INCH" if dpi else None,
        extratags=tags,
        metadata=None,
        software=False,
    )


WRITERS = {"PNG": write_png, "TIFF": write_tiff}
