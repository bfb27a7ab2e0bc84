"""Converted files of one operation or two, and what `zoo.rewrite` makes of them."""

import numpy as np
import tensorflow as tf

from zoo.graphs import tflite
from zoo.rewrite import tflite_difference, tflite_file

rng = np.random.default_rng(5)


def converted(function, shape, half=False, int8=False, dynamic=False) -> bytes:
    """A function of one picture as a file: float32, with float16 weights, all in int8, or with int8 weights alone."""
    concrete = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if half:
        converter.target_spec.supported_types = [tf.float16]
    if int8:
        images = [[rng.normal(size=[side or 13 for side in shape]).astype(np.float32)] for _ in range(3)]
        converter.representative_dataset = lambda: iter(images)
        converter.inference_input_type = converter.inference_output_type = tf.int8
    if half or int8 or dynamic:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def rewritten(content: bytes):
    """The rewritten file, and the rows."""
    file = tflite.parse(content, "x")
    rows = tflite_file.to_lr_space(file)
    return tflite.parse(file.packed(), "y"), rows


def names(file) -> list[str]:
    """Of its operations."""
    return [operation.name for operation in file.operations]


def apart(content: bytes, file) -> list:
    """The differences that are larger than allowed."""
    found = tflite_difference.differences(tflite.parse(content, "x"), file)
    assert found
    return [each for each in found if not each.value <= each.allowed]
