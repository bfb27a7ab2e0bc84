"""The model class of the zoo's networks: a Keras model that answers wrong pictures with a sentence."""

import keras
import numpy as np

from zoo.errors import UsageError

# Networks are tried on noise of any kind; beyond this values are levels, not [0, 1].
_LEVELS = 16.0


@keras.saving.register_keras_serializable("zoo")
class Network(keras.Model):
    """A functional Keras model of pictures (N, H, W, C) in [0, 1] that refuses what is none.

    Keras would cast integers, take a picture without a batch for a batch of lines, and fail deep inside a convolution
    on a wrong number of channels. In every other way it is a `keras.Model(inputs, outputs)`.

    Raises:
        UsageError: when it is called, and in `predict`, `fit` and `evaluate`: integers, values as of levels (of NumPy's
            arrays; tensors may be on a device), no four axes, or another number of channels.

    Example:
        >>> import zoo
        >>> zoo.load("fsrcnn_s_x2")(np.zeros((8, 9, 1), np.float32))
        Traceback (most recent call last):
        zoo.errors.UsageError: Expected pictures (N, H, W, 1). Received: shape (8, 9, 1); images[None] is a batch of one
    """

    def __call__(self, inputs, *args, **kwargs):
        check_pictures(inputs, self.inputs[0].shape[-1])
        return super().__call__(inputs, *args, **kwargs)

    # Keras hands on parts of an array, whose shape it may have forgotten and whose values are not there yet.
    def predict(self, x, *args, **kwargs):
        check_pictures(x, self.inputs[0].shape[-1])
        return super().predict(x, *args, **kwargs)

    def fit(self, x=None, *args, **kwargs):
        check_pictures(x, self.inputs[0].shape[-1])
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x=None, *args, **kwargs):
        check_pictures(x, self.inputs[0].shape[-1])
        return super().evaluate(x, *args, **kwargs)


def check_pictures(images, channels: int) -> None:
    """Sees that `images` are pictures for a network of so many channels.

    Raises:
        UsageError: as of `Network`.
    """
    # A symbolic input, or what Keras turns into a tensor itself.
    if isinstance(images, keras.KerasTensor) or not hasattr(images, "dtype"):
        return
    shape = getattr(images, "shape", ())
    # TensorFlow may not know it yet.
    if getattr(shape, "rank", 0) is not None:
        _check_shape(tuple(shape), channels)
    dtype = keras.backend.standardize_dtype(images.dtype)
    if not keras.backend.is_float_dtype(dtype):
        levels = {"uint8": "; divide by 255.0", "uint16": "; divide by 65535.0"}.get(dtype, "")
        raise UsageError(f"Expected floating point in [0, 1]. Received: {dtype}{levels}")
    if isinstance(images, np.ndarray) and images.size and max(images.max(), -images.min()) > _LEVELS:
        received = f"values from {images.min():.4g} to {images.max():.4g}"
        raise UsageError(f"Expected values in [0, 1]. Received: {received}; divide levels by 255.0")


def _check_shape(shape: tuple, channels: int) -> None:
    if len(shape) != 4:
        hint = {3: "; images[None] is a batch of one", 2: "; image[None, :, :, None] is a batch of one"}
        missing = hint.get(len(shape), "")
        raise UsageError(f"Expected pictures (N, H, W, {channels}). Received: shape {shape}{missing}")
    if shape[-1] not in (channels, None):
        kind = "luma" if channels == 1 else "RGB"
        advice = f"this network takes {kind}, zoo.upscale.upscale any picture"
        if shape[1] == channels:
            advice = "where the channels come first, give images.transpose(0, 2, 3, 1)"
        raise UsageError(f"Expected pictures (N, H, W, {channels}). Received: shape {shape}; {advice}")
