"""A TFLite file in the form that a target computes."""

import math

from zoo.graphs.tflite import File
from zoo.rewrite.explanation import Row
from zoo.rewrite.tflite_activations import replace_activations
from zoo.rewrite.tflite_file import to_lr_space
from zoo.rewrite.tflite_steps import Steps
from zoo.rewrite.tflite_transposed import FREE, to_transposed
from zoo.targets.record import Target

# Around what Keras computes of sequences.
_RESHAPES = ("EXPAND_DIMS", "SQUEEZE")
TO_FORM = {"subpixel": to_lr_space, "transposed": to_transposed}


def for_target(file: File, target: Target) -> list[Row]:
    """Changes a file: enlargements take the target's form, operations that it does not take become others.

    These are activations, and what gives or takes axes of one side.

    Returns:
        A row for each: what becomes of it, or why it stays.

    Raises:
        UsageError: a file of several graphs, or one that LiteRT does not run where its sizes are computed.

    Example:
        >>> import zoo.registry
        >>> from zoo.graphs import tflite
        >>> from zoo.targets import records
        >>> file = tflite.read(zoo.registry.preset_file("fsrcnn_s_x2", ".tflite"))
        >>> [row.note for row in for_target(file, records.named("mediatek"))]
        ['its size is free, and a file for a chip has one: --size gives it one']
    """
    if target.enlargement == "transposed":
        rows = to_transposed(file, one_stride="strides" in target.rules)
    else:
        rows = to_lr_space(file)
    return rows + replace_activations(file, target) + _reshaped(file, target)


def _reshaped(file: File, target: Target) -> list[Row]:
    graph, rows = file.only_graph, []
    for operation in [each for each in graph.operations if each.name in _RESHAPES and not target.takes(each.name)]:
        image, (output,) = operation.inputs[0], operation.outputs
        row = Row(output.name, operation.name, note=FREE)
        known = None not in (*image.shape, *output.shape)
        if known and math.prod(image.shape) == math.prod(output.shape):
            steps = Steps([], image, output)
            steps.reshape(output.shape)
            steps.replace_in(graph, operation)
            row = Row(output.name, operation.name, action="moved", becomes="RESHAPE")
        rows.append(row)
    return rows
