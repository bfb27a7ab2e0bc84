"""Follows one image through a functional Keras model, layer by layer: sizes, channels and what every position reads.

Rules are for Keras' and the zoo's own classes: what a class of another's does, its name does not tell.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import keras
import numpy as np

from zoo.errors import UsageError
from zoo.layers import FixedUpsampler, ResizeUpsampler, Upsampler
from zoo.reach import field, spans
from zoo.reach.field import Unbounded
from zoo.reach.spans import Span


@dataclass(frozen=True)
class Map:
    """A feature map: its two axes (rows, columns) and its channels. A vector (N, C) is a map of 1×1."""

    axes: tuple[Span, Span]
    channels: int


@dataclass(frozen=True)
class Step:
    """One layer at work. The keys name the tensors: with them a reader can tell when one is no longer needed."""

    operation: keras.Operation
    inputs: tuple[Map, ...]
    output: Map
    input_keys: tuple[int, ...]
    output_key: int


# Layers and keras.ops that work on each position by itself, borders included.
POINTWISE = frozenset(
    name
    for names in (
        "Abs Absolute Activation ActivityRegularization Add AlphaDropout Average BatchNormalization Cast Clip",
        "Concatenate Dense Divide Dropout Elu ELU Exp GaussianDropout GaussianNoise Gelu HardSigmoid HardSilu",
        "Identity LayerNormalization LeakyReLU LeakyRelu Log Maximum Minimum Multiply Negative Power PReLU ReLU",
        "Relu Relu6 Rescaling RMSNormalization Sigmoid Silu Softmax Softplus SpatialDropout2D Sqrt Square Subtract",
        "Tanh TrueDivide",
    )
    for name in names.split()
)


def _convolution(layer, axis: int, span: Span) -> Span:
    size, stride, dilation = (value[axis] for value in (layer.kernel_size, layer.strides, layer.dilation_rate))
    return spans.window(span, size, stride, dilation, layer.padding)


def _transposed_convolution(layer, axis: int, span: Span) -> Span:
    stride, size = layer.strides[axis], (layer.kernel_size[axis] - 1) * layer.dilation_rate[axis] + 1
    extra = layer.output_padding
    extra = extra[axis] if isinstance(extra, (tuple, list)) else extra
    # Keras' own lengths: a 'same' output is stride·n, a 'valid' one holds every tap; output_padding counts from below.
    if extra is None:
        length = stride * span.length + (max(size - stride, 0) if layer.padding == "valid" else 0)
    else:
        pad = size // 2 if layer.padding == "same" else 0
        length = (span.length - 1) * stride + size - 2 * pad + extra
    return spans.scatter(span, size, stride, length)


def _pooling(layer, axis: int, span: Span) -> Span:
    return spans.window(span, layer.pool_size[axis], layer.strides[axis], padding=layer.padding)


def _zero_padding(layer, axis: int, span: Span) -> Span:
    return spans.pad(span, *layer.padding[axis])


def _cropping(layer, axis: int, span: Span) -> Span:
    before, after = layer.cropping[axis]
    return spans.take(span, np.arange(before, span.length - after))


def _upsampling(layer, axis: int, span: Span) -> Span:
    if layer.interpolation not in spans.TAPS:
        raise _unknown(layer, f"UpSampling2D({layer.interpolation!r})")
    return spans.resize(span, layer.size[axis] * span.length, spans.TAPS[layer.interpolation])


def _pad(operation, axis: int, span: Span) -> Span:
    before, after = operation.pad_width[axis + 1]
    return spans.pad(span, before, after, operation.mode)


def _learned_upsampler(layer, axis: int, span: Span) -> Span:
    if isinstance(layer, ResizeUpsampler):
        return spans.window(spans.repeat(span, layer.scale), layer.kernel_size)
    # One kernel, one function: what the transposed form reads, the others read too.
    return spans.scatter(span, layer.kernel_size, layer.scale)


def _fixed_upsampler(layer, axis: int, span: Span) -> Span:
    return spans.resize(span, layer.scale * span.length, spans.TAPS[layer.method])


def _reshape(layer, axis: int, span: Span) -> Span:
    if span.length != 1:
        raise _unknown(layer, "Reshape of a map larger than 1×1")
    return span


def _block(operation) -> int:
    """The side of a shuffle's block, of the zoo's layer or of `keras.ops`' operation."""
    return operation.scale if hasattr(operation, "scale") else operation.block_size


