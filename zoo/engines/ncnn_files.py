"""A row of convolutions as ncnn's two files: layer by layer "type name inputs outputs …", and the weights."""

from typing import NamedTuple

import numpy as np

from zoo.graphs import rows
from zoo.graphs.operations import Convolution

# A last layer with such a kernel becomes one with 3×3 on blocks of 2×2 pixels, which Winograd's algorithm is for.
BLOCKED = 5
# ncnn takes any stop beyond an axis for its end.
_END = 2**31 - 1


class Borders(NamedTuple):
    """At which of its sides a window ends where the picture does."""

    top: bool
    bottom: bool
    left: bool
    right: bool

    def cuts(self) -> tuple[int, int]:
        """How many of its upper and lower, and of its left and right sides lie inside the picture."""
        return 2 - self.top - self.bottom, 2 - self.left - self.right

    def turned(self, turns: int, flip: bool) -> "Borders":
        """Those of the window mirrored left to right, if `flip`, and then turned as `np.rot90` does."""
        top, bottom, left, right = self
        if flip:
            left, right = right, left
        for _ in range(turns):
            top, bottom, left, right = right, left, top, bottom
        return Borders(top, bottom, left, right)


def in_blocks(layers: list[Convolution]) -> bool:
    """Whether the last layer is computed on blocks of 2×2 pixels."""
    return len(layers[-1].kernel) == BLOCKED and layers[-1].activation == "linear"


def write(
    layers: list[Convolution], borders: Borders, odd: tuple[bool, bool], scale: int, channels: int
) -> tuple[str, bytes]:
    """The network of a window (`maps0` → `sr_image`) whose layers pad only where the picture ends.

    Args:
        layers: without a sum behind the last one.
        odd: whether the last layer's maps have an odd number of rows and columns, where it is computed in blocks.
    """
    network = _Network()
    *body, last = layers
    for number, layer in enumerate(body):
        network.convolve(layer, borders)
        if layer.added is not None:
            # Where the picture goes on, each layer between has lost its margin.
            lost = sum(len(between.kernel) // 2 for between in body[layer.added + 1 : number + 1])
            network.add_kept(layer.added, *(lost * (not border) for border in borders))
        readers = sum(later.added == number for later in body)
        if readers:
            network.keep(number, readers)
    if in_blocks(layers):
        # A picture's odd row or column is paired with zeros, whose result is cut off.
        margin = BLOCKED // 2
        pads = [margin * border for border in borders]
        pads[1], pads[3] = pads[1] + odd[0], pads[3] + odd[1]
        network.follow("Padding", " ".join(f"{key}={pad}" for key, pad in enumerate(pads)))
        network.follow("Reorg", "0=2")
        last = rows.in_blocks(last, scale)
        borders, scale = Borders(False, False, False, False), 2 * scale
    # TensorFlow's shuffle has a pixel's channels together, ncnn's a channel's pixels.
    order = np.arange(len(last.bias)).reshape(-1, channels).T.ravel()
    last = last._replace(
        kernel=last.kernel[..., order],
        bias=last.bias[order],
        slopes=last.slopes if last.slopes is None else last.slopes[order],
    )
    network.convolve(last, borders)
    network.follow("PixelShuffle", f"0={scale}", result="sr_image")
    return network.files()


class _Network:
    """ncnn's layers, one after another; `last` is what the last one gives."""

    def __init__(self):
        self.lines = ["Input lr_image 0 1 maps0"]
        self.blobs, self.last = 1, "maps0"
        self.weights: list[np.ndarray] = []
        # Number of a layer → copies of its result that nobody has read yet.
        self.kept: dict[int, list[str]] = {}

    def files(self) -> tuple[str, bytes]:
        header = ["7767517", f"{len(self.lines)} {self.blobs}"]
        parts = [part.astype("<f4").tobytes() for part in self.weights]
        return "\n".join([*header, *self.lines, ""]), b"".join(parts)

    def follow(self, kind: str, settings: str, *arrays: np.ndarray, beside: str = "", result: str = "") -> None:
        """A layer that reads the last one's result, and that of `beside`."""
        inputs = [self.last, *([beside] if beside else [])]
        self.last = result or f"maps{len(self.lines)}"
        self._line(kind, inputs, [self.last], settings)
        self.weights.extend(arrays)

    def convolve(self, layer: Convolution, borders: Borders) -> None:
        kernel, outputs = layer.kernel, len(layer.bias)
        pads = zip((14, 16, 4, 15), (len(kernel) // 2 * border for border in borders))
        settings = f"0={outputs} 1={len(kernel)} 5=1 6={kernel.size} 9={int(layer.activation == 'relu')} "
        kind, axes = "Convolution", (3, 2, 0, 1)
        if layer.depthwise:
            kind, axes, settings = "ConvolutionDepthWise", (2, 3, 0, 1), f"{settings}7={outputs} "
        # The leading zero says that float32 follows.
        arrays = np.zeros(1, np.float32), kernel.transpose(axes), layer.bias
        self.follow(kind, settings + " ".join(f"{key}={pad}" for key, pad in pads), *arrays)
        if layer.activation == "tanh":
            self.follow("TanH", "")
        elif layer.activation == "prelu" and layer.slopes is not None:
            self.follow("PReLU", f"0={outputs}", layer.slopes)

    def keep(self, number: int, copies: int) -> None:
        """Keeps the last result, of the layer of that number, for as many sums."""
        kept = [f"kept{number}_{copy}" for copy in range(copies)]
        read, self.last = self.last, f"maps{len(self.lines)}"
        self._line("Split", [read], [self.last, *kept])
        self.kept[number] = kept

    def add_kept(self, number: int, top: int, bottom: int, left: int, right: int) -> None:
        """Adds the result that was kept, less what it has more at its sides."""
        kept = self.kept[number].pop()
        cropped = f"cropped{len(self.lines)}"
        # Two numbers each: where to start, where to stop, and of which axes; -n is n before the end.
        stops = (-lost if lost else _END for lost in (bottom, right))
        settings = (f"-23309=2,{top},{left}", f"-23310=2,{','.join(map(str, stops))}", "-23311=2,1,2")
        self._line("Crop", [kept], [cropped], " ".join(settings))
        self.follow("BinaryOp", "0=0", beside=cropped)

    def _line(self, kind: str, inputs: list[str], outputs: list[str], settings: str = "") -> None:
        ends = " ".join([*inputs, *outputs])
        self.lines.append(f"{kind} layer{len(self.lines)} {len(inputs)} {len(outputs)} {ends} {settings}")
        self.blobs += len(outputs)
