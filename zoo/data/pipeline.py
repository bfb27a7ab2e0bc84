"""Random aligned crops in batches: a graph that draws, cuts and turns them, with no Python in it.

The way is short because the records (`zoo.data.sources`) keep each LR pixel beside its HR pixels: one gather cuts the
LR and the HR patch at once, and one more, fused by XLA with the conversion to float, turns and flips them.
"""

import logging

import numpy as np

from zoo.errors import UsageError


def patches(source, batch, lr_size, seed, start_step=0, shard=(0, 1), augment=True, min_detail=0.0):
    """`zoo.data.Source.patches`, which says what it does."""
    import tensorflow as tf

    for name, value, least in (("batch", batch, 1), ("lr_size", lr_size, 1), ("start_step", start_step, 0)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise UsageError(f"Expected {name} as an integer of at least {least}. Received: {name}={value!r}")
    index, count = shard
    if not 0 <= index < count or batch % count:
        raise UsageError(f"Expected a shard (index, count) that divides the batch. Received: {shard} of {batch}")
    rows = slice(index * batch // count, (index + 1) * batch // count)
    places = _large_enough(source, lr_size)
    # Patch number n of all is the one at row n // columns, column n % columns of the picture in whose range n lies.
    columns = np.array([place.width - lr_size + 1 for place in places])
    lasts = np.cumsum(columns * [place.height - lr_size + 1 for place in places])
    firsts = np.concatenate([[0], lasts[:-1]])
    allowed = _detailed(source, places, firsts, lr_size, min_detail) if min_detail > 0 else None
    total = lasts[-1] if allowed is None else len(allowed)
    # Shares the memory: a tf.constant would be a copy of all pictures.
    records = tf.experimental.dlpack.from_dlpack(source.records.__dlpack__())
    table = tf.constant(np.stack([firsts, columns, [place.start for place in places], [p.width for p in places]], 1))
    lasts = tf.constant(lasts)
    side = tf.range(lr_size, dtype=tf.int64)
    cut = _cutter(lr_size, source.scale, source.channels, augment)

    def make(step):
        drawn = tf.random.stateless_uniform([batch, 2], [seed, step], None, None, tf.uint64, alg="philox")[rows]
        number = tf.cast(drawn[:, 0] % tf.constant(total, tf.uint64), tf.int64)
        if allowed is not None:
            number = tf.gather(allowed, number)
        first, column, start, width = tf.unstack(tf.gather(table, tf.searchsorted(lasts, number, side="right")), axis=1)
        number -= first
        corner = start + number // column * width + number % column
        pixels = corner[:, None, None] + side[:, None] * width[:, None, None] + side
        return cut(tf.gather(records, pixels), tf.cast(drawn[:, 1] % 8, tf.int32))

    steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
    steps = steps.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    options = tf.data.Options()
    # Its rewriting of the graph would copy what `make` captures: all pictures.
    options.experimental_optimization.apply_default_optimizations = False
    return steps.map(make).prefetch(8).with_options(options)


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


def _large_enough(source, lr_size: int) -> list:
    places = [place for place in source.places if min(place.height, place.width) >= lr_size]
    side = lr_size * source.scale
    if not places:
        raise UsageError(f"Expected a picture of at least {side}x{side} pixels. Received: none in {source.name!r}")
    if len(places) < len(source.places):
        small = len(source.places) - len(places)
        logging.getLogger("zoo.data").warning(
            "%s: %d of the pictures smaller than %dx%d pixels, not used", source.name, small, side, side
        )
    return places


def _detailed(source, places: list, firsts: np.ndarray, lr_size: int, min_detail: float) -> np.ndarray:
    """The numbers of the patches on a grid of lr_size // 8 pixels whose neighbouring pixels differ enough."""
    step = max(1, lr_size // 8)
    allowed = []
    for place, first in zip(places, firsts):
        record = source.records[place.start : place.start + place.height * place.width, : source.channels]
        lr_image = record.mean(axis=1, dtype=np.float64).reshape(place.height, place.width)
        rows = np.arange(0, place.height - lr_size + 1, step)
        columns = np.arange(0, place.width - lr_size + 1, step)
        across = _sums(np.abs(np.diff(lr_image, axis=1)), rows, columns, lr_size, lr_size - 1)
        down = _sums(np.abs(np.diff(lr_image, axis=0)), rows, columns, lr_size - 1, lr_size)
        at = np.argwhere((across + down) >= min_detail * 2 * lr_size * (lr_size - 1))
        allowed.append(first + rows[at[:, 0]] * (place.width - lr_size + 1) + columns[at[:, 1]])
    allowed = np.concatenate(allowed)
    if not len(allowed):
        raise UsageError(f"Expected min_detail that leaves some patch. Received: min_detail={min_detail}")
    return allowed


def _sums(values: np.ndarray, rows: np.ndarray, columns: np.ndarray, height: int, width: int) -> np.ndarray:
    """The sum of `values` in each window with its corner at `rows` × `columns`, by a summed-area table."""
    area = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    top, bottom, left, right = rows[:, None], rows[:, None] + height, columns, columns + width
    return area[bottom, right] - area[top, right] - area[bottom, left] + area[top, left]
