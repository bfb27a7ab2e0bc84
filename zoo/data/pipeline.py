"""Random aligned crops in batches: a graph that draws, cuts and turns them, with no Python in it.

The way is short because the records (`zoo.data.sources`) keep each LR pixel beside its HR pixels: one gather cuts the
LR and the HR patch at once, and one more, fused by XLA with the conversion to float, turns and flips them.
"""

import numpy as np

from zoo.data.corners import corners
from zoo.data.degrade import imresize, own_lr
from zoo.errors import UsageError


def patches(source, batch, lr_size, seed, start_step=0, shard=(0, 1), augment=True, min_detail=0.0, degradation="none"):
    """`zoo.data.Source.patches`, which says what it does."""
    import tensorflow as tf

    for name, value, least in (("batch", batch, 1), ("lr_size", lr_size, 1), ("start_step", start_step, 0)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise UsageError(f"Expected {name} as an integer of at least {least}. Received: {name}={value!r}")
    index, count = shard
    if not 0 <= index < count or batch % count:
        raise UsageError(f"Expected a shard (index, count) that divides the batch. Received: {shard} of {batch}")
    rows = slice(index * batch // count, (index + 1) * batch // count)
    where = corners(source, lr_size, min_detail)
    # Shares the memory: a tf.constant would be a copy of all pictures. And a variable: the tensors that a dataset
    # captures are copied where tf.data rewrites its graph, as it does by default and after `enable_op_determinism`.
    with tf.device("CPU"):
        records = tf.Variable(tf.experimental.dlpack.from_dlpack(source.records.__dlpack__()), trainable=False)
    table = tf.constant(np.stack([where.firsts, where.columns, where.starts, where.widths], 1))
    lasts = tf.constant(where.lasts)
    side = tf.range(lr_size, dtype=tf.int64)
    cut = _cutter(lr_size, source.scale, source.channels, augment)

    def make(step):
        drawn = tf.random.stateless_uniform([batch, 2], [seed, step], None, None, tf.uint64, alg="philox")[rows]
        number = tf.cast(drawn[:, 0] % tf.constant(where.total, tf.uint64), tf.int64)
        if where.allowed is not None:
            number = tf.gather(where.allowed, number)
        first, column, start, width = tf.unstack(tf.gather(table, tf.searchsorted(lasts, number, side="right")), axis=1)
        number -= first
        corner = start + number // column * width + number % column
        pixels = corner[:, None, None] + side[:, None] * width[:, None, None] + side
        lr, hr = cut(tf.gather(records.read_value(), pixels), tf.cast(drawn[:, 1] % 8, tf.int32))
        return (wear(lr, step) if degradation == "jpeg" else lr), hr

    def wear(lr, step):
        from zoo.data.jpeg import worn

        # Numbers of its own for each purpose, all of (seed, step), and each worker takes its rows of them.
        keys = [tf.random.experimental.stateless_fold_in(tf.stack([seed, step]), purpose) for purpose in (1, 2)]
        uniform = tf.random.stateless_uniform([batch, 4], keys[0])[rows]
        normal = tf.random.stateless_normal([batch, lr_size, lr_size, 1], keys[1])[rows]
        return worn(lr, uniform, normal)

    steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
    steps = steps.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    return steps.map(make).prefetch(8)


def whole_pictures(source):
    """`zoo.data.Source.whole_pictures`, which says what it does."""
    import tensorflow as tf

    shapes = [(1, None, None, source.channels)] * 2

    def images():
        for _, lr, hr in source.pictures():
            own = own_lr(lr, hr, source.scale)
            lr = imresize(hr / 255.0, 1 / source.scale) if own is None else own / 255.0
            yield lr.astype(np.float32)[None], (hr / 255.0).astype(np.float32)[None]

    count = len(source.places)
    dataset = tf.data.Dataset.from_generator(
        images, output_signature=tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes)
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(count))


def _cutter(lr_size: int, scale: int, channels: int, augment: bool):
    """The function from the records of the patches and their orientations (0 to 7) to LR and HR patches in [0, 1]."""
    import tensorflow as tf

    def turned(images, size, orientation):
        if augment:
            row, column, orientation = tf.range(size)[:, None], tf.range(size), orientation[:, None, None]
            transposed = orientation & 4 > 0
            row, column = tf.where(transposed, column, row), tf.where(transposed, row, column)
            row = tf.where(orientation & 1 > 0, size - 1 - row, row)
            column = tf.where(orientation & 2 > 0, size - 1 - column, column)
            pixels = tf.reshape(images, [-1, size * size, channels])
            images = tf.gather(pixels, tf.reshape(row * size + column, [-1, size * size]), batch_dims=1)
        return tf.cast(tf.reshape(images, [-1, size, size, channels]), tf.float32) / 255

    # XLA turns this into one loop over the output; op by op it takes four times as long.
    @tf.function(jit_compile=True)
    def cut(records, orientation):
        blocks = tf.reshape(records[..., channels:], [-1, lr_size, lr_size, scale, scale * channels])
        hr_images = tf.transpose(blocks, [0, 1, 3, 2, 4])
        return turned(records[..., :channels], lr_size, orientation), turned(hr_images, scale * lr_size, orientation)

    return cut
