"""A Keras model as graphs of layer calls: who made a tensor, who reads it, and how a layer or a model is made anew."""

from dataclasses import dataclass, field

import keras
import numpy as np

from zoo.errors import UsageError

# Reading a functional model's graph has no public call in Keras 3: `_nodes_by_depth`, `_inbound_nodes` and a tensor's
# `_keras_history` are what `keras.models.clone_model` itself walks.
Node = object


@dataclass
class Graph:
    """One functional graph: a model, or a model that is called as a layer inside one.

    Attributes:
        model: the Keras model whose graph it is.
        nodes: its layer calls, inputs first; the `InputLayer`s are not among them.
        path: names of the models around it, `"generator/decoder/"`; empty for the outermost.
    """

    model: keras.Model
    path: str
    nodes: list[Node] = field(default_factory=list)
    _producer: dict[int, Node] = field(default_factory=dict)
    _readers: dict[int, int] = field(default_factory=dict)

    def __post_init__(self):
        for depth in sorted(self.functional._nodes_by_depth, reverse=True):
            for node in self.functional._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                self.nodes.append(node)
                for tensor in node.outputs:
                    self._producer[id(tensor)] = node
                for tensor in node.input_tensors:
                    self._readers[id(tensor)] = self._readers.get(id(tensor), 0) + 1
        for tensor in self.functional.outputs:
            self._readers[id(tensor)] = self._readers.get(id(tensor), 0) + 1

    @property
    def functional(self) -> keras.Model:
        return _functional(self.model)

    def producer(self, tensor) -> Node | None:
        """The call that gives the tensor; None for the model's inputs."""
        return self._producer.get(id(tensor))

    def readers(self, tensor) -> int:
        """How many calls read the tensor; being an output of the model counts as one."""
        return self._readers.get(id(tensor), 0)

    def calls_reading(self, tensor) -> list[Node]:
        return [node for node in self.nodes if any(each is tensor for each in node.input_tensors)]


def has_graph(operation) -> bool:
    """Whether its layers and their connections can be read: a functional or a built Sequential model."""
    if isinstance(operation, keras.Sequential):
        return operation._functional is not None
    return isinstance(operation, keras.Model) and hasattr(operation, "_nodes_by_depth")


def _functional(model: keras.Model) -> keras.Model:
    return model._functional if isinstance(model, keras.Sequential) else model


def inputs_of(model: keras.Model):
    """The inputs of a model whose graph can be read, structured as it takes them."""
    return _functional(model)._inputs_struct


def graphs_of(model: keras.Model) -> list[Graph]:
    """The graph of a model and of every model called inside it, each once, the outermost first.

    Raises:
        UsageError: a subclassed or unbuilt model, whose connections are not known.
    """
    if not has_graph(model):
        kind = "a Sequential model that is not built" if isinstance(model, keras.Sequential) else repr(type(model))
        raise UsageError(f"Expected a functional Keras model or a built Sequential one. Received: {kind}")
    found = {id(model): Graph(model, "")}
    waiting = [found[id(model)]]
    while waiting:
        graph = waiting.pop(0)
        for node in graph.nodes:
            inner = node.operation
            if has_graph(inner) and id(inner) not in found:
                found[id(inner)] = Graph(inner, f"{graph.path}{inner.name}/")
                waiting.append(found[id(inner)])
    return list(found.values())


def clone(operation, name: str | None = None, dtype: str | None = None):
    """The same layer or operation made from its configuration, with weights of its own (copied by `copy_state`).

    Args:
        name, dtype: of the copy; default the same.
    """
    if type(operation) is keras.layers.Lambda:
        # Its configuration holds code, which Keras loads in unsafe mode only; the function itself is at hand.
        return type(operation)(
            operation.function,
            output_shape=operation._output_shape,
            mask=operation.mask,
            arguments=operation.arguments,
            name=name or operation.name,
            dtype=dtype or operation.dtype_policy,
        )
    changes = {"name": name, "dtype": dtype if isinstance(operation, keras.layers.Layer) else None}
    changes = {key: value for key, value in changes.items() if value is not None}
    try:
        copy = type(operation).from_config({**operation.get_config(), **changes})
    except (NotImplementedError, TypeError, ValueError) as error:
        if not isinstance(operation, keras.layers.Layer):
            return operation  # An operation without a configuration has no state either.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"Expected layers that can be made anew from get_config(). Received: {operation.name!r}, "
            f"{type(operation).__name__}: {reason}"
        ) from error
    _take_over_activations(operation, copy)
    return copy


def copy_state(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    """Copies weights and statistics, and takes the activation functions over; the target has been called."""
    weights = source.get_weights()
    if [w.shape for w in weights] != [w.shape for w in target.get_weights()]:
        raise UsageError(
            f"Expected that {source.name!r}, made anew from get_config(), has the same weights. "
            f"Received: {len(target.weights)} weights of {type(source).__name__} where the original has {len(weights)}"
        )
    for old, new in zip(source._flatten_layers(), target._flatten_layers()):
        _take_over_activations(old, new)
        # What such a layer derives from its weights (Normalization's means), it derives when it loads them.
        if type(new).load_own_variables is not keras.layers.Layer.load_own_variables and old.weights:
            store = {}
            old.save_own_variables(store)
            new.load_own_variables(store)
    # After that: a layer with LoRA merges what it saves.
    if weights:
        target.set_weights(weights)


def _take_over_activations(source, target) -> None:
    """The very functions: in a configuration a function of one's own is a name, which Keras may have another for."""
    for name, value in vars(source).items():
        if "activation" in name and callable(value) and not isinstance(value, keras.layers.Layer):
            setattr(target, name, value)


def array(variable) -> np.ndarray:
    """A variable's value in float64."""
    return np.asarray(keras.ops.convert_to_numpy(variable)).astype(np.float64)
