"""The plan of a rewrite: for every call of every graph whether it is replaced, and one row of explanation for each."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import keras
import numpy as np

from zoo import layers as zoo_layers
from zoo.rewrite import facts, find
from zoo.rewrite.blocker import blocker
from zoo.rewrite.explanation import Row
from zoo.rewrite.find import Moved, Stays
from zoo.rewrite.graph import Graph, Node
from zoo.rewrite.rows import (
    judged,
    row_of_enlargement,
    row_of_fixed_upsampler,
    row_of_moved,
    row_of_zoo_layer,
    row_that_stays,
)
from zoo.rewrite.tracing import UPSAMPLING
from zoo.targets.choice import Choice
from zoo.targets.facts import Upsampling

# Upsamplings that no rule covers, so that they are named and not passed over.
OTHERS = {
    "Conv1DTranspose": "not a picture: only two-dimensional layers are rewritten",
    "Conv3DTranspose": "not a picture: only two-dimensional layers are rewritten",
    "UpSampling1D": "not a picture: only two-dimensional layers are rewritten",
    "UpSampling3D": "not a picture: only two-dimensional layers are rewritten",
    "Resizing": "resizes to a fixed size, not by a whole number",
    "Resize": "resizes to a size computed in the graph, not by a known whole number",
    "ConvTranspose": "an operation without a layer: its kernel may be computed in the graph",
}
TRANSPOSED_FORMS = (zoo_layers.TransposedUpsampler, zoo_layers.ZeroInterleavedUpsampler)


@dataclass
class Swapped:
    """A layer that one other layer replaces.

    Attributes:
        make: that layer, given its name.
        weights: its weights; None: those of the layer that it replaces.
    """

    node: Node
    make: Callable[[str], keras.layers.Layer]
    weights: list[np.ndarray] | None = None

    @property
    def layer(self) -> keras.layers.Layer:
        return self.node.operation

    @property
    def reads(self) -> list[keras.KerasTensor]:
        return self.node.input_tensors


Replaced: TypeAlias = Moved | Swapped


@dataclass
class Plan:
    """What replaces which call (by the node's id).

    Attributes:
        facts: of what moves, on which it was decided.
        rows: of what moves and what stays, in the order of the graphs; nothing is decided on them.
        read: ids of the models and layers whose graphs are looked at by themselves.
    """

    replaced: dict[int, Replaced] = field(default_factory=dict)
    facts: list[Upsampling] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    read: set[int] = field(default_factory=set)


def plan(graphs: list[Graph], interior: bool, choice: Choice) -> Plan:
    """Looks at every call of every graph.

    Args:
        interior: whether a replacement may differ at the border.
        choice: decides on what can move.
    """
    calls = Counter(id(node.operation) for graph in graphs for node in graph.nodes)
    found, refused = {}, {}
    for graph in graphs:
        for node in graph.nodes:
            try:
                moved = _moved(graph, node, interior)
                if moved is not None:
                    found[id(node)] = moved
            except Stays as reason:
                refused[id(node)] = str(reason)
    for moved in _sharing_broken(found, calls):
        del found[id(moved.node)]
        refused[id(moved.node)] = "shares its weights with a call that cannot move: the weights would come apart"
    result = Plan(read={id(graph.owner) for graph in graphs})
    for graph in graphs:
        _plan_graph(graph, found, refused, choice, result)
    return result


def _moved(graph: Graph, node: Node, interior: bool) -> Moved | None:
    kind = type(node.operation)
    if kind is keras.layers.Conv2DTranspose:
        return find.transposed_convolution(node)
    if kind is zoo_layers.ResizeUpsampler:
        return find.resize_upsampler(node)
    if kind is keras.layers.Conv2D:
        return find.convolution(graph, node, interior)
    return None


def _sharing_broken(found: dict[int, Moved], calls: Counter) -> list[Moved]:
    """Calls of a shared layer of which another call stays, or moves in another way."""
    by_layer: dict[int, list[Moved]] = {}
    for moved in found.values():
        by_layer.setdefault(id(moved.layer), []).append(moved)
    return [
        moved
        for key, group in by_layer.items()
        if len(group) != calls[key] or any(each.signature != group[0].signature for each in group)
        for moved in group
    ]


def _plan_graph(graph: Graph, found: dict, refused: dict, choice: Choice, result: Plan) -> None:
    rows = {}
    for node in graph.nodes:
        moved = found.get(id(node))
        if moved is not None:
            upsampling = facts.of_moved(graph, moved)
            moves, reason = choice.decide(upsampling)
            if moves:
                result.replaced[id(node)] = moved
                result.facts.append(upsampling)
                row = row_of_moved(graph.path, moved, upsampling, reason)
            else:
                row = row_that_stays(graph.path, node.operation, reason)
            rows[id(node)] = judged(row, upsampling, choice)
    for node in needed(graph, result.replaced):
        if id(node) not in rows:
            other = _swap_or_stay(graph, node, refused, choice, result)
            if other is not None:
                rows[id(node)] = other
    result.rows += [rows[id(node)] for node in graph.nodes if id(node) in rows]


def needed(graph: Graph, replaced: dict[int, Moved | Swapped]) -> list[Node]:
    """The calls that are still there, inputs first, once the replaced ones read what they read now."""
    wanted = {id(tensor) for tensor in graph.functional.outputs}
    calls = []
    for node in reversed(graph.nodes):
        if any(id(tensor) in wanted for tensor in node.outputs):
            calls.append(node)
            reads = replaced[id(node)].reads if id(node) in replaced else node.input_tensors
            wanted.update(id(tensor) for tensor in reads)
    return calls[::-1]


def _swap_or_stay(graph: Graph, node: Node, refused: dict, choice: Choice, result: Plan) -> Row | None:
    layer, path = node.operation, graph.path
    if isinstance(layer, TRANSPOSED_FORMS):
        upsampling = facts.of_zoo_layer(layer)
        moves, reason = choice.decide(upsampling)
        if not moves:
            return judged(row_that_stays(path, layer, reason), upsampling, choice)
        result.replaced[id(node)] = Swapped(node, lambda name: _subpixel(layer, name))
        result.facts.append(upsampling)
        return judged(row_of_zoo_layer(path, layer, upsampling, True, reason), upsampling, choice)
    if type(layer) is zoo_layers.SubpixelUpsampler:
        return row_of_zoo_layer(path, layer, facts.of_zoo_layer(layer), False)
    if type(layer) is zoo_layers.FixedUpsampler:
        return row_of_fixed_upsampler(path, layer)
    try:
        found = find.enlargement(layer)
    except Stays as why:
        return row_that_stays(path, layer, str(why))
    if found is not None:
        method, scale = found
        upsampling = facts.of_enlargement(layer, method, scale, node.input_tensors[0].shape[-1])
        moves, reason = choice.decide(upsampling)
        if not moves:
            return judged(row_that_stays(path, layer, reason), upsampling, choice)
        policy = layer.dtype_policy
        border, cubic = find.keras_bicubic() if method == "bicubic" else (None, ())
        result.replaced[id(node)] = Swapped(
            node, lambda name: zoo_layers.FixedUpsampler(method, scale, border, *cubic, name=name, dtype=policy)
        )
        result.facts.append(upsampling)
        note = "; ".join(filter(None, (reason, blocker(graph, node, method, refused))))
        return judged(row_of_enlargement(path, layer, upsampling, note), upsampling, choice)
    if id(node) in refused and type(layer) is not keras.layers.Conv2D:
        return row_that_stays(path, layer, refused[id(node)])
    for kind in type(layer).__mro__:
        if kind.__name__ in OTHERS and kind.__module__.startswith("keras."):
            return row_that_stays(path, layer, OTHERS[kind.__name__])
        if kind in (keras.layers.Conv2DTranspose, keras.layers.UpSampling2D):
            return row_that_stays(path, layer, f"{type(layer).__name__}, a subclass that may compute something else")
    return None if id(layer) in result.read else _opaque(path, layer)


def _subpixel(layer: zoo_layers.Upsampler, name: str) -> zoo_layers.SubpixelUpsampler:
    return zoo_layers.SubpixelUpsampler.from_config({**layer.get_config(), "name": name})


def _opaque(path: str, layer) -> Row | None:
    """A layer that holds upsampling layers whose connections cannot be read."""
    if not isinstance(layer, keras.layers.Layer):
        return None
    inside = [each for each in layer._flatten_layers(include_self=False) if isinstance(each, UPSAMPLING)]
    if not inside:
        return None
    names = ", ".join(repr(each.name) for each in inside)
    return row_that_stays(path, layer, f"{names} inside {type(layer).__name__}, whose connections cannot be read")
