"""The paper's kernel maps against a NumPy scatter loop, in float64, borders included; and controls that must fail."""

import itertools

import numpy as np
import oracle
import pytest

from zoo import identities
from zoo.identities.lr_convolution import LrConvolution, as_transposed, lr_convolution, trimmed

SIDES, SCALES, OUTPUTS = range(1, 12), (2, 3, 4), (1, 3)
TOLERANCE = 1e-12


def case(kernel_size, outputs, inputs=2, seed=0):
    rng = np.random.default_rng(seed + kernel_size)
    return rng.normal(size=(2, 5, 7, inputs)), rng.normal(size=(kernel_size, kernel_size, outputs, inputs))


def in_lr_space(images, lr_kernel, window, scale, order="tensorflow"):
    """LR convolution and shuffle by NumPy alone: what `zoo.identities` says its result means."""
    pads = (window.before, window.after)
    padded = np.pad(images, [(0, 0), pads, pads, (0, 0)])
    rows, columns = padded.shape[1] - window.taps + 1, padded.shape[2] - window.taps + 1
    maps = np.zeros((len(images), rows, columns, lr_kernel.shape[3]))
    for y in range(window.taps):
        for x in range(window.taps):
            maps += padded[:, y : y + rows, x : x + columns] @ lr_kernel[y, x]
    result = oracle.shuffle(maps, scale, order)
    height, width = scale * images.shape[1], scale * images.shape[2]
    return result[:, window.crop : window.crop + height, window.crop : window.crop + width]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("order", identities.ORDERS)
def test_transposed_to_subpixel(scale, outputs, order):
    for side in SIDES:
        images, kernel = case(side, outputs)
        lr_kernel = identities.transposed_to_subpixel(kernel, scale, order)
        window = identities.lr_window(side, scale)
        sr = in_lr_space(images, lr_kernel, window, scale, order)
        assert oracle.relative(sr, oracle.scatter(images, kernel, scale)) <= TOLERANCE, side
        assert np.array_equal(identities.subpixel_to_transposed(lr_kernel, side, scale, order), kernel), side


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_transposed_to_zero_interleaved(scale, outputs):
    for side in SIDES:
        images, kernel = case(side, outputs)
        zeros = np.zeros((2, scale * images.shape[1], scale * images.shape[2], images.shape[3]))
        zeros[:, ::scale, ::scale] = images
        offset = identities.same_offset(side, scale)
        pads = (side - 1 - offset, offset)
        # A 'valid' convolution out of the oracle's 'same' one: pad by hand, cut what 'same' added.
        padded = np.pad(zeros, [(0, 0), pads, pads, (0, 0)])
        hr_kernel = identities.transposed_to_zero_interleaved(kernel)
        top = (side - 1) // 2
        height, width = zeros.shape[1:3]
        sr = oracle.convolve(padded, hr_kernel)[:, top : top + height, top : top + width]
        assert oracle.relative(sr, oracle.scatter(images, kernel, scale)) <= TOLERANCE, side
        assert np.array_equal(identities.zero_interleaved_to_transposed(hr_kernel), kernel)
        lr_kernel = identities.zero_interleaved_to_subpixel(hr_kernel, scale)
        assert np.array_equal(lr_kernel, identities.transposed_to_subpixel(kernel, scale))
        assert np.array_equal(identities.subpixel_to_zero_interleaved(lr_kernel, side, scale), hr_kernel)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_resize_to_subpixel(scale, outputs):
    for side in SIDES:
        images, kernel = case(side, outputs)
        kernel = kernel.transpose(0, 1, 3, 2)
        sr = in_lr_space(
            images, identities.resize_to_subpixel(kernel, scale), identities.resize_window(side, scale), scale
        )
        assert oracle.relative(sr, oracle.convolve(oracle.nearest(images, scale), kernel)) <= TOLERANCE, side


def reads(offset, kernel_size, scale):
    """HR pixel → {LR pixel: tap}, of one line of 40 LR pixels that each write K taps, `offset` of them cut off."""
    table = {y: {} for y in range(40 * scale)}
    for pixel in range(40):
        for tap in range(kernel_size):
            table.get(scale * pixel + tap - offset, {})[pixel] = tap
    return table


@pytest.mark.parametrize("scale", (1, 2, 3, 4))
def test_taps_say_what_a_pixel_reads(scale):
    for side in SIDES:
        for offset in (None, 0, side - 1, scale, -1):
            lr, phase, hr = identities.taps(side, scale, offset)
            cut = max(side - scale, 0) // 2 if offset is None else offset
            assert list(hr) == list(range(side))
            table = reads(cut, side, scale)
            middle = 20
            for a in range(scale):
                said = {middle + d: tap for d, b, tap in zip(lr, phase, hr) if b == a}
                assert said == table[scale * middle + a], (side, offset)
            # Control: another offset says something else.
            assert not np.array_equal(identities.taps(side, scale, cut + 1)[:2], (lr, phase))


