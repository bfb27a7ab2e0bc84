"""The networks, each in one short file, those of a paper so that it reads like the paper."""

import keras

from zoo.errors import UsageError
from zoo.models.espcn import espcn, espcn_residual
from zoo.models.fsrcnn import fsrcnn, fsrcnn_s
from zoo.models.gecko import gecko, gecko_s
from zoo.models.srcnn import srcnn

__all__ = ["espcn", "espcn_residual", "fsrcnn", "fsrcnn_s", "gecko", "gecko_s", "scale_of", "srcnn"]


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
    shape = model.input_shape
    if isinstance(shape, tuple) and len(shape) == 4 and shape[-1] is not None:
        given = (1, shape[1] or 24, shape[2] or 36, shape[3])
        result = tuple(model.compute_output_shape(given))
        scale = (result[1] or 0) // given[1]
        if scale >= 1 and result == (1, scale * given[1], scale * given[2], given[3]):
            return scale
    raise UsageError(
        f"Expected a model (N, H, W, C) → (N, scale·H, scale·W, C). Received: {shape} → {model.output_shape}"
    )
