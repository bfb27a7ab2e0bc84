"""A TFLite file run in LiteRT's interpreter: what its tensors hold, and what it gives."""

from typing import Any

import numpy as np

from zoo.graphs.sizes import Sizes, fitting
from zoo.graphs.tflite import File, Tensor

# Sides, px, of the inputs that a file leaves free, by axis; odd and different.
FREE = (1, 23, 18, 4)
# Integers that are no levels of a picture are places in a table: a class, a word.
PLACES = ("int32", "int64")


def noise(file: File, free: tuple[int, ...] = FREE, seed: int = 0) -> list[np.ndarray]:
    """An input for each of a file's: uniform, floats in [0, 1], levels over their range, places in a table 0 or 1."""
    rng = np.random.default_rng(seed)
    images = []
    for tensor in file.inputs:
        shape = [free[axis] if side is None else side for axis, side in enumerate(tensor.shape)]
        if tensor.dtype in PLACES:
            images.append(rng.integers(0, 2, shape, dtype=tensor.dtype))
        elif np.issubdtype(tensor.dtype, np.integer):
            limits = np.iinfo(tensor.dtype)
            images.append(rng.integers(limits.min, limits.max, shape, dtype=tensor.dtype, endpoint=True))
        else:
            images.append(rng.random(shape).astype(tensor.dtype))
    return images


class Run:
    """One run of a file as it was read.

    Args:
        file: not changed since it was read.
        inputs: as `noise` gives them; free sizes follow theirs.
        kernels: "reference" (LiteRT's plain loops), "plain" (its own faster ones) or "default" (XNNPACK where it can).
        everything: whether each tensor is kept, not the outputs alone.

    Raises:
        ValueError, RuntimeError: LiteRT does not take the file, or not these sizes.
    """

    def __init__(self, file: File, inputs: list[np.ndarray], kernels: str = "plain", everything: bool = True):
        self.numbers = {tensor: number for number, tensor in enumerate(file.graphs[0].tensors)}
        self.interpreter = _opened(file, kernels, everything)
        for tensor, image in zip(file.inputs, inputs, strict=True):
            if tensor.shape != image.shape:
                self.interpreter.resize_tensor_input(self.numbers[tensor], image.shape)
        self.interpreter.allocate_tensors()
        for tensor, image in zip(file.inputs, inputs, strict=True):
            self.interpreter.set_tensor(self.numbers[tensor], image)
        self.interpreter.invoke()

    def shapes(self) -> dict[Tensor, Any]:
        """The tensors' shapes in this run."""
        shapes = {detail["index"]: detail["shape"] for detail in self.interpreter.get_tensor_details()}
        return {tensor: shapes.get(number) for tensor, number in self.numbers.items()}

    def value(self, tensor: Tensor) -> np.ndarray:
        """What a tensor holds."""
        return np.asarray(self.interpreter.get_tensor(self.numbers[tensor]))


def _opened(file: File, kernels: str, everything: bool) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    return Interpreter(
        model_content=file.content,
        experimental_preserve_all_tensors=everything,
        experimental_op_resolver_type={
            "reference": OpResolverType.BUILTIN_REF,
            "plain": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            "default": OpResolverType.AUTO,
        }[kernels],
    )


def knows(kernels: str, file: File) -> bool:
    """Whether some kernels have each operation of a file; it is not run."""
    try:
        _opened(file, kernels, everything=False)
    except (ValueError, RuntimeError):
        return False
    return True


def sizes_that_fit(file: File, sizes: Sizes) -> Sizes:
    """Those of some sizes that a file takes, or multiples of small ones; its own alone where none of them is free."""
    if all(None not in tensor.shape for tensor in file.inputs):
        return sizes[:1]
    return fitting(sizes, 1, lambda size: Run(file, noise(file, size), everything=False))
