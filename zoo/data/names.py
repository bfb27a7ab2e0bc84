"""The data of a command by its name: sample photographs, DIV2K, graphics, folders of pictures, prepared data."""

from zoo.data.drawing import graphics, screenshots
from zoo.data.folders import SPLITS, from_folder
from zoo.data.records import RecordsOnDisk, is_prepared
from zoo.data.samples import sample
from zoo.data.sources import Source, join
from zoo.errors import UsageError, one_of
from zoo.files import expanded

_DRAWN = {"graphics": graphics, "screenshots": screenshots}
# What comes without a folder or a download.
_KNOWN = ("sample", *_DRAWN)


def by_name(
    name: str, scale: int, channels: int = 1, split: str = "train", manual_dir=None, lr_data: str = ""
) -> Source:
    """Opens the pictures that `--data` names.

    Args:
        name: "sample", "graphics", "screenshots", "div2k", a folder of pictures (see `from_folder`), or a folder that
            `zoo prepare` has written; all but the last and "div2k" may be joined with commas.
        scale: HR side / LR side, at least 2.
        channels: 1 for luma, 3 for RGB.
        split: "train" or "valid"; prepared data is what it was prepared from.
        manual_dir: see `div2k`.
        lr_data: see `from_folder`; for folders of pictures only.

    Raises:
        UsageError: where there are no such pictures.

    Example:
        >>> by_name("sample", 3).name
        'sample/train'
    """
    one_of("split", split, SPLITS)
    made = [part for part in name.split(",") if part in _KNOWN]
    folders = ",".join(part for part in name.split(",") if part not in made)
    if lr_data and (not folders or name == "div2k" or is_prepared(expanded(name))):
        raise UsageError(f"Expected LR images of one's own beside a folder of pictures. Received: {lr_data}, {name}")
    if is_prepared(expanded(name)):
        return RecordsOnDisk(expanded(name), scale, channels)
    # It is one file that is mapped into memory as it is: `join` would find no pictures in it to read.
    if prepared := [part for part in name.split(",") if is_prepared(expanded(part.strip()))]:
        raise UsageError(
            "Expected prepared data by itself; what is to be joined is prepared together: zoo prepare --data=A,B. "
            f"Received: {name!r}, of which {', '.join(prepared)} is prepared"
        )
    if made and made != [name]:
        parts = [by_name(part, scale, channels, split) for part in made]
        parts += [by_name(folders, scale, channels, split, lr_data=lr_data)] if folders else []
        return join(name, parts)
    if name == "div2k":
        from zoo.data.tfds_div2k import div2k

        return div2k(scale, split=split, channels=channels, **({"manual_dir": manual_dir} if manual_dir else {}))
    if name == "sample":
        return sample(scale, channels=channels, split="train" if split == "train" else "heldout")
    if name in _DRAWN:
        return _DRAWN[name](scale, channels=channels)
    return from_folder(name, scale, channels=channels, split=split, lr_data=lr_data)
