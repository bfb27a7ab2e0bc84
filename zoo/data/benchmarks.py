"""The public test sets (Set5, Set14, BSD100 …), or any folder of pictures, to measure on."""

import numpy as np

from zoo.data.decode import PictureError, read_picture
from zoo.data.pairs import originals
from zoo.data.search import KINDS, names_below, picture_files
from zoo.errors import UsageError
from zoo.files import existing_folder


def benchmark(folder) -> list[tuple[str, np.ndarray]]:
    """Reads the originals of a test set; needs no TensorFlow.

    Args:
        folder: its `HR/` subfolder is taken where it has one, and otherwise the folder itself; of pairs in one folder
            (`a_HR.png`, `a_LR4.png`) the originals.

    Returns:
        (name, HR image) sorted by path: uint8, (h, w) where the file is grey, else (h, w, 3) RGB. Not cropped. A name
        is the path below the folder without its suffix, or the whole path where two would have the same one.

    Raises:
        UsageError: if it is no folder, has no pictures, or some of them cannot be read, each of which is named: a mean
            over fewer pictures than the set has would be another figure.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> pixels = np.random.default_rng(0).integers(0, 256, (36, 45, 3), np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.fromarray(pixels).save(f"{folder}/noise.png")
        ...     [(name, hr_image)] = benchmark(folder)
        >>> name, hr_image.shape, hr_image.dtype
        ('noise', (36, 45, 3), dtype('uint8'))
    """
    path = existing_folder(folder, "a folder of pictures")
    root = path / "HR" if (path / "HR").is_dir() else path
    files = originals(picture_files(root))
    if not files:
        raise UsageError(f"Expected a folder with pictures ({KINDS}). Received: {str(folder)!r}, without one")
    pictures, broken = [], []
    for name, file in zip(names_below([(root, file) for file in files]), files):
        try:
            pictures.append((name, read_picture(file)))
        except PictureError as error:
            broken.append(f"{file}: {error}")
    if broken:
        raise UsageError(
            "Expected pictures that can all be read, since a mean over fewer is another figure; mend, replace or move "
            f"what cannot. Received: {'; '.join(broken)}"
        )
    return pictures
