"""A network behind one call, be it a preset, a `.tflite` or `.keras` file, or a model in memory."""

from zoo.engines.chain import Chain
from zoo.engines.engine import Engine
from zoo.engines.opening import Model, open_engine

__all__ = ["Chain", "Engine", "Model", "open_engine"]
