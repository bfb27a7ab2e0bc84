"""Layers that `zoo.rewrite.commute` replaces at once by their form in LR space: cascades of layers, each with a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.rewrite import axes, separable
from zoo.rewrite.graph import Node
from zoo.rewrite.held import Held
from zoo.rewrite.replace import Cascade
from zoo.targets.xnnpack import speedup_of_depthwise

if TYPE_CHECKING:
    from zoo.rewrite.commute import Commute


def transposed_by_axes(maker: Commute, node: Node, follows: bool) -> Cascade | None:
    """What computes a transposed convolution whose axes differ, of a sequence, or of stride 1; None for others.

    Args:
        maker: at work.
        follows: whether it reads an enlargement.
    """
    layer = node.operation
    upsampling, moves, reason = None, True, ""
    made = axes.turned_round(layer, maker.names, follows)
    if made is None and (found := axes.transposed(layer)) is not None:
        lr, upsampling = found
        moves, reason = maker.choice.decide(upsampling)
        made = axes.cascade_of(layer, lr, maker.names) if moves else None
    if made is None:
        return None
    cascade, words, weights = made
    maker.row(node, None, words, int(np.prod(layer.kernel.shape)) + weights, weights, upsampling, reason)
    return cascade


def convolution_by_axes(maker: Commute, node: Node, held: Held) -> Any | None:
    """The result of a convolution of what is repeated along one axis, by one in LR space; None where it stays."""
    layer = node.operation
    if maker.is_shared(layer) or (found := axes.repeated(layer, held.by.size)) is None:
        return None
    lr, upsampling = found
    moves, reason = maker.choice.decide(upsampling)
    if not moves:
        return None
    cascade, words, weights = axes.cascade_of(layer, lr, maker.names)
    maker.row(node, held.by, words, lr.kernel.size, weights, upsampling, reason)
    return cascade(held.lr)


def separable_of_repeated(maker: Commute, node: Node, held: Held) -> Any | None:
    """The result of a depthwise or separable convolution of repeated pixels, its depthwise part in LR space."""
    layer = node.operation
    if maker.is_shared(layer) or held.by.method != "nearest" or held.by.is_by_axes:
        return None
    if (lr := separable.lr_form(layer, held.by.size[0])) is None:
        return None
    cascade, words, weights = separable.cascade_of(layer, lr, maker.names)
    sides = layer.kernel_size[0] * layer.kernel_size[1], lr.kernel.shape[0] * lr.kernel.shape[1]
    faster = speedup_of_depthwise(*sides, cropped=any(map(any, lr.crops)))
    maker.row(node, held.by, words, lr.kernel.size, weights, faster=faster)
    name = maker.names.fresh(f"{layer.name}_copies")
    copies = keras.layers.Concatenate(axis=-1, name=name, dtype=layer.dtype_policy)
    return cascade(copies([held.lr] * lr.scale**2))
