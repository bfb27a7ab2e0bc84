"""A Keras model as graphs of layer calls: who made a tensor, and who reads it."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import keras
import numpy as np

# Reading a functional model's graph has no public call in Keras 3: `_nodes_by_depth`, `_inbound_nodes` and a tensor's
# `_keras_history` are what `keras.models.clone_model` itself walks. Nor has a call a public class.
Node: TypeAlias = Any


@dataclass
class Graph:
    """One functional graph: a model, or a model that is called as a layer inside one.

    Attributes:
        model: the Keras model whose graph it is.
        nodes: its layer calls, inputs first; the `InputLayer`s are not among them.
        path: names of the models around it, `"generator/decoder/"`; empty for the outermost.
        layer: the layer of one's own whose graph was drawn by running it; None for a model.
    """

    model: keras.Model
    path: str
    layer: keras.layers.Layer | None = None
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
    def owner(self) -> keras.layers.Layer:
        """What is called where the graph is meant."""
        return self.model if self.layer is None else self.layer

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


def outputs_of(model: keras.Model):
    """The outputs of a model whose graph can be read, structured as it gives them."""
    return _functional(model)._outputs_struct


def array(variable) -> np.ndarray:
    """A variable's value in float64."""
    return np.asarray(keras.ops.convert_to_numpy(variable)).astype(np.float64)
