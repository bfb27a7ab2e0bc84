"""What reads concatenated maps of which some are an enlargement: done part by part, the enlarged part in LR space.

    before    [nearest ×2 of x, y] → BatchNormalization → ReLU → Conv2D
    after     [nearest ×2 of ReLU(BatchNormalization(x)), ReLU(BatchNormalization(y))] → Conv2D

What is per channel splits, f([up(x), y]) = [up(fx(x)), fy(y)], and so does a matrix for each pixel,
W·[up(x), y] + b = up(Wx·x) + Wy·y + b, with any linear enlargement. Exact at every pixel.
"""

import keras
import numpy as np

from zoo.rewrite.copies import clone
from zoo.rewrite.graph import Node, array
from zoo.rewrite.held import Concatenated, Held
from zoo.rewrite.pointwise import is_one_by_one, is_per_channel
from zoo.rewrite.replace import Cascade, add_activation
from zoo.rewrite.words import described
from zoo.targets.xnnpack import speedup_of_commuting


def through_concatenation(maker, node: Node, value: Concatenated) -> object | None:
    """The result of a call that reads concatenated maps, of which some are held; None where it does not split.

    Args:
        maker: the `zoo.rewrite.commute.Commute` at work.
    """
    operation = node.operation
    if maker.is_shared(operation):
        return None
    if is_per_channel(operation) and maker.absorbed(node, "nearest"):
        return _per_channel(maker, node, value)
    if is_one_by_one(operation) and getattr(operation, "groups", 1) == 1:
        return _sum_of_maps(maker, node, value)
    return None


def alike(values: list) -> bool:
    """Whether all are held, and enlarged alike."""
    return all(isinstance(value, Held) for value in values) and all(value.by == values[0].by for value in values)


def linear(layer, name: str, use_bias: bool | None = None):
    """The layer without its activation, with weights of its own and without regularizers and constraints."""
    options = {
        "use_bias": layer.use_bias if use_bias is None else use_bias,
        "trainable": layer.trainable,
        "dtype": layer.dtype_policy,
        "name": name,
    }
    if type(layer) is keras.layers.Dense:
        return keras.layers.Dense(layer.units, **options)
    return keras.layers.Conv2D(layer.filters, 1, groups=layer.groups, data_format="channels_last", **options)


def is_cheaper(layer, held: Held, maps: int | None = None) -> bool:
    """Whether a matrix for each pixel costs less before the enlargement, which then has other maps to enlarge.

    Args:
        maps: how many maps it reads of those that are held, where others are concatenated with them.
    """
    return expected(layer, held, maps) >= 1


def expected(layer, held: Held, maps: int | None = None) -> float:
    """How many times faster what acts on each pixel is expected to be before the enlargement; `maps` as above."""
    inputs, mixes = held.channels if maps is None else maps, is_one_by_one(layer)
    outputs = layer.kernel.shape[-1] if mixes else inputs
    method = "repeated" if held.by.method == "nearest" else "interpolated"
    return speedup_of_commuting(inputs, outputs, held.by.pixels, method, maps is not None, mixes)


def _per_channel(maker, node: Node, value: Concatenated) -> Concatenated | None:
    held = [part for part in value.parts if isinstance(part, Held)]
    if any(part.by.method != "nearest" for part in held):
        return None
    operation, parts, start = node.operation, [], 0
    for number, part in enumerate(value.parts):
        tensor = part.lr if isinstance(part, Held) else part
        maps = slice(start, start + tensor.shape[-1])
        start = maps.stop
        new = operation
        if isinstance(operation, keras.layers.Layer):
            new = clone(operation, maker.names.fresh(f"{operation.name}_{number + 1}"))
        arguments, keywords = node.arguments.fill_in({id(node.input_tensors[0]): tensor})
        result = new(*arguments, **keywords)
        if getattr(operation, "weights", []):
            new.set_weights([array(weight)[..., maps] for weight in operation.weights])
        parts.append(Held(result, part.by, part.dtype) if isinstance(part, Held) else result)
    becomes = "the same for each part, the enlarged in LR space"
    maker.row(node, held[0].by, becomes, faster=expected(operation, held[0]))
    return Concatenated(parts, value.node)


def _sum_of_maps(maker, node: Node, value: Concatenated):
    held = [part for part in value.parts if isinstance(part, Held)]
    layer = node.operation
    if not alike(held) or not is_cheaper(layer, held[0], sum(part.channels for part in held)):
        return None
    kernel, start = array(layer.kernel), 0
    inputs: tuple[list, list] = [], []
    kernels: tuple[list, list] = [], []
    for part in value.parts:
        tensor = part.lr if isinstance(part, Held) else part
        which = 0 if isinstance(part, Held) else 1
        inputs[which].append(tensor)
        kernels[which].append(kernel[..., start : start + tensor.shape[-1], :])
        start += tensor.shape[-1]
    results = []
    for role, tensors, parts in zip(("lr", "hr"), inputs, kernels):
        cascade = Cascade(layer, maker.names)
        if len(tensors) > 1:
            cascade.add(f"{role}_maps", keras.layers.Concatenate, axis=-1)
        # The bias is added once, and in HR space: up(Wx·x) has none.
        bias = [array(layer.bias)] if role == "hr" and layer.use_bias else []
        weights = [np.concatenate(parts, axis=-2), *bias]
        cascade.add(role, lambda name, dtype, used=bool(bias): linear(layer, name, used), *weights)
        if role == "lr":
            cascade.add("up", lambda name, dtype: held[0].by.layer(name, dtype))
        results.append(cascade(tensors if len(tensors) > 1 else tensors[0], last=False))
    end = Cascade(layer, maker.names)
    end.add("sum", keras.layers.Add)
    if layer.activation is not keras.activations.linear:
        add_activation(end, layer.activation)
    maps = sum(part.channels for part in held)
    becomes = f"{described(layer)} of the {maps} enlarged maps in LR space + Add"
    lr, hr = (sum(part.size for part in parts) for parts in kernels)
    macs = lr + hr * held[0].by.pixels
    maker.row(node, held[0].by, becomes, macs, faster=expected(layer, held[0], maps))
    return end(results)
