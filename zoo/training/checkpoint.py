"""What a workdir keeps so that a killed run goes on as if nothing had happened: weights, optimizer, average, step."""

import errno
import logging
import os
import platform
import re
from pathlib import Path

import keras
import tensorflow as tf

from zoo.errors import UsageError
from zoo.files import whole_file
from zoo.machine import processor, versions
from zoo.training.config import TrainConfig
from zoo.training.cores import cores

KEPT = 3
LOGGER = logging.getLogger("zoo.training")


class Checkpoints:
    """The newest checkpoints of a run, under `workdir/checkpoints`.

    Args:
        workdir: the run's folder.
        model, average, optimizer: whose variables are saved. The optimizer's `iterations` is the step.
        writes: False on every worker but the chief: `save` then only notes the step.

    Attributes:
        step: of the newest checkpoint written or restored, None before that.
    """

    def __init__(self, workdir: Path, model, average, optimizer, writes: bool = True):
        self.optimizer, self.writes = optimizer, writes
        self.step: int | None = None
        checkpoint = tf.train.Checkpoint(
            model=[v.value for v in model.variables],
            average=[v.value for v in average.variables],
            optimizer=[v.value for v in optimizer.variables],
        )
        _find_again(workdir / "checkpoints")
        self.manager = tf.train.CheckpointManager(checkpoint, str(workdir / "checkpoints"), max_to_keep=KEPT)

    def kept(self) -> str:
        """Says what a run that fails now can go on from."""
        return f"The checkpoint of step {self.step} is kept" if self.step else "There is no checkpoint yet"

    def save(self) -> None:
        """Writes a checkpoint of the present step; the earlier ones stay readable until it is complete.

        Raises:
            OSError: if it cannot be written, as on a full disk.
        """
        step = steps_done(self.optimizer)
        if self.step == step:
            return
        try:
            if self.writes:
                self.manager.save(checkpoint_number=step)
        except tf.errors.OpError as error:
            raise write_error(error, self.manager.directory) from error
        self.step = step

    def restore(self) -> int | None:
        """Restores the newest checkpoint that can be read, and returns its step; None where there is none.

        Raises:
            UsageError: if the checkpoint belongs to another network or optimizer, or none of them can be read.
        """
        unreadable = None
        for path in reversed(self.manager.checkpoints):
            try:
                self.manager.checkpoint.restore(path).assert_consumed()
            except (AssertionError, ValueError) as error:
                raise UsageError(f"Expected a checkpoint of this network and optimizer. Received: {path}") from error
            except (tf.errors.OpError, IndexError) as error:  # IndexError: the file is shorter than it should be
                LOGGER.warning("Cannot read %s, going back to the one before it: %s", path, _reason(error))
                unreadable = path
                continue
            self.step = steps_done(self.optimizer)
            return self.step
        if unreadable:
            raise UsageError(f"Expected a checkpoint that can be read. Received: {unreadable}")
        return None


def _find_again(folder: Path) -> None:
    """Makes TensorFlow's list of checkpoints anew where it is damaged, as a power cut leaves it."""
    written = sorted(folder.glob("ckpt-*.index"), key=lambda path: int(path.stem.removeprefix("ckpt-")))
    if not written:
        return
    try:
        state = tf.train.get_checkpoint_state(str(folder))
    # A parser of text fed with anything.
    except Exception:
        state = None
    if state is None or not state.all_model_checkpoint_paths:
        LOGGER.warning("%s is damaged and is made anew from the checkpoints beside it", folder / "checkpoint")
        paths = [path.stem for path in written]
        text = [f'model_checkpoint_path: "{paths[-1]}"', *(f'all_model_checkpoint_paths: "{path}"' for path in paths)]
        with whole_file(folder / "checkpoint") as unfinished:
            unfinished.write_text("\n".join(text) + "\n", encoding="utf-8")


def steps_done(optimizer: keras.optimizers.Optimizer) -> int:
    """Returns the number of steps that an optimizer has taken, under any strategy."""
    return int(tf.convert_to_tensor(optimizer.iterations.value))


def environment(config: TrainConfig, jit: str) -> dict:
    """Returns what, besides the configuration, decides the last bits of the weights."""
    return {
        "threads": cores(config),
        "threads_per_operation": tf.config.threading.get_intra_op_parallelism_threads() or "all",
        "jit": jit,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "devices": sorted({device.device_type for device in tf.config.list_logical_devices()}),
        "processor": processor(),
        **versions(("tensorflow", "keras")),
        "python": platform.python_version(),
    }


def write_error(error: tf.errors.OpError, path) -> OSError:
    """Returns what Python would have raised where TensorFlow could not write a file."""
    return OSError(errno.EIO, _reason(error), str(path))


def _reason(error: Exception) -> str:
    first = str(getattr(error, "message", error)).splitlines()[0]
    return re.sub(r"{{.*?}}|\[Op:.*", "", first).strip()[:200]
