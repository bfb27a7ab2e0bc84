"""A network fitted to the batches of a source, in stretches, the optimizer going on from one to the next."""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np

from zoo.color import to_uint8
from zoo.data.sources import Source
from zoo.metrics import psnr


def fit(
    model: keras.Model,
    source: Source,
    marks: Sequence[int],
    optimizer: float | keras.optimizers.Optimizer,
    loss: str = "mae",
    target: Callable | None = None,
    batch: int = 8,
    lr_size: int = 24,
    seed: int = 0,
) -> Iterator[int]:
    """Trains up to each of the marks, rising numbers of steps, and yields it: the caller looks at the model meanwhile.

    Args:
        model: changed in place.
        optimizer: one built for it, or the learning rate of an Adam whose rate falls along a cosine to the last mark.
        source: gives the patches, the same ones for the same seed.
        target: a function of the LR patches to learn instead of the HR patches.
    """
    if isinstance(optimizer, float):
        rate = keras.optimizers.schedules.CosineDecay(optimizer, marks[-1], alpha=0.01)
        optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer=optimizer, loss=loss)
    done = 0
    for mark in marks:
        if mark > done:
            patches = source.patches(batch, lr_size, seed, start_step=done)
            if target is not None:
                patches = patches.map(lambda lr, hr: (lr, target(lr)))
            model.fit(patches, steps_per_epoch=mark - done, epochs=1, shuffle=False, verbose=0)
            done = mark
        yield mark


def held_out_psnr(model: keras.Model, pictures: list[tuple[np.ndarray, np.ndarray]], scale: int) -> float:
    """Mean PSNR in dB of a luma network on (LR float32 (h, w, 1), HR uint8 (h, w, 1)), by `zoo.evaluate`'s protocol."""
    figures = []
    for lr_image, hr_image in pictures:
        sr_image = np.asarray(model(lr_image[None], training=False), np.float64)[0, ..., 0]
        figures.append(psnr(hr_image[..., 0], to_uint8(sr_image), shave=scale))
    return float(np.mean(figures))
