"""A float TFLite graph as TensorFlow code that can compute as its int8 file will: what tuning differentiates.

Tensors go by their index in the file. Quantization is TFLite's: activations per tensor with 256 levels and zero among
them, weights per output channel, symmetric, 127 levels to either side, biases as good as exact.
"""

from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from zoo.graphs import tflite

_PADDING = {0: "SAME", 1: "VALID"}
# Weights and bias, the axis of the output channels, and the axes that a filter spans besides it.
WEIGHTED = {"CONV_2D": (1, 2, 0), "DEPTHWISE_CONV_2D": (1, 2, 3), "TRANSPOSE_CONV": (1, 3, 0)}
# Their output is made of the input's own values, so both have one range.
_SAME_RANGE = {
    *("CONCATENATION", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "STRIDED_SLICE", "SLICE", "PAD", "MIRROR_PAD", "RESHAPE"),
    *("MINIMUM", "MAXIMUM", "RESIZE_NEAREST_NEIGHBOR", "TRANSPOSE"),
}
# TFLite fixes what these give: scale 1/128 around 0, scale 1/256 from 0 on.
_FIXED = {"TANH": (-1.0, 127 / 128), "LOGISTIC": (0.0, 255 / 256)}
Ranges = dict[int, tuple]


class Unsupported(Exception):
    """The graph has an operation that is not simulated; it can be quantized, but not tuned."""


