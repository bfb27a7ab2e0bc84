"""Validation while a run goes on: PSNR on Y by the published protocol, on whole pictures."""

import keras
import numpy as np
import tensorflow as tf

from zoo.color import luma
from zoo.metrics import psnr


class Validation:
    """Whole pictures and a compiled pass of the network over each.

    Args:
        pictures: of (name, lr uint8 (h, w, c), hr uint8 (scale·h, scale·w, c)).
        model: the network that is judged, with the weights it has at each call.
        scale: pixels shaved on each side of the output.
    """

    def __init__(self, pictures, model: keras.Model, scale: int):
        self.pictures = list(pictures)
        self.scale = scale
        # One trace for all sizes; XLA would compile one program per size.
        self.upscale = tf.function(lambda lr: model(lr, training=False), reduce_retracing=True)

    def sr_image(self, lr: np.ndarray) -> np.ndarray:
        """Returns the network's picture in uint8, for an LR picture in uint8 (h, w, c)."""
        sr = self.upscale(tf.constant(lr[None], tf.float32) / 255.0)[0].numpy()
        return np.clip(np.round(sr * 255.0), 0, 255).astype(np.uint8)

    def psnr(self) -> float:
        """Returns the mean PSNR over the pictures in dB."""
        return float(
            np.mean([psnr(luma(hr), luma(self.sr_image(lr)), shave=self.scale) for _, lr, hr in self.pictures])
        )
