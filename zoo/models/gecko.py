"""Gecko, this zoo's own network: a row of thin convolutions in LR space with one sum, and a single shuffle."""

import keras
from keras import layers

from zoo.errors import whole_number
from zoo.layers import EvenPhases, NearIdentity, Network
from zoo.models.ends import convolution, lr_input, upsample


def gecko(
    scale: int,
    channels: int = 1,
    maps: int = 16,
    depth: int = 5,
    upsampler: str = "subpixel",
    kernel_size: int | None = None,
    expand: int = 0,
    separable: bool = False,
    even: bool = False,
    name: str | None = None,
) -> keras.Model:
    """Conv 5×5 – depth × Conv 3×3 – sum with the first maps – upsampling layer; one PReLU slope per map.

    All layers but the last convolve in LR space (arXiv 1609.07009, section 3), none of these is wider than `maps`.
    There is no interpolation beside the network: the sum takes the picture itself, which the first layer passes on in
    one of its maps, past the others to the upsampling layer. With `expand` a 1×1 convolution to more maps comes before
    that, as in FSRCNN (arXiv 1608.00367, section 3.2): at ×3 and ×4 the last layer has many phases to make of few maps.
    `separable` splits each 3×3 convolution between the ends into one of each map by itself and a 1×1 of all maps
    (arXiv 1610.02357, section 2), and makes the first layer 3×3: twice as many maps for as many multiplications.

    Args:
        scale: the enlargement, at least 2.
        channels: 1 (luma) or 3 (RGB).
        maps: of every layer.
        depth: 3×3 convolutions between the first and the last layer.
        upsampler: the last layer's form, one of `zoo.layers.FORMS`.
        kernel_size: side of the last kernel in HR space; default 3·scale, a 3×3 convolution in LR space. With `scale`
            it is 1×1 there, which leaves multiplications for more maps or layers: small networks gain by that
            (docs/recipes.md).
        expand: maps of the 1×1 convolution before the upsampling layer; 0 for none.
        separable: whether the layers between the ends are depthwise separable convolutions.
        even: holds the last kernel to `zoo.layers.EvenPhases` in training, so that flat colours come out flat.
        name: the model's name; default `gecko_x{scale}`.
    Returns:
        A model (N, H, W, channels) float32 in [0, 1] → (N, scale·H, scale·W, channels), unclipped.

    Example:
        >>> gecko(scale=2).output_shape
        (None, None, None, 1)
        >>> gecko(scale=2, maps=32, depth=9, separable=True).count_params()
        13889
    """
    maps, depth = whole_number("maps", maps, 1), whole_number("depth", depth, 0)
    expand = whole_number("expand", expand, 0)
    lr_image = lr_input(scale, channels)
    x = first = _maps(lr_image, maps, 3 if separable else 5, "feature")
    for index in range(depth):
        x = _maps(x, maps, 3, f"map_{index + 1}", separable)
    if depth:
        x = layers.Add(name="sum")([x, first])
    if expand:
        x = _maps(x, expand, 1, "expand")
    options = {"kernel_constraint": EvenPhases(scale)} if even else {}
    sr_image = upsample(x, upsampler, channels, 3 * scale if kernel_size is None else kernel_size, scale, **options)
    return Network(lr_image, sr_image, name=name or f"gecko_x{scale}")


def gecko_s(
    scale: int,
    channels: int = 1,
    maps: int = 8,
    depth: int = 6,
    upsampler: str = "subpixel",
    kernel_size: int | None = None,
    expand: int = 0,
    separable: bool = False,
    even: bool = False,
    name: str | None = None,
) -> keras.Model:
    """The small gecko, for FSRCNN-s' multiplications; arguments as for `gecko`.

    Example:
        >>> gecko_s(2).name, gecko_s(2, depth=2).count_params() < gecko_s(2).count_params()
        ('gecko_s_x2', True)
    """
    name = name or f"gecko_s_x{scale}"
    return gecko(scale, channels, maps, depth, upsampler, kernel_size, expand, separable, even, name)


def _maps(x, maps: int, side: int, name: str, separable: bool = False):
    if separable:
        starts = {"depthwise_initializer": NearIdentity(), "pointwise_initializer": "he_normal"}
        options = {"padding": "same", "data_format": "channels_last", **starts}
        x = layers.SeparableConv2D(maps, side, name=name, **options)(x)
    else:
        x = convolution(maps, side, kernel_initializer="he_normal", name=name)(x)
    return layers.PReLU(shared_axes=[1, 2], name=f"{name}_prelu")(x)
