"""MATLAB's imresize: the public LR files to the last bit, and its definition."""

import numpy as np
import pytest

from zoo.data import benchmark, crop_to_multiple, imresize
from zoo.data.decode import read_picture

RNG = np.random.default_rng(0)
PAD = {"mirror": "symmetric", "replicate": "edge"}


def keys(t):
    t = abs(t)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def by_definition(line, scale, border, antialias=True):
    """One axis, pixel by pixel, from the formula."""
    pad = 60
    padded = np.pad(line.astype(np.float64), pad, PAD[border])
    shrink = min(scale, 1.0) if antialias else 1.0
    out = []
    for i in range(int(np.ceil(scale * len(line) - 1e-9))):
        u = (i + 0.5) / scale - 0.5
        weights = np.array([keys(shrink * (u - (j - pad))) for j in range(len(padded))])
        out.append(weights @ padded / weights.sum())
    return np.array(out)


@pytest.mark.parametrize("border", ["mirror", "replicate"])
@pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4, 1 / 8, 0.37, 1.0, 1.5, 2, 3, 4])
def test_against_the_definition(scale, border):
    image = RNG.random((13, 21, 3)) * 300 - 20
    columns = np.apply_along_axis(by_definition, 0, image, scale, border)
    expected = np.apply_along_axis(by_definition, 1, columns, scale, border)
    ours = imresize(image, scale, border)
    assert ours.shape == expected.shape and ours.dtype == np.float64
    assert np.abs(ours - expected).max() < 1e-11 * 300
    assert np.abs(imresize(image[..., 1], scale, border) - expected[..., 1]).max() < 1e-11 * 300
    other = imresize(image, scale, "replicate" if border == "mirror" else "mirror")
    assert scale == 1 or np.abs(ours - other).max() > 1e-3, "control: the border matters"


def test_antialiasing_is_seen():
    image = RNG.random((24, 30))
    columns = np.apply_along_axis(by_definition, 0, image, 1 / 3, "mirror", antialias=False)
    plain = np.apply_along_axis(by_definition, 1, columns, 1 / 3, "mirror", antialias=False)
    assert np.abs(imresize(image, 1 / 3) - plain).max() > 0.1


def test_bytes_are_rounded_after_each_pass_the_vertical_first():
    image = RNG.integers(0, 256, (36, 60, 3), dtype=np.uint8)

    def rounded(values, top=255):
        return np.floor(values + 0.5).clip(0, top)

    def both(first, second, between=rounded):
        passed = between(np.apply_along_axis(by_definition, first, image, 1 / 3, "mirror"))
        return rounded(np.apply_along_axis(by_definition, second, passed, 1 / 3, "mirror"))

    ours = imresize(image, 1 / 3)
    assert ours.dtype == np.uint8 and np.array_equal(ours, both(0, 1))
    # Controls: the horizontal pass first, and one rounding at the end.
    assert not np.array_equal(ours, both(1, 0))
    assert not np.array_equal(ours, both(0, 1, between=lambda values: values))
    wide = image.astype(np.uint16) * 257
    vertical = rounded(np.apply_along_axis(by_definition, 0, wide, 1 / 3, "mirror"), 65535)
    both_16 = rounded(np.apply_along_axis(by_definition, 1, vertical, 1 / 3, "mirror"), 65535)
    assert imresize(wide, 1 / 3).dtype == np.uint16 and np.array_equal(imresize(wide, 1 / 3), both_16)


def test_a_flat_picture_stays_flat():
    for border in PAD:
        for scale in (1 / 4, 1 / 3, 2.5, 3):
            assert np.all(imresize(np.full((9, 14), 77, np.uint8), scale, border) == 77)
            assert np.abs(imresize(np.full((9, 14), 0.3, np.float32), scale, border) - 0.3).max() < 1e-7


def test_sizes():
    assert imresize(np.zeros((255, 510)), 1 / 3).shape == (85, 170)
    assert imresize(np.zeros((256, 509)), 1 / 3).shape == (86, 170), "MATLAB rounds up"
    assert imresize(np.zeros((2, 1)), 1 / 4).shape == (1, 1), "smaller than the kernel"
    for scale in range(2, 50):
        assert imresize(np.zeros((scale * 7, scale * 3)), 1 / scale).shape == (7, 3)
    assert crop_to_multiple(np.zeros((10, 12, 3)), 4).shape == (8, 12, 3)


@pytest.mark.parametrize("test_set, borders", [("Set5", ("mirror", "replicate")), ("Set14", ("replicate",))])
def test_the_public_files_to_the_last_bit(reference_data, test_set, borders):
    folder = reference_data / "eval" / test_set
    pictures = benchmark(folder)
    compared, differing_at_once = 0, 0
    for border in borders:
        for scale in (2, 3, 4):
            suffix = "_replicate" if border == "replicate" else ""
            for name, image in pictures:
                public = read_picture(folder / f"LRbicx{scale}{suffix}" / f"{name}.png")
                hr = crop_to_multiple(image, scale)
                assert np.array_equal(imresize(hr, 1 / scale, border), public), (name, scale, border)
                compared += public.size
                # Control: rounded once at the end.
                once = np.floor(imresize(hr.astype(np.float32), 1 / scale, border) + 0.5).clip(0, 255)
                differing_at_once += np.count_nonzero(once != public)
    assert compared > 800_000 and differing_at_once > compared // 20


@pytest.mark.parametrize(
    "image, options, said",
    [
        (np.zeros((4, 4)), {"scale": 0}, "scale=0"),
        (np.zeros((4, 4)), {"scale": float("nan")}, "scale=nan"),
        (np.zeros((4, 4)), {"scale": 2, "border": "wrap"}, "'wrap'"),
        (np.zeros((4, 4), np.int32), {"scale": 2}, "int32"),
        (np.zeros((1, 4, 4, 3)), {"scale": 2}, r"shape=\(1, 4, 4, 3\)"),
        (np.zeros((0, 4)), {"scale": 2}, r"shape=\(0, 4\)"),
    ],
)
def test_what_it_refuses(image, options, said):
    with pytest.raises(ValueError, match=f"Expected .*Received: {said}|Received: dtype {said}"):
        imresize(image, **options)
