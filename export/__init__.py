"""Keras super-resolution models to files that phones, CPUs and other runtimes run, each checked and reported on.

    python -m export --model=fsrcnn_x3 --sizes=360x640 --formats=saved_model,tflite_fp32 --output=DIR
    python -m export.check FILE.tflite

Names resolve when they are used: checking a file needs no TensorFlow.
"""

import importlib

_PLACES = {"export_model": "export.write", "tflite_dynamic": "export.write", "FORMATS": "export.formats"}

__all__ = [*_PLACES]


def __getattr__(name: str):
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'export' has no attribute {name!r}")
