"""The usual ways to feed patches to a network from Python, each as a `tf.data.Dataset`; see `benchmarks.pipeline`.

They do less than `zoo.data`: nothing is flipped or turned, no batch can be asked for by its number, and where a way is
faster when a batch comes out of one picture, it does.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

AUTO = tf.data.AUTOTUNE


class Ways:
    """The ways, over one folder of equally large grey pictures in DIV2K's layout.

    Args:
        pairs: (LR file, HR file), grey PNG.
        scale: HR side / LR side.
        batch: patches in a batch.
        lr_size: side of an LR patch.
        folder: for the files that some ways prepare.
    """

    def __init__(self, pairs: list[tuple[Path, Path]], scale: int, batch: int, lr_size: int, folder: Path):
        self.pairs, self.scale, self.batch, self.size, self.folder = pairs, scale, batch, lr_size, folder

    def all(self) -> dict[str, Callable[[], tf.data.Dataset]]:
        """Name → how to make the dataset of (LR, HR) batches, float32 in [0, 1]."""
        return {
            "decode for each patch": lambda: self._batched(self._decoded().map(self._crop, AUTO)),
            "decode, 16 patches a visit": lambda: self._visits(self._decoded(), 16),
            "decode, 64 patches a visit": lambda: self._visits(self._decoded(), 64),
            "sub-images in TFRecord": self._records,
            "memmap, generator of patches": lambda: self._generator(None),
            "memmap, generator of batches": lambda: self._generator(self.batch),
            "one tensor in memory": self._tensor,
            "cache in memory": lambda: self._batched(self._decoded(cache="").map(self._crop, AUTO)),
            "cache, 16 patches a visit": lambda: self._visits(self._decoded(cache=""), 16),
            "cache, a batch from one picture": self._one_picture,
            "cache in a file": lambda: self._batched(
                self._decoded(cache=str(self.folder / "cache")).map(self._crop, AUTO)
            ),
        }

    def _decoded(self, cache: str | None = None) -> tf.data.Dataset:
        """Whole pictures, again and again in random order, decoded each time or kept."""
        names = tf.constant([[str(lr), str(hr)] for lr, hr in self.pairs])

        def decode(pair):
            return tuple(tf.io.decode_png(tf.io.read_file(pair[index]), channels=1) for index in (0, 1))

        pictures = tf.data.Dataset.from_tensor_slices(names)
        if cache is not None:
            return pictures.map(decode, AUTO).cache(cache).shuffle(len(self.pairs)).repeat()
        return pictures.shuffle(len(self.pairs)).repeat().map(decode, AUTO)

    def _crop(self, lr, hr):
        shape = tf.shape(lr)
        row = tf.random.uniform([], 0, shape[0] - self.size + 1, tf.int32)
        column = tf.random.uniform([], 0, shape[1] - self.size + 1, tf.int32)
        return self._cut(lr, row, column, 1), self._cut(hr, row, column, self.scale)

    def _cut(self, image, row, column, scale: int):
        side = self.size * scale
        return tf.ensure_shape(image[row * scale :, column * scale :][:side, :side], [side, side, 1])

    def _crops(self, lr, hr, count: int):
        lr_patches, hr_patches = zip(*[self._crop(lr, hr) for _ in range(count)])
        return tf.stack(lr_patches), tf.stack(hr_patches)

    def _visits(self, pictures: tf.data.Dataset, count: int) -> tf.data.Dataset:
        patches = pictures.map(lambda lr, hr: self._crops(lr, hr, count), AUTO).unbatch()
        return self._batched(patches.shuffle(16 * count))

    def _one_picture(self) -> tf.data.Dataset:
        batches = self._decoded(cache="").map(lambda lr, hr: self._crops(lr, hr, self.batch), AUTO)
        return batches.map(self._floats, AUTO).prefetch(AUTO)

    def _batched(self, patches: tf.data.Dataset) -> tf.data.Dataset:
        return patches.batch(self.batch, drop_remainder=True).map(self._floats, AUTO).prefetch(AUTO)

    def _floats(self, lr, hr):
        return tf.cast(lr, tf.float32) / 255, tf.cast(hr, tf.float32) / 255

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        from zoo.data.decode import read_picture

        return tuple(np.stack([read_picture(pair[index])[..., None] for pair in self.pairs]) for index in (0, 1))

    def _records(self, lr_side: int = 160) -> tf.data.Dataset:
        """Raw sub-images of 160×160 LR pixels, one patch of each a visit."""
        path = str(self.folder / "sub-images.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for lr, hr in zip(*self._arrays()):
                for row in range(0, lr.shape[0] - lr_side + 1, lr_side):
                    for column in range(0, lr.shape[1] - lr_side + 1, lr_side):
                        part = lr[row : row + lr_side, column : column + lr_side].tobytes()
                        rows, columns = row * self.scale, column * self.scale
                        hr_side = lr_side * self.scale
                        writer.write(part + hr[rows : rows + hr_side, columns : columns + hr_side].tobytes())

        def parse(record):
            values = tf.io.decode_raw(record, tf.uint8)
            lr = tf.reshape(values[: lr_side**2], [lr_side, lr_side, 1])
            return lr, tf.reshape(values[lr_side**2 :], [lr_side * self.scale, lr_side * self.scale, 1])

        records = tf.data.TFRecordDataset(path).repeat().shuffle(64)
        return self._batched(records.map(parse, AUTO).map(self._crop, AUTO))

    def _generator(self, batch: int | None) -> tf.data.Dataset:
        """Slices of arrays on the disk, by NumPy."""
        files = [self.folder / "lr.npy", self.folder / "hr.npy"]
        for file, array in zip(files, self._arrays()):
            np.save(file, array)
        lr, hr = (np.load(file, mmap_mode="r") for file in files)
        rng, size, scale = np.random.default_rng(0), self.size, self.scale

        def patch():
            picture = rng.integers(len(lr))
            row, column = rng.integers(lr.shape[1] - size + 1), rng.integers(lr.shape[2] - size + 1)
            return tuple(
                array[picture, row * s : (row + size) * s, column * s : (column + size) * s]
                for array, s in ((lr, 1), (hr, scale))
            )

        def generate():
            while True:
                yield patch() if batch is None else tuple(map(np.stack, zip(*[patch() for _ in range(batch)])))

        shapes = [[] if batch is None else [batch], [size, size, 1], [size * scale, size * scale, 1]]
        signature = tuple(tf.TensorSpec(shapes[0] + shape, tf.uint8) for shape in shapes[1:])
        patches = tf.data.Dataset.from_generator(generate, output_signature=signature)
        return self._batched(patches) if batch is None else patches.map(self._floats, AUTO).prefetch(AUTO)

    def _tensor(self) -> tf.data.Dataset:
        lr, hr = map(tf.constant, self._arrays())

        def pick(number):
            picture = tf.random.uniform([], 0, len(self.pairs), tf.int32)
            return self._crop(lr[picture], hr[picture])

        return self._batched(tf.data.Dataset.counter().map(pick, AUTO))
