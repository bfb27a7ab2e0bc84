"""The form of a zoo model's upsampling layer, changed with its weights carried over exactly."""

import keras
import numpy as np

from zoo import layers as zoo_layers
from zoo.errors import UsageError, one_of
from zoo.identities.lr_convolution import resized_convolution
from zoo.rewrite.graph import array
from zoo.rewrite.plan import Plan, Replaced, Swapped
from zoo.rewrite.rebuild import Rebuild
from zoo.rewrite.same import check_same
from zoo.rewrite.tracing import functional, graphs_of


def convert(model: keras.Model, upsampler: str) -> keras.Model:
    """The same function with the zoo's learned upsampling layers in another form.

    Between transposed, zero_interleaved and subpixel the weights stay as they are. A resize layer (nearest, then a K×K
    convolution) becomes one of the three with a kernel of K + scale - 1 (K + scale for even K) taps a side; it then has
    more free weights, and there is no way back.

    Args:
        model: a functional or built Sequential model with at least one of the zoo's learned upsampling layers.
        upsampler: `"transposed"`, `"zero_interleaved"` or `"subpixel"`; `"resize"` where the model has it already.
    Returns:
        A new model, equal at every pixel, which is compared with the original; that is not touched.
    Raises:
        UsageError: no such layer in the model, an unknown form, or one that no exact map leads to; a layer that is not
            the same when it is made anew.

    Example:
        >>> import zoo
        >>> model = zoo.create_model("espcn", scale=2, upsampler="transposed")
        >>> type(convert(model, "subpixel").get_layer("upsampler")).__name__
        'SubpixelUpsampler'
    """
    one_of("upsampler", upsampler, zoo_layers.FORMS)
    model = functional(model)
    graphs = graphs_of(model)
    kinds = tuple(zoo_layers.LEARNED.values())
    nodes = [node for graph in graphs for node in graph.nodes if isinstance(node.operation, kinds)]
    if not nodes:
        raise UsageError(
            f"Expected a model with a learned upsampling layer of the zoo ({', '.join(zoo_layers.LEARNED)}). "
            f"Received: {model.name!r}, which has none; to_lr_space rewrites other layers"
        )
    swaps: dict[int, Replaced] = {id(node): Swapped(node, *_target(node.operation, upsampler)) for node in nodes}
    result = Rebuild(graphs, Plan(swaps)).model(graphs[0])
    check_same(model, result)
    return result


def _target(layer: zoo_layers.Upsampler, form: str):
    """How the layer is made in the other form, and its weights there (None: as they are)."""
    config, weights = layer.get_config(), None
    if type(layer) is not zoo_layers.LEARNED.get(form) and form not in zoo_layers.EXACT:
        why = "whose weights are tied" if form == "resize" else "which has no weights"
        raise UsageError(
            f"Expected a form that {type(layer).__name__} {layer.name!r} has an exact map to "
            f"({', '.join(zoo_layers.EXACT)}). Received: {form!r}, {why}"
        )
    kind = zoo_layers.LEARNED[form]
    if type(layer) is not kind and isinstance(layer, zoo_layers.ResizeUpsampler):
        composed = resized_convolution(array(layer.kernel), "nearest", layer.scale).kernel
        # Padding 'same' drops (K - 1) // 2 rows of the composed kernel; an even K wants one more: a zero at the end.
        kernel = np.pad(composed, [(0, 1 - layer.kernel_size % 2)] * 2 + [(0, 0)] * 2)
        weights = [kernel] if layer.bias is None else [kernel, array(layer.bias)]
        config["kernel_size"] = kernel.shape[0]
    return (lambda name: kind.from_config({**config, "name": name})), weights
