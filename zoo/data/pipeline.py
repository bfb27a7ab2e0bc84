"""Random aligned crops in batches, inside one TensorFlow graph."""

import numpy as np

from zoo.errors import UsageError


def patches(source, batch, lr_size, seed, start_step=0, shard=(0, 1), augment=True, min_detail=0.0):
    import tensorflow as tf

    scale, channels, p = source.scale, source.channels, lr_size
    records = tf.experimental.dlpack.from_dlpack(source.records.__dlpack__())
    places = [place for place in source.places if place.height >= p and place.width >= p]
    if not places:
        raise UsageError(f"Expected pictures of at least {p * scale}x{p * scale} pixels. Received: {source.name!r}")
    columns = np.array([place.width - p + 1 for place in places])
    counts = np.array([(place.height - p + 1) for place in places]) * columns
    ends = np.cumsum(counts)
    starts = tf.constant([place.start for place in places], tf.int64)
    widths = tf.constant([place.width for place in places], tf.int64)
    columns, firsts, ends_ = tf.constant(columns), tf.constant(ends - counts), tf.constant(ends)
    begin, end = shard[0] * batch // shard[1], (shard[0] + 1) * batch // shard[1]
    side = tf.range(p, dtype=tf.int64)

    def make(step):
        key = tf.stack([tf.constant(seed, tf.int64), step])
        drawn = tf.random.stateless_uniform([batch, 2], key, maxval=None, minval=None, dtype=tf.uint64)[begin:end]
        pick = tf.cast(drawn[:, 0] % tf.constant(int(ends[-1]), tf.uint64), tf.int64)
        turn = tf.cast(drawn[:, 1] % 8, tf.int64)
        which = tf.searchsorted(ends_, pick, side="right")
        pick -= tf.gather(firsts, which)
        column = tf.gather(columns, which)
        width = tf.gather(widths, which)
        corner = tf.gather(starts, which) + pick // column * width + pick % column
        index = corner[:, None, None] + side[:, None] * width[:, None, None] + side
        record = tf.gather(records, index)
        lr, blocks = record[..., :channels], record[..., channels:]
        n = end - begin
        hr = tf.transpose(tf.reshape(blocks, [n, p, p, scale, scale * channels]), [0, 1, 3, 2, 4])
        hr = tf.reshape(hr, [n, p * scale, p * scale, channels])

        def finish(x):
            if augment:
                bits = [tf.bitwise.bitwise_and(turn, bit)[:, None, None, None] > 0 for bit in (1, 2, 4)]
                x = tf.where(bits[0], tf.reverse(x, [1]), x)
                x = tf.where(bits[1], tf.reverse(x, [2]), x)
                x = tf.where(bits[2], tf.transpose(x, [0, 2, 1, 3]), x)
            return tf.cast(x, tf.float32) / 255

        return finish(lr), finish(hr)

    return tf.data.Dataset.range(start_step, np.iinfo(np.int64).max).map(make).prefetch(4)