# How a layer reads its input along one axis: (layer, axis, input span) → output span.
RULES: dict[str, Callable[[keras.Operation, int, Span], Span]] = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _convolution,
    "SeparableConv2D": _convolution,
    "Conv2DTranspose": _transposed_convolution,
    "MaxPooling2D": _pooling,
    "AveragePooling2D": _pooling,
    "ZeroPadding2D": _zero_padding,
    "Cropping2D": _cropping,
    "UpSampling2D": _upsampling,
    "Pad": _pad,
    "Reshape": _reshape,
    "Flatten": _reshape,
    Upsampler.__name__: _learned_upsampler,
    FixedUpsampler.__name__: _fixed_upsampler,
    "DepthToSpace": lambda layer, axis, span: spans.repeat(span, _block(layer)),
    "DepthToAxis": lambda layer, axis, span: spans.repeat(span, layer.scale) if layer.axis == axis + 1 else span,
    "Repeat": lambda layer, axis, span: spans.repeat(span, layer.scales[axis]),
    "SpaceToDepth": lambda layer, axis, span: spans.gather(span, _block(layer)),
    "GlobalAveragePooling2D": lambda layer, axis, span: spans.everything(span),
    "GlobalMaxPooling2D": lambda layer, axis, span: spans.everything(span),
}


def _unknown(layer, what: str | None = None) -> Unbounded:
    known = ", ".join(sorted(RULES))
    return Unbounded(
        f"Expected layers whose reach is known ({known}, the zoo's and pointwise ones). "
        f"Received: {layer.name!r}, {what or type(layer).__name__}"
    )


def _own_classes(operation) -> list[str]:
    """The names of those of the operation's classes that are Keras' or the zoo's, most derived first.

    Somebody's own class follows the rule of the class it extends, but only if it computes by that one's `call`.
    """
    bases = [base for base in type(operation).__mro__ if base.__module__.split(".")[0] == "keras" or _of_zoo(base)]
    call = getattr(bases[0], "call", None)
    return [base.__name__ for base in bases if type(operation).call is call]


def _of_zoo(kind: type) -> bool:
    return kind.__module__.startswith("zoo.layers.")


def _axis(operation, axis: int, inputs: list[Span], arguments) -> Span:
    names = _own_classes(operation)
    if "Concatenate" in names and operation.axis in (axis + 1, axis - 3):
        return spans.join(inputs)
    if "GetItem" in names:
        return _slice(operation, axis, inputs[0], arguments.args[1])
    for name in names:
        if name in RULES:
            return RULES[name](operation, axis, inputs[0])
        if name in POINTWISE:
            _check_alike(operation, arguments)
            return spans.union(inputs)
    raise _unknown(operation)


def _slice(operation, axis: int, span: Span, key) -> Span:
    key = key if isinstance(key, tuple) else (key,)
    if Ellipsis in key:
        at = key.index(Ellipsis)
        key = key[:at] + (slice(None),) * (5 - len(key)) + key[at + 1 :]
    part = key[axis + 1] if len(key) > axis + 1 else slice(None)
    if not isinstance(part, slice):
        raise _unknown(operation, f"the index {part!r} along a picture's axis")
    return spans.cut(span, part)


