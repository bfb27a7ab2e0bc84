"""The public test sets (Set5, Set14, BSD100 …), or any folder of pictures, to measure on."""

import numpy as np

from zoo.data.decode import PictureError, read_picture
from zoo.data.pairs import originals
from zoo.data.search import existing_folder, picture_files
from zoo.errors import UsageError


def benchmark(folder) -> list[tuple[str, np.ndarray]]:
    """Reads the originals of a test set; needs no TensorFlow.

    Args:
        folder: its `HR/` subfolder is taken where it has one, and otherwise the folder itself; of pairs in one folder
            (`a_HR.png`, `a_LR4.png`) the originals.

    Returns:
        (name, HR image) sorted by name: uint8, (h, w) where the file is grey, else (h, w, 3) RGB. Not cropped.

    Raises:
        UsageError: if it is no folder, has no pictures, or one of them cannot be read: a mean over fewer pictures
            than the set has would be another figure.

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
    path = existing_folder(folder)
    files = originals(picture_files(path / "HR" if (path / "HR").is_dir() else path))
    if not files:
        raise UsageError(f"Expected a folder with pictures (PNG, JPEG, BMP, TIFF, WebP). Received: {str(folder)!r}")
    pictures = []
    for file in files:
        try:
            pictures.append((file.stem, read_picture(file)))
        except PictureError as error:
            raise UsageError(f"Expected pictures that can be read. Received: {file}: {error}") from error
    return pictures
