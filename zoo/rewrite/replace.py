"""Keras layers for what the plan says: plain ones, so that the result trains, saves and exports like any other."""

from functools import partial

import keras
import numpy as np

from zoo.identities.lr_convolution import LrConvolution, is_same_padding
from zoo.layers import DepthToSpace
from zoo.rewrite.copies import clone_or_itself
from zoo.rewrite.find import Moved
from zoo.rewrite.graph import array
from zoo.rewrite.pointwise import is_function_of_one_value


class Cascade:
    """Layers applied one after the other, made once and shared by all calls of the layer that they replace.

    The last one gets the replaced layer's name: it gives the tensor that the name stood for, also as an output.
    """

    def __init__(self, owner: keras.layers.Layer, names):
        self._owner = owner
        self._names = names
        self._made_by: list[tuple] = []
        self._weights: list[tuple[np.ndarray, ...]] = []
        self._layers: list[keras.layers.Layer] = []

    def add(self, role: str, kind, *weights: np.ndarray, **arguments) -> None:
        self._made_by.append((role, kind, arguments))
        self._weights.append(weights)

    def __call__(self, x, last: bool = True):
        """Applies the cascade; `last` is whether it ends what replaces the layer."""
        if not self._layers:
            for position, (role, kind, arguments) in enumerate(self._made_by):
                end = last and position == len(self._made_by) - 1
                name = self._owner.name if end else self._names.fresh(f"{self._owner.name}_{role}")
                self._layers.append(kind(name=name, dtype=self._owner.dtype_policy, **arguments))
        for layer, weights in zip(self._layers, self._weights):
            fresh = not layer.built
            x = layer(x)
            if fresh and weights:
                layer.set_weights(weights)
        return x


def of_sign(pairs, sign: int) -> tuple | None:
    """The padding (sign 1) or cropping (sign -1) among signed amounts; None where there is none."""
    sides = tuple(tuple(max(sign * side, 0) for side in pair) for pair in pairs)
    return sides if any(map(any, sides)) else None


def cropping(crops) -> tuple:
    """The layer that cuts pixels off, for `Cascade.add`; its arguments are curried."""
    kind = keras.layers.Cropping2D if len(crops) == 2 else keras.layers.Cropping1D
    return (partial(kind, **_amounts("cropping", crops)),)


def _amounts(word: str, sides) -> dict:
    """Amounts per axis as the layers of pictures and of sequences take them."""
    return {word: sides, "data_format": "channels_last"} if len(sides) == 2 else {word: sides[0]}


def add_padding(cascade: Cascade, role: str, pads) -> None:
    """Zeros (before, after) per axis around a picture or a sequence; where negative, what is cut off."""
    if zeros := of_sign(pads, 1):
        kind = keras.layers.ZeroPadding2D if len(zeros) == 2 else keras.layers.ZeroPadding1D
        cascade.add(f"{role}_pad", kind, **_amounts("padding", zeros))
    if surplus := of_sign(pads, -1):
        cascade.add(f"{role}_inside", *cropping(surplus))


def add_convolution(cascade: Cascade, role: str, kernel, pads, bias=None, **options) -> None:
    """Pad (or crop, where a pad is negative) and a stride-1 convolution, of pictures or of sequences.

    Args:
        kernel: (ky, kx, I / groups, O) or (k, I / groups, O).
        pads: zeros (before, after) per axis.
        bias: (O,) or None.
        **options: of `keras.layers.Conv2D`: `activation`, `trainable`, `groups`, `dilation_rate`.
    """
    sides = kernel.shape[:-2]
    picture = len(sides) == 2
    rates = options.get("dilation_rate", (1,) * len(sides))
    same = is_same_padding(tuple(rate * (side - 1) + 1 for rate, side in zip(rates, sides)), pads)
    if not same:
        add_padding(cascade, role, pads)
    cascade.add(
        role,
        keras.layers.Conv2D if picture else keras.layers.Conv1D,
        *([kernel] if bias is None else [kernel, bias]),
        filters=kernel.shape[-1],
        kernel_size=sides,
        padding="same" if same else "valid",
        data_format="channels_last",
        use_bias=bias is not None,
        **options,
    )


def _add_lr_convolution(cascade: Cascade, role: str, lr: LrConvolution, bias, **options) -> None:
    """Pad, convolution with its activation, shuffle, crop."""
    add_convolution(cascade, role, lr.kernel, lr.pads, None if bias is None else np.tile(bias, lr.scale**2), **options)
    cascade.add(f"{role}_shuffle", DepthToSpace, scale=lr.scale)
    if crops := of_sign(lr.crops, 1):
        cascade.add(f"{role}_crop", *cropping(crops))


def add_activation(cascade: Cascade, activation) -> None:
    """An activation as a layer of its own; one that is a layer itself (PReLU …) with weights of its own."""
    if isinstance(activation, keras.layers.Layer):
        cascade.add("activation", lambda name, dtype: clone_or_itself(activation, name), *activation.get_weights())
    else:
        cascade.add("activation", keras.layers.Activation, activation=activation)


def cascades_of(moved: Moved, names) -> list[Cascade]:
    """The cascades that replace a layer: one per LR term; with several parts also the HR rest and what joins them."""
    layer = moved.layer
    bias = array(layer.bias) if layer.use_bias else None
    activation = getattr(layer, "activation", None)
    activation = None if activation is keras.activations.linear else activation
    alone = len(moved.terms) == 1 and not moved.rest
    inside = alone and is_function_of_one_value(activation)
    cascades = []
    for number, term in enumerate(moved.terms):
        cascade = Cascade(layer, names)
        # The bias is added once: by the HR convolution where there is one, else by the first LR convolution.
        of_term = bias if number == 0 and not moved.rest else None
        role = "lr" if len(moved.terms) == 1 else f"lr_{number + 1}"
        options = {"activation": activation if inside else None, "trainable": layer.trainable}
        _add_lr_convolution(cascade, role, term.lr, of_term, **options)
        cascades.append(cascade)
    kernel = moved.rest_kernel
    if kernel is not None:
        cascade = Cascade(layer, names)
        if len(moved.rest) > 1:
            cascade.add("hr_maps", keras.layers.Concatenate, axis=-1)
        cascade.add(
            "hr",
            keras.layers.Conv2D,
            *([kernel] if bias is None else [kernel, bias]),
            filters=kernel.shape[3],
            kernel_size=kernel.shape[:2],
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            data_format="channels_last",
            use_bias=bias is not None,
            trainable=layer.trainable,
        )
        cascades.append(cascade)
    end = cascades[0] if alone else Cascade(layer, names)
    if not alone:
        end.add("sum", keras.layers.Add)
        cascades.append(end)
    if activation is not None and not inside:
        add_activation(end, activation)
    return cascades


def apply(cascades: list[Cascade], terms: list, rest: list):
    """The tensor that replaces the layer's output, from the LR tensors of the terms and the HR tensors of the rest."""
    if len(cascades) == 1:
        return cascades[0](terms[0])
    parts = [*terms, rest[0] if len(rest) == 1 else rest] if rest else terms
    return cascades[-1]([cascade(part, last=False) for cascade, part in zip(cascades, parts)])
