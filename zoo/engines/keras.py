"""Keras models as engines: as TFLite where that is possible, else by Keras' backend."""

import contextlib
import functools
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.color import to_uint8
from zoo.engines.engine import Engine
from zoo.errors import UsageError

if TYPE_CHECKING:
    import keras


def to_tflite(model: "keras.Model") -> bytes | None:
    """The model as a TFLite file of builtin operations; None where there is no way to it."""
    import keras

    # A file's input would be of floats that are cut to whole numbers.
    levels = any("int" in str(end.dtype) for end in (model.inputs[0], model.outputs[0]))
    if keras.backend.backend() != "tensorflow" or levels:
        return None
    import tensorflow as tf
    from tensorflow.lite.python.convert import ConverterError

    from zoo.rewrite.blocks import for_cpu
    from zoo.rewrite.free_sizes import to_free_lr_space

    # A model that cannot be rewritten, subclassed say, keeps its deconvolution.
    with contextlib.suppress(UsageError):
        model = for_cpu(to_free_lr_space(model))
    signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)]
    # Without this, TensorFlow's own kernels creep in, which the interpreter does not have.
    builtins = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        try:
            model.export(str(path), format="litert", verbose=False, input_signature=signature, target_spec=builtins)
        except ConverterError:
            return None
        return path.read_bytes()


class KerasEngine(Engine):
    """A Keras model, run by the backend it was made with.

    TensorFlow's convolutions sum in another order for another window: tiles change the result by about 1e-6 of its
    range, and an 8-bit sample that lies half-way by one level.

    Args:
        model: (N, H, W, 1 or 3) → (N, scale·H, scale·W, as many), scale at least 2; an input or output of uint8 has
            levels from 0 to 255.
        radius: the receptive field's radius, LR px, where `zoo.reach.keras_model.reach` does not find it.

    Raises:
        UsageError: a model of another kind.
    """

    def __init__(self, model: "keras.Model", radius: int | None = None):

        from zoo.models import scale_of
        from zoo.reach import keras_model

        scale, (*size, channels) = scale_of(model), model.input_shape[1:]
        if scale < 2 or channels not in (1, 3) or (size[0] is None) != (size[1] is None):
            raise UsageError(
                "Expected a model (N, H, W, C) → (N, scale·H, scale·W, C), C 1 or 3, scale at least 2, both sides free "
                "or none. "
                f"Received: {model.name!r}, {model.input_shape} → {model.output_shape}"
            )
        self._taken, self._given = (str(end.dtype) for end in (model.inputs[0], model.outputs[0]))
        for dtype in (self._taken, self._given):
            if "int" in dtype and dtype != "uint8":
                raise UsageError(f"Expected floating point or uint8 into and out of {model.name!r}. Received: {dtype}")
        unbounded, step = "", 1
        try:
            found = keras_model.reach(model)
            radius, step = found.radius, found.step
        except UsageError as error:
            unbounded = str(error) if radius is None else ""
        fixed = None if None in size else tuple(size)
        super().__init__(model.name, scale, channels, radius, unbounded, fixed, step=step, kind="Keras")
        self._model = model

    @functools.cached_property
    def _call(self):
        """The pass of a batch of one; drawn when the first picture comes, since an engine may be opened for less."""
        import keras

        model = self._model

        def call(images):
            return model(images, training=False)

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # One trace for every size, where there is one.
            signature = tf.TensorSpec((1, *model.input_shape[1:]), "uint8" if self._taken == "uint8" else "float32")
            with contextlib.suppress(tf.errors.OperatorNotAllowedInGraphError):
                once = tf.function(call, input_signature=[signature])
                once.get_concrete_function()
                return once
        return call

    def fingerprint(self) -> str:
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> str:
        """Of its layers and weights: networks of one name are others."""
        from keras import ops

        found = hashlib.sha256(self.name.encode())
        # A subclass may not say what it consists of.
        with contextlib.suppress(Exception):
            found.update(self._model.to_json().encode())
        for variable in self._model.variables:
            found.update(f"{variable.shape} {variable.dtype}".encode())
            found.update(np.ascontiguousarray(ops.convert_to_numpy(variable)).tobytes())
        return found.hexdigest()

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        from keras import ops

        height, width, _ = lr_image.shape
        if self.size not in (None, (height, width)):
            own = "×".join(map(str, self.size))
            raise UsageError(f"Expected a picture of {own} px, which {self.name} takes. Received: {height}×{width}")
        if self._taken == "uint8":
            lr_image = to_uint8(lr_image)
        try:
            sr_image = ops.convert_to_numpy(self._call(ops.convert_to_tensor(lr_image[None])))[0]
        # A stranger's network fails in any way, at an odd size, say.
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(
                f"Expected a picture that {self.name} takes. Received: {height}×{width}: {reason}"
            ) from error
        if self._given == "uint8":
            return sr_image.astype(np.float32) / np.float32(255)
        return sr_image.astype(np.float32, copy=False)
