"""What decides whether and how an upsampling moves: numbers alone, whatever the format of its network."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Upsampling:
    """An upsampling, and what it becomes in LR space.

    Attributes:
        kind: `"transposed"`, `"zero_interleaved"`, `"resized"` (an enlargement and its convolution), or the method of
            an enlargement alone.
        scale, inputs, outputs: enlargement, input maps that are enlarged, output maps.
        kernel: shape of its kernel, None for a layer without one.
        lr_kernel: shape of the kernel in LR space, (k, k, I, O), with I = 1 where each map has taps of its own; None
            where values are only repeated.
        macs_rest: multiplications per LR pixel that stay in HR space before and after.
        cropped: whether HR pixels are cropped after the shuffle.
        inexact: width of the HR border, in px, where the result differs; 0: exact at every pixel.
        padding: of a transposed convolution, `"same"` or `"valid"`; "computed" where neither says what is cut.
        activated: whether a ReLU follows at once, which converters fuse into a transposed convolution.
        tiled: whether values are repeated by a broadcast to five axes, as Keras does it for nearest-neighbour.
        scales: of rows and columns, where they differ; `scale` is then the larger.
    """

    kind: str
    scale: int
    inputs: int
    outputs: int
    kernel: tuple[int, ...] | None = None
    lr_kernel: tuple[int, ...] | None = None
    macs_rest: int = 0
    cropped: bool = False
    inexact: int = 0
    padding: str = "same"
    activated: bool = False
    tiled: bool = False
    scales: tuple[int, ...] = ()

    @property
    def pixels(self) -> int:
        """HR pixels for each LR pixel."""
        return math.prod(self.scales) if self.scales else self.scale**2
