"""Training: one loop for every model, on one device, several devices and several machines.

    from zoo.training import TrainConfig, train
    results = train(TrainConfig(model="espcn", scale=3, data="photos/"), workdir="runs/espcn_x3")

`train.py` is the same thing with flags.
"""

from zoo.training.config import TrainConfig

__all__ = ["TrainConfig", "train"]


def train(config: TrainConfig, workdir, source=None, valid=None, strategy=None) -> dict:
    """Trains the network that `config` describes and returns its results; see `zoo.training.loop.train`."""
    from zoo.training.loop import train as run  # TensorFlow starts here, not with `train.py --help`

    return run(config, workdir, source, valid, strategy)
