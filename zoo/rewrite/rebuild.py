"""A model made anew layer by layer, with the replacements of a plan in it; the original is only read."""

import inspect
from collections.abc import Sequence

import keras

from zoo.rewrite import replace
from zoo.rewrite.copies import Copies, clone_or_itself, is_of_ones_own
from zoo.rewrite.find import Moved
from zoo.rewrite.graph import Graph, Node
from zoo.rewrite.plan import Plan, needed
from zoo.rewrite.replace import Cascade


class Names:
    """Layer names that no layer of the model has yet."""

    def __init__(self, graphs: list[Graph]):
        self._taken = {node.operation.name for graph in graphs for node in graph.nodes}
        self._taken |= {layer.name for graph in graphs for layer in graph.functional.layers}

    def fresh(self, name: str) -> str:
        number, result = 1, name
        while result in self._taken:
            number += 1
            result = f"{name}_{number}"
        self._taken.add(result)
        return result


class Rebuild:
    """Makes the models of all graphs anew; a layer or model that is called twice is made once."""

    def __init__(self, graphs: list[Graph], plan: Plan, kept: Sequence[keras.layers.Layer] = ()):
        self.names = Names(graphs)
        self._graphs = {id(graph.owner): graph for graph in graphs}
        self._plan = plan
        self.copies = Copies(kept)
        self._cascades: dict[int, list[Cascade]] = {}

    def model(self, graph: Graph) -> keras.Model:
        """The graph's model, made anew with its replacements."""
        inputs = keras.tree.map_structure(_input_like, graph.functional._inputs_struct)
        known = dict(zip(map(id, graph.functional.inputs), keras.tree.flatten(inputs)))
        for node in needed(graph, self._plan.replaced):
            outputs = self.call(node, known)
            for old, new in zip(node.outputs, keras.tree.flatten(outputs)):
                known[id(old)] = new
        outputs = keras.tree.map_structure(lambda tensor: self.output(tensor, known), graph.functional._outputs_struct)
        return _model_like(graph.model, inputs, outputs)

    def output(self, tensor, known: dict):
        """The new tensor that becomes an output of the model."""
        return known[id(tensor)]

    def call(self, node: Node, known: dict):
        """The outputs of a call, from the new tensors of what it reads."""
        replaced = self._plan.replaced.get(id(node))
        if isinstance(replaced, Moved):
            return self._moved(replaced, known)
        operation, graph = node.operation, self._graphs.get(id(node.operation))
        if graph is not None and graph.layer is not None:
            inputs = [known[id(tensor)] for tensor in node.input_tensors]
            return self.copies.once(operation, lambda: self.model(graph))(inputs[0] if len(inputs) == 1 else inputs)
        arguments, keywords = node.arguments.fill_in(known)
        if graph is not None:
            return self.copies.once(operation, lambda: self.model(graph))(*arguments, **keywords)
        if replaced is None:
            return self.copies.call(operation, arguments, keywords)
        new = self.copies.once(operation, lambda: replaced.make(operation.name))
        outputs = new(*arguments, **keywords)
        new.set_weights(operation.get_weights() if replaced.weights is None else replaced.weights)
        return outputs

    def _moved(self, moved: Moved, known: dict):
        if id(moved.layer) not in self._cascades:
            self._cascades[id(moved.layer)] = replace.cascades_of(moved, self.names)
            activation = getattr(moved.layer, "activation", None)
            if isinstance(activation, keras.layers.Layer) and clone_or_itself(activation) is activation:
                self.copies.shared.append((activation, f"the activation of {moved.layer.name!r}"))
        terms = []
        for term in moved.terms:
            x = known[id(term.tensor)]
            for node in term.between:
                x = self.call(node, {id(node.input_tensors[0]): x})
            terms.append(x)
        return replace.apply(self._cascades[id(moved.layer)], terms, [known[id(tensor)] for tensor in moved.rest])


def lost_classes(model: keras.Model, new: keras.Model) -> list[str]:
    """The models of a class of one's own and Sequential ones, also inside, that came back as Keras' plain ones."""
    models, made = ([each for each in m._flatten_layers() if isinstance(each, keras.Model)] for m in (model, new))
    kinds = {(each.name, type(each)) for each in made}
    own = [each for each in models if isinstance(each, keras.Sequential) or is_of_ones_own(each)]
    return [f"{each.name!r} ({type(each).__name__})" for each in own if (each.name, type(each)) not in kinds]


def _input_like(tensor):
    layer = tensor._keras_history.operation
    return keras.Input(
        batch_shape=tensor.shape, dtype=tensor.dtype, name=layer.name, optional=getattr(layer, "optional", False)
    )


def _model_like(model: keras.Model, inputs, outputs) -> keras.Model:
    """A model of the same kind, plain where that is no row of layers any more, or takes no graph."""
    if isinstance(model, keras.Sequential):
        plain = keras.Model(inputs, outputs, name=model.name)
        new = keras.Sequential(plain.layers, name=model.name) if _is_row(plain) else plain
    else:
        constructor = type(model).__init__
        takes_graph = {"inputs", "outputs"} <= set(inspect.signature(constructor).parameters)
        kind = type(model) if takes_graph or constructor is keras.Model.__init__ else keras.Model
        new = kind(inputs, outputs, name=model.name)
    if not model.trainable:
        new.trainable = False
    return new


def _is_row(model: keras.Model) -> bool:
    """Whether each call reads what the one before it gave, and nothing else."""
    nodes = Graph(model, "").nodes
    given = [model.inputs, *(node.outputs for node in nodes)]
    return all(list(map(id, node.input_tensors)) == list(map(id, each)) for node, each in zip(nodes, given))
