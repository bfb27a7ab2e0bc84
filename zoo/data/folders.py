"""Pictures from folders: any pictures, or HR and LR pairs in DIV2K's layout."""

from pathlib import Path

from zoo.data.decode import PictureError, existing_folder, picture_files, pixel_count, read_picture
from zoo.data.sources import Picture, Source
from zoo.errors import UsageError, one_of

SPLITS = {"train": "train", "valid": "valid", "validation": "valid"}


def from_folder(path, scale: int, channels: int = 1, split: str = "train") -> Source:
    """Opens a folder of pictures (PNG, JPEG, BMP, TIFF, WebP; grey, RGB, palette, alpha, 16-bit), subfolders included.

    The LR images are made from the pictures by `zoo.data.imresize`. Two layouts are known: where the folder has a
    subfolder `HR`, only that is taken; and where it is DIV2K's (`DIV2K_train_HR/0001.png` and
    `DIV2K_train_LR_bicubic/X3/0001x3.png`; the folder above, or `DIV2K_train_HR` itself) and there are LR files for
    this scale, they are the LR images.

    Args:
        path: the folder, or several joined with commas.
        scale: HR side / LR side, at least 2.
        channels: 1 for luma, 3 for RGB.
        split: "train" or "valid": which half of a folder that has DIV2K's layout.

    Returns:
        A `Source`, which reads the pictures when they are first needed.

    Raises:
        UsageError: on a folder that is not there or has no pictures.
    """
    one_of("split", split, SPLITS)
    pictures, pixels, skipped = [], 0, []
    folders = [folder for folder in str(path).split(",") if folder.strip()] or [str(path)]
    for folder in folders:
        root = _picture_folder(existing_folder(folder.strip()), SPLITS[split])
        files = picture_files(root)
        if not files:
            raise UsageError(f"Expected a folder with pictures (PNG, JPEG, BMP, TIFF, WebP). Received: {str(root)!r}")
        lr_folder = _lr_folder(root, scale)
        for file in files:
            try:
                pixels += pixel_count(file)
            except PictureError as error:
                skipped.append((str(file), str(error)))
            else:
                pictures.append(Picture(file.stem, str(file), _reader(file, lr_folder, scale)))
    return Source(str(path), scale, channels, pictures, pixels, skipped)


def _picture_folder(folder: Path, split: str) -> Path:
    for name in (f"DIV2K_{split}_HR", "HR"):
        if (folder / name).is_dir():
            return folder / name
    return folder


def _lr_folder(hr_folder: Path, scale: int) -> Path | None:
    """`DIV2K_train_LR_bicubic/X3` beside `DIV2K_train_HR`, or None (scale 8 of DIV2K has no "bicubic" in its name)."""
    if not hr_folder.name.endswith("_HR"):
        return None
    stem = hr_folder.name.removesuffix("HR")
    candidates = (f"{stem}LR_bicubic/X{scale}", f"{stem}LR_bicubic_X{scale}", f"{stem}LR_x{scale}")
    return next((hr_folder.parent / name for name in candidates if (hr_folder.parent / name).is_dir()), None)


def _reader(file: Path, lr_folder: Path | None, scale: int):
    def read():
        hr = read_picture(file)
        if lr_folder is None:
            return hr, None
        lr_file = lr_folder / f"{file.stem}x{scale}.png"
        try:
            return hr, read_picture(lr_file)
        except PictureError as error:
            raise PictureError(f"its LR image {lr_file}: {error}") from error

    return read
