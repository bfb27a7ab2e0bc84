"""What holds for every engine that is made of a TFLite file."""

import numpy as np

from zoo.engines import tiles
from zoo.engines.engine import Engine


def keeps_the_contract(
    engine: Engine, file: Engine, lr_image: np.ndarray, tolerance: float, sides: tuple[int | tuple[int, int], ...]
) -> np.ndarray:
    """Asserts that an engine gives what the file gives and that tiles of these sides change no bit of it.

    Args:
        engine, file: made of the same file, `file` by LiteRT.
        lr_image: (h, w, channels) float32.
        tolerance: of the result's range.

    Returns:
        The whole picture's result.
    """
    assert (engine.scale, engine.channels, engine.radius) == (file.scale, file.channels, file.radius)
    assert engine.fingerprint() == file.fingerprint()
    whole, theirs = engine.run(lr_image), file.run(lr_image)
    assert whole.shape == theirs.shape and whole.dtype == np.float32
    assert np.abs(whole - theirs).max() <= tolerance * np.ptp(theirs)
    # Control: the picture a pixel further is another one.
    assert np.abs(whole - file.run(np.roll(lr_image, 1, 0))).max() > 1e-2 * np.ptp(theirs)
    kept = whole.copy()
    for tile in sides:
        np.testing.assert_array_equal(tiles.run_picture(engine, lr_image, tile), kept)
    # A result is not written over by the runs after it, and a view that is not contiguous is read as it is.
    np.testing.assert_array_equal(whole, kept)
    turned = lr_image.transpose(1, 0, 2)
    np.testing.assert_array_equal(engine.run(turned), engine.run(turned.copy()))
    return whole
