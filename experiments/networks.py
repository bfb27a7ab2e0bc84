"""The networks: four learned layers over a fixed bicubic path, in HR space, in LR space or below it.

A space says where the layers convolve. `hr_nearest`, `hr_bilinear`, `hr_bicubic` enlarge first; `hr_deconvolution` has
a deconvolution as its first layer; `lr` enlarges by a shuffle at the end (arXiv 1609.07009, section 3); `below_x2` and
`below_x4` put blocks of 2×2 or 4×4 LR pixels into channels first, and convolve there.
"""

import contextlib

import keras
from keras import layers, ops

from experiments.equal import BLOCKS, SIDES
from experiments.on_blocks import OnBlocks
from zoo import registry
from zoo.errors import one_of
from zoo.layers import DepthToSpace, FixedUpsampler, SpaceToDepth, SubpixelUpsampler
from zoo.models.ends import convolution, lr_input

NAME = "in_space"


@contextlib.contextmanager
def known():
    """Within it `zoo.create_model("in_space", …)` and training know these networks."""
    registry.MODELS[NAME] = ("experiments.networks", "four layers in HR space, in LR space or below it")
    try:
        yield
    finally:
        del registry.MODELS[NAME]


@keras.saving.register_keras_serializable("experiments")
class ToBlocks(SpaceToDepth):
    """`SpaceToDepth` of any picture: the last row and column are repeated up to a multiple of the block."""

    def call(self, images):
        for axis in (1, 2):
            length = ops.shape(images)[axis]
            last = images[:, -1:] if axis == 1 else images[:, :, -1:]
            images = ops.concatenate([images] + [last] * (self.scale - 1), axis=axis)
            whole = slice(0, (length + self.scale - 1) // self.scale * self.scale)
            images = images[:, whole] if axis == 1 else images[:, :, whole]
        return super().call(images)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        sides = (None if side is None else -(-side // self.scale) for side in (height, width))
        return batch, *sides, channels * self.scale**2


@keras.saving.register_keras_serializable("experiments")
class SumInside(layers.Add):
    """The sum of two pictures, the first cut to the size of the second: what `ToBlocks` repeated is left out."""

    def call(self, inputs):
        larger, picture = inputs
        return larger[:, : ops.shape(picture)[1], : ops.shape(picture)[2]] + picture

    def compute_output_shape(self, input_shape):
        return input_shape[1]


def in_space(
    scale: int,
    channels: int = 1,
    space: str = "lr",
    widths=(16, 16, 16),
    sides=SIDES,
    any_size: bool = True,
    name: str | None = None,
) -> keras.Model:
    """A network that convolves in a space; its sum with bicubic is what it gives.

    Args:
        scale: the enlargement, at least 2.
        channels: 1 (luma) or 3 (RGB).
        space: one of `experiments.equal.SPACES`.
        widths: maps of the first three layers; PReLU follows each, one slope a map.
        sides: of the four layers' kernels, in pixels of the space; a deconvolution's is always 3·scale.
        any_size: False: below LR space it takes multiples of the block only, in layers whose cost `zoo` knows.
        name: default `in_space_{space}_x{scale}`.
    Returns:
        A model (N, H, W, channels) float32 in [0, 1] → (N, scale·H, scale·W, channels), unclipped.
    """
    one_of("space", space, BLOCKS)
    lr_image = lr_input(scale, channels)
    bicubic = FixedUpsampler("bicubic", scale, name="bicubic")(lr_image)
    block, first = BLOCKS[space], None
    x = layers.Rescaling(1.0, offset=-0.5, name="centre")(bicubic if space == "hr_bicubic" else lr_image)
    if space in ("hr_nearest", "hr_bilinear"):
        x = FixedUpsampler(space.removeprefix("hr_"), scale, name="enlarge")(x)
    elif space == "hr_deconvolution":
        # In its subpixel form: the same kernel, function and multiplications.
        first = SubpixelUpsampler(widths[0], 3 * scale, scale, kernel_initializer="he_normal", name="layer_1")
    elif block:
        x = (ToBlocks if any_size else SpaceToDepth)(block, name="blocks")(x)
    for index, (maps, side) in enumerate(zip(widths, sides), 1):
        layer = first if first and index == 1 else None
        layer = layer or convolution(maps, side, kernel_initializer="he_normal", name=f"layer_{index}")
        x = layers.PReLU(shared_axes=[1, 2], name=f"prelu_{index}")(layer(x))
    shuffle = scale * (block or 1) if not space.startswith("hr_") else 1
    x = convolution(channels * shuffle**2, sides[-1], name="layer_4")(x)
    if shuffle > 1:
        x = DepthToSpace(shuffle, name="shuffle")(x)
    sr_image = (SumInside if block and any_size else layers.Add)(name="sum")([x, bicubic])
    kind = OnBlocks if any_size and space.startswith("hr_") and max(sides) > 3 else keras.Model
    return kind(lr_image, sr_image, name=name or f"in_space_{space}_x{scale}")
