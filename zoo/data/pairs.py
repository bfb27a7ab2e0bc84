"""LR images of one's own: which picture is whose, by where they lie and what they are called.

| layout | LR image of the original |
|---|---|
| DIV2K: `DIV2K_train_HR/0001.png` | `DIV2K_train_LR_bicubic/X3/0001x3.png` |
| where there is one other kind only | `DIV2K_train_LR_unknown/X3/0001x3.png`, `DIV2K_train_LR_mild/0001x4m.png` |
| `HR/a.png` | `LR/a.png`, `LR/X3/a.png`, `LR_x3/a.png` or `LRx3/a.png` |
| RealSR: `a_HR.png` | `a_LR3.png` or `a_LR.png` beside it |
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from zoo.data.search import SUFFIXES, picture_files
from zoo.errors import UsageError
from zoo.files import existing_folder

# In place of a folder: LR images are made here, whatever lies beside the originals.
MADE = "bicubic"
_HR = re.compile(r"_HR$", re.IGNORECASE)
_LR = re.compile(r"_LR(\d*)$", re.IGNORECASE)
# DIV2K's names: the scale and a letter for how it was degraded, of which there may be several pictures.
_DIV2K = re.compile(r"x(\d+)[a-z]?\d*$")


@dataclass(frozen=True)
class Pairs:
    """Where the LR images of a folder's originals come from.

    Attributes:
        why: in words, for the first lines of a run.
        folder: where they lie; None where they are made.
        files: (place below the folder, name without what stands for HR or LR) → the files.
    """

    why: str
    folder: Path | None = None
    files: dict[tuple[Path, str], list[Path]] = field(default_factory=dict)

    def of(self, original: Path, root: Path) -> Path | None:
        """The LR image of an original below `root`; None where it is to be made.

        Raises:
            FileNotFoundError: there is none; the file that was expected.
            ValueError: there are several.
        """
        if self.folder is None:
            return None
        place = original.parent.relative_to(root)
        for name in (original.stem, _HR.sub("", original.stem)):
            found = self.files.get((place, name), [])
            if len(found) > 1:
                raise ValueError(f"several: {', '.join(path.name for path in found)}")
            if found:
                return found[0]
        raise FileNotFoundError


def originals(files: list[Path]) -> list[Path]:
    """The pictures of a folder without those that are LR images of others: `a_LR4.png` where there is `a_HR.png`."""
    whole = {(path.parent, _HR.sub("", path.stem)) for path in files if _HR.search(path.stem)}
    return [path for path in files if (path.parent, _LR.sub("", path.stem)) not in whole or not _LR.search(path.stem)]


def find(root: Path, files: list[Path], scale: int, lr_data: str = "") -> Pairs:
    """Finds the LR images of the originals in a folder.

    Args:
        root: the folder of the originals.
        files: all pictures in it.
        scale: HR side / LR side.
        lr_data: the folder with the LR images, or "bicubic"; empty: those that the layout tells of, else they are made.

    Raises:
        UsageError: there is no such folder, several would do, or there are some for other scales only.
    """
    if lr_data == MADE:
        return Pairs("made by MATLAB's bicubic interpolation, as --lr_data says")
    if lr_data:
        folder = existing_folder(lr_data, "a folder of pictures")
        return Pairs(f"those in {folder}, as --lr_data says", folder, _named(folder, picture_files(folder), scale))
    own = set(originals(files))
    beside = [path for path in files if path not in own]
    if beside:
        fitting = [path for path in beside if _scale(path, _LR) in (None, scale)]
        if not fitting:
            raise UsageError(
                f"Expected LR images for scale {scale} (--lr_data={MADE} makes them). Received: {beside[0]}"
            )
        return Pairs("those beside the originals, by their names", root, _named(root, fitting, scale))
    candidates = _folders(root, scale)
    if len(candidates) > 1:
        names = ", ".join(str(folder) for folder in candidates)
        raise UsageError(f"Expected --lr_data to name the folder of the LR images, or {MADE}. Received: {names}")
    if candidates:
        (folder,) = candidates
        why = f"those in {folder}, as it lies beside the originals"
        return Pairs(why, folder, _named(folder, picture_files(folder), scale))
    return Pairs("made by MATLAB's bicubic interpolation, as none lie beside the originals")


def _named(root: Path, files: Iterable[Path], scale: int) -> dict[tuple[Path, str], list[Path]]:
    found: dict[tuple[Path, str], list[Path]] = {}
    for path in files:
        place = path.parent.relative_to(root)
        names = {path.stem}
        names |= {kind.sub("", path.stem) for kind in (_LR, _DIV2K) if _scale(path, kind) in (None, scale)}
        for name in names:
            found.setdefault((place, name), []).append(path)
    return found


def _scale(path: Path, kind: re.Pattern) -> int | None:
    """The scale that an LR image's name tells; None where it tells none."""
    found = kind.search(path.stem)
    return int(found[1]) if found and found[1] else None


def _folders(root: Path, scale: int) -> list[Path]:
    """The folders that may hold the LR images; one of bicubic ones goes before all others."""
    if root.name == "HR":
        places = [root.parent / name for name in (f"LR/X{scale}", f"LR/x{scale}", f"LR_x{scale}", f"LRx{scale}")]
        places += [folder for folder in (root.parent / "LR",) if not any(folder.glob("[Xx][0-9]"))]
        return [folder for folder in places if folder.is_dir()][:1]
    if not root.name.endswith("_HR"):
        return []
    stem = f"{root.name.removesuffix('HR')}LR"
    # Scale 8 of DIV2K has no "bicubic" in its name.
    names = (f"{stem}_bicubic/X{scale}", f"{stem}_bicubic_X{scale}", f"{stem}_x{scale}")
    bicubic = [root.parent / name for name in names if (root.parent / name).is_dir()]
    if bicubic:
        return bicubic[:1]
    kinds = [folder for folder in sorted(root.parent.glob(f"{stem}_*")) if folder.is_dir()]
    inside = [folder / f"X{scale}" for folder in kinds if (folder / f"X{scale}").is_dir()]
    directly = [folder for folder in kinds if any(_is_of(path, scale) for path in folder.iterdir())]
    return [*inside, *directly]


def _is_of(path: Path, scale: int) -> bool:
    return path.suffix.lower() in SUFFIXES and _scale(path, _DIV2K) == scale
