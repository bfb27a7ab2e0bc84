"""What a file is run on: noise in its input's range, pictures, and the other two of three runs."""

from pathlib import Path

import numpy as np

from zoo.errors import UsageError
from zoo.graphs import tflite

UNIT = (0.0, 1.0)


def noise(file: tflite.File, limits: tuple[float, float] = UNIT) -> list[np.ndarray]:
    """Inputs of a file at its own size, free sizes at 32: floats within the limits, integers over their range."""
    rng = np.random.default_rng(0)
    low, high = limits
    images = []
    for tensor in file.inputs:
        shape = _shape(tensor)
        dtype = np.dtype(tensor.dtype)
        if np.issubdtype(dtype, np.integer):
            ends = np.iinfo(dtype)
            images.append(rng.integers(ends.min, ends.max, shape, dtype=dtype, endpoint=True))
        else:
            images.append((low + (high - low) * rng.random(shape, dtype=np.float32)).astype(dtype))
    return images


def picture(file: tflite.File, path: str | Path, limits: tuple[float, float] = UNIT) -> list[np.ndarray]:
    """A picture as the input of a file that takes one picture: mirrored or cut to its size, floats within the limits.

    Raises:
        UsageError: the file takes something else, or the picture cannot be read.
    """
    from PIL import Image

    from zoo.color import rgb_to_y

    shape = _shape(file.inputs[0])
    if len(file.inputs) != 1 or len(shape) != 4 or shape[-1] not in (1, 3):
        raise UsageError(f"Expected a file of one picture for --input. Received: {', '.join(map(str, file.inputs))}")
    try:
        with Image.open(path) as opened:
            rgb = np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise UsageError(f"Expected a picture in --input. Received: {str(path)!r}: {error}") from error
    image = rgb if shape[-1] == 3 else np.round(rgb_to_y(rgb)).reshape(*rgb.shape[:2], 1)
    around = [(0, max(0, wanted - given)) for wanted, given in zip(shape[1:3], image.shape[:2], strict=True)]
    image = np.pad(image, [*around, (0, 0)], mode="symmetric")[: shape[1], : shape[2]][None]
    image = np.repeat(image, shape[0], axis=0)
    dtype = np.dtype(file.inputs[0].dtype)
    if np.issubdtype(dtype, np.integer):
        return [(image.astype(np.int64) + np.iinfo(dtype).min).astype(dtype)]
    low, high = limits
    return [(low + (high - low) / 255 * image).astype(dtype)]


def three(images: list[np.ndarray]) -> list[list[np.ndarray]]:
    """The inputs of three runs: these, their negatives and these the other way round, all within the same range."""
    negatives = [(image.max(initial=0) - (image - image.min(initial=0))).astype(image.dtype) for image in images]
    return [images, negatives, [np.ascontiguousarray(np.flip(image)) for image in images]]


def _shape(tensor: tflite.Tensor) -> list[int]:
    return [(1 if axis == 0 else 32) if side is None else side for axis, side in enumerate(tensor.shape)]
