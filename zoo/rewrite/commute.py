"""Enlargements as late as they can be: what follows one is computed on the LR map where that is the same.

    before    x → nearest ×2 → Conv2D 1×1 → GroupNormalization → Conv2D 3×3
    after     x → Conv2D 1×1 → GroupNormalization → nearest ×2 → Conv2D 3×3

With up an enlargement that repeats pixels, f(up(x)) = up(f(x)) for every f that acts on each pixel by itself, and for
means and variances over the picture. With up any linear enlargement of single maps whose weights sum to 1,
W·up(x) + b = up(W·x + b); then the activation stays behind it. Of concatenated maps, W·[up(x), y] = up(Wx·x) + Wy·y.
Exact at every pixel, borders included. `zoo.rewrite.plan` then takes the enlargement into the convolution that follows.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

import keras
import numpy as np

from zoo.rewrite import axes, separable, taking_in
from zoo.rewrite.concatenated import alike, expected, is_cheaper, linear, through_concatenation
from zoo.rewrite.explanation import Row
from zoo.rewrite.facts import of_enlarging
from zoo.rewrite.graph import Graph, Node, array
from zoo.rewrite.held import Concatenated, Enlarging, Held, enlarging
from zoo.rewrite.plan import Plan
from zoo.rewrite.pointwise import (
    commutes_with_interpolation,
    commutes_with_repetition,
    is_one_by_one,
    is_per_channel,
)
from zoo.rewrite.rebuild import Rebuild
from zoo.rewrite.replace import Cascade, add_activation
from zoo.rewrite.rows import judged
from zoo.rewrite.tracing import graphs_of
from zoo.rewrite.words import by, described
from zoo.targets.choice import Choice
from zoo.targets.facts import Upsampling


def commuted(
    model: keras.Model, choice: Choice, kept: Sequence[keras.layers.Layer] = ()
) -> tuple[keras.Model, set[str], list[Row]]:
    """The model with its enlargements as late as they can be.

    Layers that enlarge their axes differently, or sequences, or by 1, become their LR convolutions.

    Args:
        choice: decides on the layers that enlarge their axes differently, or sequences.
        kept: layers that are taken over as they are.
    Returns:
        A new model, the model itself where nothing moves; the names of the layers that came before an enlargement; and
        a row for each.
    """
    graphs = graphs_of(model, kept)
    if not any(_may_move(graph, node) for graph in graphs for node in graph.nodes):
        return model, set(), []
    maker = Commute(graphs, choice, kept)
    new = maker.model(graphs[0])
    return (new, maker.moved, maker.rows) if maker.moved else (model, set(), [])


class Commute(Rebuild):
    """Makes the models of all graphs anew with their enlargements as late as they can be; `rows` says what `moved`."""

    def __init__(self, graphs: list[Graph], choice: Choice, kept: Sequence[keras.layers.Layer] = ()):
        super().__init__(graphs, Plan(), kept)
        self.choice = choice
        self.rows: list[Row] = []
        self.moved: set[str] = set()
        self._of_axes: dict[int, Cascade | None] = {}
        self._graph_of = {id(node): graph for graph in graphs for node in graph.nodes}
        self._times = Counter(id(node.operation) for graph in graphs for node in graph.nodes)

    def call(self, node: Node, known: dict):
        values = [known[id(tensor)] for tensor in node.input_tensors]
        if axes.concerns(node.operation) and (cascade := self._by_axes(node, values[0])) is not None:
            return cascade(self.hr(node.input_tensors[0], known))
        if (by_layer := enlarging(node.operation)) is not None and max(by_layer.size) > 1:
            return self._enlarged(node, by_layer, values[0], known)
        if any(isinstance(value, (Held, Concatenated)) for value in values):
            result = self._commuted(node, values, known)
            if result is not None:
                return result
        return self._computed(node, known)

    def output(self, tensor, known: dict):
        return self.hr(tensor, known)

    def hr(self, tensor, known: dict):
        """The HR tensor itself; what is held is enlarged or concatenated now, under the name of what gave it."""
        value = known[id(tensor)]
        if not isinstance(value, (Held, Concatenated)):
            return value
        if value.hr is None:
            value.hr = self._made(value, self._name(tensor._keras_history.operation))
        return value.hr

    def _made(self, value, name: str):
        if isinstance(value, Held):
            if value.by.is_by_axes:
                self.moved.add(name)
                row = Row(name, value.by.words, "swapped", "copies and DepthToAxis")
                self.rows.append(self._with_verdicts(row, value.by, value.channels))
            elif value.node is not None:
                return self.copies.call(value.node.operation, (value.lr,), {})
            return value.by.layer(name, value.dtype)(value.lr)
        parts = [self._made_part(part, name) for part in value.parts]
        return keras.layers.Concatenate(name=name, dtype=value.node.operation.dtype_policy)(parts)

    def _made_part(self, part, name: str):
        if not isinstance(part, (Held, Concatenated)):
            return part
        if part.hr is None:
            part.hr = self._made(part, self.names.fresh(f"{name}_part"))
        return part.hr

    def _name(self, operation) -> str:
        """The operation's name, where nothing else bears it in the new model."""
        own = isinstance(operation, keras.layers.Layer) and not self.is_shared(operation)
        return operation.name if own else self.names.fresh(f"{operation.name}_up")

    def is_shared(self, operation) -> bool:
        """Whether it is called more than once."""
        return self._times[id(operation)] > 1

    def _computed(self, node: Node, known: dict):
        """The call as it stands, of HR tensors."""
        return super().call(node, {**known, **{id(t): self.hr(t, known) for t in node.input_tensors}})

    def _by_axes(self, node: Node, value) -> Cascade | None:
        """What computes a transposed convolution whose axes differ, of a sequence, or of stride 1; None for others."""
        layer = node.operation
        if id(layer) not in self._of_axes:
            self._of_axes[id(layer)] = taking_in.transposed_by_axes(self, node, isinstance(value, Held))
        return self._of_axes[id(layer)]

    def _enlarged(self, node: Node, by_layer: Enlarging, value, known: dict) -> Held:
        dtype = node.operation.dtype_policy
        if not isinstance(value, Held) or {value.by.method, by_layer.method} != {"nearest"}:
            return Held(self.hr(node.input_tensors[0], known), by_layer, dtype, node)
        # Pixels repeated s times and then r times are repeated r·s times.
        size = tuple(inner * outer for inner, outer in zip(value.by.size, by_layer.size))
        fixed = value.by.fixed and by_layer.fixed
        # The values between the two are no longer written.
        faster = 1 + 1 / by_layer.pixels
        self.row(node, value.by, f"one enlargement ×{by(dict.fromkeys(size))}", faster=faster)
        return Held(value.lr, dataclasses.replace(by_layer, size=size, fixed=fixed), dtype)

    def _commuted(self, node: Node, values: list, known: dict) -> object | None:
        """The call's result, held; None where it does not commute, or would cost more."""
        operation = node.operation
        if isinstance(operation, keras.layers.Concatenate) and operation.axis in (-1, 3) and not alike(values):
            return Concatenated([each for value in values for each in _flat(value)], node)
        if isinstance(values[0], Concatenated):
            return through_concatenation(self, node, values[0])
        held = [value for value in values if isinstance(value, Held)]
        if not alike(held) or not all(value in held or _is_one_pixel(value) for value in values):
            return None
        first = held[0]
        if type(operation) in separable.KINDS:
            return taking_in.separable_of_repeated(self, node, first)
        if first.by.is_by_axes and (result := taking_in.convolution_by_axes(self, node, first)) is not None:
            return result
        if first.by.method == "nearest":
            if commutes_with_repetition(operation) and _constants_are_per_channel(node):
                return self._in_lr(node, values, first)
        elif len(held) == len(values) and commutes_with_interpolation(operation):
            return self._in_lr(node, values, first)
        elif is_one_by_one(operation) and is_cheaper(operation, first) and not self.is_shared(operation):
            return self._linear_part_in_lr(node, first)
        return None

    def _in_lr(self, node: Node, values: list, first: Held) -> Held | None:
        operation = node.operation
        if is_one_by_one(operation) and not is_cheaper(operation, first) and not self.absorbed(node, first.by.method):
            return None
        inputs = [value.lr if isinstance(value, Held) else value for value in values]
        arguments, keywords = node.arguments.fill_in(dict(zip(map(id, node.input_tensors), inputs)))
        name = None
        if isinstance(operation, keras.layers.Layer) and not self.is_shared(operation):
            name = self.names.fresh(f"{operation.name}_lr")
        lr = self.copies.call(operation, arguments, keywords, name)
        if not is_per_channel(operation):
            self.row(node, first.by, f"{described(operation)} in LR space", faster=expected(operation, first))
        return Held(lr, first.by, getattr(operation, "dtype_policy", first.dtype))

    def _linear_part_in_lr(self, node: Node, held: Held):
        """A matrix for each pixel before an interpolation, its activation behind it."""
        layer = node.operation
        cascade = Cascade(layer, self.names)
        cascade.add("lr", lambda name, dtype: linear(layer, name), *map(array, layer.weights))
        cascade.add("up", lambda name, dtype: held.by.layer(name, dtype))
        add_activation(cascade, layer.activation)
        becomes = f"{described(layer)} in LR space, its activation behind it"
        self.row(node, held.by, becomes, faster=expected(layer, held))
        return cascade(held.lr)

    def absorbed(self, node: Node, method: str) -> bool:
        """Whether all that reads the call's output takes an enlargement in: then none is computed behind it."""
        graph = self._graph_of[id(node)]
        calls = graph.calls_reading(node.outputs[0])
        outputs = {id(tensor) for tensor in graph.functional.outputs}
        if method != "nearest" or not calls or id(node.outputs[0]) in outputs:
            return False
        return all(
            _takes_an_enlargement_in(call.operation)
            or len(call.input_tensors) == 1
            and (is_per_channel(call.operation) or is_one_by_one(call.operation))
            and self.absorbed(call, method)
            for call in calls
        )

    def row(
        self,
        node: Node,
        enlarged: Enlarging | None,
        becomes: str,
        macs_after: int | None = None,
        weights: int = 0,
        upsampling: Upsampling | None = None,
        note: str = "",
        faster: float = 0.0,
    ) -> None:
        """Says what moved.

        Args:
            enlarged: what it reads is, before; None for what enlarges itself.
            macs_after: multiplications per LR pixel; default those of its kernel once.
            weights: more of them than before.
            upsampling: its facts, where a target was asked; else the verdicts are those on the enlargement …
            faster: … and this is expected.
        """
        layer, name = node.operation, self._graph_of[id(node)].path + node.operation.name
        self.moved.add(name)
        weights_of_taps = getattr(layer, "depthwise_kernel", getattr(layer, "kernel", None))
        kernel = 0 if weights_of_taps is None else int(np.prod(weights_of_taps.shape))
        quoted = kernel * (math.prod(layer.strides) if enlarged is None else enlarged.pixels)
        held = layer.count_params() if isinstance(layer, keras.layers.Layer) else 0
        row = Row(
            name,
            described(layer) if enlarged is None else f"{enlarged.words}, then {described(layer)}",
            action="moved",
            becomes=becomes,
            note=note,
            macs=kernel if enlarged is None else quoted,
            macs_quoted=quoted,
            macs_after=kernel if macs_after is None else macs_after,
            weights=held,
            weights_after=held + weights,
            faster=faster,
        )
        if upsampling is not None:
            row = judged(row, upsampling, self.choice)
        elif enlarged is not None:
            row = self._with_verdicts(row, enlarged, node.input_tensors[0].shape[-1])
        self.rows.append(row)

    def _with_verdicts(self, row: Row, enlarged: Enlarging, channels: int) -> Row:
        """The target's on the enlargement, as it stands and as the plan leaves it behind what moved."""
        facts = of_enlarging(enlarged, channels)
        if facts is None:
            return row
        before = self.choice.judge(facts)
        moves = enlarged.is_by_axes or self.choice.decide(facts).moves
        return dataclasses.replace(row, verdict=before, verdict_after=self.choice.verdict_after if moves else before)


