"""Training: one loop for every model, on one device, several devices and several machines.

    from zoo.training import TrainConfig, train
    results = train(TrainConfig(model="espcn", scale=3, data="photos/"), workdir="runs/espcn_x3")

`train.py` is the same thing with flags.
"""

import importlib.util
import os

from zoo.errors import UsageError
from zoo.training.config import TrainConfig

__all__ = ["TrainConfig", "train"]

BACKENDS = {"tensorflow": "tensorflow", "device": "jax"}


def check_backend(engine: str) -> None:
    """Makes sure that Keras runs on what the engine computes with: it is chosen before Keras is imported.

    Raises:
        UsageError: if it is another one, or not installed.
    """
    expected = BACKENDS[engine]
    if importlib.util.find_spec(expected) is None:
        raise UsageError(f"Expected {expected} to be installed for engine={engine}. Received: no such package")
    received = os.environ.get("KERAS_BACKEND", expected)
    if received == expected:
        import keras  # not at the top, nor for another backend, which may not be installed

        received = keras.config.backend()
    if received != expected:
        raise UsageError(
            f"Expected KERAS_BACKEND={expected} for engine={engine}, set before Keras is imported. Received: {received}"
        )


def train(config: TrainConfig, workdir, source=None, valid=None, strategy=None) -> dict:
    """Trains the network that `config` describes and returns its results; see `zoo.training.loop.train`.

    With `engine="device"` it is `zoo.training.device.train`, which has no strategy.

    Raises:
        UsageError: besides what both raise, where Keras does not run on the engine's backend.
    """
    check_backend(config.engine)
    if config.engine == "device":
        from zoo.training import device

        return device.train(config, workdir, source, valid)
    from zoo.training.loop import train as run  # TensorFlow starts here, not with `train.py --help`

    return run(config, workdir, source, valid, strategy)
