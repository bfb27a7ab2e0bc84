"""The crops that int8 is fitted to."""

import numpy as np
import pytest
from PIL import Image

from export.int8 import pictures
from zoo.data import from_folder


@pytest.mark.parametrize("height, width", [(94, 60), (60, 130), (2, 3)])
def test_pictures_smaller_than_a_crop_are_mirrored(height, width, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    source = from_folder(tmp_path, 2, 3)
    ((_, lr_image, _),) = source.pictures()
    crop, other, *_ = pictures.mixed(source.pictures(), 3, 8).images
    assert crop.shape == (48, 48, 3)
    for axis, side in enumerate(lr_image.shape[:2]):
        if side < 48:
            there, back = [*range(side)], [*reversed(range(side))]
            assert np.array_equal(crop, crop.take(((there + back) * 24)[:48], axis))
            # Control: mirrored, not repeated; of a single pixel both are one.
            assert np.array_equal(crop, crop.take((there * 48)[:48], axis)) == (side == 1)
    # A side that is large enough is cut at random, a smaller one is whole.
    assert np.array_equal(crop, other) == (max(lr_image.shape) < 48)
