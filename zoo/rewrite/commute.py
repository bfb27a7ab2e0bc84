"""Enlargements as late as they can be: what follows one is computed on the LR map where that is the same.

    before    x → nearest ×2 → Conv2D 1×1 → GroupNormalization → Conv2D 3×3
    after     x → Conv2D 1×1 → GroupNormalization → nearest ×2 → Conv2D 3×3

With up an enlargement that repeats pixels, f(up(x)) = up(f(x)) for every f that acts on each pixel by itself, and for
means and variances over the picture. With up any linear enlargement of single maps whose weights sum to 1,
W·up(x) + b = up(W·x + b); then the activation stays behind it. Of concatenated maps, W·[up(x), y] = up(Wx·x) + Wy·y.
Exact at every pixel, borders included. `zoo.rewrite.plan` then takes the enlargement into the convolution that follows.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import keras
import numpy as np

from zoo.rewrite.copies import clone
from zoo.rewrite.explanation import Row
from zoo.rewrite.graph import Graph, Node, array
from zoo.rewrite.held import Enlarging, Held, Parts, enlarging
from zoo.rewrite.plan import Plan
from zoo.rewrite.pointwise import (
    commutes_with_interpolation,
    commutes_with_repetition,
    is_one_by_one,
    is_per_channel,
)
from zoo.rewrite.rebuild import Rebuild
from zoo.rewrite.replace import Chain, add_activation
from zoo.rewrite.rows import by, described
from zoo.rewrite.tracing import graphs_of
from zoo.targets.xnnpack import speedup_of_commuting


def commuted(model: keras.Model, kept: Sequence[keras.layers.Layer] = ()) -> tuple[keras.Model, list[Row]]:
    """The model with its enlargements as late as they can be, and a row for each layer that came before one.

    Args:
        kept: layers that are taken over as they are.
    Returns:
        The model itself where nothing moves.
    """
    graphs = graphs_of(model, kept)
    if not any(_may_move(graph, node) for graph in graphs for node in graph.nodes if enlarging(node.operation)):
        return model, []
    maker = Commute(graphs, kept)
    new = maker.model(graphs[0])
    return (new, maker.rows) if maker.rows else (model, [])


class Commute(Rebuild):
    """Makes the models of all graphs anew with their enlargements as late as they can be; `rows` says what moved."""

    def __init__(self, graphs: list[Graph], kept: Sequence[keras.layers.Layer] = ()):
        super().__init__(graphs, Plan(), kept)
        self.rows: list[Row] = []
        self._graph_of = {id(node): graph for graph in graphs for node in graph.nodes}
        self._times = Counter(id(node.operation) for graph in graphs for node in graph.nodes)

    def call(self, node: Node, known: dict):
        values = [known[id(tensor)] for tensor in node.input_tensors]
        if (by_layer := enlarging(node.operation)) is not None and max(by_layer.size) > 1:
            return self._enlarged(node, by_layer, values[0], known)
        if any(isinstance(value, (Held, Parts)) for value in values):
            result = self._commuted(node, values, known)
            if result is not None:
                return result
        return self._computed(node, known)

    def output(self, tensor, known: dict):
        return self.hr(tensor, known)

    def hr(self, tensor, known: dict):
        """The HR tensor itself; what is held is enlarged or concatenated now, under the name of what gave it."""
        value = known[id(tensor)]
        if not isinstance(value, (Held, Parts)):
            return value
        if value.hr is None:
            value.hr = self._made(value, self._name(tensor._keras_history.operation))
        return value.hr

    def _made(self, value, name: str):
        if isinstance(value, Held):
            if value.node is not None:
                return self.copies.call(value.node.operation, (value.lr,), {})
            return value.by.layer(name, value.dtype)(value.lr)
        parts = [self._made_part(part, name) for part in value.parts]
        return keras.layers.Concatenate(name=name, dtype=value.node.operation.dtype_policy)(parts)

    def _made_part(self, part, name: str):
        if not isinstance(part, (Held, Parts)):
            return part
        if part.hr is None:
            part.hr = self._made(part, self.names.fresh(f"{name}_part"))
        return part.hr

    def _name(self, operation) -> str:
        """The operation's name, where nothing else bears it in the new model."""
        own = isinstance(operation, keras.layers.Layer) and self._times[id(operation)] == 1
        return operation.name if own else self.names.fresh(f"{operation.name}_up")

    def _computed(self, node: Node, known: dict):
        """The call as it stands, of HR tensors."""
        return super().call(node, {**known, **{id(t): self.hr(t, known) for t in node.input_tensors}})

    def _enlarged(self, node: Node, by_layer: Enlarging, value, known: dict) -> Held:
        dtype = node.operation.dtype_policy
        if not isinstance(value, Held) or {value.by.method, by_layer.method} != {"nearest"}:
            return Held(self.hr(node.input_tensors[0], known), by_layer, dtype, node)
        # Pixels repeated s times and then r times are repeated r·s times.
        size = tuple(inner * outer for inner, outer in zip(value.by.size, by_layer.size))
        fixed = value.by.fixed and by_layer.fixed
        self._row(node, value.by, described(node.operation), f"one enlargement ×{by(dict.fromkeys(size))}")
        return Held(value.lr, dataclasses.replace(by_layer, size=size, fixed=fixed), dtype)

    def _commuted(self, node: Node, values: list, known: dict) -> object | None:
        """The call's result, held; None where it does not commute, or would cost more."""
        operation = node.operation
        if isinstance(operation, keras.layers.Concatenate) and operation.axis in (-1, 3) and not _alike(values):
            return Parts([each for value in values for each in _flat(value)], node)
        if isinstance(values[0], Parts):
            return self._through_parts(node, values[0], known)
        held = [value for value in values if isinstance(value, Held)]
        if not _alike(held) or not all(value in held or _is_one_pixel(value) for value in values):
            return None
        first = held[0]
        if first.by.method == "nearest":
            if commutes_with_repetition(operation) and _constants_are_per_channel(node):
                return self._in_lr(node, values, first)
        elif len(held) == len(values) and commutes_with_interpolation(operation):
            return self._in_lr(node, values, first)
        elif is_one_by_one(operation) and _is_cheaper(operation, first) and self._times[id(operation)] == 1:
            return self._linear_part_in_lr(node, first)
        return None

    def _in_lr(self, node: Node, values: list, first: Held) -> Held | None:
        operation = node.operation
        if is_one_by_one(operation) and not _is_cheaper(operation, first) and not self._absorbed(node, first.by.method):
            return None
        inputs = [value.lr if isinstance(value, Held) else value for value in values]
        arguments, keywords = node.arguments.fill_in(dict(zip(map(id, node.input_tensors), inputs)))
        name = None
        if isinstance(operation, keras.layers.Layer) and self._times[id(operation)] == 1:
            name = self.names.fresh(f"{operation.name}_lr")
        lr = self.copies.call(operation, arguments, keywords, name)
        if not is_per_channel(operation):
            self._row(node, first.by, described(operation), f"{described(operation)} in LR space")
        return Held(lr, first.by, getattr(operation, "dtype_policy", first.dtype))

    def _linear_part_in_lr(self, node: Node, held: Held):
        """A matrix for each pixel before an interpolation, its activation behind it."""
        layer = node.operation
        chain = Chain(layer, self.names)
        chain.add("lr", lambda name, dtype: _linear(layer, name), *map(array, layer.weights))
        chain.add("up", lambda name, dtype: held.by.layer(name, dtype))
        add_activation(chain, layer.activation)
        self._row(node, held.by, described(layer), f"{described(layer)} in LR space, its activation behind it")
        return chain(held.lr)

    def _through_parts(self, node: Node, value: Parts, known: dict) -> object | None:
        """A call that reads concatenated maps, of which some are held."""
        operation = node.operation
        if self._times[id(operation)] > 1:
            return None
        if is_per_channel(operation) and self._absorbed(node, "nearest"):
            return self._per_channel(node, value)
        if is_one_by_one(operation) and getattr(operation, "groups", 1) == 1:
            return self._sum_of_parts(node, value)
        return None

    def _per_channel(self, node: Node, value: Parts) -> Parts | None:
        """What acts on each map by itself acts on each part by itself: f([up(x), y]) = [up(fx(x)), fy(y)]."""
        if any(isinstance(part, Held) and part.by.method != "nearest" for part in value.parts):
            return None
        operation, parts, start = node.operation, [], 0
        for number, part in enumerate(value.parts):
            tensor = part.lr if isinstance(part, Held) else part
            maps = slice(start, start + tensor.shape[-1])
            start = maps.stop
            new = operation
            if isinstance(operation, keras.layers.Layer):
                new = clone(operation, self.names.fresh(f"{operation.name}_{number + 1}"))
            arguments, keywords = node.arguments.fill_in({id(node.input_tensors[0]): tensor})
            result = new(*arguments, **keywords)
            if getattr(operation, "weights", []):
                new.set_weights([array(weight)[..., maps] for weight in operation.weights])
            parts.append(Held(result, part.by, part.dtype) if isinstance(part, Held) else result)
        self._row(node, _first(value).by, described(operation), "the same for each part, the enlarged in LR space")
        return Parts(parts, value.node)

    def _sum_of_parts(self, node: Node, value: Parts):
        """A matrix for each pixel of concatenated maps: the sum of one of the held maps and one of the others."""
        held = [part for part in value.parts if isinstance(part, Held)]
        layer = node.operation
        if not _alike(held) or not _is_cheaper(layer, held[0], sum(part.channels for part in held)):
            return None
        kernel, start = array(layer.kernel), 0
        inputs, kernels = ([], []), ([], [])
        for part in value.parts:
            tensor = part.lr if isinstance(part, Held) else part
            which = 0 if isinstance(part, Held) else 1
            inputs[which].append(tensor)
            kernels[which].append(kernel[..., start : start + tensor.shape[-1], :])
            start += tensor.shape[-1]
        results = []
        for role, tensors, parts in zip(("lr", "hr"), inputs, kernels):
            chain = Chain(layer, self.names)
            if len(tensors) > 1:
                chain.add(f"{role}_maps", keras.layers.Concatenate, axis=-1)
            bias = [array(layer.bias)] if role == "hr" and layer.use_bias else []
            weights = [np.concatenate(parts, axis=-2), *bias]
            chain.add(role, lambda name, dtype, used=bool(bias): _linear(layer, name, used), *weights)
            if role == "lr":
                chain.add("up", lambda name, dtype: held[0].by.layer(name, dtype))
            results.append(chain(tensors if len(tensors) > 1 else tensors[0], last=False))
        end = Chain(layer, self.names)
        end.add("sum", keras.layers.Add)
        if layer.activation is not keras.activations.linear:
            add_activation(end, layer.activation)
        maps = sum(part.channels for part in held)
        self._row(
            node, held[0].by, described(layer), f"{described(layer)} of the {maps} enlarged maps in LR space + Add"
        )
        return end(results)

    def _absorbed(self, node: Node, method: str) -> bool:
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
            and self._absorbed(call, method)
            for call in calls
        )

    def _row(self, node: Node, by_layer: Enlarging, found: str, becomes: str) -> None:
        layer, pixels = node.operation, by_layer.pixels
        kernel = getattr(layer, "kernel", None) if is_one_by_one(layer) else None
        macs = 0 if kernel is None else int(np.prod(kernel.shape))
        weights = layer.count_params() if isinstance(layer, keras.layers.Layer) else 0
        self.rows.append(
            Row(
                self._graph_of[id(node)].path + layer.name,
                f"{by_layer.method} ×{by(dict.fromkeys(by_layer.size))}, then {found}",
                action="moved",
                becomes=becomes,
                macs=macs * pixels,
                macs_quoted=macs * pixels,
                macs_after=macs,
                weights=weights,
                weights_after=weights,
            )
        )


