"""Pictures in, batches out: sources, MATLAB's bicubic, the tf.data pipeline, the benchmark sets.

The names resolve on first use, so that `zoo.data.imresize` works without TensorFlow.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazy

if TYPE_CHECKING:  # for editors and type checkers, which do not run `__getattr__`
    from zoo.data.benchmarks import benchmark
    from zoo.data.degrade import crop_to_multiple, imresize
    from zoo.data.drawing import graphics, screenshots
    from zoo.data.folders import from_folder
    from zoo.data.names import by_name
    from zoo.data.samples import sample
    from zoo.data.sources import Source, check_disjoint
    from zoo.data.tfds_div2k import div2k

_HOME = {
    "imresize": "degrade",
    "crop_to_multiple": "degrade",
    "benchmark": "benchmarks",
    "Source": "sources",
    "check_disjoint": "sources",
    "from_folder": "folders",
    "sample": "samples",
    "graphics": "drawing",
    "screenshots": "drawing",
    "by_name": "names",
    "div2k": "tfds_div2k",
}
__all__ = [
    "Source",
    "benchmark",
    "by_name",
    "check_disjoint",
    "crop_to_multiple",
    "div2k",
    "from_folder",
    "graphics",
    "imresize",
    "sample",
    "screenshots",
]
__getattr__, __dir__ = lazy(__name__, _HOME)
