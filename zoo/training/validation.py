"""Validation while a run goes on: PSNR on Y by the published protocol, on whole pictures."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from zoo.color import luma
from zoo.data import imresize
from zoo.metrics import psnr


class Validation:
    """The pictures, degraded once, and the pass of a network over each.

    The figure is that of `zoo.evaluate.evaluate` (protocol "y"), without degrading the pictures again each time.

    Args:
        source: the `zoo.data.Source` whose HR pictures are taken.
        network: function of (1, h, w, c) float32 that gives the image enlarged, with the weights of the moment.
        threads: so many pictures are computed at a time.
    """

    def __init__(self, source, network, threads: int = 1):
        self.scale, self.network, self.threads = source.scale, network, threads
        self.names, self.lr_images, self.hr_images = [], [], []
        for name, _, hr in source.pictures():
            self.names.append(name)
            self.hr_images.append(hr)
            self.lr_images.append(imresize(hr / 255.0, 1 / self.scale).astype(np.float32))

    def sr_image(self, index: int) -> np.ndarray:
        """Returns the network's picture for one of the LR images, uint8 (scale·h, scale·w, c)."""
        sr = np.asarray(self.network(self.lr_images[index][None]))[0]
        return np.floor(np.clip(sr, 0, 1) * 255 + 0.5).astype(np.uint8)

    def psnr(self) -> float:
        """Returns the mean PSNR over the pictures, in dB."""
        with ThreadPoolExecutor(self.threads) as pool:
            return float(np.mean(list(pool.map(self._psnr, range(len(self.names))))))

    def _psnr(self, index: int) -> float:
        return psnr(luma(self.hr_images[index]), luma(self.sr_image(index)), shave=self.scale)
