"""A graph that enlarges its image first and is then a row of convolutions, as SRCNN's.

Files for CPUs have two of its layers in another form, which is undone here: a convolution of one map as a gathering of
neighbours along the row and a convolution along the column, and the last one on blocks of pixels, with a shuffle
(`zoo.rewrite.blocks`). Who takes the row fits it to kernels of its own.
"""

from collections.abc import Iterator

import numpy as np

from zoo.graphs import tflite
from zoo.graphs.operations import Convolution
from zoo.graphs.rows import NoRow, weights_of
from zoo.identities.blocks import block_kernel


def read(file: tflite.File) -> tuple[list[Convolution], bytes]:
    """The convolutions of a float32 file whose maps all have its result's size, and a file of what stands before them.

    Raises:
        NoRow: the file ends otherwise.

    Example:
        >>> from zoo.registry import preset_file
        >>> layers, enlargement = read(tflite.read(preset_file("srcnn_x3", ".tflite")))
        >>> [layer.kernel.shape for layer in layers], tflite.parse(enlargement, "bicubic").operations[-1].name
        ([(9, 9, 1, 64), (1, 1, 64, 32), (5, 5, 32, 1)], 'DEPTH_TO_SPACE')
    """
    operations, (last,) = list(file.graphs[0].operations), file.outputs
    block = operations.pop().options.blockSize if operations[-1].name == "DEPTH_TO_SPACE" else 1
    begins = len(operations)
    while begins and operations[begins - 1].name == "CONV_2D":
        begins -= 1
    chain = operations[begins:]
    if not 0 < begins < len(operations):
        raise NoRow("no convolutions behind an enlargement")
    for before, after in zip([*operations[begins - 1 : begins], *chain], chain):
        readers = [each for each in operations if before.outputs[0] in each.inputs]
        if after.inputs[0] is not before.outputs[0] or readers != [after]:
            raise NoRow("layers that are not one after another")
    behind = file.graphs[0].operations[-1]
    if behind.outputs[0] is not last or (block > 1 and behind.inputs[0] is not chain[-1].outputs[0]):
        raise NoRow("layers that are not one after another")
    part = tflite.parse(file.content, "enlargement")
    kept = part.graphs[0].operations[:begins]
    part.keep(kept, part.inputs, kept[-1].outputs)
    return [*_layers(chain, block)], part.packed()


def _layers(chain: list[tflite.Operation], block: int) -> Iterator[Convolution]:
    waiting = iter(chain)
    for operation in waiting:
        kernel, bias, activation = weights_of(operation, block if operation is chain[-1] else 1)
        if kernel.shape[:3] == (1, kernel.shape[3], 1) != (1, 1, 1):
            if activation != "linear" or bias.any() or not np.array_equal(kernel[0, :, 0], np.eye(kernel.shape[3])):
                raise NoRow("a convolution along the row")
            column, bias, activation = weights_of(next(waiting, operation), 1)
            if column.shape[:3] != (kernel.shape[3], 1, kernel.shape[3]):
                raise NoRow("a convolution along the row")
            kernel = column.transpose(0, 2, 1, 3)
        elif operation is chain[-1] and block > 1:
            whole, side = kernel, len(kernel) - block + 1
            kernel, bias = whole[:side, :side, :, : len(bias) // block**2], bias[: len(bias) // block**2]
            same = side > 0 and np.array_equal(block_kernel(kernel, block), whole)
            if not same or not np.array_equal(np.tile(bias, block**2), weights_of(operation, block)[1]):
                raise NoRow("a last layer that is none of blocks of pixels")
        if kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
            raise NoRow("a kernel that is not square and odd")
        yield Convolution(kernel, bias, activation)