def _may_move(graph: Graph, node: Node) -> bool:
    """Whether a call may move that a plan would not move by itself."""
    by_layer = enlarging(node.operation)
    if by_layer is None:
        return axes.concerns(node.operation)
    return by_layer.is_by_axes or _may_be_put_before(graph, node)


def _may_be_put_before(graph: Graph, node: Node) -> bool:
    """Whether anything reads a call's output, through what is per channel, that a plan would not take along itself."""
    for call in graph.calls_reading(node.outputs[0]):
        operation = call.operation
        if is_per_channel(operation):
            if _may_be_put_before(graph, call):
                return True
            continue
        if type(operation) in separable.KINDS or is_one_by_one(operation):
            return True
        if enlarging(operation) is not None or commutes_with_repetition(operation):
            return True
    return False


def _flat(value) -> list:
    return value.parts if isinstance(value, Concatenated) else [value]


def _is_one_pixel(value) -> bool:
    """A tensor that is the same for all pixels of a picture, such as the weights of an attention to maps."""
    return not isinstance(value, (Held, Concatenated)) and len(value.shape) == 4 and tuple(value.shape[1:3]) == (1, 1)


def _constants_are_per_channel(node: Node) -> bool:
    """Whether what an operation reads beside tensors is one number, or one for each map."""
    if isinstance(node.operation, keras.layers.Rescaling):
        return all(np.ndim(getattr(node.operation, name)) <= 1 for name in ("scale", "offset"))
    given = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    constants = [each for each in given if not isinstance(each, keras.KerasTensor)]
    shapes = [tuple(getattr(each, "shape", np.shape(each))) for each in constants if each is not None]
    return all(len(shape) <= 1 or tuple(shape[-3:-1]) == (1, 1) for shape in shapes)


def _takes_an_enlargement_in(operation) -> bool:
    return (
        type(operation) is keras.layers.Conv2D
        and max(operation.kernel_size) > 1
        and (tuple(operation.strides), operation.groups, operation.data_format) == ((1, 1), 1, "channels_last")
    )
