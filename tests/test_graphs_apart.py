"""How far two outputs are apart, where a range is none and where a number is none."""

import numpy as np
import pytest

from zoo.graphs.apart import range_of, share_of_range

IMAGE = np.random.default_rng(0).uniform(-3, 5, (2, 5, 7, 3))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
def test_a_difference_is_a_share_of_the_range(dtype):
    expected = IMAGE.astype(dtype)
    received = expected.copy()
    received[1, 2, 3, 1] += 1
    shares = share_of_range(expected, received)
    extent = float(expected.max()) - float(expected.min())
    assert shares.dtype == np.float64 and np.count_nonzero(shares) == 1
    np.testing.assert_allclose(shares.max(), abs(float(received[1, 2, 3, 1]) - float(expected[1, 2, 3, 1])) / extent)


def test_half_precision_does_not_run_over():
    expected = np.array([-6e4, 6e4], np.float16)
    assert range_of(expected) == 2 * float(expected[1])
    assert np.isfinite(share_of_range(expected, expected[::-1])).all()


@pytest.mark.parametrize("value, magnitude", [(4.0, 4.0), (-2.0, 2.0), (0.0, np.finfo(np.float32).tiny)])
def test_a_constant_has_its_magnitude_for_a_range(value, magnitude):
    expected = np.full((1, 3, 2, 1), value)
    assert np.all(share_of_range(expected, expected) == 0)
    assert np.all(share_of_range(expected, expected + 1) == 1 / magnitude)


@pytest.mark.parametrize("side", [0, 1])
def test_what_is_no_number_is_infinitely_far(side):
    pair = [IMAGE.copy(), IMAGE.copy()]
    pair[side][0, 1, 1, 0] = np.nan
    assert share_of_range(*pair).max() == np.inf


def test_nothing_is_not_apart():
    assert share_of_range(np.zeros((0, 2)), np.zeros((0, 2))).max(initial=0.0) == 0.0
