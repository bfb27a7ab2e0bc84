"""An enlargement that is not computed yet: tensors of a graph that are held as the LR tensor behind them."""

from dataclasses import dataclass

import keras

from zoo import layers as zoo_layers
from zoo.rewrite.graph import Node

Pair = tuple[int, int]


@dataclass
class Enlarging:
    """How an LR tensor is enlarged.

    Attributes:
        method: nearest, bilinear, bicubic, or another of Keras' interpolations.
        size: (rows, columns) for each LR pixel.
        border: of a `zoo.layers.FixedUpsampler`; None for Keras' own `UpSampling2D`.
    """

    method: str
    size: Pair
    border: str | None = None
    fixed: bool = False

    @property
    def pixels(self) -> int:
        """HR pixels for each LR pixel."""
        return self.size[0] * self.size[1]

    def layer(self, name: str, dtype) -> keras.layers.Layer:
        """The layer that does it."""
        if self.fixed:
            return zoo_layers.FixedUpsampler(self.method, self.size[0], self.border, name=name, dtype=dtype)
        return keras.layers.UpSampling2D(
            self.size, data_format="channels_last", interpolation=self.method, name=name, dtype=dtype
        )


@dataclass
class Held:
    """An HR tensor held as the LR tensor of which it is the enlargement.

    Attributes:
        node: the enlarging call where the tensor is its very output; None behind something that came in between.
        hr: the HR tensor, once somebody asked for it.
    """

    lr: keras.KerasTensor
    by: Enlarging
    dtype: object
    node: Node | None = None
    hr: keras.KerasTensor | None = None

    @property
    def channels(self) -> int:
        return self.lr.shape[-1]


@dataclass
class Parts:
    """An HR tensor held as the maps that are concatenated in it, of which some are `Held`."""

    parts: list
    node: Node
    hr: keras.KerasTensor | None = None


def enlarging(operation) -> Enlarging | None:
    """How a layer without weights enlarges; None for any other."""
    if type(operation) is zoo_layers.FixedUpsampler:
        return Enlarging(operation.method, (operation.scale, operation.scale), operation.border, fixed=True)
    if type(operation) is keras.layers.UpSampling2D and operation.data_format == "channels_last":
        return Enlarging(operation.interpolation, tuple(operation.size))
    return None
