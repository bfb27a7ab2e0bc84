"""What acts on every pixel by itself and alike: it commutes with nearest-neighbour enlargement and with the shuffle."""

import keras

# Activation functions of one value; softmax, log_softmax, glu, sparsemax … look at the other channels.
# fmt: off
FUNCTIONS = frozenset((
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "sigmoid", "hard_sigmoid", "log_sigmoid",
    "tanh", "hard_tanh", "tanh_shrink", "silu", "hard_silu", "softplus", "softsign", "soft_shrink", "hard_shrink",
    "squareplus", "sparse_plus", "mish", "exponential", "threshold",
))
# The same functions as operations of a graph, as `keras.ops.relu(x)` puts them there.
OPERATIONS = frozenset((
    "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Sigmoid", "HardSigmoid", "LogSigmoid", "Tanh",
    "HardTanh", "TanhShrink", "Silu", "HardSilu", "Softplus", "Softsign", "SoftShrink", "HardShrink", "Squareplus",
))
# fmt: on
LAYERS = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU)


def is_function_of_one_value(activation) -> bool:
    """Whether an activation is one of Keras' own pointwise functions."""
    name = getattr(activation, "__name__", "")
    return name in FUNCTIONS and getattr(keras.activations, name, None) is activation


def is_activation(operation) -> bool:
    """A layer or operation without weights that maps each value by itself."""
    if isinstance(operation, keras.layers.Activation):
        return is_function_of_one_value(operation.activation)
    return type(operation) in LAYERS or _is_keras_operation(operation)


def is_per_channel(operation) -> bool:
    """As `is_activation`, or with weights per channel that all pixels share: PReLU, batch normalisation.

    Batch normalisation before nearest-neighbour enlargement sees the same means and variances as after it.
    """
    if type(operation) is keras.layers.PReLU:
        return {1, 2} <= set(operation.shared_axes or ())
    if type(operation) is keras.layers.BatchNormalization:
        return operation.axis in (-1, 3)
    return is_activation(operation)


def _is_keras_operation(operation) -> bool:
    kind = type(operation)
    return not isinstance(operation, keras.layers.Layer) and (
        kind.__module__.startswith("keras.") and kind.__name__ in OPERATIONS
    )


# Functions of the values of one pixel.
_OF_A_PIXEL = frozenset(("softmax", "log_softmax", "sparsemax"))
_WITH_AXIS = (keras.layers.Softmax, keras.layers.LayerNormalization, keras.layers.RMSNormalization)
_NORMS_OF_REPEATED = (keras.layers.GroupNormalization, keras.layers.UnitNormalization)
_MERGES = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Subtract,
    keras.layers.Multiply,
    keras.layers.Maximum,
    keras.layers.Minimum,
)
_LINEAR_MERGES = (keras.layers.Add, keras.layers.Average, keras.layers.Subtract)
_ARITHMETIC = frozenset(("Add", "Subtract", "Multiply", "TrueDivide", "Divide", "Maximum", "Minimum"))
_OF_ONE_VALUE = frozenset(("Abs", "Absolute", "Square", "Sqrt", "Exp", "Log", "Negative", "Clip", "Sin", "Cos"))


def is_one_by_one(operation) -> bool:
    """A convolution of 1×1 or a Dense: a matrix for each pixel, then an activation."""
    if type(operation) is keras.layers.Dense:
        return not operation.quantization_mode and not operation.lora_enabled
    return (
        type(operation) is keras.layers.Conv2D
        and tuple(operation.kernel_size) == (1, 1)
        and tuple(operation.strides) == (1, 1)
        and operation.data_format == "channels_last"
        and not getattr(operation, "quantization_mode", None)
        and not getattr(operation, "lora_enabled", False)
    )


def commutes_with_repetition(operation) -> bool:
    """Whether f(up(x), up(y)) = up(f(x, y)) where up repeats pixels, in training too.

    What acts on each pixel by itself does, and so do means and variances over the picture, which repetition does not
    change. Several inputs have to be enlarged alike.
    """
    if is_per_channel(operation) or type(operation) in (*_MERGES, keras.layers.Rescaling, keras.layers.Identity):
        return True
    if is_one_by_one(operation):
        activation = operation.activation
        name = getattr(activation, "__name__", "")
        own = getattr(keras.activations, name, None) is activation
        return activation is None or is_function_of_one_value(activation) or own and name in _OF_A_PIXEL
    if type(operation) in _WITH_AXIS:
        return _axes(operation.axis) <= {-1, 3}
    if type(operation) in _NORMS_OF_REPEATED or type(operation) is keras.layers.Concatenate:
        return _axes(operation.axis) <= {-1, 3}
    if type(operation) is keras.layers.SpatialDropout2D:
        return operation.data_format == "channels_last"
    kind = type(operation)
    return kind.__module__.startswith("keras.src.ops.") and kind.__name__ in _ARITHMETIC | _OF_ONE_VALUE


def commutes_with_interpolation(operation) -> bool:
    """Whether f(up(x), up(y)) = up(f(x, y)) for any linear enlargement of single maps whose weights sum to 1.

    So does what is linear in each pixel and a constant; an activation does not.
    """
    if is_one_by_one(operation):
        return operation.activation in (None, keras.activations.linear)
    if type(operation) is keras.layers.Concatenate:
        return operation.axis in (-1, 3)
    return type(operation) in (*_LINEAR_MERGES, keras.layers.Rescaling, keras.layers.Identity)


def _axes(axis) -> set[int]:
    return set(axis) if isinstance(axis, (list, tuple)) else {axis}
