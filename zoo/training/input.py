"""What goes into a run: the pictures to train on, those to validate on, and the batches, each worker its rows."""

import itertools
import logging
from collections.abc import Iterator

import numpy as np

import zoo.data
from zoo.color import to_uint8
from zoo.data import imresize
from zoo.data.degrade import own_lr
from zoo.data.jpeg import JUDGED, jpeg, through_jpeg
from zoo.errors import shown
from zoo.evaluate import unfit
from zoo.training.comparison import Comparison
from zoo.training.config import TrainConfig

LOGGER = logging.getLogger("zoo.training")


def open_source(config: TrainConfig, split: str):
    """Opens the pictures to train or to validate on, without `config.valid` those held out of the data.

    A folder holds nothing out: its runs are then validated on the sample photograph. The log says where the LR images
    come from.

    Args:
        split: "train" or "valid".
    """
    name, lr_data = (config.data, config.lr_data) if split == "train" else (config.valid, config.valid_lr_data)
    if not name:
        name = "div2k" if config.data == "div2k" else "sample"
    source = zoo.data.by_name(name, config.scale, config.channels, split, config.manual_dir, lr_data)
    LOGGER.info("%s: %s", "Training" if split == "train" else "Validation", shown(source.lr_images))
    return source


def open_both(config: TrainConfig, source=None, valid=None) -> tuple:
    """Returns the pictures to train on and those to validate on: those given, or those that `config` names.

    Raises:
        UsageError: a picture is in both.
    """
    source, valid = source or open_source(config, "train"), valid or open_source(config, "valid")
    if hasattr(source, "hashes") and hasattr(valid, "hashes"):
        zoo.data.check_disjoint(source, valid)
    for purpose, each in (("Training", source), ("Validation", valid)):
        if hasattr(each, "places"):
            LOGGER.info("%s on %s", purpose, shown(amount(each)))
    return source, valid


def amount(source) -> str:
    """How much a source holds, in words.

    Example:
        >>> amount(zoo.data.sample(2))
        '8 pictures, 1.8 megapixels, of sample/train'
    """
    pixels = sum(place.height * place.width for place in source.places) * source.scale**2
    count = len(source.places)
    return f"{count} picture{'s' * (count != 1)}, {pixels / 1e6:.1f} megapixels, of {source.name}"


def judged_pictures(valid, degradation: str = "none") -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """Yields what a run is judged by: (name, HR image, LR image where it is not the bicubic one), uint8 (h, w, c).

    Such are one's own under degradation "none"; under "jpeg" they are the bicubic ones as JPEG, at
    `zoo.data.jpeg.JUDGED` in turn.
    """
    qualities = itertools.cycle(JUDGED)
    for name, lr, hr in valid.pictures():
        if degradation == "none":
            yield name, hr, own_lr(lr, hr, valid.scale)
        elif unfit(hr, valid.scale, valid.scale):
            yield name, hr, None
        else:
            yield name, hr, _compressed(imresize(hr / 255.0, 1 / valid.scale), next(qualities))


def _compressed(lr: np.ndarray, quality: int) -> np.ndarray:
    if lr.shape[-1] == 3:
        return through_jpeg(to_uint8(lr), quality)
    return to_uint8(np.asarray(jpeg(lr[None].astype(np.float32), np.array([quality], np.float32)))[0])


def open_comparison(config: TrainConfig, valid, name: str) -> Comparison:
    """Opens what shows the network `name` at work: the sample in colour, or the first picture that is validated on."""
    sample = zoo.data.sample(config.scale, channels=3, split="heldout")
    pictures = judged_pictures(sample if valid.name == sample.name else valid, config.degradation)
    hr, lr = next((hr, lr) for _, hr, lr in pictures if not unfit(hr, config.scale, config.scale))
    return Comparison(hr, config.scale, name, lr)


def patch_options(config: TrainConfig) -> dict:
    """Returns how patches are chosen and degraded, as options of a source's `patches`, which needs no others."""
    chosen = {"min_detail": config.min_detail, "degradation": config.degradation}
    return {name: value for name, value in chosen.items() if value != getattr(TrainConfig, name)}


def open_batches(strategy, source, config: TrainConfig, start_step: int):
    """Returns an iterator over the batches from `start_step` on: each worker draws only its rows of every batch."""
    options = patch_options(config)

    def patches(context):
        shard = (context.input_pipeline_id, context.num_input_pipelines)
        rows = source.patches(config.batch, config.lr_size, config.seed, start_step=start_step, shard=shard, **options)
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        share = config.batch // context.num_replicas_in_sync
        return rows.rebatch(share, drop_remainder=True) if replicas > 1 else rows

    return iter(strategy.distribute_datasets_from_function(patches))
