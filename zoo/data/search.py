"""The pictures of a folder: what ends like one is found, and what is passed over is named, never in silence."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from PIL import features

from zoo.errors import shown

# Suffix → Pillow's name of the kinds that are written, as results of `zoo upscale`, and read.
WRITTEN = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
# Read, and not written: of several frames the first. What is enlarged becomes PNG.
READ_ONLY = {".gif": "GIF"} | ({".avif": "AVIF"} if features.check("avif") else {})
# What is read everywhere, in training as in enlarging.
SUFFIXES = {**WRITTEN, **READ_ONLY}
KINDS = ", ".join(SUFFIXES)
# Pictures that nothing here reads.
_OTHERS = {".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".psd", ".xcf", ".svg", ".tga", ".exr", ".hdr",
           ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"} - SUFFIXES.keys()  # fmt: skip


def picture_files(folder: Path) -> list[Path]:
    """The picture files in `folder` and below, sorted by path; names that begin with a dot are left out.

    A warning names what else is left out: folders that cannot be read, pictures of other kinds, what is no file.
    """
    logger = logging.getLogger("zoo.data")
    found = []
    for path in sorted(files_below(folder, SUFFIXES, logger)):
        # A pipe would be waited for without end.
        if path.is_file():
            found.append(path)
        else:
            logger.warning("left out: %s: no regular file", shown(str(path)))
    return found


def names_below(files: Sequence[tuple[Path, Path]]) -> list[str]:
    """The name of each of some pictures, given as (folder, file): its path in the folder, without the suffix.

    The whole path of those that would have the same one, so that no picture is taken for another.

    Example:
        >>> names_below([(Path("V"), Path("V/a/1.png")), (Path("V"), Path("V/2.png")), (Path("W"), Path("W/2.png"))])
        ['a/1', 'V/2.png', 'W/2.png']
    """
    names = [file.relative_to(folder).with_suffix("").as_posix() for folder, file in files]
    counts = Counter(names)
    return [name if counts[name] == 1 else str(file) for name, (_, file) in zip(names, files)]


def files_below(
    folder: Path,
    suffixes: Collection[str],
    logger: logging.Logger,
    enter: Callable[[Path], bool] = lambda folder: True,
    alone: Collection[str] = (),
) -> list[Path]:
    """What ends like a picture in a folder and below, folder by folder, without hidden names.

    Args:
        suffixes: in lower case, with their dots.
        logger: where what is passed over is named.
        enter: whether to look into a folder.
        alone: suffixes of what is not taken with others, and named.
    """

    def unreadable(error: OSError) -> None:
        logger.warning("left out: %s: %s", shown(str(error.filename)), error.strerror)

    found = []
    passed_over: Counter[str] = Counter()
    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(each for each in folders if not each.startswith(".") and enter(Path(root, each)))
        for each in folders:
            if Path(root, each).is_symlink():
                logger.warning("left out: %s: a link to a folder", shown(str(Path(root, each))))
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            if suffix in suffixes and not name.startswith("."):
                found.append(Path(root, name))
            passed_over[suffix] += 1
    for named, why in ((_OTHERS, "not read here: convert them to PNG first"), (alone, "given one at a time")):
        kinds = ", ".join(f"{passed_over[suffix]} {suffix}" for suffix in sorted(passed_over) if suffix in named)
        if kinds:
            logger.warning("left out of %s: %s, which are %s", folder, kinds, why)
    return found
