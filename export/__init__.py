"""Keras super-resolution models to files that phones, CPUs and other runtimes run, each checked and reported on.

    zoo export --model=fsrcnn_x3 --sizes=360x640 --formats=saved_model,tflite_fp32 --output=DIR
    zoo check FILE.tflite

Names resolve when they are used: checking a file needs no TensorFlow.
"""

from zoo.lazy import lazy

_HOME = {"export_model": "write", "tflite_dynamic": "write", "FORMATS": "formats"}

__all__ = [*_HOME]
__getattr__, __dir__ = lazy(__name__, _HOME)