def _may_move(graph: Graph, node: Node) -> bool:
    """Whether anything reads a call's output, through what is per channel, that a plan would not take along itself."""
    for call in graph.calls_reading(node.outputs[0]):
        if is_per_channel(call.operation):
            if _may_move(graph, call):
                return True
        elif enlarging(call.operation) or is_one_by_one(call.operation) or commutes_with_repetition(call.operation):
            return True
    return False


def _flat(value) -> list:
    return value.parts if isinstance(value, Parts) else [value]


def _alike(values: list) -> bool:
    """Whether all are held, and enlarged alike."""
    return all(isinstance(value, Held) for value in values) and all(value.by == values[0].by for value in values)


def _first(value: Parts) -> Held:
    return next(part for part in value.parts if isinstance(part, Held))


def _is_one_pixel(value) -> bool:
    """A tensor that is the same for all pixels of a picture, such as the weights of an attention to maps."""
    return not isinstance(value, (Held, Parts)) and len(value.shape) == 4 and tuple(value.shape[1:3]) == (1, 1)


def _constants_are_per_channel(node: Node) -> bool:
    """Whether what an operation reads beside tensors is one number, or one for each map."""
    if isinstance(node.operation, keras.layers.Layer):
        return all(np.ndim(getattr(node.operation, name, 0)) <= 1 for name in ("scale", "offset")) or not isinstance(
            node.operation, keras.layers.Rescaling
        )
    constants = [each for each in node.arguments.args if not isinstance(each, keras.KerasTensor)]
    shapes = [tuple(getattr(each, "shape", np.shape(each))) for each in constants if each is not None]
    return all(len(shape) <= 1 or tuple(shape[-3:-1]) == (1, 1) for shape in shapes)


def _takes_an_enlargement_in(operation) -> bool:
    return (
        type(operation) is keras.layers.Conv2D
        and max(operation.kernel_size) > 1
        and (tuple(operation.strides), operation.groups, operation.data_format) == ((1, 1), 1, "channels_last")
    )


def _is_cheaper(layer, held: Held, maps: int | None = None) -> bool:
    """Whether a matrix for each pixel costs less before the enlargement, which then has other maps to enlarge."""
    inputs = held.channels if maps is None else maps
    method = "repeated" if held.by.method == "nearest" else "interpolated"
    return speedup_of_commuting(inputs, layer.kernel.shape[-1], held.by.pixels, method, summed=maps is not None) >= 1


def _linear(layer, name: str, use_bias: bool | None = None):
    """The layer without its activation, with weights of its own."""
    use_bias = layer.use_bias if use_bias is None else use_bias
    config = {**layer.get_config(), "name": name, "activation": None, "use_bias": use_bias}
    return type(layer).from_config(config)
