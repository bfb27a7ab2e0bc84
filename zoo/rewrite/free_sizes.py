"""LR space for networks whose graph TensorFlow has to draw with its sizes free."""

import keras

from zoo.rewrite.graph import has_graph, inputs_of
from zoo.rewrite.lr_space import to_lr_space
from zoo.targets.choice import EVERYTHING


def to_free_lr_space(model: keras.Model) -> keras.Model:
    """`to_lr_space`; interpolations by Keras that cannot be drawn with free sizes become the zoo's layers too.

    Keras 3.15's `ops.image.resize`, which `UpSampling2D` with bilinear or bicubic interpolation calls, asks whether a
    size is above 0, and TensorFlow has no answer while it draws a graph.

    Example:
        >>> lr_image = keras.Input((None, None, 1))
        >>> model = keras.Model(lr_image, keras.layers.UpSampling2D(2, interpolation="bilinear")(lr_image))
        >>> is_drawn(model), is_drawn(to_free_lr_space(model))
        (False, True)
    """
    moved = to_lr_space(model)
    return moved if is_drawn(moved) else to_lr_space(model, EVERYTHING)


def is_drawn(model: keras.Model) -> bool:
    """Whether TensorFlow draws the graph of a model with those sizes free that are."""
    import tensorflow as tf

    specs = [tf.TensorSpec(each.shape, keras.backend.standardize_dtype(each.dtype)) for each in model.inputs]
    inputs = keras.tree.pack_sequence_as(inputs_of(model), specs) if has_graph(model) else specs[0]
    try:
        tf.function(lambda each: model(each, training=False)).get_concrete_function(inputs)
    except tf.errors.OperatorNotAllowedInGraphError:
        return False
    return True
