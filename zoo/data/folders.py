"""Pictures from folders: any pictures, or HR and LR pairs."""

from pathlib import Path

from zoo.data import pairs
from zoo.data.decode import PictureError, pixel_count, read_picture
from zoo.data.search import KINDS, names_below, picture_files
from zoo.data.sources import Picture, Source
from zoo.errors import UsageError, one_of
from zoo.files import existing_folder, expanded

SPLITS = {"train": "train", "valid": "valid", "validation": "valid"}


def from_folder(path, scale: int, channels: int = 1, split: str = "train", lr_data: str = "") -> Source:
    """Opens a folder of pictures, subfolders included: grey, RGB, palette, alpha, 16-bit; what Pillow reads of them.

    Where the folder has a subfolder `HR`, or DIV2K's `DIV2K_train_HR`, only that is taken. LR images that lie beside
    the originals, as `zoo.data.pairs` lists them, are those of the source; otherwise `zoo.data.imresize` makes them.
    Its `lr_images` says which.

    Args:
        path: the folder, or several joined with commas.
        scale: HR side / LR side, at least 2.
        channels: 1 for luma, 3 for RGB.
        split: "train" or "valid": which half of a folder that has DIV2K's layout.
        lr_data: the folder with the LR images, named like the originals; "bicubic" to have them made, whatever lies
            there; for several folders as many, joined with commas.

    Returns:
        A `Source`, which reads the pictures when they are first needed.

    Raises:
        UsageError: on a folder that is not there or has no pictures, or LR images that are not clear.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from PIL import Image
        >>> pixels = np.random.default_rng(0).integers(0, 256, (36, 45, 3), np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.fromarray(pixels).save(f"{folder}/noise.png")
        ...     [(name, lr_image, hr_image)] = from_folder(folder, scale=3).pictures()
        >>> name, lr_image.shape, hr_image.shape
        ('noise', (12, 15, 1), (36, 45, 1))
    """
    one_of("split", split, SPLITS)
    opened: list[tuple[Path, Path, pairs.Pairs]] = []
    reasons = []
    folders = _listed(path) or [str(path)]
    lr_folders = _listed(lr_data) or [""] * len(folders)
    if lr_folders == [pairs.MADE]:
        lr_folders *= len(folders)
    if len(lr_folders) != len(folders):
        raise UsageError(
            f"Expected a folder of LR images for each of {len(folders)} folders. Received: {len(lr_folders)}, {lr_data}"
        )
    for folder, lr_folder in zip(folders, lr_folders):
        root = _picture_folder(existing_folder(folder, "a folder of pictures"), SPLITS[split])
        found = picture_files(root)
        files = pairs.originals(found)
        if not files:
            raise UsageError(f"Expected a folder with pictures ({KINDS}). Received: {str(root)!r}, without one")
        lr_images = pairs.find(root, found, scale, lr_folder)
        recognised = "" if root == expanded(folder) else f"{folder} has its pictures in {root.name}; "
        reasons.append(f"{recognised}LR images of {root}: {lr_images.why}")
        opened += [(root, file, lr_images) for file in files]
    pictures, pixels, skipped = [], 0, []
    names = names_below([(root, file) for root, file, _ in opened])
    for short, (root, file, lr_images) in zip(names, opened):
        try:
            pixels += pixel_count(file)
        except PictureError as error:
            skipped.append((str(file), str(error)))
        else:
            pictures.append(Picture(short, str(file), _reader(file, root, lr_images, scale)))
    name = f"{path} with {lr_data}" if lr_data else str(path)
    return Source(name, scale, channels, pictures, pixels, skipped, "; ".join(reasons))


def _listed(text) -> list[str]:
    return [part.strip() for part in str(text).split(",") if part.strip()]


def _picture_folder(folder: Path, split: str) -> Path:
    for name in (f"DIV2K_{split}_HR", "HR"):
        if (folder / name).is_dir():
            return folder / name
    return folder


def _reader(file: Path, root: Path, lr_images: pairs.Pairs, scale: int):
    def read():
        hr = read_picture(file)
        try:
            lr_file = lr_images.of(file, root)
            return hr, None if lr_file is None else read_picture(lr_file)
        except FileNotFoundError:
            reason = f"none in {lr_images.folder} is named {file.stem}.png or {file.stem}x{scale}.png"
            raise PictureError(f"its LR image: {reason}") from None
        except ValueError as error:
            raise PictureError(f"its LR image: {error}") from error

    return read
