"""Convolutions in a row and side by side as one, in float64, at every pixel; and where that is not exact."""

import numpy as np
import oracle
import pytest

from zoo.identities import collapse
from zoo.identities.collapse import Convolution, in_a_row, same, side_by_side

TOLERANCE = 1e-12
SIDES = [(1, 1), (3, 3), (5, 3), (2, 4), (1, 7)]


def layer(rng, side, inputs, outputs, bias=True):
    return same(rng.normal(size=(*side, inputs, outputs)), rng.normal(size=outputs) if bias else None)


def run(images, convolution, outside=0.0):
    """A convolution with its pads by NumPy alone; `outside` is what the map is padded with, a value for each map."""
    (top, bottom), (left, right) = convolution.pads
    rows, columns = convolution.kernel.shape[:2]
    padded = images - outside
    padded = np.pad(padded, [(0, 0), (max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)), (0, 0)]) + outside
    height, width = padded.shape[1:3]
    padded = padded[:, max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0)]
    # The oracle's convolution adds zeros of its own; what they reach is cut off.
    full = oracle.convolve(padded, convolution.kernel, convolution.bias)
    top, left = (rows - 1) // 2, (columns - 1) // 2
    return full[:, top : full.shape[1] - rows // 2, left : full.shape[2] - columns // 2]


def inside(images, ring):
    (top, bottom), (left, right) = ring
    return images[:, top : images.shape[1] - bottom, left : images.shape[2] - right]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_the_runner_is_the_oracle(rng):
    images, one = rng.normal(size=(2, 9, 11, 3)), layer(rng, (3, 4), 3, 2)
    assert oracle.relative(run(images, one), oracle.convolve(images, one.kernel, one.bias)) <= TOLERANCE


@pytest.mark.parametrize("first", SIDES, ids=str)
@pytest.mark.parametrize("second", SIDES, ids=str)
@pytest.mark.parametrize("inputs, bias", [(1, True), (3, True), (3, False)])
def test_in_a_row(rng, first, second, inputs, bias):
    images = rng.normal(size=(2, 11, 13, inputs))
    one, two = layer(rng, first, inputs, 5, bias), layer(rng, second, 5, 2)
    collapsed = in_a_row(one, two)
    expected, received = run(run(images, one), two), run(images, collapsed.convolution)
    assert collapsed.convolution.kernel.shape == (first[0] + second[0] - 1, first[1] + second[1] - 1, inputs, 2)
    exact = [after == 1 or (before == 1 and not bias) for before, after in zip(first, second)]
    assert [not any(axis) for axis in collapsed.ring] == exact and collapsed.exact == all(exact)
    assert oracle.relative(inside(received, collapsed.ring), inside(expected, collapsed.ring)) <= TOLERANCE
    # Every row and column of the ring differs: the statement is no wider than it has to be.
    wrong = np.abs(received - expected).max(axis=(0, 3)) > 1e-6
    (top, bottom), (left, right) = collapsed.ring
    assert wrong[[*range(top), *range(11 - bottom, 11)]].any(axis=1).all()
    assert wrong[:, [*range(left), *range(13 - right, 13)]].any(axis=0).all()


def test_without_padding_in_between_every_pixel_is_the_same(rng):
    images = rng.normal(size=(2, 9, 12, 3))
    one = layer(rng, (3, 5), 3, 4)
    for pads in (((0, 0), (0, 0)), ((-1, 0), (0, -2))):
        two = Convolution(rng.normal(size=(2, 3, 4, 2)), rng.normal(size=2), pads)
        collapsed = in_a_row(one, two)
        assert collapsed.exact
        assert oracle.relative(run(images, collapsed.convolution), run(run(images, one), two)) <= TOLERANCE


def test_a_first_layer_that_cuts_off_is_not_called_exact(rng):
    images = rng.normal(size=(2, 9, 12, 3))
    one = Convolution(rng.normal(size=(1, 1, 3, 4)), np.zeros(4), ((-1, -1), (-1, -1)))
    two = layer(rng, (3, 3), 4, 2)
    collapsed = in_a_row(one, two)
    expected, received = run(run(images, one), two), run(images, collapsed.convolution)
    assert not collapsed.exact and oracle.relative(received, expected) > 1e-2
    assert oracle.relative(inside(received, collapsed.ring), inside(expected, collapsed.ring)) <= TOLERANCE


def test_the_bias_carried_by_the_padding(rng):
    images = rng.normal(size=(2, 7, 9, 3))
    one, two = layer(rng, (1, 1), 3, 5), layer(rng, (3, 3), 5, 2)
    # The map in between padded with the bias.
    collapsed = in_a_row(one, two, middle="bias")
    expected = run(run(images, one), two, outside=one.bias)
    assert collapsed.exact
    assert oracle.relative(run(images, collapsed.convolution), expected) <= TOLERANCE
    # The same convolution is not what zeros in between give.
    assert oracle.relative(run(images, collapsed.convolution), run(run(images, one), two)) > 1e-2
    assert collapse.carried_by_padding(one) is None
    # Fewer maps in between than before: the image padded with a value that the first layer turns into zeros.
    one, two = layer(rng, (1, 1), 3, 2), layer(rng, (3, 5), 2, 4)
    outside = collapse.carried_by_padding(one)
    received = run(images, in_a_row(one, two).convolution, outside=outside)
    assert oracle.relative(received, run(run(images, one), two)) <= TOLERANCE


def test_side_by_side_with_skips_and_normalisation(rng):
    images = rng.normal(size=(2, 7, 9, 3))
    statistics = [*rng.normal(size=(3, 3)), rng.uniform(0.1, 2, 3)]
    norm = collapse.batch_normalization(*statistics, epsilon=1e-3)
    gamma, beta, mean, variance = statistics
    branches = [layer(rng, (3, 3), 3, 3), layer(rng, (1, 1), 3, 3), layer(rng, (5, 2), 3, 3), collapse.skip(3)]
    block = in_a_row(side_by_side(*branches), norm)
    expected = sum(oracle.convolve(images, each.kernel, each.bias) for each in branches[:3]) + images
    expected = gamma * (expected - mean) / np.sqrt(variance + 1e-3) + beta
    assert block.exact
    assert oracle.relative(run(images, block.convolution), expected) <= TOLERANCE
    # Controls: a branch left out, and the statistics of another map.
    assert oracle.relative(run(images, side_by_side(*branches[:3])), run(images, side_by_side(*branches))) > 1e-2
    swapped = collapse.batch_normalization(gamma[::-1], beta, mean, variance)
    assert oracle.relative(run(images, in_a_row(side_by_side(*branches), swapped).convolution), expected) > 1e-2


@pytest.mark.parametrize("groups, maps", [(1, 2), (2, 1), (3, 2)])
def test_groups_as_one_dense_kernel(rng, groups, maps):
    images = rng.normal(size=(2, 7, 9, 2 * groups))
    kernel = rng.normal(size=(3, 5, 2, maps * groups))
    parts = [
        oracle.convolve(images[..., 2 * g : 2 * g + 2], kernel[..., maps * g : maps * (g + 1)]) for g in range(groups)
    ]
    received = oracle.convolve(images, collapse.dense(kernel, groups))
    assert oracle.relative(received, np.concatenate(parts, axis=-1)) <= TOLERANCE


@pytest.mark.parametrize("groups, maps", [(2, 3), (3, 1), (5, 2)])
def test_in_groups_it_is_what_the_dense_kernels_give(rng, groups, maps):
    images = rng.normal(size=(2, 9, 11, 2 * groups))

    def grouped(side, inputs, outputs):
        flat = same(rng.normal(size=(*side, inputs // groups, outputs)), rng.normal(size=outputs))
        split = flat._replace(kernel=collapse.by_group(flat.kernel, groups))
        assert split.groups == groups and np.array_equal(split.flat, flat.kernel)
        return split, flat._replace(kernel=collapse.dense(flat.kernel, groups))

    (one, dense_one), (two, dense_two) = (
        grouped((3, 5), 2 * groups, maps * groups),
        grouped((1, 1), maps * groups, 4 * groups),
    )
    expected, joined = run(run(images, dense_one), dense_two), in_a_row(one, two)
    assert joined.exact and joined.convolution.groups == groups
    as_dense = joined.convolution._replace(kernel=collapse.dense(joined.convolution.flat, groups))
    assert oracle.relative(run(images, as_dense), expected) <= TOLERANCE
    # Control: the groups the other way round.
    turned = two._replace(kernel=two.kernel[:, :, ::-1])
    wrong = in_a_row(one, turned).convolution
    assert oracle.relative(run(images, wrong._replace(kernel=collapse.dense(wrong.flat, groups))), expected) > 1e-2
    # What the padding carries, group by group: as many maps as before, or fewer.
    gain, _ = grouped((1, 1), 2 * groups, min(maps, 2) * groups)
    outside = collapse.carried_by_padding(gain)
    at = np.broadcast_to(outside, (1, 1, 1, 2 * groups))
    assert np.abs(run(at, gain._replace(kernel=collapse.dense(gain.flat, groups)))).max() <= 1e-12
    # Groups of one map each as those of several.
    fine = same(rng.normal(size=(3, 1, 1, 2 * groups)))
    fine = fine._replace(kernel=collapse.by_group(fine.kernel, 2 * groups))
    coarse = collapse.in_groups(fine, groups)
    assert coarse.kernel.shape == (3, 1, groups, 2, 2)
    assert np.array_equal(collapse.dense(coarse.flat, groups), collapse.dense(fine.flat, 2 * groups))
    # Gains and skips have every number of groups, a kernel that mixes maps has none.
    assert collapse.in_groups(collapse.skip(2 * groups), groups).kernel.shape == (1, 1, groups, 2, 2)
    assert collapse.in_groups(dense_one, groups).kernel.shape == one.kernel.shape
    assert np.array_equal(collapse.in_groups(dense_one, groups).kernel, one.kernel)
    assert collapse.in_groups(layer(rng, (1, 1), 2 * groups, groups), groups) is None
    with pytest.raises(ValueError, match="Expected a second kernel"):
        in_a_row(one, dense_two)


def test_refusals(rng):
    with pytest.raises(ValueError, match=r"Expected a second kernel \(k, k, 4, O\)"):
        in_a_row(layer(rng, (3, 3), 1, 4), layer(rng, (1, 1), 3, 4))
    with pytest.raises(ValueError, match="results of one size"):
        side_by_side(same(np.ones((3, 3, 1, 1))), Convolution(np.ones((3, 3, 1, 1)), np.zeros(1)))
    with pytest.raises(ValueError, match="middle"):
        in_a_row(collapse.skip(1), collapse.skip(1), middle="mirror")
    with pytest.raises(ValueError, match="1×1"):
        collapse.carried_by_padding(same(np.ones((3, 3, 2, 1))))
    with pytest.raises(ValueError, match="3 groups"):
        collapse.dense(np.ones((1, 1, 1, 4)), 3)
