"""How far two models of the same inputs differ, measured on random inputs."""

import keras
import numpy as np

# Networks take multiples of what they stride by.
MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
SIDES = ((7, 5), (3, 11))


def largest_differences(model: keras.Model, other: keras.Model, seed: int = 0) -> dict[tuple[int, int], float]:
    """The largest difference at every pixel of every output, over that output's largest magnitude, by input size.

    Args:
        model, other: models of the same inputs and outputs.
        seed: of the inputs, uniform in [0, 1], a batch of two.
    Returns:
        {(height, width): difference} for two odd, non-square sizes in px, times the smallest number that the model
        takes; for the model's own size where it has one; empty where no size tried fits.
    """
    for multiple in MULTIPLES:
        sizes = [(multiple * height, multiple * width) for height, width in SIDES]
        try:
            return dict(_difference(model, other, size, seed) for size in sizes)
        except Exception:  # A size that this model does not take; backends raise what they like.
            continue
    return {}


def _difference(model, other, size: tuple[int, int], seed: int) -> tuple[tuple[int, int], float]:
    rng = np.random.default_rng(seed)
    used = []

    def draw(tensor):
        batch, *sides = tensor.shape
        # Only the axes of a picture may be free; anything else is an error that the caller sees.
        wanted = size if len(sides) == 3 else ()
        sides = [side or wanted[axis] for axis, side in enumerate(sides)]
        if len(sides) == 3:
            used.append(tuple(sides[:2]))
        return rng.uniform(size=(batch or 2, *sides)).astype(keras.backend.standardize_dtype(tensor.dtype))

    inputs = keras.tree.map_structure(draw, model.input)
    pairs = zip(_outputs(model, inputs), _outputs(other, inputs), strict=True)
    return used[0] if used else size, max(_relative(received, expected) for expected, received in pairs)


def _outputs(model, inputs) -> list[np.ndarray]:
    outputs = keras.tree.flatten(model(inputs, training=False))
    return [np.asarray(keras.ops.convert_to_numpy(each), np.float64) for each in outputs]


def _relative(received: np.ndarray, expected: np.ndarray) -> float:
    # NaN or infinity in either is a difference, and not one that max() passes over.
    difference = np.abs(received - expected).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny)
    return float(difference) if np.isfinite(difference) else float("inf")