class Simulation:
    """A graph with its constants, which tuning may replace.

    Attributes:
        graph: the file's, operations and tensors by number.
        operations: (name, inputs, outputs, options) in order; inputs that are left out are -1.
        constants: tensor → float32 array.
        groups: tensor → the tensor whose range it shares, often itself.
        fixed: group → the range that it must have.
        rounded: the tensors whose values are rounded; the others hold values that were rounded before.
        ceilings: tensor → the end of its range, where what lies above is in another channel, `export.int8.overflow`.
        input, output: the graph's.
    """

    def __init__(self, content: bytes):
        self.file = tflite.parse(content, "the converter's file")
        self.graph = self.file.graphs[0]
        _separate(self.graph)
        numbers: dict[tflite.Tensor | None, int] = {None: -1}
        numbers |= {tensor: number for number, tensor in enumerate(self.graph.tensors)}
        (image,), (result,) = self.file.inputs, self.file.outputs
        self.input, self.output = numbers[image], numbers[result]
        self.operations = []
        self.ceilings: dict[int, float] = {}
        for operation in self.graph.operations:
            if operation.name not in _COMPUTE:
                raise Unsupported(str(operation))
            if operation.name == "CONV_2D" and operation.inputs[0].shape[3] != operation.inputs[1].shape[3]:
                raise Unsupported(f"{operation} in groups")
            indices = ([numbers[tensor] for tensor in side] for side in (operation.inputs, operation.outputs))
            self.operations.append((operation.name, *indices, operation.options))
        self.constants = {number: tensor.values for number, tensor in enumerate(self.graph.tensors) if tensor.constant}
        self.groups, self.fixed = self._share()
        self.rounded = {outputs[0] for name, _, outputs, _ in self.operations if name not in _SAME_RANGE}

    def _share(self) -> tuple[dict[int, int], Ranges]:
        groups: dict[int, int] = {self.input: self.input}
        fixed: Ranges = {}
        for name, inputs, outputs, _ in self.operations:
            moving = [index for index in inputs if index in groups]
            groups[outputs[0]] = outputs[0]
            if name in _FIXED:
                fixed[outputs[0]] = _FIXED[name]
            if name in _SAME_RANGE:
                if len({groups[index] for index in moving}) > 1 and groups[self.input] in map(groups.get, moving):
                    raise Unsupported(f"{name} of the image, which reaches from 0 to 1, and others")
                first = groups[moving[0]]
                for old in [groups[index] for index in (*moving[1:], outputs[0])]:
                    groups = {index: first if group == old else group for index, group in groups.items()}
        # Pixels in and out: a byte is a level of 255 exactly, and what leaves [0, 1] is clipped by the format itself.
        fixed |= dict.fromkeys((self.output, self.input), (0.0, 1.0))
        return groups, {groups[index]: ends for index, ends in fixed.items()}

    def weighted(self) -> Iterable[tuple[int, int, int, int]]:
        """(operation, weights, bias or -1, axis of the output channels) of the layers with weights, in order."""
        for number, (name, inputs, _, _) in enumerate(self.operations):
            if name in WEIGHTED:
                weights, bias, axis = WEIGHTED[name]
                yield number, inputs[weights], inputs[bias] if len(inputs) > bias else -1, axis

    def run(
        self,
        images,
        ranges: Ranges | None = None,
        constants: dict | None = None,
        until: int | None = None,
        known: dict | None = None,
    ) -> dict:
        """All moving tensors by index, for a batch of images.

        Args:
            images: (N, h, w, C) in [0, 1].
            ranges: of the groups; None computes in float.
            constants: replace the graph's own.
            until: the number of the operation to stop before.
            known: tensors that an earlier run gave, which are not computed again.
        """
        constants = {**self.constants, **(constants or {})}

        def round_to_levels(index: int, value):
            if ranges is None:
                return tf.minimum(value, self.ceilings[index]) if index in self.ceilings else value
            low, high = ranges[self.groups[index]]
            return fake_quantize(value, low, high)

        tensors = dict(known or {self.input: round_to_levels(self.input, images)})
        for name, inputs, outputs, options in self.operations[:until]:
            if outputs[0] in tensors:
                continue
            values = [tensors.get(index, constants.get(index)) for index in inputs]
            if name in WEIGHTED and ranges is not None:
                weights, _, axis = WEIGHTED[name]
                values[weights] = fake_quantize_weights(values[weights], axis)
            value = _activate(_COMPUTE[name](options, *values), options)
            tensors[outputs[0]] = round_to_levels(outputs[0], value) if outputs[0] in self.rounded else value
        return tensors

    def content(self, ranges: Ranges | None = None, constants: dict | None = None) -> bytes:
        """The float file with its constants as they are now, and with its tensors' ranges for the quantizer."""
        for index, value in {**self.constants, **(constants or {})}.items():
            if np.asarray(value).dtype.kind == "f":
                self.graph.tensors[index].values = value
        for index, group in self.groups.items():
            if ranges is None:
                break
            low, high = ([float(side)] for side in ranges[group])
            self.graph.tensors[index].raw.quantization = tflite.schema.QuantizationParametersT(low, high)
        return self.file.packed()


def _separate(graph: tflite.Graph) -> None:
    """Gives each use of a constant a tensor of its own.

    The converter writes equal ones once, the zeros of two missing biases too, but tuning changes each layer's.
    """
    used = set()
    for operation in graph.operations:
        for place, tensor in enumerate(operation.inputs):
            if tensor in used:
                operation.inputs[place] = tflite.Tensor(tensor.name, tensor.shape, values=tensor.values)
                graph.tensors.append(operation.inputs[place])
            # Integers, sides of slices, say, stay as they are.
            elif tensor is not None and tensor.constant and tensor.dtype == "float32":
                used.add(tensor)


def _straight_through(value, rounded):
    """The rounded value, with the gradient of the unrounded one."""
    return value + tf.stop_gradient(rounded - value)


def fake_quantize(value, low, high):
    """Rounds to 256 levels from low to high, zero among them; the gradient passes to value, low and high."""
    step = (high - low) / 255.0
    zero = tf.stop_gradient(tf.round(-low / step))
    level = tf.clip_by_value(value / step + zero, 0.0, 255.0)
    return (_straight_through(level, tf.round(level)) - zero) * step


