"""A network behind one call, be it a preset, a `.tflite` or `.keras` file, or a model in memory.

The names resolve on first use: an engine in Keras needs nothing that reads TFLite files.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.engines.chain import Chain
    from zoo.engines.engine import Engine
    from zoo.engines.opening import Model, open_engine

_HOME = {"Chain": "chain", "Engine": "engine", "Model": "opening", "open_engine": "opening"}
__all__ = ["Chain", "Engine", "Model", "open_engine"]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
