"""Whether a batch fits into memory, before any of it is taken."""

import tensorflow as tf

from zoo.errors import UsageError
from zoo.machine import available_memory
from zoo.reach.keras_model import walk
from zoo.training.config import TrainConfig
from zoo.training.start import build_model


def check_memory(config: TrainConfig) -> None:
    """Refuses a batch whose maps alone do not fit; the backward pass needs them all at once.

    On a GPU, whose memory is its own, nothing is refused.

    Raises:
        UsageError: it does not fit.
    """
    available = available_memory()
    if available is None or tf.config.list_physical_devices("GPU"):
        return
    needed = bytes_of_maps(config)
    if needed > available:
        batch = f"--batch={config.batch} patches of --lr_size={config.lr_size}"
        raise UsageError(
            f"Expected a batch that fits into the {available / 1e9:.1f} GB of memory that are free. Received: "
            f"{batch}, whose maps alone take {needed / 1e9:,.1f} GB"
        )


def bytes_of_maps(config: TrainConfig) -> int:
    """The bytes of every layer's float32 output for one batch."""
    maps = [step.output for step in walk(build_model(config), config.lr_size)]
    return 4 * config.batch * sum(each.channels * each.axes[0].length * each.axes[1].length for each in maps)
