"""Small TFLite graphs that break one rule each, and their lawful siblings."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.graphs import tflite

rng = np.random.default_rng(7)
KERNEL = tf.constant(rng.normal(size=(3, 3, 4, 8)).astype(np.float32))
DECONVOLUTION = tf.constant(rng.normal(size=(9, 9, 2, 4)).astype(np.float32))
# So wide that 387 × 387 px pass 2^31 products and 386 × 386 do not.
WIDE = tf.constant(rng.normal(size=(15, 15, 64, 1)).astype(np.float32))
# Of ten weights nine are 0.
_THIN = rng.normal(size=(3, 3, 16, 16)) * (rng.random((3, 3, 16, 16)) < 0.1)
THIN = tf.constant(_THIN.astype(np.float32))
SLOPES = tf.constant(rng.random((16, 20, 8)).astype(np.float32))


def conv(x):
    return tf.nn.conv2d(x, KERNEL, 1, "SAME")


def wide(x):
    return tf.nn.conv2d(x, WIDE, 1, "SAME")


def subpixel(x):
    return tf.nn.depth_to_space(conv(x), 2)


def transposed(x):
    return tf.nn.conv2d_transpose(x, DECONVOLUTION, (1, 3 * x.shape[1], 3 * x.shape[2], 2), 3, "SAME")


def transposed_valid(x):
    shape = (1, 3 * (x.shape[1] - 1) + 9, 3 * (x.shape[2] - 1) + 9, 2)
    return tf.nn.conv2d_transpose(x, DECONVOLUTION, shape, 3, "VALID")[:, 3:-3, 3:-3]


def transposed_any_batch(x):
    return tf.nn.conv2d_transpose(x, DECONVOLUTION, (tf.shape(x)[0], 48, 60, 2), 3, "SAME")


def shuffle_by_reshape(x):
    x = tf.transpose(tf.reshape(x, (1, 16, 20, 2, 2, 1)), (0, 1, 3, 2, 4, 5))
    return tf.reshape(x, (1, 32, 40, 1))


def prelu_per_pixel(x):
    x = conv(x)
    return tf.nn.relu(x) + -SLOPES * tf.nn.relu(-x)


def prelu_shared(x):
    x = conv(x)
    return tf.nn.relu(x) + -SLOPES[:1, :1] * tf.nn.relu(-x)


def mirror(mode):
    return lambda x: tf.pad(x, [[0, 0], [2, 2], [3, 3], [0, 0]], mode)


def relu(x):
    return tf.nn.relu(tf.nn.depth_to_space(x, 2))


def thinned(x):
    return tf.nn.conv2d(x, THIN, 1, "SAME")


def convert(
    function, shape=(1, 16, 20, 4), flex=False, int16=False, sparse=False, dynamic=False, replaced=None
) -> bytes:
    """A function without variables, as a TFLite file; `replaced` exchanges one builtin operation for another."""
    concrete = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    sets = tf.lite.OpsSet
    converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS] + ([sets.SELECT_TF_OPS] if flex else [])
    if int16:
        converter.target_spec.supported_ops = [sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([rng.random(shape, dtype=np.float32)] for _ in range(2))
    if dynamic:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if sparse:
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    content = converter.convert()
    return edit(content, *replaced) if replaced else content


def edit(content: bytes, old: str, new: str | None, version: int = 1) -> bytes:
    """The file with another operation code, or the same in another version."""
    file = tflite.parse(content, old)
    for operation in file.operations:
        if operation.name == old:
            operation.name, operation.version = new or old, version
    return file.packed()


def padded(widths):
    return lambda x: tf.pad(tf.reshape(x, (16, 20, 4)), widths)


def ranks(x):
    return x + tf.reshape(x[:, :1], (20, 4))


def product(x):
    return tf.matmul(x, x, transpose_b=True)


def read_again(copied):
    def function(x):
        total = x + tf.nn.tanh(x)
        return tf.nn.relu(total), (total * 1.5 if copied else total)

    return function


# Name → how to make it, the rules it breaks, and what the WebGPU delegate makes of it.
CASES = {
    "subpixel": ({"function": subpixel}, set(), "right"),
    "free_size": ({"function": conv, "shape": (1, None, None, 4)}, {"static-shape"}, "right"),
    "free_batch": (
        {"function": transposed_any_batch, "shape": (None, 16, 20, 4)},
        {"static-shape", "known-operation", "type", "slice-mask", "transposed-shift"},
        "refused",
    ),
    "flex": ({"function": lambda x: tf.image.resize(x, (32, 40), "bicubic"), "flex": True}, {"no-flex"}, "not run"),
    "argmax": (
        {"function": lambda x: tf.cast(tf.argmax(x, 3, tf.int32), tf.float32)},
        {"known-operation", "type"},
        "right",
    ),
    "version": ({"function": conv, "replaced": ("CONV_2D", None, 7)}, {"version"}, "refused"),
    "im2col_beyond": ({"function": wide, "shape": (1, 387, 387, 64)}, {"im2col"}, "refused"),
    "im2col_within": ({"function": wide, "shape": (1, 386, 386, 64)}, set(), "right"),
    "rank6": ({"function": shuffle_by_reshape}, {"rank", "version"}, "refused"),
    "int16": ({"function": conv, "int16": True}, {"int16"}, "refused"),
    "prelu_per_pixel": ({"function": prelu_per_pixel}, {"prelu-shared"}, "right"),
    "prelu_shared": ({"function": prelu_shared}, set(), "right"),
    "sparse": ({"function": thinned, "shape": (1, 16, 20, 16), "sparse": True}, {"sparse"}, "refused"),
    "sparse_stored_whole": ({"function": thinned, "shape": (1, 16, 20, 16)}, set(), "right"),
    "relu_0_to_1": ({"function": relu, "replaced": ("RELU", "RELU_0_TO_1")}, {"relu-0-to-1"}, "refused"),
    "relu": ({"function": relu}, set(), "right"),
    "mirror_symmetric": ({"function": mirror("SYMMETRIC")}, {"mirror-pad"}, "refused"),
    "mirror_reflect": ({"function": mirror("REFLECT")}, set(), "right"),
    "slice_shrinks": ({"function": lambda x: x[:, 0]}, {"slice-mask"}, "refused"),
    "slice": ({"function": lambda x: x[:, :1]}, set(), "right"),
    "transposed_shifted": ({"function": transposed}, {"transposed-shift"}, "wrong"),
    "transposed_lucky": ({"function": transposed, "shape": (1, 15, 20, 4)}, set(), "right"),
    "transposed_valid": ({"function": transposed_valid}, set(), "right"),
    "pad_rank_3": ({"function": padded([[0, 0], [1, 2], [0, 0]])}, {"pad-rank-3"}, "wrong"),
    "pad_rank_3_last": ({"function": padded([[0, 0], [0, 0], [1, 2]])}, {"pad-rank-3"}, "wrong"),
    "pad_rank_4": ({"function": lambda x: tf.pad(x, [[0, 0], [0, 0], [1, 2], [0, 0]])}, set(), "right"),
    "ranks_mixed": ({"function": ranks}, {"mixed-ranks"}, "right"),
    "matmul_transposed": ({"function": product, "shape": (1, 4, 16, 8)}, {"matmul-transposed"}, "refused"),
    "mean_long": ({"function": lambda x: tf.reduce_mean(x, (1, 2)), "shape": (1, 64, 64, 4)}, {"long-sum"}, "right"),
    "mean_short": ({"function": lambda x: tf.reduce_mean(x, (1, 2)), "shape": (1, 63, 64, 4)}, set(), "right"),
    "sum_read_again": ({"function": read_again(False)}, {"read-output"}, "right"),
    "sum_copied": ({"function": read_again(True)}, set(), "right"),
}


@pytest.fixture(scope="session")
def tflite_case(tmp_path_factory):
    """Name → the path of that case's file, made once."""
    folder = tmp_path_factory.mktemp("tflite_cases")

    def make(name: str):
        path = folder / f"{name}.tflite"
        if not path.exists():
            path.write_bytes(convert(**CASES[name][0]))
        return path

    return make
