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
