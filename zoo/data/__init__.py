"""Pictures in, batches out: sources, MATLAB's bicubic, the tf.data pipeline, the benchmark sets.

The names resolve on first use, so that `zoo.data.imresize` works without TensorFlow.
"""

import importlib

_HOME = {
    "imresize": "degrade",
    "crop_to_multiple": "degrade",
    "benchmark": "benchmarks",
    "Source": "sources",
    "check_disjoint": "sources",
    "from_folder": "folders",
    "sample": "samples",
    "graphics": "drawing",
    "by_name": "names",
    "div2k": "tfds_div2k",
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
