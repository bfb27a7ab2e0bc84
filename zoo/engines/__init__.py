"""A network behind one call, be it a preset, a `.tflite` or `.keras` file, or a model in memory.

The names resolve on first use: an engine in Keras needs nothing that reads TFLite files.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazy

if TYPE_CHECKING:
    from zoo.engines.chain import Chain
    from zoo.engines.engine import Engine
    from zoo.engines.opening import Model, open_engine

_HOME = {"Chain": "chain", "Engine": "engine", "Model": "opening", "open_engine": "opening"}
__all__ = ["Chain", "Engine", "Model", "open_engine"]
__getattr__, __dir__ = lazy(__name__, _HOME)
