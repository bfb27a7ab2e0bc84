"""How a step is spread over the cores of a processor: each computes a part of the batch of its own.

TensorFlow's own way is to cut every operation into as many pieces as there are cores and to wait for the slowest before
the next one. The networks are small, so there are many such waits; a part of the batch waits once a step.
"""

import tensorflow as tf

from zoo.machine import available_threads
from zoo.training.config import TrainConfig


def cores(config: TrainConfig) -> int:
    """How many cores the run uses: what `config` says, or all that this process may."""
    return config.threads or available_threads()


def parts(config: TrainConfig, replicas: int = 1, workers: int = 1) -> int:
    """Into how many parts a replica's share of the batch is cut; 1 on a GPU, which is one device.

    Args:
        replicas: devices of all workers together.
        workers: processes that train together.
    """
    if tf.config.list_physical_devices("GPU"):
        return 1
    return max(1, min(cores(config) // (replicas // workers), config.batch // replicas))


def sizes(batch: int, count: int) -> list[int]:
    """The sizes of the parts: they differ by one at most."""
    return [batch // count + (part < batch % count) for part in range(count)]


def one_core_an_operation(config: TrainConfig) -> None:
    """Keeps TensorFlow from cutting operations, where there are as many parts as cores; before TensorFlow starts.

    It holds for everything that this process computes, so it is for a process that only trains.
    """
    tf.config.threading.set_intra_op_parallelism_threads(max(1, cores(config) // parts(config)))
