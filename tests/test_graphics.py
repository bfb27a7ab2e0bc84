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


@pytest.mark.slow
def test_graphics_and_folders_are_joined_by_commas():
    joined = by_name("sample,graphics", 2)
    names = [name for name, _, _ in joined.pictures()]
    assert names == [name for part in ("sample", "graphics") for name, _, _ in by_name(part, 2).pictures()]
    assert joined.name == "sample,graphics"
    with pytest.raises(UsageError, match="nowhere"):
        by_name("graphics,nowhere", 2)
