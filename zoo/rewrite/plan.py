"""The plan of a rewrite: for every call of every graph whether it is replaced, and why; `zoo.rewrite.rows` says it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import keras
import numpy as np

from zoo import layers as zoo_layers
from zoo.rewrite import facts, find
from zoo.rewrite.blocker import blocker
from zoo.rewrite.find import Moved, Stays
from zoo.rewrite.graph import Graph, Node
from zoo.rewrite.recognised import names_an_enlargement, recognised
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
IN_LR_SPACE = (zoo_layers.SubpixelUpsampler, zoo_layers.FixedUpsampler, zoo_layers.DepthToSpace)


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


@dataclass(frozen=True)
class Decided:
    """What becomes of an upsampling.

    Attributes:
        path: the names of the models around it, each with a slash.
        facts: on which the target decided; None where it was not asked.
        replaced: by what; None where it stays.
        note: why it stays, or why it moves where it need not.
    """

    path: str
    node: Node
    facts: Upsampling | None = None
    replaced: Replaced | None = None
    note: str = ""

    @property
    def name(self) -> str:
        return self.path + self.node.operation.name


@dataclass
class Plan:
    """What replaces which call (by the node's id).

    Attributes:
        decided: on what moves and what stays, in the order of the graphs.
        read: ids of the models and layers whose graphs are looked at by themselves.
    """

    replaced: dict[int, Replaced] = field(default_factory=dict)
    decided: list[Decided] = field(default_factory=list)
    read: set[int] = field(default_factory=set)

    @property
    def facts(self) -> list[Upsampling]:
        """Of what moves, in the order of the graphs."""
        return [each.facts for each in self.decided if each.replaced is not None and each.facts is not None]


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
    decided: dict[int, Decided] = {}

    def decide(decision: Decided | None) -> None:
        if decision is not None:
            decided[id(decision.node)] = decision
            if decision.replaced is not None:
                result.replaced[id(decision.node)] = decision.replaced

    for node in graph.nodes:
        moved = found.get(id(node))
        if moved is not None:
            decide(_asked(graph, node, facts.of_moved(graph, moved), moved, choice))
    for node in needed(graph, result.replaced):
        if id(node) not in decided:
            decide(_swap_or_stay(graph, node, refused, choice, result))
    result.decided += [decided[id(node)] for node in graph.nodes if id(node) in decided]


def _asked(
    graph: Graph, node: Node, upsampling: Upsampling, replaced: Replaced, choice: Choice, note: str = ""
) -> Decided:
    """What the target decides, with a note of why it moves, if it does."""
    moves, reason = choice.decide(upsampling)
    if not moves:
        return Decided(graph.path, node, upsampling, None, reason)
    return Decided(graph.path, node, upsampling, replaced, "; ".join(filter(None, (reason, note))))


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


def _swap_or_stay(graph: Graph, node: Node, refused: dict, choice: Choice, result: Plan) -> Decided | None:
    layer = node.operation
    if isinstance(layer, TRANSPOSED_FORMS):
        swapped = Swapped(node, lambda name: _subpixel(layer, name))
        return _asked(graph, node, facts.of_zoo_layer(layer), swapped, choice)
    if is_in_lr_space(layer):
        return Decided(graph.path, node)
    try:
        found = find.enlargement(layer)
    except Stays as why:
        return Decided(graph.path, node, note=str(why))
    if found is not None:
        method, scale = found
        upsampling = facts.of_enlargement(layer, method, scale, node.input_tensors[0].shape[-1])
        policy = layer.dtype_policy
        border, cubic = find.keras_bicubic() if method == "bicubic" else (None, ())
        swapped = Swapped(
            node, lambda name: zoo_layers.FixedUpsampler(method, scale, border, *cubic, name=name, dtype=policy)
        )
        return _asked(graph, node, upsampling, swapped, choice, blocker(graph, node, method, refused))
    reason = _why_it_stays(node, refused)
    if not reason and id(layer) not in result.read:
        reason = _opaque(layer)
    return Decided(graph.path, node, note=reason) if reason else None


def _why_it_stays(node: Node, refused: dict) -> str:
    """Of an upsampling that no rule covers; empty for other layers."""
    layer = node.operation
    if id(node) in refused and type(layer) is not keras.layers.Conv2D:
        return refused[id(node)]
    for kind in type(layer).__mro__:
        if kind.__name__ in ("Resizing", "Resize") and _keeps_its_size(node):
            return ""
        if kind.__name__ in OTHERS and kind.__module__.startswith("keras."):
            return OTHERS[kind.__name__]
        if kind in (keras.layers.Conv2DTranspose, keras.layers.UpSampling2D):
            return f"{type(layer).__name__}, a subclass that may compute something else"
    if (function := recognised(node)) is not None:
        how = "in a way that no layer of Keras has" if min(function.size) else "to a fixed size"
        return f"a function of one's own that enlarges {how}"
    return ""


def _keeps_its_size(node: Node) -> bool:
    before, after = (tensor.shape[1:3] for tensor in (node.input_tensors[0], node.outputs[0]))
    return None not in before and before == after


def is_in_lr_space(operation) -> bool:
    """Whether it enlarges as the rewrite does: a layer of the zoo's, or a shuffle of Keras'."""
    return type(operation) in IN_LR_SPACE or (
        type(operation).__name__ == "DepthToSpace" and type(operation).__module__.startswith("keras.")
    )


def _subpixel(layer: zoo_layers.Upsampler, name: str) -> zoo_layers.SubpixelUpsampler:
    return zoo_layers.SubpixelUpsampler.from_config({**layer.get_config(), "name": name})


def _opaque(layer) -> str:
    """Which upsampling layers a layer holds whose connections cannot be read; empty for none."""
    if not isinstance(layer, keras.layers.Layer):
        return ""
    inside = [each for each in layer._flatten_layers(include_self=False) if isinstance(each, UPSAMPLING)]
    if not inside and names_an_enlargement(layer):
        return f"{type(layer).__name__} enlarges in its call, which cannot be read"
    if not inside:
        return ""
    names = ", ".join(repr(each.name) for each in inside)
    return f"{names} inside {type(layer).__name__}, whose connections cannot be read"
