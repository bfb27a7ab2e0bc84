"""Convolutions made to fit a CPU's vectors: the same function, better aligned. For CPUs only.

CPU engines compute output maps sixteen at a time: a convolution with one output map, SRCNN's last layer, costs as much
as one with sixteen. Two exact changes help:

- Blocks: b×b neighbouring output pixels are computed at once, as b² times the maps of a convolution of stride b whose
  window is (K + b - 1)², and a shuffle puts them in their places. More multiplications on paper, fewer vectors.
- Gathering: a K×K convolution of a one-channel image becomes a gathering of K neighbours along the row (a 1×K
  convolution with weights 0 and 1) and a K×1 convolution of K channels: long inner loops instead of single values.
"""

import keras
import numpy as np

from zoo import identities
from zoo.errors import UsageError
from zoo.identities.blocks import block_kernel, shuffled_with
from zoo.layers import DepthToSpace, SubpixelUpsampler
from zoo.reach.keras_model import walk
from zoo.rewrite.graph import Node
from zoo.rewrite.plan import Plan, Replaced, Swapped
from zoo.rewrite.pointwise import is_function_of_one_value
from zoo.rewrite.rebuild import Rebuild
from zoo.rewrite.same import check_same
from zoo.rewrite.tracing import graphs_of
from zoo.targets.xnnpack import LEAST_GATHERED, VECTOR, best_block


def for_cpu(model: keras.Model) -> keras.Model:
    """The same function, its convolutions aligned with a CPU's vectors where that is expected to save time.

    For conversion to files that run on CPUs: the changed layers are sub-models of plain layers with copies of the
    weights.

    Args:
        model: a functional or Sequential model, channels last, as `to_lr_space` returns it. Nested models are changed
            too.

    Returns:
        A new model of the same inputs and outputs; equal at every pixel, borders included, and compared.
    Raises:
        UsageError: the result is not the same.
    """
    new = _aligned(model)
    check_same(model, new)
    return new


def _aligned(model: keras.Model) -> keras.Model:
    graphs = graphs_of(model)
    replaced: dict[int, Replaced] = {}
    for graph in graphs:
        multiples = _multiples(graph.model)
        for node in graph.nodes:
            layer = node.operation
            if convolution := _convolution(layer):
                replacement = _replacement(layer, *convolution, multiples.get(id(layer), 1))
                if replacement is not None:
                    replaced[id(node)] = _in_place(node, replacement)
    return Rebuild(graphs, Plan(replaced)).model(graphs[0])


def _in_place(node: Node, replacement: keras.layers.Layer) -> Swapped:
    return Swapped(node, lambda name: replacement, replacement.get_weights())


def _multiples(model: keras.Model) -> dict[int, int]:
    """Layer → how many pixels its input map has for each pixel of the image, where that is a whole number."""
    lengths: dict[int, list[list[int]]] = {}
    try:
        for size in (72, 144):
            for step in walk(model, size):
                lengths.setdefault(id(step.operation), []).append([axis.length for axis in step.inputs[0].axes])
    except UsageError:
        # A layer that the trace does not know: nothing is known of the sizes behind it.
        return {}
    found = {}
    for layer, sizes in lengths.items():
        # A layer that is called at several sizes counts as one of any size.
        ratio = sizes[0][0] // 72
        if len(sizes) == 2 and sizes == [[72 * ratio] * 2, [144 * ratio] * 2]:
            found[layer] = max(ratio, 1)
    return found


def _convolution(layer) -> tuple[np.ndarray, np.ndarray, object, int] | None:
    """Kernel (k, k, I, O), bias, activation and shuffle behind it of a plain 'same' convolution; else None."""
    if isinstance(layer, SubpixelUpsampler):
        window = identities.lr_window(layer.kernel_size, layer.scale)
        if window.crop or window.before != window.after:
            return None
        kernel = identities.transposed_to_subpixel(_array(layer.kernel), layer.scale)
        bias = np.zeros(layer.filters) if layer.bias is None else _array(layer.bias)
        return kernel, np.tile(bias, layer.scale**2), None, layer.scale
    if type(layer) is not keras.layers.Conv2D:
        return None
    plain = (layer.strides, layer.dilation_rate, layer.groups, layer.padding) == ((1, 1), (1, 1), 1, "same")
    side = layer.kernel_size[0]
    if not plain or layer.kernel_size != (side, side) or side % 2 == 0 or layer.data_format != "channels_last":
        return None
    if not is_function_of_one_value(layer.activation):
        return None
    kernel = _array(layer.kernel)
    bias = np.zeros(kernel.shape[-1]) if layer.bias is None else _array(layer.bias)
    return kernel, bias, layer.activation, 1


def _array(variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))


def _replacement(layer, kernel, bias, activation, shuffle: int, multiple: int) -> keras.Model | None:
    side, _, inputs, outputs = kernel.shape
    image = keras.Input((None, None, inputs), dtype=layer.compute_dtype)
    # Names that Keras would number on would make another file of the same network each time.
    options = {"padding": "same", "dtype": layer.dtype_policy, "name": "convolve"}
    if inputs == 1 and side >= LEAST_GATHERED and outputs >= VECTOR and shuffle == 1:
        gather = keras.layers.Conv2D(side, (1, side), use_bias=False, **{**options, "name": "gather"})
        convolve = keras.layers.Conv2D(outputs, (side, 1), activation=activation, **options)
        model = keras.Model(image, convolve(gather(image)), name=layer.name)
        gather.set_weights([np.eye(side)[None, :, None]])
        convolve.set_weights([kernel.transpose(0, 2, 1, 3), bias])
        return model
    block = best_block(outputs, side, inputs, multiple)
    if block == 1:
        return None
    convolve = keras.layers.Conv2D(
        block**2 * outputs, side + block - 1, strides=block, activation=activation, **options
    )
    x = DepthToSpace(block * shuffle, dtype=layer.dtype_policy, name="shuffle")(convolve(image))
    convolve.set_weights(shuffled_with(block_kernel(kernel, block), np.tile(bias, block**2), block, shuffle))
    return keras.Model(image, x, name=layer.name)