def lr_convolved(images, lr):
    """Pad or cut, convolve, shuffle, crop: an `LrConvolution` by NumPy alone."""
    padded = np.pad(images, [(0, 0), *([max(side, 0) for side in axis] for axis in lr.pads), (0, 0)])
    cut = [[max(-side, 0) for side in axis] for axis in lr.pads]
    padded = padded[:, cut[0][0] : padded.shape[1] - cut[0][1], cut[1][0] : padded.shape[2] - cut[1][1]]
    ky, kx = lr.kernel.shape[:2]
    rows, columns = padded.shape[1] - ky + 1, padded.shape[2] - kx + 1
    maps = sum(padded[:, y : y + rows, x : x + columns] @ lr.kernel[y, x] for y, x in np.ndindex(ky, kx))
    result = oracle.shuffle(maps, lr.scale)
    (top, bottom), (left, right) = lr.crops
    return result[:, top : result.shape[1] - bottom, left : result.shape[2] - right]


def scattered(images, transposed):
    """A `Transposed` by the oracle: the full result, of which `offsets` are dropped and the output length kept."""
    scale = transposed.scale
    sides = [scale * length + extra for length, extra in zip(images.shape[1:3], transposed.extras)]
    # Padding 'same' of a kernel with zeros around it until that cuts what lies before the first output pixel.
    rows, columns = transposed.kernel.shape[:2]
    side = 2 * max(rows, columns, *transposed.offsets) + 6 * scale
    drop = (side - scale) // 2
    kernel = np.zeros((side, side, *transposed.kernel.shape[2:]))
    at = [drop - offset for offset in transposed.offsets]
    kernel[at[0] : at[0] + rows, at[1] : at[1] + columns] = transposed.kernel
    # More LR pixels, zeros, so that rows beyond scale·H are there.
    larger = np.pad(images, [(0, 0), (0, 9), (0, 9), (0, 0)])
    return oracle.scatter(larger, kernel, scale)[:, : sides[0], : sides[1]]


@pytest.mark.parametrize("scale", (1, 2, 3))
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 2), (2, 5)], ids=str)
@pytest.mark.parametrize("crops", [((0, 0), (0, 0)), ((1, 0), (0, 1))], ids=str)
def test_every_lr_convolution_has_its_transposed_convolution(scale, shape, crops):
    rng = np.random.default_rng(5)
    images, kernel = rng.normal(size=(2, 5, 7, 3)), rng.normal(size=(*shape, 3, 2 * scale**2))
    for before in range(max(shape)):
        same = tuple((min(before, taps - 1), taps - 1 - min(before, taps - 1)) for taps in shape)
        for pads in (same, ((0, 0), same[1]), (same[0], (before + 1, 2))):
            lr = LrConvolution(kernel, scale, pads, crops, np.ones((*shape, 1, scale**2)))
            transposed = as_transposed(lr)
            expected = lr_convolved(images, lr)
            assert oracle.relative(scattered(images, transposed), expected) <= TOLERANCE
            again = lr_convolution(transposed)
            assert oracle.relative(lr_convolved(images, again), expected) <= TOLERANCE
            wrong = transposed._replace(kernel=transposed.kernel[::-1])
            assert transposed.kernel.shape[0] == 1 or oracle.relative(scattered(images, wrong), expected) > 1e-2


@pytest.mark.parametrize("zeros", [(1, 0), (0, 2), (2, 1)], ids=str)
def test_rows_of_zeros_are_trimmed_from_the_way_back(zeros):
    rng = np.random.default_rng(6)
    images, kernel = rng.normal(size=(2, 5, 7, 3)), rng.normal(size=(3, 2, 3, 8))
    transposed = as_transposed(LrConvolution(kernel, 2, ((1, 1), (0, 1)), ((0, 0), (0, 0)), np.ones((3, 2, 1, 4))))
    before, after = zeros
    filled = transposed.kernel.copy()
    filled[:before], filled[len(filled) - after :] = 0, 0
    transposed = transposed._replace(kernel=filled)
    less = trimmed(transposed)
    assert less.kernel.shape[:2] == (6 - before - after, 4) == less.taps.shape
    assert oracle.relative(scattered(images, less), scattered(images, transposed)) <= TOLERANCE
    wrong = less._replace(offsets=transposed.offsets)
    assert not before or oracle.relative(scattered(images, wrong), scattered(images, transposed)) > 1e-2
    # Nothing is dropped at the start: a row of zeros there is one of the output.
    kept = trimmed(transposed._replace(offsets=(0, 0), extras=(4, 2)))
    assert kept.offsets == (0, 0) and kept.kernel.shape == transposed.kernel.shape


