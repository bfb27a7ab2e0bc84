"""The same layers under other names, and layers around layers, said plainly, so that the rules for those apply.

Resizing and ops.image.resize to a whole multiple of a known size     → UpSampling2D
ops.repeat along an axis of a picture                                 → UpSampling2D
a Lambda that enlarges or shuffles as Keras' own layers do            → UpSampling2D, DepthToSpace
a reshape, a transposition and a reshape that shuffle pixels          → DepthToSpace
TimeDistributed of what enlarges, and of its neighbours               → the layer, on the steps as one batch
SpectralNormalization of what enlarges or reads an enlargement        → the layer, its kernel as it is at inference
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import keras

from zoo.layers import DepthToSpace, FoldSteps, UnfoldSteps
from zoo.rewrite.graph import Graph, Node
from zoo.rewrite.held import enlarging
from zoo.rewrite.plan import Plan
from zoo.rewrite.pointwise import is_per_channel
from zoo.rewrite.rebuild import Rebuild
from zoo.rewrite.recognised import INTERPOLATIONS, SHUFFLE, Recognised, recognised
from zoo.rewrite.tracing import UPSAMPLING, graphs_of

# (N, H, W, a, b, C) → (N, H, a, W, b, C): the transposition in the middle of a shuffle.
SHUFFLING = (0, 1, 3, 2, 4, 5)


def said_plainly(model: keras.Model, kept: Sequence[keras.layers.Layer] = ()) -> tuple[keras.Model, list[str]]:
    """The model in plain layers, and a sentence for each layer that had another name.

    Args:
        kept: layers that are taken over as they are.
    Returns:
        The model itself where there is none.
    """
    maker = Plain(graphs_of(model, kept), kept)
    if not maker.concerned:
        return model, []
    new = maker.model(maker.outermost)
    return new, maker.said


@dataclass
class Folded:
    """A sequence of pictures held as one batch of pictures."""

    tensor: keras.KerasTensor
    steps: int
    unfolded: keras.KerasTensor | None = None


class Plain(Rebuild):
    """Makes the models of all graphs anew in plain layers; `said` tells of each."""

    def __init__(self, graphs: list[Graph], kept: Sequence[keras.layers.Layer] = ()):
        super().__init__(graphs, Plan(), kept)
        self.outermost = graphs[0]
        self.said: list[str] = []
        self._graph_of = {id(node): graph for graph in graphs for node in graph.nodes}
        self._times = Counter(id(node.operation) for graph in graphs for node in graph.nodes)
        self._found: dict[int, Recognised | None] = {}
        nodes = [node for graph in graphs for node in graph.nodes]
        self._folds = any(_distributes(node) and _enlarges(node.operation.layer) for node in nodes)
        self.concerned = any(self._rule(node) is not None for node in nodes)

    def call(self, node: Node, known: dict):
        rule = self._rule(node)
        if rule is not None:
            return rule(node, known)
        return super().call(node, {**known, **{id(t): self._tensor(t, known) for t in node.input_tensors}})

    def output(self, tensor, known: dict):
        return self._tensor(tensor, known)

    def _rule(self, node: Node):
        """What says a call plainly; None where it is plain."""
        layer = node.operation
        if self._folds and _distributes(node):
            return self._fold
        if type(layer) is keras.layers.SpectralNormalization:
            return self._unwrap if self._is_of_interest(node) else None
        if (enlarged := _size(node)) is not None:
            return partial(self._resize, *enlarged)
        if (shuffled := _shuffled(self._graph_of[id(node)], node)) is not None:
            return partial(self._shuffle, *shuffled)
        if (found := self._recognised(node)) is None or not found.method:
            return None
        if found.method == SHUFFLE:
            return partial(self._shuffle, node.input_tensors[0], found.size[0])
        return partial(self._resize, *found)

    def _recognised(self, node: Node) -> Recognised | None:
        """What a function of one's own does, which is looked at once."""
        if id(node) not in self._found:
            self._found[id(node)] = recognised(node)
        return self._found[id(node)]

    def _tensor(self, tensor, known: dict):
        value = known[id(tensor)]
        if not isinstance(value, Folded):
            return value
        if value.unfolded is None:
            layer = tensor._keras_history.operation
            unfold = UnfoldSteps(value.steps, name=self._name(layer), dtype=layer.dtype_policy)
            value.unfolded = unfold(value.tensor)
        return value.unfolded

    def _name(self, operation) -> str:
        own = isinstance(operation, keras.layers.Layer) and self._times[id(operation)] == 1
        return operation.name if own else self.names.fresh(operation.name)

    def _say(self, node: Node, what: str) -> None:
        path, operation = self._graph_of[id(node)].path, node.operation
        self.said.append(f"{path + operation.name!r} ({type(operation).__name__}): {what}")

    def _fold(self, node: Node, known: dict) -> Folded:
        layer, (tensor,) = node.operation, node.input_tensors
        value = known[id(tensor)]
        if not isinstance(value, Folded):
            fold = FoldSteps(name=self.names.fresh(f"{layer.name}_steps"), dtype=layer.dtype_policy)
            value = Folded(fold(value), tensor.shape[1])
        if _enlarges(layer.layer):
            self._say(node, "its steps are one batch")
        name = self.names.fresh(f"{layer.name}_step")
        return Folded(self.copies.call(layer.layer, (value.tensor,), {}, name), value.steps)

    def _unwrap(self, node: Node, known: dict):
        self._say(node, "its kernel as it is at inference; in training it is no longer normalised")
        tensor = self._tensor(node.input_tensors[0], known)
        return self.copies.call(node.operation.layer, (tensor,), {}, self._name(node.operation))

    def _resize(self, size: tuple[int, int], interpolation: str, node: Node, known: dict):
        operation = node.operation
        name, policy = self._name(operation), _policy(node)
        self._say(node, f"UpSampling2D {interpolation} {size[0]}×{size[1]}")
        layer = keras.layers.UpSampling2D(
            size, data_format="channels_last", interpolation=interpolation, name=name, dtype=policy
        )
        return layer(self._tensor(node.input_tensors[0], known))

    def _shuffle(self, tensor, scale: int, node: Node, known: dict):
        self._say(node, f"DepthToSpace {scale}")
        layer = DepthToSpace(scale, name=self._name(node.operation), dtype=_policy(node))
        return layer(self._tensor(tensor, known))

    def _is_of_interest(self, node: Node) -> bool:
        """Whether what is wrapped enlarges, or is a convolution that reads an enlargement."""
        if _enlarges(node.operation.layer):
            return True
        graph, tensor = self._graph_of[id(node)], node.input_tensors[0]
        while type(node.operation.layer) is keras.layers.Conv2D and (before := graph.producer(tensor)) is not None:
            if enlarging(before.operation) is not None:
                return True
            if not is_per_channel(before.operation) or len(before.input_tensors) != 1:
                return False
            tensor = before.input_tensors[0]
        return False


