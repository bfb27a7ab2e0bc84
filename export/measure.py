"""What a written file does: its difference from Keras on real pictures, its PSNR, its graph, the delegate's verdict."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from export import delegate
from zoo.errors import UsageError
from zoo.graphs import tflite
from zoo.targets import gpu_delegate
from zoo.targets.record import Target

Function = Callable[[np.ndarray], np.ndarray]
# From the worst to the best, as a file is judged by its worst run.
_VERDICTS = ("not finite", "wrong", "crashed", "refused", "partly", "inconclusive", "not run", "rounding", "right")


def small_sizes(scale: int) -> list[tuple[int, int]]:
    """LR heights and widths that take every remainder modulo the scale, where delegates differ by size."""
    return [(24 + step, 24 + (step + 1) % scale) for step in range(scale)]


def photographs(channels: int, size: tuple[int, int]) -> list[np.ndarray]:
    """Two photographs (h, w, channels) float32 in [0, 1] of a given size, mirrored where they are too small."""
    from zoo.data import sample

    pictures = []
    for split in ("heldout", "train"):
        _, _, picture = next(iter(sample(2, channels, split).pictures()))
        padding = [(0, max(0, wanted - given)) for wanted, given in zip(size, picture.shape[:2], strict=True)]
        pictures.append(np.pad(picture, [*padding, (0, 0)], mode="symmetric")[: size[0], : size[1]])
    return [picture.astype(np.float32) / 255 for picture in pictures]


def difference(function: Function, reference: Function, images: list[np.ndarray]) -> dict[str, float | int]:
    """Largest and mean difference of two functions on images, in units of [0, 1]."""
    differences = [np.abs(np.asarray(function(image), np.float64) - reference(image)) for image in images]
    return {
        "max_difference": max(float(one.max()) for one in differences),
        "mean_difference": float(np.mean([one.mean() for one in differences])),
        "pictures": len(images),
    }


def psnr(function: Function, channels: int, scale: int, pictures: list) -> float | str:
    """Mean PSNR on Y, dB, by the published protocol; a sentence where there is none: at the file's own size only."""
    from zoo.evaluate import Upscaler, evaluate, mean

    try:
        value = mean(evaluate(Upscaler(function, channels, scale), pictures, scale)).psnr
        return "Not measured: no picture of the set can be compared" if value is None else value
    except UsageError as error:
        return f"Not measured: {error}"


def not_run(error: ImportError) -> str:
    """Why a file was not run: what is not installed, or else what the error says."""
    return f"Not run: {f'{error.name} is not installed' if error.name else error}."


def describe(file: tflite.File, target: Target = gpu_delegate.TARGET) -> dict[str, Any]:
    """A TFLite file's inputs, outputs, operations with versions, multiplications and breaches of a target's rules."""
    return {
        "bytes": len(file.content),
        "inputs": [str(tensor) for tensor in file.inputs],
        "outputs": [str(tensor) for tensor in file.outputs],
        "operations": dict(Counter(f"{step} v{step.version}" for step in file.operations)),
        "macs": macs(file),
        "findings": [vars(finding) for finding in target.check(file)],
    }


def macs(file: tflite.File) -> int | None:
    """Multiplications with weights, batch of one; None if a size is free."""
    total = 0
    for operation in file.operations:
        if operation.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"):
            continue
        # A transposed convolution multiplies once for each pixel it reads, the others for each they write.
        pixels = (operation.inputs[2] if operation.name == "TRANSPOSE_CONV" else operation.outputs[0]).shape
        weights = operation.inputs[1].shape
        if None in (*weights, *pixels):
            return None
        total += math.prod(pixels[:-1]) * math.prod(weights)
    return total


def run(
    path: Path, file: tflite.File, images: list[np.ndarray] | None, tasks: tuple[str, ...], **options
) -> dict[str, Any]:
    """`export.delegate.run` on a picture in the file's own type; `file` is what lies at `path`."""
    if images is not None and file.inputs[0].dtype == "uint8":
        images = [np.round(image * 255).astype(np.uint8) for image in images]
    return delegate.run(path, images, tasks, file=file, **options)


def verdict(entry: dict[str, Any]) -> str:
    """The worst of the verdicts on a static file and its small siblings."""
    return min((run["verdict"] for run in (entry["gpu"], *entry["remainders"])), key=_VERDICTS.index)
