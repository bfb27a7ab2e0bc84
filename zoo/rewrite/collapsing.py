"""Convolutions of a Keras network in a row without an activation, and branches that are added, as one.

    before: x → Conv2D → BatchNormalization → Add(·, x) → ReLU,   as RepVGG, SESR and ECBSR train
    after:  x → Conv2D → ReLU

Depthwise convolutions and those in groups likewise, with what leaves the groups apart.

Batch normalisation is taken as it is at inference: the result is for use, not for more training of the same kind.
"""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from zoo.identities import collapse
from zoo.identities.collapse import Convolution
from zoo.identities.lr_convolution import is_same_padding
from zoo.rewrite.cascaded import Cascaded, CascadedRebuild
from zoo.rewrite.explanation import Explanation, Row
from zoo.rewrite.graph import Graph, Node, array
from zoo.rewrite.linear import Run, Step, rows_of, runs
from zoo.rewrite.plan import Plan
from zoo.rewrite.replace import Cascade, add_activation, add_convolution, add_padding
from zoo.rewrite.same import check_same
from zoo.rewrite.tracing import functional, graphs_of


def collapsed(model: keras.Model, border: str = "exact", check: bool = True) -> tuple[keras.Model, Explanation]:
    """The same function with its linear layers joined, and what became of them.

    Joins, exactly and at the border too: k×k → 1×1, convolutions that are added, 1×1 skips, batch normalisation, and
    1×1 → k×k where the padding can carry the first bias. It never multiplies more than before.

    Args:
        model: a functional or built Sequential model, or one that can be traced.
        border: `"exact"`, or `"interior"` to join k×k → k×k too, which differs in a border that the row states.
        check: compares both models, where `border` is exact.
    Returns:
        A new model of the same inputs, outputs and names, and a row for each run and each pair that stays two.
    Raises:
        UsageError: an unknown `border`, a layer that cannot be made anew, or the result differs.

    References: RepVGG, arXiv 2101.03697, section 3.3; SESR, arXiv 2103.09404, section 3.

    Example:
        >>> import keras
        >>> image = keras.Input((None, None, 4))
        >>> x = keras.layers.Conv2D(64, 3, padding="same")(image)
        >>> x = keras.layers.Add()([keras.layers.Conv2D(4, 1)(x), image])
        >>> model, explanation = collapsed(keras.Model(image, x))
        >>> [type(layer).__name__ for layer in model.layers], explanation.rows[0].becomes
        (['InputLayer', 'Conv2D'], 'convolution 3×3')
    """
    model = functional(model)
    graphs = graphs_of(model)
    calls = Counter(id(node.operation) for graph in graphs for node in graph.nodes)
    replaced: dict[int, Any] = {}
    rows: list[Row] = []
    for graph in graphs:
        nodes = {id(node.outputs[0]): node for node in graph.nodes if len(node.outputs) == 1}
        tensors = {id(tensor): tensor for node in graph.nodes for tensor in (*node.input_tensors, *node.outputs)}
        steps = [step for node in nodes.values() if (step := _step(graph, node, calls)) is not None]
        found, apart = runs(steps, border)
        # The precision of what replaces a run is that of its convolutions: without one it stays.
        found = [run for run in found if _convolutions(run, nodes)]
        for run in found:
            node = nodes[run.steps[0].output]
            replaced[id(node)] = Cascaded(node, tensors[run.source], node.operation, _maker(node, run, nodes))
        rows += rows_of(found, apart)
        named = {each.step.name for each in apart} | {step.name for run in found for step in run.steps}
        rows += _left(graph, named, calls)
    result = CascadedRebuild(graphs, Plan(replaced)).model(graphs[0])
    if check and border == "exact":
        check_same(model, result)
    return result, Explanation(model.name, rows)


def _left(graph: Graph, named: set[str], calls: Counter) -> list[Row]:
    """Rows of batch normalisation that no other row is about."""
    rows = []
    for node in graph.nodes:
        layer = node.operation
        if isinstance(layer, keras.layers.BatchNormalization) and layer.name not in named:
            rows.append(Row(layer.name, "BatchNormalization", note=_why_left(graph, node, calls[id(layer)])))
    return rows


def _why_left(graph: Graph, node: Node, calls: int) -> str:
    if calls > 1:
        return "it is called more than once"
    image = node.input_tensors[0]
    if len(image.shape) != 4:
        return "it is not of a picture's maps"
    before = graph.producer(image)
    found = "the input" if before is None else f"{before.operation.name} ({type(before.operation).__name__})"
    read = ", which is read elsewhere too" if graph.readers(image) > 1 else ""
    return f"it stands behind {found}{read}, and before no convolution that could take it in"


