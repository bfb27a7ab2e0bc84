"""A source: pictures decoded once, degraded once and kept as bytes, for training and for validation."""

import dataclasses
import hashlib
import itertools
import logging
import operator
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from zoo.color import luma
from zoo.data.decode import PictureError
from zoo.data.degrade import crop_to_multiple, imresize
from zoo.errors import UsageError, shown
from zoo.machine import available_threads

LOGGER = logging.getLogger("zoo.data")
_SECONDS_BETWEEN_NEWS = 10
_ALIGNMENT = 64  # TensorFlow takes an array as it is, without a copy, where it starts at a multiple of 64 bytes.


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture that has not been read yet.

    Attributes:
        name: short, for tables.
        path: where it comes from, for messages.
        read: returns the HR image and the LR image, or None where the LR image is to be made; uint8, (h, w) or
            (h, w, 3); raises `PictureError`.
    """

    name: str
    path: str
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a picture lies in the records: `height` · `width` of them, row by row, from `start` on (LR pixels)."""

    name: str
    path: str
    start: int
    height: int
    width: int


class Source:
    """Pictures to train or validate on, at one scale.

    They are read when they are first needed, by all cores, and then kept in memory as bytes, one record for each LR
    pixel: the LR pixel and the scale × scale HR pixels that it stands for. All of DIV2K in RGB at scale 3 is 8 GB.
    A picture that cannot be read is named in a warning and left out; `skipped` lists them.

    Attributes:
        name: what was opened, as in "sample/train".
        scale: HR side / LR side.
        channels: 1 for luma (Y of BT.601 in studio range, rounded to 8 bits; a grey picture is Y as it is), 3 for RGB.
        total: how many pictures will be read; 0 where only reading tells.
        skipped: (path, reason) of the pictures that could not be read, known once they have been.
        lr_images: where the LR images come from, in words, for the first lines of a run.
    """

    def __init__(
        self,
        name: str,
        scale: int,
        channels: int,
        pictures: Iterable[Picture],
        pixels: int,
        skipped: Iterable[tuple[str, str]] = (),
        lr_images: str = "",
    ):
        """Opens a source; `pixels`, Σ h · w of the HR images or more, is the memory to set aside."""
        check_form(scale, channels)
        self.name, self.scale, self.channels = name, scale, channels
        self.lr_images = lr_images or f"LR images of {name}: made by MATLAB's bicubic interpolation"
        self.skipped: list[tuple[str, str]] = list(skipped)
        self.total = operator.length_hint(pictures)
        self._unread, self._pixels = pictures, pixels
        self._records: np.ndarray | None = None
        self._places: list[Place] = []
        self._hashes: dict[bytes, str] = {}

    def pictures(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yields (name, LR image, HR image): uint8, (h, w, channels) and (scale·h, scale·w, channels)."""
        for place in self.places:
            record = self.records[place.start : place.start + place.height * place.width]
            yield place.name, *_unpack(record, place.height, place.width, self.scale, self.channels)

    def patches(
        self,
        batch: int,
        lr_size: int,
        seed: int,
        start_step: int = 0,
        shard: tuple[int, int] = (0, 1),
        augment: bool = True,
        min_detail: float = 0.0,
        degradation: str = "none",
    ):
        """An endless dataset of training batches; batch k is a function of (seed, k) alone.

        So a resumed run sees what the uninterrupted one would have seen, and every worker can compute its share of a
        global batch. Every patch of every picture is as likely as any other: large pictures count for more.

        Args:
            batch: patches in the global batch.
            lr_size: side of the LR patch in LR pixels.
            seed: an integer.
            start_step: the step whose batch comes first, from 0.
            shard: (index, count): only rows [index · batch / count, (index + 1) · batch / count) of each batch.
            augment: flip and turn each patch at random into one of its eight orientations.
            min_detail: only patches with at least this mean absolute difference between neighbouring LR pixels, in
                8-bit levels (0.5 leaves out blank skies); their corners then lie on a grid of lr_size // 8 LR pixels.
            degradation: "none": LR patches as bicubic leaves them; "jpeg": of luma, some of them blurred and noisy,
                most of them compressed, each by chance of its own (`zoo.data.jpeg.worn`).

        Returns:
            `tf.data.Dataset` of (LR patches, HR patches), float32 in [0, 1]: (batch / count, lr_size, lr_size,
            channels) and (batch / count, scale · lr_size, scale · lr_size, channels), cut at the same places. The LR
            image was made from the whole picture, so the border of a patch is like its inside.

        Raises:
            UsageError: on wrong sizes, or if no picture is large or detailed enough.
        """
        from zoo.data import pipeline

        return pipeline.patches(self, batch, lr_size, seed, start_step, shard, augment, min_detail, degradation)

    def whole_pictures(self):
        """The pictures as they are, in batches of one: what `fit` validates on, beside patches to train on.

        With `zoo.metrics.PSNR(shave=scale)` the figure is that of `zoo.evaluate`: LR images that were made are made
        from the floats and not rounded; those of one's own are taken.

        Returns:
            `tf.data.Dataset` of (LR image, HR image), float32 in [0, 1]: (1, h, w, channels) and (1, scale·h, scale·w,
            channels).

        Example:
            >>> import zoo
            >>> dataset = zoo.data.sample(2, split="heldout").whole_pictures()
            >>> [tuple(image.shape) for image in next(iter(dataset))]
            [(1, 256, 256, 1), (1, 512, 512, 1)]
        """
        from zoo.data import pipeline

        return pipeline.whole_pictures(self)

    @property
    def records(self) -> np.ndarray:
        """(LR pixels of all pictures, channels · (1 + scale²)) uint8: each LR pixel, then its HR pixels row by row."""
        return self._load()

    @property
    def places(self) -> list[Place]:
        """Where each picture lies in `records`."""
        self._load()
        return self._places

    @property
    def hashes(self) -> dict[bytes, str]:
        """The path of each picture by the hash of its luma: a copy under another name, or in another file format
        without loss, or the grey version of an RGB picture, has the same."""
        self._load()
        return self._hashes

    def _load(self) -> np.ndarray:
        if self._records is not None:
            return self._records
        width = self.channels * (1 + self.scale**2)
        records = aligned(self._pixels // self.scale**2, width, self.name)
        # Kept once all are read: an interrupted load leaves nothing behind for the next.
        places: list[Place] = []
        hashes: dict[bytes, str] = {}
        skipped, start, spoken = [*self.skipped], 0, time.monotonic()
        for path, reason in self.skipped:
            LOGGER.warning("Skipping %s: %s", shown(path), shown(reason))
        for picture, found in self.read():
            if isinstance(found, PictureError):
                skipped.append((picture.path, str(found)))
                continue
            lr, hr, digest = found
            place = Place(picture.name, picture.path, start, *lr.shape[:2])
            start += place.height * place.width
            pack(lr, hr, self.scale, records[place.start : start])
            places.append(place)
            hashes.setdefault(digest, picture.path)
            if time.monotonic() - spoken > _SECONDS_BETWEEN_NEWS:
                spoken = time.monotonic()
                LOGGER.info("%s: %d pictures read", self.name, len(places))
        if skipped:
            total = len(places) + len(skipped)
            LOGGER.warning("%s: skipped %d of %d pictures, which cannot be read", self.name, len(skipped), total)
        if not places:
            why = "; ".join(f"{path}: {reason}" for path, reason in skipped[:3])
            raise UsageError(f"Expected at least one picture that can be read in {self.name!r}. Received: {why}")
        self._places, self._hashes, self.skipped, self._records = places, hashes, skipped, records[:start]
        self._unread = ()
        return self._records

    def read(
        self, known: Sequence[str] = ()
    ) -> Iterator[tuple[Picture, tuple[np.ndarray, np.ndarray, bytes] | PictureError]]:
        """Yields, in order, each picture with (LR image, HR image, hash), uint8 (h, w, c), or why it cannot be read.

        Args:
            known: paths of the first pictures, which are passed over.

        Raises:
            UsageError: if the first pictures are others.
        """
        unread = iter(self._unread)
        passed = [picture.path for picture in itertools.islice(unread, len(known))]
        if passed != list(known):
            other = next((path for path, expected in zip(passed, known) if path != expected), "no such picture")
            raise UsageError(f"Expected the pictures in {self.name!r} that were there before. Received: {other}")
        for picture, done in _ahead(self._prepare, unread):
            try:
                yield picture, done()
            except PictureError as error:
                LOGGER.warning("Skipping %s: %s", shown(picture.path), shown(str(error)))
                yield picture, error

    def _prepare(self, picture: Picture) -> tuple[np.ndarray, np.ndarray, bytes]:
        """Reads one picture: LR and HR image with the channels asked for, HR cropped to scale · LR, and its hash."""
        original, lr = picture.read()
        gray = np.ascontiguousarray(luma(original))
        digest = hashlib.blake2b(gray.data, digest_size=16, person=b"%dx%d" % gray.shape).digest()
        hr = crop_to_multiple(gray if self.channels == 1 else _rgb(original), self.scale)
        if hr.size == 0:
            raise PictureError(f"its {original.shape[0]}x{original.shape[1]} pixels are less than scale {self.scale}")
        height, width = hr.shape[0] // self.scale, hr.shape[1] // self.scale
        if lr is None:
            lr = imresize(hr, 1 / self.scale)
        else:
            # MATLAB rounds the LR image's sides up where the scale does not divide those of the HR image.
            sides = [(side, -(-full // self.scale)) for side, full in zip((height, width), original.shape)]
            if any(side not in allowed for side, allowed in zip(lr.shape, sides)):
                raise PictureError(
                    f"its LR image has {lr.shape[0]}x{lr.shape[1]} pixels, and at scale {self.scale} "
                    f"{height}x{width} belong to its {original.shape[0]}x{original.shape[1]}"
                )
            lr = (luma(lr) if self.channels == 1 else _rgb(lr))[:height, :width]
        return np.atleast_3d(lr), np.atleast_3d(hr), digest


def join(name: str, sources: Sequence[Source]) -> Source:
    """One source of the pictures of several, none of which has been read yet, at the same scale and channels."""
    pictures = [picture for source in sources for picture in source._unread]
    pixels, skipped = sum(source._pixels for source in sources), [each for source in sources for each in source.skipped]
    lr_images = "; ".join(source.lr_images for source in sources)
    return Source(name, sources[0].scale, sources[0].channels, pictures, pixels, skipped, lr_images)


def check_form(scale: int, channels: int) -> None:
    """Raises a `UsageError` if no source can have this scale or number of channels."""
    if not isinstance(scale, int) or scale < 2:
        raise UsageError(f"Expected scale as an integer of at least 2. Received: scale={scale!r}")
    if channels not in (1, 3):
        raise UsageError(f"Expected channels to be 1 (luma) or 3 (RGB). Received: channels={channels!r}")


def check_disjoint(train: Source, valid: Source) -> None:
    """Makes sure that no picture of `valid` is in `train`, by content and not by name.

    Raises:
        UsageError: naming the first of the pictures that are in both.

    Example:
        >>> from zoo.data.samples import sample
        >>> check_disjoint(sample(3), sample(3, split="heldout"))
        >>> check_disjoint(sample(3), sample(3))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        zoo.errors.UsageError: Expected no picture of the validation set in the training set. Received: ...
    """
    both = [(train.hashes[digest], path) for digest, path in valid.hashes.items() if digest in train.hashes]
    if both:
        raise UsageError(
            f"Expected no picture of the validation set in the training set. Received: {both[0][1]} is {both[0][0]}"
            + (f" (and {len(both) - 1} more)" if len(both) > 1 else "")
        )


def _rgb(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def pack(lr: np.ndarray, hr: np.ndarray, scale: int, records: np.ndarray) -> None:
    """Writes a picture, LR (h, w, c) and HR (scale·h, scale·w, c), into h · w `records` of c · (1 + scale²) bytes."""
    height, width, channels = lr.shape
    blocks = hr.reshape(height, scale, width, scale, channels).transpose(0, 2, 1, 3, 4)
    records[:, :channels] = lr.reshape(-1, channels)
    records[:, channels:] = blocks.reshape(height * width, -1)


def _unpack(records: np.ndarray, height: int, width: int, scale: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    lr = records[:, :channels].reshape(height, width, channels)
    blocks = records[:, channels:].reshape(height, width, scale, scale, channels).transpose(0, 2, 1, 3, 4)
    return lr, blocks.reshape(height * scale, width * scale, channels)


def aligned(rows: int, width: int, name: str) -> np.ndarray:
    """Room for the records; memory is taken only as they are written."""
    size = max(rows, 1) * width
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else size
    if size > memory:
        raise UsageError(
            f"Expected pictures that fit in this machine's {memory / 1e9:.0f} GB of memory. "
            f"Received: {name!r}, which needs {size / 1e9:.0f} GB"
        )
    buffer = np.empty(size + _ALIGNMENT, np.uint8)
    offset = -buffer.ctypes.data % _ALIGNMENT
    return buffer[offset : offset + size].reshape(-1, width)


def _ahead(function: Callable, items: Iterable) -> Iterator[tuple]:
    """Yields, in order, each item and what returns `function(item)`, computed by all cores a few items ahead."""
    workers = available_threads()
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple] = deque()
        for item in items:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) > 2 * workers:
                item, future = waiting.popleft()
                yield item, future.result
        for item, future in waiting:
            yield item, future.result
