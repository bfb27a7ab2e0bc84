"""The learning rate over the steps, and optimizers whose layers may have rates of their own."""

import math
from typing import Any

import keras
from keras import ops

from zoo.errors import UsageError
from zoo.training.config import TrainConfig, assignments
from zoo.training.soap import SOAP


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly over `warmup` steps, then falls along a cosine, falls in steps, or stays.

    Args:
        config: gives learning_rate, schedule, warmup, steps, final_rate, decay_every and decay_rate.
    """

    def __init__(self, config: TrainConfig):
        self.config = config

    def __call__(self, step):
        config = self.config
        step = ops.cast(step, "float32")
        rate = config.learning_rate
        if config.schedule == "cosine":
            progress = ops.clip((step - config.warmup) / max(config.steps - config.warmup, 1), 0.0, 1.0)
            rate *= config.final_rate + (1 - config.final_rate) * 0.5 * (1 + ops.cos(math.pi * progress))
        elif config.schedule == "step":
            rate *= config.decay_rate ** ops.floor(step / config.decay_every)
        return rate * ops.minimum(1.0, (step + 1) / max(config.warmup, 1))

    def get_config(self) -> dict:
        raise NotImplementedError("A training run saves its TrainConfig, from which the schedule is made again.")


def make_optimizer(config: TrainConfig, variables: list) -> keras.optimizers.Optimizer:
    """Builds the optimizer of `config` for `variables`, with the learning-rate multipliers of their layers.

    A layer's decay goes by its own rate too, so that a factor of 0 leaves the layer as it is.

    Raises:
        UsageError: if a name in `config.lr_multipliers` is part of no trainable layer's name.
    """
    base: Any
    base, options = {
        "adam": (keras.optimizers.Adam, dict[str, Any]()),
        # Keras' decay has one rate for all layers.
        "adamw": (keras.optimizers.Adam, dict[str, Any]()),
        "soap": (SOAP, {"refresh": config.soap_refresh}),
        "sgd": (keras.optimizers.SGD, {"momentum": 0.9}),
    }[config.optimizer]
    decay = config.weight_decay if config.optimizer == "adamw" else 0.0
    factors = layer_factors(assignments(config.lr_multipliers, "lr_multipliers"), [v.path for v in variables])

    class PerLayer(base):
        """The optimizer, with one factor per variable on the learning rate, and AdamW's decay."""

        def update_step(self, gradient, variable, learning_rate):
            # Adam divides the gradient by its own size, so a factor has to act on the rate and not on the gradient.
            rate = learning_rate * factors[self._get_variable_index(variable)]
            if decay:
                self.assign_sub(variable, variable * decay * rate)
            super().update_step(gradient, variable, rate)

    optimizer = PerLayer(
        LearningRate(config), global_clipnorm=config.clip_norm or None, name=config.optimizer, **options
    )
    optimizer.build(variables)
    return optimizer


def layer_factors(multipliers: dict[str, float], paths: list[str]) -> list[float]:
    """Returns the factor of each variable: that of the last name in `multipliers` that is part of its path, else 1."""
    for name in multipliers:
        if not any(name in path for path in paths):
            layers = ", ".join(dict.fromkeys(path.split("/")[0] for path in paths))
            raise UsageError(f"Expected part of a layer's name in lr_multipliers, one of {layers}. Received: {name!r}")
    return [next((f for name, f in reversed(multipliers.items()) if name in path), 1.0) for path in paths]
