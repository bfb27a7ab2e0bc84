"""A Keras model read as a row of convolutions in LR space and a shuffle: what a shader computes."""

from dataclasses import dataclass

import keras
import numpy as np

from zoo import identities
from zoo.errors import UsageError
from zoo.graphs.operations import Convolution
from zoo.identities import collapse
from zoo.layers import DepthToSpace, FixedUpsampler, SubpixelUpsampler
from zoo.models import scale_of
from zoo.rewrite.collapsing import collapsed, normalization
from zoo.rewrite.tracing import graphs_of

_ACTIVATIONS = ("linear", "relu", "tanh")
_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
# What only does something while training.
_NOTHING = (keras.layers.Dropout, keras.layers.SpatialDropout2D, keras.layers.GaussianNoise, keras.layers.Identity)


@dataclass(frozen=True)
class ConvolutionRow:
    """Convolutions one after another; the last gives the phases of the picture in TensorFlow's order.

    Attributes:
        name: the model's.
        scale: of the shuffle at the end.
        channels: 1 (luma) or 3 (RGB).
        layers: the convolutions.
        added: by a layer's number, the number of an earlier one whose maps are added to its own, activations included.
        outside: the value of the picture that the first layer's zeros beyond the border stand for.
        base: a fixed enlargement of the picture, as phases, which the result is added to.
        base_border: how that continues the picture, as `zoo.layers.FixedUpsampler` has it.
    """

    name: str
    scale: int
    channels: int
    layers: list[Convolution]
    added: dict[int, int]
    outside: float = 0.0
    base: Convolution | None = None
    base_border: str = ""

    @property
    def radius(self) -> int:
        """LR px that an output pixel reads on each side."""
        reach = sum(layer.kernel.shape[0] // 2 for layer in self.layers)
        return reach if self.base is None else max(reach, self.base.kernel.shape[0] // 2)


def read_row(model: keras.Model) -> ConvolutionRow:
    """The row that a model (N, H, W, C) → (N, scale·H, scale·W, C) is, C being 1 or 3.

    Linear layers in a row or side by side, batch normalisation among them, count as one: `zoo rewrite --collapse`.

    Raises:
        UsageError: it is something else; the sentence names the layer in the way.

    Example:
        >>> from zoo.models import espcn
        >>> [layer.kernel.shape for layer in read_row(espcn(3)).layers]
        [(5, 5, 1, 64), (3, 3, 64, 32), (3, 3, 32, 9)]
    """
    scale, channels = scale_of(model), model.input_shape[-1]
    if channels not in (1, 3):
        raise UsageError(f"Expected a network for luma or RGB as a shader. Received: {model.name}, {channels} channels")
    names = {layer.name for layer in model.layers}
    model, joined = collapsed(model)
    layers: list[Convolution] = []
    added: dict[int, int] = {}
    # The layer whose maps a tensor holds, by the tensor, of those that a sum can take.
    made: dict[int, int] = {}
    last, ended = model.inputs[0], False
    nodes = graphs_of(model)[0].nodes
    enlarged, summed = _base(model, nodes)
    gain, offset = 1.0, 0.0
    for node in nodes:
        if node is enlarged or node is summed:
            continue
        layer, inputs = node.operation, node.input_tensors
        place = f"{model.name}'s layer {layer.name} ({type(layer).__name__})"
        if layer.name not in names:
            place = next((f"{model.name}'s {r.found}" for r in joined.rows if layer.name.startswith(r.layer)), place)
        other = [made.get(id(tensor), -1) for tensor in inputs if tensor is not last]
        if ended or not any(tensor is last for tensor in inputs):
            raise UsageError(f"Expected layers one after another and a shuffle last for a shader. Received: {place}")
        number = len(layers) - 1
        alike = len({tensor.shape for tensor in inputs}) == 1
        if isinstance(layer, keras.layers.Add) and len(inputs) == 2 and alike and other and 0 <= other[0] < number:
            if number in added:
                raise UsageError(f"Expected one sum after a layer for a shader. Received: a second at {place}")
            added[number] = other[0]
        elif (
            type(layer) is keras.layers.Rescaling and number < 0 and np.ndim(layer.scale) == np.ndim(layer.offset) == 0
        ):
            gain, offset = gain * float(layer.scale), offset * float(layer.scale) + float(layer.offset)
        elif len(inputs) == 1 and isinstance(layer, SubpixelUpsampler):
            layers.append(_upsampler(layer))
            ended = True
        elif len(inputs) == 1 and isinstance(layer, DepthToSpace) and number not in added and number >= 0:
            ended = True
        elif len(inputs) == 1 and type(layer) in _CONVOLUTIONS:
            layers.extend(_convolutions(layer, place))
        elif type(layer) in _NOTHING and number >= 0:
            pass
        elif len(inputs) == 1 and number >= 0 and number not in added and layers[-1].activation == "linear":
            layers[-1] = _followed(layers[-1], layer, place)
        else:
            raise UsageError(f"Expected convolutions, activations and one shuffle for a shader. Received: {place}")
        last = node.outputs[0]
        if type(layer) not in _NOTHING:
            # The shader keeps no map of a layer as it is before its activation or its sum.
            made = {tensor: number for tensor, number in made.items() if number != len(layers) - 1}
        made[id(last)] = len(layers) - 1
    if not ended or layers[-1].kernel.shape[-1] != scale**2 * channels or layers[-1].activation != "linear":
        raise UsageError(f"Expected a convolution and a shuffle at the end for a shader. Received: {model.name}")
    first = layers[0]
    layers[0] = first._replace(kernel=first.kernel * gain, bias=first.bias + offset * first.kernel.sum(axis=(0, 1, 2)))
    outside = -offset / gain if gain else 0.0
    if enlarged is None:
        return ConvolutionRow(model.name, scale, channels, layers, added, outside)
    fixed = enlarged.operation
    kernel = identities.interpolation_to_subpixel(fixed.method, scale, channels, cubic=fixed.cubic)
    base = Convolution(kernel, np.zeros(kernel.shape[-1]))
    return ConvolutionRow(model.name, scale, channels, layers, added, outside, base, fixed.border)


def _base(model: keras.Model, nodes: list) -> tuple:
    """The enlargement of the picture that the network's result is added to, and that sum; None where there is none."""
    (summed,) = [node for node in nodes if any(output is model.outputs[0] for output in node.outputs)] or [None]
    if summed is not None and isinstance(summed.operation, keras.layers.Add) and len(summed.input_tensors) == 2:
        for node in nodes:
            fixed, tensors = node.operation, node.input_tensors
            of_picture = isinstance(fixed, FixedUpsampler) and tensors[0] is model.inputs[0]
            if of_picture and any(each is node.outputs[0] for each in summed.input_tensors):
                return node, summed
    return None, None


def _upsampler(layer: SubpixelUpsampler) -> Convolution:
    """Its taps in a window of the same reach on all sides, so that nothing has to be cropped."""
    kernel = np.asarray(layer.kernel, np.float64)
    found = list(zip(*identities.taps(layer.kernel_size, layer.scale), strict=True))
    radius = max(abs(position) for position, _, _ in found)
    side, scale, inputs = 2 * radius + 1, layer.scale, kernel.shape[3]
    phases = np.zeros((side, side, inputs, scale, scale, layer.filters))
    for row, a, i in found:
        for column, b, j in found:
            phases[radius + row, radius + column, :, a, b] = kernel[i, j].T
    bias = np.zeros(layer.filters) if layer.bias is None else np.asarray(layer.bias)
    return Convolution(phases.reshape(side, side, inputs, -1), np.tile(bias, scale**2))


def _convolutions(layer, place: str) -> list[Convolution]:
    """A convolution as one, a separable one as two."""
    weights = [np.asarray(each, np.float64) for each in layer.get_weights()]
    bias = weights.pop() if layer.use_bias else None
    *depthwise, kernel = weights
    height, width = layer.kernel_size
    plain = set(layer.strides) == set(layer.dilation_rate) == {1} and (layer.padding == "same" or height == width == 1)
    if not plain or getattr(layer, "groups", 1) != 1 or height != width or height % 2 == 0:
        raise UsageError(f"Expected odd square kernels, stride 1 and padding 'same' for a shader. Received: {place}")
    name = _name_of(layer.activation)
    if name not in _ACTIVATIONS:
        raise UsageError(f"Expected linear, relu or tanh in a shader's convolution. Received: {name} at {place}")
    if type(layer) is keras.layers.DepthwiseConv2D:
        kernel = _by_map(kernel)
    linear = [Convolution(each, np.zeros(each.shape[3])) for each in map(_by_map, depthwise)]
    return [*linear, Convolution(kernel, np.zeros(kernel.shape[3]) if bias is None else bias, name)]


def _name_of(activation) -> str:
    """Of an activation; a function of one's own may be called as one of Keras' is."""
    name = getattr(activation, "__name__", type(activation).__name__)
    own = name in _ACTIVATIONS and activation is not getattr(keras.activations, name)
    return f"another {name}" if own else name


def _by_map(kernel: np.ndarray) -> np.ndarray:
    """A depthwise kernel (K, K, I, M) as (K, K, I, I·M): zero but where a map reads its own."""
    rows, columns, maps, _ = kernel.shape
    return collapse.dense(kernel.reshape(rows, columns, 1, -1), maps)


def _followed(convolution: Convolution, layer, place: str) -> Convolution:
    """A linear convolution with what stands behind it: an activation, or the normalisation of a separable one."""
    maps = convolution.bias.shape
    if isinstance(layer, keras.layers.PReLU) and np.size(layer.alpha) in (1, maps[0]):
        slopes = np.broadcast_to(np.ravel(np.asarray(layer.alpha, np.float64)), maps)
        return convolution._replace(activation="prelu", slopes=slopes)
    if type(layer) is keras.layers.BatchNormalization and layer.axis in (-1, 3):
        kernel, shift = normalization(layer)[:2]
        gain = np.diagonal(kernel[0, 0])
        return convolution._replace(kernel=convolution.kernel * gain, bias=convolution.bias * gain + shift)
    if isinstance(layer, keras.layers.LeakyReLU):
        return convolution._replace(activation="prelu", slopes=np.full(maps, float(layer.negative_slope)))
    if (
        type(layer) is keras.layers.ReLU
        and layer.max_value is None
        and not layer.negative_slope
        and not layer.threshold
    ):
        return convolution._replace(activation="relu")
    if type(layer) is keras.layers.Activation and _name_of(layer.activation) in _ACTIVATIONS:
        return convolution._replace(activation=_name_of(layer.activation))
    raise UsageError(f"Expected linear, ReLU, leaky ReLU, PReLU or tanh for a shader. Received: {place}")
