"""The measure of blocking, against blocks that JPEG made."""

import numpy as np
import pytest

from zoo.color import luma
from zoo.data import sample
from zoo.data.jpeg import through_jpeg
from zoo.metrics.blocking import blocking


@pytest.fixture(scope="module")
def picture():
    return luma(next(iter(sample(2, channels=3, split="heldout").pictures()))[2])[:203, :171]


def test_rises_as_quality_falls_and_knows_where_the_blocks_start(picture):
    figures = [blocking(through_jpeg(picture, quality), 8) for quality in (95, 60, 30, 10)]
    assert figures == sorted(figures) and figures[-1] > figures[0] + 5
    worst = through_jpeg(picture, 10)
    # Controls: the grid elsewhere, and a grid that is none.
    assert blocking(worst[3:, 3:], 8) == 0
    assert blocking(np.random.default_rng(0).uniform(0, 255, (203, 171)), 8) < 60


def test_by_its_definition():
    image = np.zeros((9, 12))
    image[:, 4:] = 3
    # Steps of 9 across 9 of the 9·2 + 12·2 borders, none elsewhere.
    assert blocking(image, 4) == pytest.approx(9 * 9 / 42 * 2 / np.log2(9))


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (20, 20, 1)])
def test_pictures_without_a_border_of_blocks_are_refused(shape):
    with pytest.raises(ValueError, match="larger than a block of 8"):
        blocking(np.zeros(shape), 8)
