"""What goes into a run: the pictures to train on, those to validate on, and the batches, each worker its rows."""

import numpy as np

import zoo.data
from zoo.training.config import TrainConfig


def open_source(config: TrainConfig, split: str):
    """Opens the pictures to train or to validate on, without `config.valid` those held out of the data.

    A folder holds nothing out: its runs are then validated on the sample photograph.

    Args:
        split: "train" or "valid".
    """
    scale, channels = config.scale, config.channels
    name = config.data if split == "train" else config.valid
    if name == "div2k" or (not name and config.data == "div2k"):
        options = {"manual_dir": config.manual_dir} if config.manual_dir else {}
        return zoo.data.div2k(scale, split=split, channels=channels, **options)
    if name == "sample" or not name:
        return zoo.data.sample(scale, channels=channels, split="train" if split == "train" else "heldout")
    return zoo.data.from_folder(name, scale, channels=channels, split=split)


def open_picture(config: TrainConfig, valid) -> np.ndarray:
    """Returns the first picture of the validation set, uint8 (h, w, c); the sample photograph in colour."""
    if valid.name.startswith("sample"):
        valid = zoo.data.sample(config.scale, channels=3, split="heldout")
    return next(iter(valid.pictures()))[2]


def open_batches(strategy, source, config: TrainConfig, start_step: int):
    """Returns an iterator over the batches from `start_step` on: each worker draws only its rows of every batch."""
    options = {"min_detail": config.min_detail} if config.min_detail else {}

    def patches(context):
        shard = (context.input_pipeline_id, context.num_input_pipelines)
        rows = source.patches(config.batch, config.lr_size, config.seed, start_step=start_step, shard=shard, **options)
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        return rows.rebatch(config.batch // context.num_replicas_in_sync) if replicas > 1 else rows

    return iter(strategy.distribute_datasets_from_function(patches))
