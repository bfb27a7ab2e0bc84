"""A Keras model made ready for export: float32, upsampling in LR space, RGB in and out or clipped where asked for."""

import keras

from export.color import clip_to_unit, wrap_rgb
from zoo.errors import UsageError, one_of
from zoo.models import scale_of
from zoo.rewrite import to_transposed
from zoo.rewrite.copies import clone, copy_state
from zoo.rewrite.free_sizes import to_free_lr_space
from zoo.rewrite.graph import has_graph, inputs_of
from zoo.rewrite.same import check_same

COLORS = ("y", "rgb")


def prepare(
    model: keras.Model,
    color: str | None = None,
    clip: bool = False,
    keep_form: bool = False,
    form: str = "subpixel",
) -> keras.Model:
    """The model that is written to the files.

    Args:
        model: (N, H, W, C) in [0, 1] → (N, scale·H, scale·W, C); functional, any dtype policy.
        color: `"rgb"` wraps a luma model so that it takes and gives RGB; `"y"` says that it takes and gives luma;
            None leaves it as it is.
        clip: whether the output is clipped to [0, 1]; with `color="rgb"` it always is.
        keep_form: leaves the upsampling as it is instead of giving it a form.
        form: `"subpixel"` moves upsampling into LR space, `"transposed"` back out of it.
    Returns:
        A float32 model of the same function, (N, H, W, C') → (N, scale·H, scale·W, C').
    Raises:
        UsageError: the model is no such function, or `color` does not fit its channels.
    """
    scale = scale_of(model)
    channels = model.input_shape[-1]
    if color is not None:
        one_of("color", color, COLORS)
    if color == "y" and channels != 1 or color == "rgb" and channels not in (1, 3):
        raise UsageError(f"Expected a luma model (1 channel) for color={color}. Received: {model.name}, {channels}")
    model = in_float32(model) if keep_form else in_form(model, form)
    if color == "rgb" and channels == 1:
        return wrap_rgb(model, scale)
    return clip_to_unit(model) if clip or color == "rgb" else model


def in_form(model: keras.Model, form: str) -> keras.Model:
    """Any network in float32 with its upsampling in a form: `"subpixel"` or `"transposed"`."""
    model = in_float32(model)
    return to_free_lr_space(model) if form == "subpixel" else to_transposed(model)


def in_float32(model: keras.Model) -> keras.Model:
    """The same model computing in float32, weights and statistics carried over; itself if it already does.

    A mixed_float16 model would become TensorFlow's Flex operations, float64 a file that no delegate takes.

    Raises:
        UsageError: a layer cannot be made anew, or is not the same then.
    """
    if all(layer.compute_dtype in (None, "float32") for layer in model._flatten_layers(include_self=False)):
        return model

    new = _in_float32(model)
    check_same(model, new)
    return new


def _in_float32(model: keras.Model) -> keras.Model:
    def rebuilt(layer):
        if has_graph(layer):
            return _in_float32(layer)
        try:
            return clone(layer, dtype="float32")
        except UsageError:
            if layer.compute_dtype not in (None, "float32"):
                raise
            return layer  # What cannot be made anew and needs not.

    def taken(tensor):
        # A copy's own inputs would have the tensors' types, and names that files do not take.
        layer = tensor._keras_history.operation
        floats = keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))
        return keras.Input(batch_shape=tensor.shape, dtype="float32" if floats else tensor.dtype, name=layer.name)

    inputs = keras.tree.map_structure(taken, inputs_of(model))
    new = keras.models.clone_model(model, input_tensors=inputs, clone_function=rebuilt)
    for old, copy in zip(model.layers, new.layers):
        if copy is not old and not has_graph(old):
            copy_state(old, copy)
    return new
