"""A zoo of real-time super-resolution networks whose upsampling layers convert exactly into one another.

Names resolve when they are used: `import zoo` imports neither Keras nor TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING

from zoo import telemetry

if TYPE_CHECKING:  # for editors and type checkers, which do not run `__getattr__`
    from zoo import (
        color,
        complexity,
        data,
        engines,
        errors,
        evaluate,
        identities,
        layers,
        metrics,
        models,
        plots,
        registry,
        rewrite,
        training,
        upscale,
    )
    from zoo.registry import card, create_model, list_models, list_presets, load, open_model

telemetry.switch_off()

__version__ = "0.1.0"

__all__ = [
    "card",
    "color",
    "complexity",
    "create_model",
    "data",
    "engines",
    "errors",
    "evaluate",
    "identities",
    "layers",
    "list_models",
    "list_presets",
    "load",
    "metrics",
    "models",
    "open_model",
    "plots",
    "registry",
    "rewrite",
    "training",
    "upscale",
]
_FUNCTIONS = ("card", "create_model", "list_models", "list_presets", "load", "open_model")


def __getattr__(name: str):
    if name in _FUNCTIONS:
        return getattr(importlib.import_module("zoo.registry"), name)
    if name in __all__:
        return importlib.import_module(f"zoo.{name}")
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
