"""What a file is run on: noise in its input's range, pictures, and the other two of three runs."""

from pathlib import Path

import numpy as np

from zoo.errors import UsageError
from zoo.files import existing_file
from zoo.graphs import tflite
from zoo.graphs.run import PLACES

UNIT = (0.0, 1.0)


def noise(file: tflite.File, limits: tuple[float, float] = UNIT) -> list[np.ndarray]:
    """Inputs of a file at its own size, free sizes at 32: floats within the limits, levels over their range.

    Integers that are no levels are places in a table, a word or a class: 0 or 1, as what is true or false is.

    Raises:
        UsageError: an input is of no numbers.
    """
    rng = np.random.default_rng(0)
    low, high = limits
    images = []
    for tensor in file.inputs:
        shape = _shape(tensor)
        if tensor.dtype in ("string", "resource", "variant"):
            raise UsageError(f"Expected inputs of numbers. Received: {tensor}")
        dtype = np.dtype(tensor.dtype)
        if tensor.dtype in ("bool", *PLACES):
            images.append(rng.integers(0, 2, shape).astype(dtype))
        elif np.issubdtype(dtype, np.integer):
            ends = np.iinfo(dtype)
            images.append(rng.integers(ends.min, ends.max, shape, dtype=dtype, endpoint=True))
        else:
            images.append((low + (high - low) * rng.random(shape, dtype=np.float32)).astype(dtype))
    return images


def picture(file: tflite.File, path: str | Path, limits: tuple[float, float] = UNIT) -> list[list[np.ndarray]]:
    """A picture as two inputs of a file that takes one picture: mirrored or cut to its size, and scaled to it.

    Raises:
        UsageError: the file takes something else, or the picture cannot be read.
    """
    from PIL import Image

    if len(file.inputs) != 1 or not _takes_a_picture(file.inputs[0]):
        raise UsageError(f"Expected a file of one picture for --input. Received: {', '.join(map(str, file.inputs))}")
    try:
        with Image.open(existing_file(path, "a picture")) as opened:
            rgb = np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise UsageError(f"Expected a picture in --input. Received: {str(path)!r}: {error}") from error
    (tensor,) = file.inputs
    return [[_as_input(fitted, tensor, limits)] for fitted in (_cut(rgb, tensor), _scaled(rgb, tensor))]


def photographs(file: tflite.File, limits: tuple[float, float] = UNIT) -> list[list[np.ndarray]]:
    """Inputs of a file that reads pictures: two photographs with a person in each, whole, scaled to its size.

    Noise may leave a network that looks for something without an answer. Other inputs are noise. Empty for a file that
    reads no picture, and where scikit-image, whose photographs they are, is not installed.
    """
    try:
        from skimage import data
    except ImportError:
        return []
    if not any(map(_takes_a_picture, file.inputs)):
        return []
    runs = []
    for image in (data.astronaut(), data.camera()):
        rgb = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
        runs.append(
            [
                _as_input(_scaled(rgb, tensor), tensor, limits) if _takes_a_picture(tensor) else other
                for tensor, other in zip(file.inputs, noise(file, limits), strict=True)
            ]
        )
    return runs


def _takes_a_picture(tensor: tflite.Tensor) -> bool:
    # Whole numbers of 32 or 64 bits are labels or places.
    return len(tensor.shape) == 4 and tensor.shape[-1] in (1, 3) and tensor.dtype not in ("bool", *PLACES)


def _cut(rgb: np.ndarray, tensor: tflite.Tensor) -> np.ndarray:
    height, width = _shape(tensor)[1:3]
    around = [(0, max(0, wanted - given)) for wanted, given in zip((height, width), rgb.shape[:2], strict=True)]
    return np.pad(rgb, [*around, (0, 0)], mode="symmetric")[:height, :width]


def _scaled(rgb: np.ndarray, tensor: tflite.Tensor) -> np.ndarray:
    from PIL import Image

    height, width = _shape(tensor)[1:3]
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC))


def _as_input(rgb: np.ndarray, tensor: tflite.Tensor, limits: tuple[float, float]) -> np.ndarray:
    """A picture uint8 (h, w, 3) in the type, the channels and the batch of an input; floats within the limits."""
    from zoo.color import rgb_to_y

    shape, dtype = _shape(tensor), np.dtype(tensor.dtype)
    image = rgb if shape[-1] == 3 else np.round(rgb_to_y(rgb)).reshape(*rgb.shape[:2], 1)
    image = np.repeat(image[None], shape[0], axis=0)
    if np.issubdtype(dtype, np.integer):
        return (image.astype(np.int64) + np.iinfo(dtype).min).astype(dtype)
    low, high = limits
    return (low + (high - low) / 255 * image).astype(dtype)


def three(images: list[np.ndarray]) -> list[list[np.ndarray]]:
    """The inputs of three runs: these, their negatives and these the other way round, all within the same range."""
    negatives = [
        ~image
        if image.dtype.kind == "b"
        else (image.max(initial=0) - (image - image.min(initial=0))).astype(image.dtype)
        for image in images
    ]
    return [images, negatives, [np.ascontiguousarray(np.flip(image)) for image in images]]


def _shape(tensor: tflite.Tensor) -> list[int]:
    return [(1 if axis == 0 else 32) if side is None else side for axis, side in enumerate(tensor.shape)]
