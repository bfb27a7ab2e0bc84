"""A small run of the training loop, whole or dead on the way: what it is made of, and what its checkpoint holds."""

import json

import numpy as np
import tensorflow as tf

from zoo.training import TrainConfig, loop
from zoo.training.finished import BETTER

TINY = TrainConfig(
    model="fsrcnn_s", scale=2, steps=12, batch=2, lr_size=12, warmup=2, seed=3,
    checkpoint_every=4, validate_every=6, log_every=2, jit="off",
)  # fmt: skip


class Killed(Exception):
    """Stands for a SIGKILL."""


class Noise:
    """A source by the contract of `zoo.data.Source`: batch k is a function of (seed, k)."""

    def __init__(self, scale=2, channels=1, poisoned_from=None):
        self.name, self.scale, self.channels, self.poisoned_from = "noise", scale, channels, poisoned_from

    def pictures(self):
        ramp = np.add.outer(np.arange(30), np.arange(22) * 2) * 3
        for index in range(2):
            hr = np.repeat((ramp + 40 * index).astype(np.uint8)[..., None], self.channels, axis=-1)
            yield f"ramp {index}", hr[:: self.scale, :: self.scale], hr

    def patches(self, batch, lr_size, seed, start_step=0, shard=(0, 1)):
        index, count = shard
        rows = slice(index * batch // count, (index + 1) * batch // count)

        def make(step):
            shape = (batch, lr_size * self.scale, lr_size * self.scale, self.channels)
            hr = tf.random.stateless_uniform(shape, tf.stack([tf.constant(seed, tf.int64), step]))
            if self.poisoned_from is not None:
                hr = tf.where(step >= self.poisoned_from, np.nan, hr)
            return tf.nn.avg_pool2d(hr, self.scale, self.scale, "VALID")[rows], hr[rows]

        return tf.data.Dataset.range(start_step, 1 << 40).map(make)


def run(config, workdir, **options):
    return loop.train(config, workdir, source=Noise(**options), valid=Noise())


def ended(process, workdir) -> bool:
    """Whether a command came to its end: with the exit code of its verdict, as so few steps are no success."""
    results = workdir / "results.json"
    if not results.is_file() or "Traceback" in process.stderr:
        return False
    return process.returncode == int(json.loads(results.read_text())["verdict"] != BETTER)


def stop_after(monkeypatch, count):
    """Makes the loop die inside a step, as a process that is killed does: nothing is saved on the way out."""
    make_step = loop.make_step

    def make(*args, **options):
        step, calls = make_step(*args, **options), iter(range(count))

        def dying(batch, batches, asked):
            if next(calls, None) is None:
                raise Killed
            return step(batch, batches, asked)

        return dying

    monkeypatch.setattr(loop, "make_step", make)


def state(workdir):
    """All that the last checkpoint holds, by name."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(workdir / "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if not name.startswith(("_", "save_counter"))]
    return {name: reader.get_tensor(name) for name in names}


def equal(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
