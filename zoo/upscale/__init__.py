"""Upscaling of pictures: arrays, files, folders. Only Keras models and 16-bit colour PNG need TensorFlow."""

import os

import numpy as np

from zoo.color import check_range
from zoo.engines import Chain, Engine, Model, open_engine
from zoo.errors import UsageError
from zoo.upscale.enlarge import Samples, enlarge

__all__ = ["Chain", "Engine", "enlarge", "open_engine", "upscale"]


def __dir__() -> list[str]:
    return sorted(__all__)


def upscale(
    image: np.ndarray,
    model: Model,
    tile: int | tuple[int, int] | None = None,
    ensemble: bool = False,
    threads: int | None = None,
) -> np.ndarray:
    """Enlarges one picture by the model's scale.

    A luma model (1 channel) is applied to Y of BT.601, the chroma is enlarged by bicubic interpolation; the exact
    definition is in `zoo.upscale.planes`. The result does not depend on the tiles: they overlap by what the network
    sees.

    Args:
        image: (h, w) grey, (h, w, 1) grey, (h, w, 2) grey and alpha, (h, w, 3) RGB or (h, w, 4) RGB and alpha (not
            premultiplied); uint8, uint16, or floating point in [0, 1].
        model: a preset's name, a `.tflite` or `.keras` file, a `keras.Model`, or an engine from `open_engine`, which
            saves opening it again for every picture.
        tile: side, or height and width, of the tiles without their overlap, LR px; an engine that works in cells
            rounds it up to whole ones. Default: chosen for memory.
        ensemble: average the network over the 8 flips and quarter turns: 8 times the work.
        threads: for presets and TFLite files; default as many as the process may use.

    Returns:
        (scale·h, scale·w) or (scale·h, scale·w, c): of the same kind and dtype.

    Raises:
        UsageError: an array of another kind, or a model that is none or does not enlarge.

    Example:
        >>> import numpy as np
        >>> upscale(np.zeros((20, 30, 3), np.uint8), "fsrcnn_s_x2").shape
        (40, 60, 3)
    """
    if isinstance(image, str | os.PathLike):
        raise UsageError(
            "Expected a picture as an array, as np.asarray(PIL.Image.open(path)) gives it; `zoo upscale` takes files. "
            f"Received: the path {os.fspath(image)!r}"
        )
    image = np.asarray(image)
    samples = image[..., None] if image.ndim == 2 else image
    if samples.ndim != 3 or samples.shape[2] not in (1, 2, 3, 4) or 0 in samples.shape:
        raise UsageError(
            "Expected a picture (h, w) or (h, w, c), c 1 (grey), 2 (with alpha), 3 (RGB) or 4 (with alpha), not empty. "
            f"Received: shape={image.shape}{_advice(image)}"
        )
    if samples.dtype not in (np.uint8, np.uint16) and not np.issubdtype(samples.dtype, np.floating):
        raise UsageError(f"Expected uint8, uint16 or floating point in [0, 1]. Received: dtype {image.dtype}")
    if samples.dtype != np.uint16:
        check_range(samples)
    engine = open_engine(model, threads, sizes=True)
    height, width, channels = samples.shape
    result = Samples(np.empty((height * engine.scale, width * engine.scale, channels), samples.dtype))
    enlarge(Samples(samples), result.write, engine, tile, ensemble)
    return result.samples.reshape(*result.samples.shape[:2], *image.shape[2:])


def _advice(image: np.ndarray) -> str:
    """What to do with an array that is laid out in another way, if it seems to be."""
    if image.ndim == 3 and image.shape[0] in (1, 2, 3, 4):
        return "; where the channels come first, give image.transpose(1, 2, 0)"
    return "; give one picture of a batch at a time" if image.ndim == 4 else ""
