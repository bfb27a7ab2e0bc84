"""An enlargement that is not computed yet: tensors of a graph that are held as the LR tensor behind them."""

import math
from dataclasses import dataclass

import keras

from zoo import identities
from zoo import layers as zoo_layers
from zoo.rewrite.graph import Node


@dataclass
class Enlarging:
    """How an LR tensor is enlarged.

    Attributes:
        method: nearest, bilinear, bicubic, or another of Keras' interpolations.
        size: (rows, columns) for each LR pixel; (steps,) of a sequence.
        border, cubic: of a `zoo.layers.FixedUpsampler`; `fixed` is whether it is one, or Keras' own `UpSampling2D`.
    """

    method: str
    size: tuple[int, ...]
    border: str | None = None
    fixed: bool = False
    cubic: identities.Cubic = identities.KEYS

    @property
    def pixels(self) -> int:
        """HR pixels for each LR pixel."""
        return math.prod(self.size)

    @property
    def words(self) -> str:
        """ "nearest ×2", "nearest ×2×1"."""
        sizes = self.size[:1] if len(set(self.size)) == 1 else self.size
        return f"{self.method} ×{'×'.join(map(str, sizes))}"

    @property
    def is_by_axes(self) -> bool:
        """Whether it repeats along one axis more than along the other, or steps of a sequence."""
        return self.method == "nearest" and (len(self.size) == 1 or self.size[0] != self.size[1])

    def layer(self, name: str, dtype) -> keras.layers.Layer:
        """The layer that does it."""
        if self.is_by_axes:
            return zoo_layers.Repeat(self.size, name=name, dtype=dtype)
        if self.fixed:
            return zoo_layers.FixedUpsampler(
                self.method, self.size[0], self.border, *self.cubic, name=name, dtype=dtype
            )
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
class Concatenated:
    """An HR tensor held as the maps that are concatenated in it, of which some are `Held`."""

    parts: list
    node: Node
    hr: keras.KerasTensor | None = None


def enlarging(operation) -> Enlarging | None:
    """How a layer without weights enlarges; None for any other."""
    if type(operation) is zoo_layers.FixedUpsampler:
        size = (operation.scale, operation.scale)
        return Enlarging(operation.method, size, operation.border, True, operation.cubic)
    if type(operation) is keras.layers.UpSampling2D and operation.data_format == "channels_last":
        return Enlarging(operation.interpolation, tuple(operation.size))
    if type(operation) is keras.layers.UpSampling1D:
        return Enlarging("nearest", (operation.size,))
    return None
