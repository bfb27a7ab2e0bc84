"""Validation while a run goes on: PSNR on Y by the published protocol, on whole pictures."""

import logging
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from zoo.color import luma, to_uint8
from zoo.data import imresize
from zoo.errors import UsageError
from zoo.evaluate import unfit
from zoo.metrics import psnr
from zoo.training.input import judged_pictures

LOGGER = logging.getLogger("zoo.training")


class Validation:
    """The pictures, degraded once where their LR images are not one's own, and the pass of a network over each.

    The figure is that of `zoo.evaluate.evaluate` (protocol "y"), without degrading the pictures again each time.

    Args:
        source: the `zoo.data.Source` whose pictures are taken; those that tell nothing (`zoo.evaluate.unfit`) are
            left out and named.
        network: function of (1, h, w, c) float32 that gives the image enlarged, with the weights of the moment.
        threads: so many pictures are computed at a time.
        degradation: of the run, see `zoo.training.input.judged_pictures`.

    Raises:
        UsageError: no picture is left.
    """

    def __init__(self, source, network, threads: int = 1, degradation: str = "none"):
        self.scale, self.network, self.threads = source.scale, network, threads
        self.left_out: dict[str, str] = {}
        self.names: list[str] = []
        self.lr_images: list[np.ndarray] = []
        self.hr_images: list[np.ndarray] = []
        for name, hr, own in judged_pictures(source, degradation):
            reason = unfit(hr, self.scale, self.scale)
            if reason:
                self.left_out[name] = reason
                LOGGER.warning("Left out of the validation: %s: %s", name, reason)
                continue
            self.names.append(name)
            self.hr_images.append(hr)
            lr = (imresize(hr / 255.0, 1 / self.scale) if own is None else own / 255.0).astype(np.float32)
            self.lr_images.append(lr)
        if not self.names:
            why = "; ".join(f"{name}: {reason}" for name, reason in self.left_out.items())
            raise UsageError(f"Expected a picture to validate on. Received: {why or 'none'}")

    def sr_image(self, index: int) -> np.ndarray:
        """Returns the network's picture for one of the LR images, uint8 (scale·h, scale·w, c)."""
        sr = np.asarray(self.network(self.lr_images[index][None]))[0]
        return to_uint8(sr)

    def psnr(self) -> float:
        """Returns the mean PSNR over the pictures, in dB; one that comes back exactly counts as one sample a level off.

        That is the best that 8 bits can show, and the mean stays one of the same pictures at every step.
        """
        with ThreadPoolExecutor(self.threads) as pool:
            return float(np.mean(list(pool.map(self._psnr, range(len(self.names))))))

    def _psnr(self, index: int) -> float:
        hr, sr = luma(self.hr_images[index]), luma(self.sr_image(index))
        best = 10 * math.log10(255**2 * math.prod(side - 2 * self.scale for side in hr.shape[:2]))
        return min(psnr(hr, sr, shave=self.scale), best)
