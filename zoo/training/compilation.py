"""Whether XLA or TensorFlow's own kernels compute a step faster here: it differs between processors and networks.

On one Xeon XLA was faster by a quarter for all networks; on another, with AVX-512 kernels of oneDNN, it took 2.5 times
as long for ESPCN and 1.3 times for FSRCNN.
"""

import time
from pathlib import Path

import tensorflow as tf

from zoo.files import read_record
from zoo.training.config import TrainConfig
from zoo.training.step import make_gradient

_ROUNDS = 5


def choose_jit(config: TrainConfig, workdir: Path, model, shave: int, replicas: int = 1, parts: int = 1) -> str:
    """Returns "on" or "off": what `config` says; else what the run in `workdir` started with; else what is faster.

    A run keeps its choice, so that it repeats itself to the last bit when it is stopped and goes on.
    """
    if config.jit != "auto":
        return config.jit
    # Only a damaged record, which is named, leaves a run without the choice that it began with.
    known = read_record(workdir / "environment.json").get("jit")
    if known in ("on", "off"):
        return known
    return _faster(config, model, shave, replicas, parts)


def _faster(config: TrainConfig, model, shave: int, replicas: int, parts: int) -> str:
    """Times forward and backward pass on random patches, in turn; about as long as XLA compiles, a few seconds."""
    shape = (config.batch // replicas, config.lr_size, config.lr_size, config.channels)
    lr = tf.random.stateless_uniform(shape, (0, 0))
    hr = tf.repeat(tf.repeat(lr, config.scale, axis=1), config.scale, axis=2)
    weights = [tf.convert_to_tensor(v.value) for v in model.trainable_variables]
    constants = [tf.convert_to_tensor(v.value) for v in model.non_trainable_variables]
    gradients = {jit: make_gradient(model, config, shave, replicas, jit == "on", parts) for jit in ("on", "off")}
    best = dict.fromkeys(gradients, float("inf"))
    for _ in range(1 + _ROUNDS):
        for jit, gradient in gradients.items():
            start = time.perf_counter()
            gradient(weights, constants, lr, hr).numpy()
            best[jit] = min(best[jit], time.perf_counter() - start)
    return min(best, key=best.__getitem__)