def _step(graph: Graph, node: Node, calls: Counter) -> Step | None:
    """What a call is, if it is linear and the only one of its layer."""
    operation, tensors = node.operation, node.input_tensors
    output = node.outputs[0]
    if calls[id(operation)] > 1 or len(output.shape) != 4:
        return None
    reads, activated, cost = tuple(map(id, tensors)), False, 0
    if type(operation) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D):
        convolution = _convolution(operation)
        if convolution is None:
            return None
        activated, cost = operation.activation is not keras.activations.linear, convolution.kernel.size
    elif type(operation) is keras.layers.BatchNormalization and operation.axis in (-1, 3):
        convolution = normalization(operation)
        cost = len(convolution.bias)
    elif type(operation) in (keras.layers.ZeroPadding2D, keras.layers.Cropping2D):
        if operation.data_format != "channels_last":
            return None
        padding = isinstance(operation, keras.layers.ZeroPadding2D)
        sign = 1 if padding else -1
        pads = operation.padding if padding else operation.cropping
        rows, columns = ((sign * before, sign * after) for before, after in pads)
        convolution = collapse.skip(output.shape[-1])._replace(pads=(rows, columns))
    elif _adds(node) and all(tensor.shape == output.shape for tensor in tensors):
        convolution = None
    else:
        return None
    return Step(operation.name, id(output), reads, convolution, cost, graph.readers(output) == 1, activated)


def _convolution(layer: keras.layers.Conv2D | keras.layers.DepthwiseConv2D) -> Convolution | None:
    plain = {*layer.strides, *layer.dilation_rate} == {1} and layer.padding in ("same", "valid")
    if not plain or layer.data_format != "channels_last" or getattr(layer, "quantization_mode", None):
        return None
    kernel = array(layer.kernel)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        # (ky, kx, C, M): the M maps of a channel come one after another.
        kernel, groups = kernel.reshape(*kernel.shape[:2], 1, -1), kernel.shape[2]
    else:
        groups = layer.groups
    convolution = collapse.same(kernel, array(layer.bias) if layer.use_bias else None)
    if groups > 1:
        convolution = convolution._replace(kernel=collapse.by_group(kernel, groups))
    return convolution if layer.padding == "same" else convolution._replace(pads=((0, 0), (0, 0)))


def normalization(layer: keras.layers.BatchNormalization) -> Convolution:
    """Batch normalisation of the last axis, at inference, as a 1×1 convolution."""
    mean, variance = array(layer.moving_mean), array(layer.moving_variance)
    gamma = array(layer.gamma) if layer.scale else np.ones_like(mean)
    beta = array(layer.beta) if layer.center else np.zeros_like(mean)
    return collapse.batch_normalization(gamma, beta, mean, variance, layer.epsilon)


def _adds(node: Node) -> bool:
    """Whether a call adds tensors and nothing else: a constant is no tensor that could be followed back."""
    kind, arguments = type(node.operation), keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    added = kind is keras.layers.Add or (kind.__name__ == "Add" and kind.__module__.startswith("keras.src.ops"))
    return added and len(arguments) == len(node.input_tensors)


def _convolutions(run: Run, nodes: dict[int, Node]) -> list[keras.layers.Layer]:
    """Those that a run replaces."""
    operations = [nodes[step.output].operation for step in run.steps]
    return [each for each in operations if isinstance(each, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))]


def _maker(node: Node, run: Run, nodes: dict[int, Node]):
    """Makes the layers in place of a run."""
    replaced = _convolutions(run, nodes)

    def cascade(names) -> Cascade:
        # An operation without a layer has no precision of its own.
        owner = SimpleNamespace(name=node.operation.name, dtype_policy=replaced[0].dtype_policy)
        layers = Cascade(owner, names)
        if run.shift is not None:
            layers.add("shift", keras.layers.Rescaling, scale=1.0, offset=-run.shift)
        _add(layers, run.convolution, any(each.trainable for each in replaced))
        if run.steps[0].activated:
            add_activation(layers, node.operation.activation)
        return layers

    return cascade


def _add(layers: Cascade, convolution: Convolution, trainable: bool) -> None:
    groups, (kernel, bias, pads) = convolution.groups, convolution
    if groups == 1 or kernel.shape[3] > 1:
        add_convolution(layers, "collapsed", convolution.flat, pads, bias, trainable=trainable, groups=groups)
        return
    same = is_same_padding(kernel.shape[:2], pads)
    if not same:
        add_padding(layers, "collapsed", pads)
    layers.add(
        "collapsed",
        keras.layers.DepthwiseConv2D,
        kernel.squeeze(3),
        bias,
        kernel_size=kernel.shape[:2],
        depth_multiplier=kernel.shape[4],
        padding="same" if same else "valid",
        data_format="channels_last",
        trainable=trainable,
    )