def test_offsets_of_the_way_back():
    for side, scale, offset in itertools.product(SIDES, SCALES, (0, 1, 3)):
        kernel = case(side, 3)[1]
        for order in identities.ORDERS:
            lr_kernel = identities.transposed_to_subpixel(kernel, scale, order, (offset, None))
            back = identities.subpixel_to_transposed(lr_kernel, (side, side), scale, order, (offset, None))
            assert np.array_equal(back, kernel)
    with pytest.raises(ValueError, match="Expected an LR kernel of 3×2"):
        identities.subpixel_to_transposed(lr_kernel, (5, 3), 2, offsets=(0, 0))


@pytest.mark.parametrize("method", identities.METHODS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("order", identities.ORDERS)
def test_interpolation_to_subpixel_inside(method, scale, order):
    images = np.random.default_rng(1).normal(size=(2, 7, 9, 3))
    window = identities.interpolation_window(method, scale)
    kernel = identities.interpolation_to_subpixel(method, scale, 3, order)
    inside = np.s_[:, 2 * scale : -2 * scale, 2 * scale : -2 * scale]
    expected = oracle.interpolate(images, method, scale, "replicate")
    assert oracle.relative(in_lr_space(images, kernel, window, scale, order)[inside], expected[inside]) <= TOLERANCE
    side = 4 * scale - scale % 2
    transposed = oracle.scatter(images, identities.interpolation_to_transposed(method, side, scale, 3), scale)
    assert oracle.relative(transposed[inside], expected[inside]) <= TOLERANCE


def test_the_papers_own_kernel_becomes_2x2_windows():
    # Section 2 of the paper: (1, 1, 4, 4) at r = 2 becomes (4, 1, 2, 2) and comes back.
    kernel = np.arange(1.0, 17).reshape(4, 4, 1, 1)
    lr_kernel = identities.transposed_to_subpixel(kernel, 2)
    assert lr_kernel.shape == (2, 2, 1, 4)
    assert np.count_nonzero(lr_kernel) == 16
    assert np.array_equal(identities.subpixel_to_transposed(lr_kernel, 4, 2), kernel)


@pytest.mark.parametrize("side, scale, shape, taps", [(9, 2, 5, 81), (9, 3, 3, 81), (9, 4, 3, 81), (8, 4, 2, 64)])
def test_windows_and_structural_zeros(side, scale, shape, taps):
    lr_kernel = identities.transposed_to_subpixel(np.ones((side, side, 1, 1)), scale)
    assert lr_kernel.shape == (shape, shape, 1, scale**2)
    assert np.count_nonzero(lr_kernel) == taps


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda k: k[..., ::-1], id="phases swapped"),
        pytest.param(lambda k: k[::-1], id="taps flipped"),
        pytest.param(lambda k: np.roll(k, 1, axis=0), id="padding off by one"),
    ],
)
def test_controls_fail(spoil):
    images, kernel = case(9, 1)
    lr_kernel = spoil(identities.transposed_to_subpixel(kernel, 3))
    sr = in_lr_space(images, lr_kernel, identities.lr_window(9, 3), 3)
    assert oracle.relative(sr, oracle.scatter(images, kernel, 3)) > 1e-2


@pytest.mark.parametrize("outputs, equal", [(1, True), (3, False)])
def test_channel_orders_agree_only_for_one_output(outputs, equal):
    images, kernel = case(6, outputs)
    lr_kernel = identities.transposed_to_subpixel(kernel, 2, "pytorch")
    sr = in_lr_space(images, lr_kernel, identities.lr_window(6, 2), 2, "tensorflow")
    error = oracle.relative(sr, oracle.scatter(images, kernel, 2))
    assert (error <= TOLERANCE) if equal else (error > 1e-2)


def test_refusals():
    kernel = identities.transposed_to_subpixel(np.ones((9, 9, 1, 1)), 2)
    kernel[kernel == 0] = 1e-9
    with pytest.raises(ValueError, match="19 weights there that are not zero"):
        identities.subpixel_to_transposed(kernel, 9, 2)
    with pytest.raises(ValueError, match="Expected an LR kernel of 3×3"):
        identities.subpixel_to_transposed(np.ones((5, 5, 1, 9)), 9, 3)
    with pytest.raises(ValueError, match="Expected order"):
        identities.transposed_to_subpixel(np.ones((3, 3, 1, 1)), 2, "caffe")
    with pytest.raises(ValueError, match="Expected method"):
        identities.interpolation_weights("lanczos", 2)
    with pytest.raises(ValueError, match="kernel_size"):
        identities.lr_window(0, 2)
