"""A TFLite file of any size as one of one size, which compilers for chips want; what it computed of sizes goes."""

import numpy as np

from zoo.errors import UsageError
from zoo.graphs.run import Run, noise
from zoo.graphs.tflite import File, Tensor, parse

# What a file computes of sizes: a few integers; a map that it fills with a number stays as it is.
_SIZES = ("int32", "int64")
_MOST = 16


def has_free_batch_alone(file: File) -> bool:
    """Whether first axes are free and no others."""
    free = [each for each in file.inputs if None in each.shape]
    return bool(free) and not any(map(_free_sides, free))


def _free_sides(tensor: Tensor) -> list[int]:
    """The axes behind the first that are free."""
    return [axis for axis, side in enumerate(tensor.shape) if side is None and axis > 0]


def of_one_size(file: File, name: str, sides: tuple[int, ...] = ()) -> File:
    """The file with each free batch as 1, and other free sides as given.

    Args:
        file: as it was read.
        name: what an error calls it.
        sides: of each input that leaves any free behind its first axis, in order.

    Raises:
        UsageError: other numbers of sides are free, or LiteRT does not run the file at that size.

    Example:
        >>> import zoo.registry
        >>> from zoo.graphs import tflite
        >>> file = tflite.read(zoo.registry.preset_file("fsrcnn_s_x2", ".tflite"))
        >>> fixed = of_one_size(file, "fsrcnn_s_x2.tflite", (36, 64))
        >>> [str(tensor) for tensor in (*fixed.inputs, *fixed.outputs)]
        ['float32[1,36,64,1]', 'float32[1,72,128,1]']
    """
    fixed = parse(file.content, name)
    graph = fixed.only_graph
    if sides and not any(map(_free_sides, graph.inputs)):
        given = ", ".join(map(str, graph.inputs))
        raise UsageError(f"Expected a TFLite file that takes any size, to give it one. Received: {name}, of {given}")
    for tensor in graph.inputs:
        free = _free_sides(tensor)
        if free and len(free) != len(sides):
            raise UsageError(
                f"Expected a size of {len(free)} numbers for the input {tensor.name} ({tensor}) of {name}. "
                f"Received: {'×'.join(map(str, sides)) or 'none'}"
            )
        wanted = dict(zip(free, sides))
        tensor.shape = [wanted.get(axis, 1) if side is None else side for axis, side in enumerate(tensor.shape)]
    try:
        run = Run(file, noise(fixed))
    except (ValueError, RuntimeError, MemoryError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        size = ", ".join(map(str, graph.inputs))
        raise UsageError(f"Expected a TFLite file that LiteRT runs at {size}. Received: {name}: {reason}") from error
    same = dict(zip(graph.tensors, file.graphs[0].tensors, strict=True))
    shapes = run.shapes()
    for tensor in graph.tensors:
        if not tensor.constant and shapes[same[tensor]] is not None:
            tensor.shape = [int(side) for side in shapes[same[tensor]]]
    known: set[Tensor] = set()
    for operation in list(graph.operations):
        read = {each for each in operation.inputs if each is not None}
        of_sizes = bool(read & known) and all(each.constant for each in read)
        if not (operation.name == "SHAPE" or of_sizes) or any(
            each in graph.outputs or not _small(each) for each in operation.outputs
        ):
            continue
        known |= set(operation.outputs)
        for each in operation.outputs:
            each.values = np.asarray(run.value(same[each]))
        graph.replace(operation)
    return parse(fixed.packed(), name)


def _small(tensor: Tensor) -> bool:
    return tensor.dtype in _SIZES and int(np.prod(tensor.shape)) <= _MOST
