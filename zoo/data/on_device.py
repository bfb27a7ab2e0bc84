"""Random aligned crops drawn on an accelerator that holds all pictures: a pure function of (key, step), for JAX."""

import numpy as np

from zoo.data.corners import corners
from zoo.errors import UsageError

# JAX counts in 32 bits unless told otherwise.
_MOST_BYTES = 2**31


def patches_on_device(
    source, batch: int, lr_size: int, augment: bool = True, min_detail: float = 0.0, degradation="none"
):
    """Puts the records of a source into the device's memory and returns the function that draws from them.

    Every patch of every picture is as likely as any other, as in `zoo.data.Source.patches`; the random numbers are
    other ones.

    Args:
        source: a `zoo.data.Source`; all its records have to fit, 1 + scale² bytes for each LR pixel and channel.
        batch: patches in a batch.
        lr_size: side of the LR patch in LR pixels.
        augment: flip and turn each patch at random into one of its eight orientations.
        min_detail: see `zoo.data.Source.patches`.
        degradation: see there.

    Returns:
        (held, draw): the arrays in the device's memory; and a function (held, key, step) → (lr (batch, lr_size,
        lr_size, c), hr (batch, scale·lr_size, scale·lr_size, c)), float32 in [0, 1]. It can be compiled and mapped
        over keys, as made by `jax.random.key`. The pictures are its argument because a compiled program would hold
        them once more as a constant.

    Raises:
        UsageError: if no picture is large or detailed enough, or the records are more than JAX can index.
    """
    import jax
    import jax.numpy as jnp

    where, scale, channels = corners(source, lr_size, min_detail), source.scale, source.channels
    if source.records.size >= _MOST_BYTES or where.total >= _MOST_BYTES:
        raise UsageError(
            f"Expected pictures of at most {_MOST_BYTES / 1e9:.1f} GB as records for the device. "
            f"Received: {source.name!r}, {source.records.size / 1e9:.1f} GB"
        )
    held = {"records": jax.device_put(np.ascontiguousarray(source.records))}
    for name in ("firsts", "lasts", "columns", "starts", "widths", "allowed"):
        if (numbers := getattr(where, name)) is not None:
            held[name] = jnp.asarray(numbers, jnp.int32)
    side = jnp.arange(lr_size)
    turned_blocks = jnp.asarray(np.stack([_turned(np.arange(scale**2), scale, o) for o in range(8)]))

    def draw(held, key, step):
        columns, starts, widths = held["columns"], held["starts"], held["widths"]
        where_key, turn_key = jax.random.split(jax.random.fold_in(key, step))
        number = jax.random.randint(where_key, (batch,), 0, where.total)
        orientation = jax.random.randint(turn_key, (batch,), 0, 8 if augment else 1)
        if "allowed" in held:
            number = held["allowed"][number]
        picture = jnp.searchsorted(held["lasts"], number, side="right")
        number -= held["firsts"][picture]
        corner = starts[picture] + number // columns[picture] * widths[picture] + number % columns[picture]
        turns = orientation[:, None, None]
        row, column = side[:, None], side[None, :]
        row, column = jnp.where(turns & 4 > 0, column, row), jnp.where(turns & 4 > 0, row, column)
        row = jnp.where(turns & 1 > 0, lr_size - 1 - row, row)
        column = jnp.where(turns & 2 > 0, lr_size - 1 - column, column)
        cut = held["records"][corner[:, None, None] + row * widths[picture][:, None, None] + column]
        lr, blocks = cut[..., :channels], cut[..., channels:].reshape(batch, lr_size, lr_size, scale**2, channels)
        blocks = jnp.take_along_axis(blocks, turned_blocks[orientation][:, None, None, :, None], axis=3)
        hr = blocks.reshape(batch, lr_size, lr_size, scale, scale, channels).transpose(0, 1, 3, 2, 4, 5)
        hr = hr.reshape(batch, scale * lr_size, scale * lr_size, channels)
        lr, hr = lr.astype(jnp.float32) / 255, hr.astype(jnp.float32) / 255
        return (wear(lr, key, step) if degradation == "jpeg" else lr), hr

    def wear(lr, key, step):
        from zoo.data.jpeg import worn

        uniform_key, normal_key = (jax.random.fold_in(jax.random.fold_in(key, step), purpose) for purpose in (1, 2))
        return worn(lr, jax.random.uniform(uniform_key, (batch, 4)), jax.random.normal(normal_key, lr.shape))

    return held, draw


def _turned(block: np.ndarray, scale: int, orientation: int) -> np.ndarray:
    """The HR pixels of one LR pixel, row by row, as they lie in a patch of this orientation (0 to 7)."""
    row, column = np.indices((scale, scale))
    if orientation & 4:
        row, column = column, row
    if orientation & 1:
        row = scale - 1 - row
    if orientation & 2:
        column = scale - 1 - column
    return block.reshape(scale, scale)[row, column].ravel()
