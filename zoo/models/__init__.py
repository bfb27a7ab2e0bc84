"""The networks, each in one short file, those of a paper so that it reads like the paper."""

import keras

from zoo.errors import UsageError
from zoo.models.espcn import espcn, espcn_residual
from zoo.models.fsrcnn import fsrcnn, fsrcnn_s
from zoo.models.gecko import gecko, gecko_s
from zoo.models.srcnn import srcnn

__all__ = ["espcn", "espcn_residual", "fsrcnn", "fsrcnn_s", "gecko", "gecko_s", "scale_of", "srcnn"]


# Heights and widths; the second for networks that halve the picture several times.
_TRIED = ((24, 36), (96, 160))


def __dir__() -> list[str]:
    return sorted(__all__)


def scale_of(model: keras.Model) -> int:
    """The enlargement of a model (N, H, W, C) → (N, scale·H, scale·W, C), from its shapes.

    Raises:
        UsageError: the model is no such function of one image.

    Example:
        >>> scale_of(espcn(scale=4))
        4
    """
    shape, output = (getattr(model, f"{end}_shape", "unknown") for end in ("input", "output"))
    if isinstance(shape, tuple) and len(shape) == 4 and shape[-1] is not None:
        for height, width in _TRIED:
            given = (1, shape[1] or height, shape[2] or width, shape[3])
            result = _result(model, given)
            scale = (result[1] or 0) // given[1] if len(result) == 4 else 0
            if scale >= 1 and result == (1, scale * given[1], scale * given[2], given[3]):
                return scale
    raise UsageError(f"Expected a model (N, H, W, C) → (N, scale·H, scale·W, C). Received: {shape} → {output}")


def _result(model: keras.Model, given: tuple) -> tuple:
    """The shape of the one result for an image of that shape; empty for several or none."""
    try:
        results = keras.tree.flatten(model.compute_output_spec(keras.KerasTensor(given, model.inputs[0].dtype)))
    except Exception:  # A network of any kind, which may take no picture of that size.
        return ()
    return tuple(results[0].shape) if len(results) == 1 else ()
