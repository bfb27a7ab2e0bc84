"""TensorBoard's event file of a run, written by TensorFlow alone."""

import contextlib
import io
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from zoo.training.checkpoint import write_error


class Events:
    """Writes `workdir/tensorboard`; `python -m tensorboard.main --logdir=WORKDIR` shows it."""

    def __init__(self, workdir: Path):
        self.folder = workdir / "tensorboard"
        self.writer = tf.summary.create_file_writer(str(self.folder))

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes one value per name."""
        with self._open():
            for name, value in values.items():
                _summary(name, tf.constant(value, tf.float32), "scalars", step)

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """Writes a uint8 image (H, W, 3)."""
        file = io.BytesIO()
        Image.fromarray(image).save(file, "png")
        height, width = image.shape[:2]
        with self._open():
            _summary(name, tf.constant([str(width), str(height), file.getvalue()]), "images", step)

    def close(self) -> None:
        self.writer.close()

    @contextlib.contextmanager
    def _open(self):
        try:
            with self.writer.as_default():
                yield
        except tf.errors.OpError as error:
            self.writer = tf.summary.create_noop_writer()  # closing the other one would raise again
            raise write_error(error, self.folder) from error


def _summary(name, tensor, plugin, step) -> None:
    # tf.summary.scalar and .image need the tensorboard package only to write this same record.
    metadata = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": plugin})
    tf.summary.write(name, tensor, step=step, metadata=metadata)
