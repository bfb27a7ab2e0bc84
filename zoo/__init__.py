"""A zoo of real-time super-resolution networks whose upsampling layers convert exactly into one another.

Names resolve when they are used: `import zoo` imports neither Keras nor TensorFlow.
"""

import importlib

from zoo import telemetry

telemetry.switch_off()

__version__ = "0.1.0"

_FUNCTIONS = ("card", "create_model", "list_models", "list_presets", "load", "open_model")
_ROOMS = (
    "color",
    "complexity",
    "data",
    "engines",
    "errors",
    "evaluate",
    "identities",
    "layers",
    "metrics",
    "models",
    "plots",
    "registry",
    "rewrite",
    "training",
    "upscale",
)

__all__ = [*_FUNCTIONS, *_ROOMS]


def __getattr__(name: str):
    if name in _FUNCTIONS:
        return getattr(importlib.import_module("zoo.registry"), name)
    if name in _ROOMS:
        return importlib.import_module(f"zoo.{name}")
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
