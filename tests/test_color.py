"""Luma and chroma: constants of BT.601 as the published figures use them."""

import numpy as np
import pytest

from zoo.color import luma, rgb_to_y, rgb_to_ycbcr, ycbcr_to_rgb

# 8-bit studio-range YCbCr of pure colours, as printed in ITU-R BT.601 colour-bar tables and by MATLAB's rgb2ycbcr.
BARS = {
    (255, 255, 255): (235, 128, 128),
    (0, 0, 0): (16, 128, 128),
    (255, 0, 0): (81, 90, 240),
    (0, 255, 0): (145, 54, 34),
    (0, 0, 255): (41, 240, 110),
    (255, 255, 0): (210, 16, 146),
    (0, 255, 255): (170, 166, 16),
    (255, 0, 255): (106, 202, 222),
}


def test_colour_bars():
    rgb = np.array(list(BARS), np.uint8).reshape(2, 4, 3)
    expected = np.array(list(BARS.values()), np.uint8).reshape(2, 4, 3)
    assert np.array_equal(rgb_to_ycbcr(rgb), expected)
    assert np.array_equal(rgb_to_y(rgb), expected[..., 0])
    # Controls: blue first, and the full range, are other functions.
    assert not np.array_equal(rgb_to_y(rgb[..., ::-1]), expected[..., 0])
    assert not np.array_equal(rgb_to_y(rgb, full_range=True), expected[..., 0])


def test_against_scikit_image():
    from skimage.color import rgb2ycbcr, ycbcr2rgb

    rgb = np.random.default_rng(0).random((2, 7, 5, 3))
    assert np.abs(rgb_to_ycbcr(rgb) * 255 - rgb2ycbcr(rgb)).max() < 1e-10
    levels = rgb2ycbcr(rgb)
    assert np.abs(ycbcr_to_rgb(levels / 255) - ycbcr2rgb(levels)).max() < 1e-10


def test_bytes_are_rounded_half_up_and_floats_not_at_all():
    rgb = np.random.default_rng(1).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    exact = 16 + rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255
    assert np.array_equal(rgb_to_y(rgb), np.floor(exact + 0.5))
    assert not np.array_equal(rgb_to_y(rgb), np.floor(exact)), "control: cutting off instead of rounding"
    assert np.abs(rgb_to_y(rgb / 255) * 255 - exact).max() < 1e-10
    assert rgb_to_y((rgb / 255).astype(np.float32)).dtype == np.float32


def test_full_range_costs_what_the_docstring_says():
    first, second = np.random.default_rng(2).random((2, 64, 64, 3))

    def mean_square(full_range):
        return np.mean((rgb_to_y(first, full_range) - rgb_to_y(second, full_range)) ** 2)

    cost = 10 * np.log10(mean_square(True) / mean_square(False))
    assert abs(cost - 20 * np.log10(255 / 219)) < 0.01


def test_there_and_back():
    rgb = np.random.default_rng(3).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    assert np.abs(ycbcr_to_rgb(rgb_to_ycbcr(rgb)).astype(int) - rgb).max() <= 2
    assert np.abs(ycbcr_to_rgb(rgb_to_ycbcr(rgb / 255)) - rgb / 255).max() < 1e-12
    assert ycbcr_to_rgb(np.array([[[235, 240, 240]]], np.uint8)).max() == 255, "out of gamut is clipped"


def test_a_grey_picture_is_luma_as_it_is():
    gray = np.random.default_rng(4).integers(0, 256, (6, 5), dtype=np.uint8)
    assert np.array_equal(luma(gray), gray) and np.array_equal(luma(gray[..., None]), gray)
    rgb = np.repeat(gray[..., None], 3, axis=2)
    assert np.array_equal(luma(rgb), rgb_to_y(rgb)) and not np.array_equal(luma(rgb), gray)


@pytest.mark.parametrize(
    "image, said",
    [
        (np.full((4, 4, 3), 255.0), r"values in \[255, 255\]"),
        (np.full((4, 4, 3), -0.01), "clip"),
        (np.full((4, 4, 3), np.nan), "nan"),
        (np.full((4, 4, 3), 7, np.int64), "int64"),
        (np.full((4, 4, 3), 7, np.uint16), "uint16"),
        (np.zeros((4, 4)), r"shape=\(4, 4\)"),
        (np.zeros((4, 4, 4)), r"shape=\(4, 4, 4\)"),
    ],
)
def test_what_it_refuses(image, said):
    for convert in (rgb_to_y, rgb_to_ycbcr, ycbcr_to_rgb):
        with pytest.raises(ValueError, match=f"Expected .*Received: .*{said}|{said}.*Received"):
            convert(image)
    with pytest.raises(ValueError, match="Expected a picture"):
        luma(np.zeros((2, 4, 4, 3)))
