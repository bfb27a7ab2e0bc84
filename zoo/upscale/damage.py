"""Damaged picture files that their decoders take for whole, and files that unpack to more than their picture."""

import lzma
import zlib
from pathlib import Path
from typing import Any

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# TIFF's Compression that unpacks without a bound: Adobe's and the old number of deflate, and LZMA.
_UNPACKERS: dict[int, Any] = {8: zlib.decompressobj, 32946: zlib.decompressobj, 34925: lzma.LZMADecompressor}


def check_png(path: Path) -> None:
    """Compares the check sum of each chunk up to the last of the pixels, which Pillow does not.

    Raises:
        ValueError: a chunk that is cut off or changed.

    References: PNG specification, third edition, 5.3 (chunk layout) and 13.2 (error handling).
    """
    pixels = False
    with path.open("rb") as file:
        if file.read(8) != _SIGNATURE:
            raise ValueError("no PNG")
        while True:
            head = file.read(8)
            name, length = head[4:], int.from_bytes(head[:4], "big")
            # What follows the pixels does not change them.
            if pixels and name != b"IDAT":
                return
            pixels = name == b"IDAT"
            content, check = file.read(length), file.read(4)
            if len(check) < 4:
                raise ValueError("a PNG that is truncated")
            if zlib.crc32(name + content) != int.from_bytes(check, "big"):
                raise ValueError(f"a damaged chunk {name.decode('ascii', 'backslashreplace')}")


def check_tiff(page) -> None:
    """Sees that each strip or tile of a page of tifffile's is there and unpacks to what its size needs, no more.

    A file of some megabytes may unpack to gigabytes, and what is missing would come out black.

    Raises:
        ValueError: a strip that is cut off, or holds less or more.
    """
    handle, size = page.parent.filehandle, page.parent.filehandle.size
    # The last strip may hold fewer rows, and some writers fill it up.
    full = int(np.prod(page.chunks)) * page.dtype.itemsize
    rows = page.imagelength % page.chunks[0]
    last = full if page.is_tiled or not rows else full // page.chunks[0] * rows
    count = len(page.dataoffsets)
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    for index, (offset, length) in enumerate(zip(page.dataoffsets, page.databytecounts)):
        least = last if (index + 1) % max(count // planes, 1) == 0 else full
        if offset + length > size:
            raise ValueError("a TIFF that is cut off")
        if page.compression == 1:
            unpacked = length
        elif page.compression in _UNPACKERS:
            handle.seek(offset)
            unpacked = len(_UNPACKERS[page.compression]().decompress(handle.read(length), full + 1))
        else:
            continue
        if not least <= unpacked <= full:
            raise ValueError(
                f"a TIFF with a strip of {least} bytes that holds {'more' if unpacked > full else unpacked}"
            )
