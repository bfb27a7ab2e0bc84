"""Graphics made by code: the same every time, of every kind, and among the pictures that a run can name."""

import numpy as np
import pytest

from zoo import data
from zoo.data.drawing import PART
from zoo.data.names import by_name
from zoo.errors import UsageError


@pytest.mark.slow
@pytest.mark.parametrize("channels, scale", [(1, 3), (3, 2)])
def test_graphics_are_the_same_on_every_call(channels, scale):
    first, again = (list(data.graphics(scale, channels).pictures()) for _ in range(2))
    assert len(first) == len({name for name, _, _ in first}) == 15
    for (name, lr, hr), (_, same_lr, same_hr) in zip(first, again):
        side = PART // scale
        assert lr.shape == (side, side, channels) and hr.shape == (scale * side, scale * side, channels), name
        np.testing.assert_array_equal(lr, same_lr)
        np.testing.assert_array_equal(hr, same_hr)
    assert len({hr.tobytes() for _, _, hr in first}) == 15


def test_graphics_have_what_photographs_hardly_have():
    pictures = {name: hr.astype(int) for name, _, hr in data.graphics(2, channels=3).pictures()}
    hard = [np.abs(np.diff(hr, axis=0)).max() for name, hr in pictures.items() if name.startswith(("text", "lines"))]
    assert min(hard) > 150
    flats = next(hr for name, hr in pictures.items() if name.startswith("flats"))
    assert (np.abs(np.diff(flats, axis=1)).max(axis=-1) == 0).mean() > 0.8
    assert len(np.unique(flats.reshape(-1, 3), axis=0)) > 20
    # Control: a photograph has neither.
    photograph = next(data.sample(2, channels=3, split="heldout").pictures())[2].astype(int)
    assert (np.abs(np.diff(photograph, axis=1)).max(axis=-1) == 0).mean() < 0.5


@pytest.mark.parametrize("channels, scale", [(1, 3), (3, 2)])
def test_screenshots_are_lr_images_of_their_own(channels, scale):
    pictures = list(data.screenshots(scale, channels).pictures())
    assert len({lr.tobytes() for _, lr, _ in pictures}) == 24
    for (name, lr, hr), (_, again, _) in zip(pictures, data.screenshots(scale, channels).pictures()):
        np.testing.assert_array_equal(lr, again)
        assert lr.shape == (80, 80, channels)
        np.testing.assert_array_equal(hr, np.kron(lr, np.ones((scale, scale, 1))), err_msg=name)
        # Two colours, and neither so rare that it could be a speck.
        colours, counts = np.unique(lr.reshape(-1, channels), axis=0, return_counts=True)
        assert len(colours) == 2 and counts.min() > 200, name
        # Control: what bicubic makes of the HR image is another LR image, with greys between.
        assert len(np.unique(data.imresize(hr, 1 / scale).reshape(-1, channels), axis=0)) > 10


def test_screenshots_are_cut_in_pairs_like_other_pictures():
    lr, hr = next(iter(by_name("sample,screenshots", 2).patches(batch=2, lr_size=9, seed=3)))
    assert lr.shape == (2, 9, 9, 1) and hr.shape == (2, 18, 18, 1)
    own = data.screenshots(2).patches(batch=3, lr_size=9, seed=3)
    for _, (lr, hr) in zip(range(3), own):
        np.testing.assert_array_equal(hr, np.repeat(np.repeat(lr, 2, 1), 2, 2))


@pytest.mark.slow
def test_graphics_and_folders_are_joined_by_commas():
    joined = by_name("sample,graphics", 2)
    names = [name for name, _, _ in joined.pictures()]
    assert names == [name for part in ("sample", "graphics") for name, _, _ in by_name(part, 2).pictures()]
    assert joined.name == "sample,graphics"
    with pytest.raises(UsageError, match="nowhere"):
        by_name("graphics,nowhere", 2)
