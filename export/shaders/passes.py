"""A row of convolutions as the passes of a shader: which layers one pass computes, and what it reads and multiplies.

A pass is run by groups of 16×8 threads, one LR pixel each. A thread computes all maps of its pixel, so that what a
group sees of the maps before is read once and shared: (16 + K - 1)·(8 + K - 1) pixels for a K×K kernel, four maps a
read. A 1×1 convolution behind it needs no neighbours and is computed by the same thread; the maps in between are never
stored. The last pass writes the enlarged picture.
"""

import math
from dataclasses import dataclass

import numpy as np

from export.shaders.row import ConvolutionRow
from zoo.errors import UsageError
from zoo.graphs.operations import Convolution

# Columns and rows of a group: as many threads as OpenGL ES 3.1 promises.
THREADS = (16, 8)
# More would not fit in the registers of a thread, and in a group's shared memory of ES 3.1.
MOST_MAPS, MOST_TAPS = 128, 15
# Of a pass.
MOST_LAYERS = 8


@dataclass(frozen=True)
class Pass:
    """One pass.

    Attributes:
        layers: its convolutions; all but the first are 1×1.
        source: the number of the pass whose maps it reads; None for the picture.
        added: by the place of a layer, the number of an earlier pass whose maps are added to its own.
        base: a convolution of the picture whose phases are added to those of the last layer.
    """

    layers: list[Convolution]
    source: int | None
    added: dict[int, int]
    base: Convolution | None = None

    @property
    def sources(self) -> list[int]:
        """Numbers of the passes whose maps it reads, each once."""
        found = [self.source, *self.added.values()]
        return list(dict.fromkeys(number for number in found if number is not None))

    @property
    def reads(self) -> float:
        """Texture reads for an LR pixel."""
        read = slices(self.layers[0].kernel.shape[2]) * _seen(self.layers[0])
        read += sum(slices(len(self.layers[place].bias)) for place in self.added)
        return read + (_seen(self.base) if self.base else 0)

    @property
    def writes(self) -> int:
        """Texels of four maps that it writes for an LR pixel."""
        return slices(len(self.layers[-1].bias))

    @property
    def multiplications(self) -> int:
        """For an LR pixel."""
        return sum(map(_multiplications, (*self.layers, *([self.base] if self.base else []))))


def slices(maps: int) -> int:
    """Texels that hold so many maps, four each."""
    return -(-maps // 4)


def _multiplications(layer: Convolution) -> int:
    """For an LR pixel: all taps; where each map is made of one other, those of that one."""
    sources = np.count_nonzero(layer.kernel.any(axis=(0, 1)), axis=0).max(initial=0)
    return layer.kernel.size // layer.kernel.shape[2] if sources <= 1 else layer.kernel.size


def _seen(layer: Convolution) -> float:
    """Pixels of the map before that a group reads, by its own."""
    return math.prod(threads + layer.kernel.shape[0] - 1 for threads in THREADS) / math.prod(THREADS)


def grid(maps: int) -> tuple[int, int]:
    """Columns and rows of texels that an LR pixel has in the texture of so many maps, four to a texel.

    Example:
        >>> grid(56), grid(12), grid(4)
        ((4, 4), (2, 2), (1, 1))
    """
    columns = math.ceil(math.sqrt(slices(maps)))
    return columns, -(-slices(maps) // columns)


def passes(row: ConvolutionRow) -> list[Pass]:
    """The passes of a row, in order.

    Raises:
        UsageError: a layer has more maps or taps than a pass takes.

    Example:
        >>> from zoo.models import fsrcnn
        >>> from export.shaders.row import read_row
        >>> found = passes(read_row(fsrcnn(2, upsampler="subpixel")))
        >>> [len(each.layers) for each in found], round(sum(each.reads for each in found))
        ([2, 1, 1, 1, 2, 1], 45)
    """
    for layer in row.layers:
        side, _, inputs, outputs = layer.kernel.shape
        if max(inputs, outputs) > MOST_MAPS or side > MOST_TAPS:
            raise UsageError(
                f"Expected at most {MOST_MAPS} maps and {MOST_TAPS}×{MOST_TAPS} taps for a shader. Received: "
                f"{max(inputs, outputs)} maps, {side}×{side} taps in {row.name}"
            )
    found: list[Pass] = []
    # By a layer's number, the pass that stores its maps.
    stored: dict[int, int] = {}
    kept = set(row.added.values())
    for number, layer in enumerate(row.layers):
        follows = number > 0 and layer.kernel.shape[0] == 1 and number - 1 not in kept
        if not follows or len(found[-1].layers) == MOST_LAYERS:
            found.append(Pass([], len(found) - 1 if found else None, {}))
        last = found[-1]
        if number in row.added:
            last.added[len(last.layers)] = stored[row.added[number]]
        last.layers.append(layer)
        stored[number] = len(found) - 1
    end = found[-1]
    return [*found[:-1], Pass(end.layers, end.source, end.added, row.base)]
