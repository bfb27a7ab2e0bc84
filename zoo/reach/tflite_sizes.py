"""Numbers that a TFLite file computes from the picture's size: a resize's target, a slice's end, a padding."""

from collections.abc import Callable

import numpy as np

from zoo.graphs.tflite import Graph, Operation, Tensor
from zoo.reach.field import Unbounded

Values = list[np.ndarray]


def sliced(operation: Operation, begin: np.ndarray, end: np.ndarray, strides: np.ndarray) -> tuple[slice | int, ...]:
    """The index that a STRIDED_SLICE stands for, axis by axis; an axis that goes has an int."""
    options, index = operation.options, []
    if options.ellipsisMask or options.newAxisMask:
        raise Unbounded("STRIDED_SLICE with an ellipsis or a new axis")
    for axis, (first, last, stride) in enumerate(zip(begin.tolist(), end.tolist(), strides.tolist())):
        if options.shrinkAxisMask >> axis & 1:
            index.append(first)
            continue
        first = None if options.beginMask >> axis & 1 else first
        index.append(slice(first, None if options.endMask >> axis & 1 else last, stride))
    return tuple(index)


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a // b if np.issubdtype(a.dtype, np.integer) else a / b


def _gather(operation: Operation, values: Values) -> np.ndarray:
    return np.take(values[0], values[1], axis=operation.options.axis)


# What an operation makes of known numbers.
RULES: dict[str, Callable[[Operation, Values], np.ndarray]] = {
    "STRIDED_SLICE": lambda operation, values: values[0][sliced(operation, *values[1:])],
    "SLICE": lambda operation, values: values[0][
        tuple(slice(b, None if n < 0 else b + n) for b, n in zip(values[1].tolist(), values[2].tolist()))
    ],
    "PACK": lambda operation, values: np.stack(values, axis=operation.options.axis),
    "CONCATENATION": lambda operation, values: np.concatenate(values, axis=operation.options.axis),
    "CAST": lambda operation, values: values[0].astype(operation.outputs[0].dtype),
    "RESHAPE": lambda operation, values: values[0].reshape(values[1]),
    "EXPAND_DIMS": lambda operation, values: np.expand_dims(values[0], int(values[1])),
    "SQUEEZE": lambda operation, values: np.squeeze(values[0], tuple(operation.options.squeezeDims)),
    "GATHER": _gather,
    "REDUCE_PROD": lambda operation, values: np.prod(
        values[0], axis=tuple(np.ravel(values[1])), keepdims=bool(operation.options.keepDims)
    ),
    "ADD": lambda operation, values: values[0] + values[1],
    "SUB": lambda operation, values: values[0] - values[1],
    "MUL": lambda operation, values: values[0] * values[1],
    "DIV": lambda operation, values: _divide(*values),
    "FLOOR_DIV": lambda operation, values: values[0] // values[1],
    "FLOOR_MOD": lambda operation, values: values[0] % values[1],
    "MAXIMUM": lambda operation, values: np.maximum(*values),
    "MINIMUM": lambda operation, values: np.minimum(*values),
}


def value(tensor: Tensor, graph: Graph, shape_of: Callable[[Tensor], tuple[int | None, ...] | None]) -> np.ndarray:
    """The numbers of a tensor that are known before any picture is.

    Args:
        shape_of: the shape of a tensor that holds the picture or a map of it, None of any other.

    Raises:
        Unbounded: they depend on the picture's content, or an operation is not known; the sentence names it.
    """
    if tensor.constant:
        return tensor.values
    operation = graph.producer(tensor)
    if operation is None:
        raise Unbounded("a size that is an input of the file")
    if operation.name == "SHAPE":
        source = operation.inputs[0]
        shape = shape_of(source) or source.shape
        if None in shape:
            raise Unbounded("the shape of what is no picture")
        return np.asarray(shape)
    if operation.name not in RULES:
        raise Unbounded(f"a size computed by {operation.name}")
    return RULES[operation.name](operation, [value(each, graph, shape_of) for each in operation.inputs])