def fake_quantize_weights(weights, axis: int):
    """Rounds to 255 levels, symmetric, a scale for each output channel."""
    axes = [other for other in range(4) if other != axis]
    step = tf.maximum(tf.reduce_max(tf.abs(weights), axes, keepdims=True), 1e-8) / 127.0
    level = weights / tf.stop_gradient(step)
    return _straight_through(level, tf.round(level)) * tf.stop_gradient(step)


def _activate(value, options):
    kind = getattr(options, "fusedActivationFunction", 0)
    return {
        0: lambda: value,
        1: lambda: tf.nn.relu(value),
        2: lambda: tf.clip_by_value(value, -1.0, 1.0),
        3: lambda: tf.nn.relu6(value),
        4: lambda: tf.tanh(value),
    }[kind]()


def _bias(value, bias):
    return value if bias is None else value + bias


def _dilations(options) -> tuple[int, int]:
    return options.dilationHFactor, options.dilationWFactor


def _conv(options, image, weights, bias=None):
    strides, kernel = (options.strideH, options.strideW), tf.transpose(weights, (1, 2, 3, 0))
    return _bias(tf.nn.conv2d(image, kernel, strides, _PADDING[options.padding], dilations=_dilations(options)), bias)


def _depthwise(options, image, weights, bias=None):
    kernel = tf.reshape(weights, (*weights.shape[1:3], image.shape[-1], options.depthMultiplier))
    strides = (1, options.strideH, options.strideW, 1)
    padding, dilations = _PADDING[options.padding], _dilations(options)
    return _bias(tf.nn.depthwise_conv2d(image, kernel, strides, padding, dilations=dilations), bias)


def _transposed(options, shape, weights, image, bias=None):
    kernel = tf.transpose(weights, (1, 2, 0, 3))
    sides = (tf.shape(image)[1] * options.strideH, tf.shape(image)[2] * options.strideW)
    if options.padding == 1:
        sides = (
            sides[0] + max(weights.shape[1] - options.strideH, 0),
            sides[1] + max(weights.shape[2] - options.strideW, 0),
        )
    shape = (tf.shape(image)[0], *sides, weights.shape[0])
    return _bias(
        tf.nn.conv2d_transpose(image, kernel, shape, (options.strideH, options.strideW), _PADDING[options.padding]),
        bias,
    )


def _strided_slice(options, image, begin, end, strides):
    # The batch in the file is 1, in the simulation any.
    masks = {"begin_mask": options.beginMask | 1, "end_mask": options.endMask | 1}
    return tf.strided_slice(image, begin, end, strides, **masks)


_COMPUTE: dict[str, Callable] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "TANH": lambda _, x: tf.tanh(x),
    "LOGISTIC": lambda _, x: tf.sigmoid(x),
    "RELU": lambda _, x: tf.nn.relu(x),
    "RELU6": lambda _, x: tf.nn.relu6(x),
    "LEAKY_RELU": lambda options, x: tf.nn.leaky_relu(x, options.alpha),
    "PRELU": lambda _, x, slopes: tf.nn.relu(x) - slopes * tf.nn.relu(-x),
    "DEPTH_TO_SPACE": lambda options, x: tf.nn.depth_to_space(x, options.blockSize),
    "SPACE_TO_DEPTH": lambda options, x: tf.nn.space_to_depth(x, options.blockSize),
    "ADD": lambda _, x, y: x + y,
    "SUB": lambda _, x, y: x - y,
    "MUL": lambda _, x, y: x * y,
    "MINIMUM": lambda _, x, y: tf.minimum(x, y),
    "MAXIMUM": lambda _, x, y: tf.maximum(x, y),
    "CONCATENATION": lambda options, *images: tf.concat(images, options.axis),
    "STRIDED_SLICE": _strided_slice,
    "PAD": lambda _, x, paddings: tf.pad(x, paddings),
    "MIRROR_PAD": lambda options, x, paddings: tf.pad(x, paddings, ("REFLECT", "SYMMETRIC")[options.mode]),
}
