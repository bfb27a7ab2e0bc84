"""DIV2K by way of TensorFlow Datasets, which is asked only when it can answer."""

import functools
import os
import threading

import numpy as np

from zoo.data.folders import SPLITS
from zoo.data.sources import Picture, Source, check_form
from zoo.errors import UsageError, one_of
from zoo.files import expanded

_SCALES = (2, 3, 4, 8)
_HOST = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
SECONDS = 8  # to wait for the host before it counts as out of reach
_LONGEST_SIDE = 2040


def div2k(scale: int, split: str = "train", channels: int = 1, data_dir=None, manual_dir=None) -> Source:
    """Opens DIV2K (800 pictures for training, 100 for validation, about 2K; LR by MATLAB's bicubic) from TFDS.

    The first time the archives are fetched or taken from `manual_dir`, checked against their known hashes, and
    prepared in `data_dir`; that takes about three times their size of disk, at scale 3 some 13 GB. DIV2K that is
    already unpacked in its own layout is opened by `from_folder` instead.

    Args:
        scale: 2, 3, 4 or 8.
        split: "train" or "valid".
        channels: 1 for luma, 3 for RGB.
        data_dir: where TFDS keeps prepared data; its own default (~/tensorflow_datasets) where None.
        manual_dir: a folder with the original archives, fetched by hand.

    Raises:
        UsageError: on another scale or split, where archives are missing or damaged, or where there is no network:
            within seconds, where TFDS itself waits for minutes.

    References:
        Agustsson, Timofte: NTIRE 2017 Challenge on Single Image Super-Resolution (CVPR Workshops 2017);
        https://www.tensorflow.org/datasets/catalog/div2k. Terms: academic research only.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as empty:  # one that has the archives gives a source
        ...     div2k(3, data_dir=empty, manual_dir=empty)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        zoo.errors.UsageError: Expected the original archives DIV2K_train_HR.zip, DIV2K_train_LR_bicubic_X3.zip, ...
    """
    one_of("scale", scale, _SCALES)
    one_of("split", split, SPLITS)
    check_form(scale, channels)
    import tensorflow_datasets as tfds

    builder = tfds.builder(f"div2k/bicubic_x{scale}", data_dir=data_dir)
    if not builder.is_prepared():
        _prepare(builder, scale, manual_dir)
    part = "validation" if SPLITS[split] == "valid" else "train"
    count = builder.info.splits[part].num_examples
    name = f"div2k/bicubic_x{scale}/{split}"
    return Source(name, scale, channels, _Pictures(builder, part), pixels=count * _LONGEST_SIDE**2)


def archives(scale: int) -> list[str]:
    """The names of the four archives that hold DIV2K at this scale."""
    lr = "LR_x8" if scale == 8 else f"LR_bicubic_X{scale}"
    return [f"DIV2K_{split}_{part}.zip" for split in ("train", "valid") for part in ("HR", lr)]


def _prepare(builder, scale: int, manual_dir) -> None:
    import requests
    import tensorflow_datasets as tfds

    if manual_dir is not None:
        folder = expanded(manual_dir)
        missing = [name for name in archives(scale) if not (folder / name).is_file()]
        if missing:
            raise UsageError(
                f"Expected the original archives {', '.join(archives(scale))} in manual_dir. "
                f"Received: {str(manual_dir)!r}, where {', '.join(missing)} cannot be found"
            )
    elif not _reachable(_HOST):
        raise UsageError(
            f"Expected DIV2K in {builder.data_path}, or a network to fetch it. Received: no answer from {_HOST}. "
            f"Fetch {', '.join(archives(scale))} from there on another machine and name their folder as manual_dir, "
            "or unpack them and give that folder as the data"
        )
    # TFDS would also ask Google's storage, which has no DIV2K, and wait for that as well.
    config = tfds.download.DownloadConfig(manual_dir=manual_dir and folder, try_download_gcs=False)
    try:
        builder.download_and_prepare(download_config=config)
    except tfds.download.download_manager.NonMatchingChecksumError as error:
        raise UsageError(f"Expected the archives as DIV2K's authors publish them. Received: {error}") from error
    except requests.exceptions.RequestException as error:
        raise UsageError(f"Expected the network to last while DIV2K is fetched. Received: {error}") from error


class _Pictures:
    """One split's pictures, from the first one on whenever they are iterated over."""

    def __init__(self, builder, part: str):
        self.builder, self.part = builder, part

    def __iter__(self):
        import tensorflow_datasets as tfds

        # Files in their order: the same picture has the same place in every run.
        config = tfds.ReadConfig(try_autocache=False)
        dataset = self.builder.as_dataset(split=self.part, shuffle_files=False, read_config=config)
        for number, element in enumerate(tfds.as_numpy(dataset)):
            name = f"{self.part} {number:04d}"
            yield Picture(name, f"{self.builder.data_path}{os.sep}{name}", functools.partial(_pair, element))


def _pair(element: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return element["hr"], element["lr"]


def _reachable(url: str) -> bool:
    """Whether the host answers within seconds; looking its name up has no time limit of its own, so a thread asks."""
    answered = threading.Event()

    def ask():
        import requests

        try:
            requests.head(url, timeout=SECONDS)
        except requests.exceptions.RequestException:
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return answered.is_set()