def _policy(node: Node):
    """The precision that a call computes in, for the layer that takes its place."""
    operation = node.operation
    return operation.dtype_policy if isinstance(operation, keras.layers.Layer) else node.outputs[0].dtype


def _enlarges(layer) -> bool:
    return any(isinstance(each, UPSAMPLING) for each in layer._flatten_layers())


def _distributes(node: Node) -> bool:
    """A `TimeDistributed` of known length, whose steps have no statistics of their own in training."""
    layer = node.operation
    if type(layer) is not keras.layers.TimeDistributed or len(node.input_tensors) != 1:
        return False
    statistics = any(isinstance(each, keras.layers.BatchNormalization) for each in layer._flatten_layers())
    plain = not node.arguments.kwargs.get("mask") and len(node.outputs) == 1
    return plain and node.input_tensors[0].shape[1] is not None and not statistics


def _size(node: Node) -> tuple[tuple[int, int], str] | None:
    """How many times a picture is enlarged along each axis, and by which interpolation; None for any other call."""
    operation, kind = node.operation, type(node.operation)
    if not node.input_tensors or len(node.input_tensors[0].shape) != 4:
        return None
    if _is_of_keras(operation, "Repeat"):
        return _repeats(operation.repeats, operation.axis)
    if kind is keras.layers.Resizing:
        wanted = operation.height, operation.width
    elif _is_of_keras(operation, "Resize"):
        wanted = operation.size
    else:
        return None
    others = operation.crop_to_aspect_ratio, operation.pad_to_aspect_ratio, operation.antialias
    if any(others) or operation.data_format == "channels_first" or operation.interpolation not in INTERPOLATIONS:
        return None
    sides = node.input_tensors[0].shape[1:3]
    if None in (*sides, *wanted) or "float" not in node.outputs[0].dtype:
        return None
    (rows, more_rows), (columns, more_columns) = (divmod(new, old) for new, old in zip(wanted, sides))
    whole = not more_rows and not more_columns and max(rows, columns) > 1
    return ((rows, columns), operation.interpolation) if whole else None


def _repeats(repeats, axis: int | None) -> tuple[tuple[int, int], str] | None:
    if not isinstance(repeats, int) or repeats < 2:
        return None
    if axis in (1, -3):
        return (repeats, 1), "nearest"
    return ((1, repeats), "nearest") if axis in (2, -2) else None


def _is_of_keras(operation, name: str) -> bool:
    return type(operation).__name__ == name and type(operation).__module__.startswith("keras.")


def _shuffled(graph: Graph, node: Node) -> tuple[keras.KerasTensor, int] | None:
    """What a shuffle spelt as reshape, transposition, reshape reads, and its scale; None for any other call."""
    if not _is_of_keras(node.operation, "Reshape") or len(node.outputs[0].shape) != 4:
        return None
    middle = graph.producer(node.input_tensors[0])
    if middle is None or _transposition(middle.operation) != SHUFFLING:
        return None
    first = graph.producer(middle.input_tensors[0])
    if first is None or not _is_of_keras(first.operation, "Reshape") or len(first.input_tensors[0].shape) != 4:
        return None
    tensor = first.input_tensors[0]
    height, width, rows, columns, channels = middle.input_tensors[0].shape[1:]
    sides = height, width, channels
    if rows != columns or None in (rows, *sides) or tuple(tensor.shape[1:]) != (height, width, rows**2 * channels):
        return None
    return (tensor, rows) if tuple(node.outputs[0].shape[1:]) == (height * rows, width * rows, channels) else None


def _transposition(operation) -> tuple | None:
    if type(operation) is keras.layers.Permute:
        return (0, *operation.dims)
    return tuple(operation.axes) if _is_of_keras(operation, "Transpose") and operation.axes else None
