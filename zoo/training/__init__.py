"""Training: one loop for every model, on one device, several devices and several machines.

    from zoo.training import TrainConfig, train
    results = train(TrainConfig(model="espcn", scale=3, data="photos/"), workdir="runs/espcn_x3")

`train.py` is the same thing with flags.
"""

from zoo.backend import prefer_onednn, require_backend
from zoo.training.config import TrainConfig

__all__ = ["BACKENDS", "TrainConfig", "train"]


def __dir__() -> list[str]:
    return sorted(__all__)


BACKENDS = {"tensorflow": "tensorflow", "device": "jax"}


def train(config: TrainConfig, workdir, source=None, valid=None, strategy=None) -> dict:
    """Trains the network that `config` describes and returns its results; see `zoo.training.loop.train`.

    With `engine="device"` it is `zoo.training.device.train`, which has no strategy.

    Raises:
        UsageError: besides what both raise, where Keras does not run on the engine's backend.

    Example:
        >>> import tempfile
        >>> config = TrainConfig(model="fsrcnn_s", scale=2, data="sample", steps=2, batch=2, lr_size=12, jit="off")
        >>> with tempfile.TemporaryDirectory() as workdir:
        ...     results = train(config, workdir)
        >>> results["steps"], results["model"]["psnr"] > 0
        (2, True)
    """
    prefer_onednn()
    require_backend(BACKENDS[config.engine], f"engine={config.engine}")
    if config.engine == "device":
        from zoo.training import device

        return device.train(config, workdir, source, valid)
    from zoo.training.loop import train as run  # TensorFlow starts here, not with `train.py --help`

    return run(config, workdir, source, valid, strategy)