def _check_alike(operation, arguments) -> None:
    """Whether a layer that works on each position by itself does the same at all of them.

    Raises:
        Unbounded: it normalises along a picture's axis, or has a number for each pixel.
    """
    # Maps that are joined along the other axis are joined along neither.
    axes = None if "Concatenate" in _own_classes(operation) else getattr(operation, "axis", None)
    axes = {axes} if isinstance(axes, int) else set(axes or ())
    if axes & {1, 2, -2, -3} and len(operation.output.shape) == 4:
        raise _unknown(operation, f"{type(operation).__name__} along a picture's axis")
    constants = [each for each in arguments.args if isinstance(each, np.ndarray) or keras.ops.is_tensor(each)]
    constants = [each for each in constants if not isinstance(each, keras.KerasTensor)]
    constants += [operation.alpha] if isinstance(operation, keras.layers.PReLU) else []
    if any(side != 1 for each in constants for side in tuple(each.shape)[-3:-1]):
        raise _unknown(operation, f"{type(operation).__name__} with a number for each pixel")


def _functional(model) -> keras.Model:
    """The functional graph behind a functional or Sequential model."""
    if isinstance(model, keras.Sequential) and model.built:
        model = model._functional
    if not hasattr(model, "_nodes_by_depth") or len(model.inputs) != 1:
        raise UsageError(f"Expected a functional or built Sequential model with one input. Received: {model!r}")
    return model


def reach(model: keras.Model) -> field.Reach:
    """The radius of a model's receptive field, and where tiles may begin; see `zoo.reach.Reach`.

    Exact for the zoo's layers as they are built (weights that happen to be zero count as read); an upper bound for
    dilated transposed convolutions.

    Args:
        model: a functional or Sequential Keras model of the usual layers, image (N, H, W, C) in and out.

    Raises:
        UsageError: a layer whose reach is not known, or one that reads the whole picture (global pooling).

    Example:
        >>> import zoo
        >>> from zoo.reach import keras_model
        >>> keras_model.reach(zoo.create_model("espcn", scale=3))
        Reach(radius=4, step=1)
    """

    def follow(axis: int, length: int) -> list[Span]:
        return [step.output.axes[axis] for step in walk(model, length)]

    try:
        return field.of_any_size(follow)
    except Unbounded as error:
        if str(error).startswith("Expected"):
            raise
        raise Unbounded(
            f"Expected a bounded receptive field. Received: {model.name!r}, which reads the whole picture"
        ) from error


def walk(model: keras.Model, length: int) -> Iterator[Step]:
    """Yields the layers of a model in the order of computation, nested models opened.

    Args:
        model: a functional or Sequential Keras model, one image in (channels last).
        length: height and width of that image, in LR px; a multiple of every stride inside gives exact ratios.
    Raises:
        UsageError: a layer whose reach is not known, or a model of another kind.
    """
    graph = _functional(model)
    picture = Map((spans.image(length), spans.image(length)), graph.inputs[0].shape[-1])
    try:
        yield from _walk(graph, [(picture, 0)], count(1))
    except UsageError:
        raise
    # What a stranger's network holds, and whether it takes this size, no list of exceptions foresees.
    except Exception as error:
        raise UsageError(
            f"Expected a network whose layers can be followed at {length}×{length}. Received: {model.name!r} "
            f"({type(error).__name__}: {error})"
        ) from error


def _walk(graph, inputs: list[tuple[Map, int]], numbers):
    """Yields the steps of one graph; returns its output and the output's key."""
    known = {id(tensor): each for tensor, each in zip(graph.inputs, inputs)}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            operation, output = node.operation, node.outputs[0]
            if len(node.outputs) != 1 or not node.input_tensors:
                raise _unknown(operation)
            read = [known[id(tensor)] for tensor in node.input_tensors]
            if isinstance(operation, keras.Model):
                known[id(output)] = yield from _walk(_functional(operation), read, numbers)
                continue
            maps, keys = zip(*read)
            rows, columns = (
                _axis(operation, axis, [each.axes[axis] for each in maps], node.arguments) for axis in (0, 1)
            )
            result = Map((rows, columns), output.shape[-1])
            known[id(output)] = (result, next(numbers))
            yield Step(operation, maps, result, keys, known[id(output)][1])
    return known[id(graph.outputs[0])]
