"""PSNR and SSIM against their definitions, and the published figures of bicubic."""

import numpy as np
import pytest

from zoo.color import luma
from zoo.data import benchmark, crop_to_multiple, imresize
from zoo.metrics import psnr, ssim

RNG = np.random.default_rng(0)
HR = RNG.integers(0, 256, (31, 44), dtype=np.uint8)
SR = np.clip(HR + RNG.normal(0, 9, HR.shape), 0, 255).astype(np.uint8)


def ssim_by_definition(hr, sr, peak, sigma=1.5):
    """Wang et al. (2004), equation 13, window by window."""
    side = np.arange(-5, 6)
    window = np.exp(-(side[:, None] ** 2 + side**2) / (2 * sigma**2))
    window /= window.sum()
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    values = []
    for row in range(hr.shape[0] - 10):
        for column in range(hr.shape[1] - 10):
            x, y = (image[row : row + 11, column : column + 11].astype(np.float64) for image in (hr, sr))
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            cov = (window * (x - mx) * (y - my)).sum()
            values.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return np.mean(values)


def test_psnr_of_one_level():
    assert psnr(HR.clip(0, 254), HR.clip(0, 254) + np.uint8(1)) == pytest.approx(20 * np.log10(255), abs=1e-12)
    assert psnr(HR, HR) == np.inf
    # A wrapped difference of bytes, 0 - 255 = 1, would give 48 dB here.
    assert psnr(np.zeros((12, 12), np.uint8), np.full((12, 12), 255, np.uint8)) == 0


@pytest.mark.parametrize("shave", [0, 1, 4])
def test_bytes_and_floats_agree_and_shaving_shaves(shave):
    inside = (slice(shave, 31 - shave), slice(shave, 44 - shave))
    expected = 10 * np.log10(255**2 / np.mean((HR[inside].astype(float) - SR[inside]) ** 2))
    assert psnr(HR, SR, shave) == pytest.approx(expected, abs=1e-10)
    assert psnr(HR / 255, SR / 255, shave) == pytest.approx(expected, abs=1e-10)
    assert ssim(HR, SR, shave) == pytest.approx(ssim_by_definition(HR[inside], SR[inside], 255), abs=1e-7)
    assert ssim(HR / 255, SR / 255, shave) == pytest.approx(ssim(HR, SR, shave), abs=1e-10)


def test_ssim_controls():
    """Another window, or another peak, is another figure: the tolerance above can tell them apart."""
    ours = ssim(HR, SR)
    assert abs(ours - ssim_by_definition(HR, SR, 255, sigma=1.6)) > 1e-5
    assert abs(ours - ssim_by_definition(HR, SR, 1)) > 1e-5
    assert ssim(HR, HR) == 1


def test_channels():
    hr, sr = np.stack([HR, SR, HR[::-1]], -1), np.stack([SR, HR, HR], -1)
    each = [ssim(hr[..., channel], sr[..., channel], 2) for channel in range(3)]
    assert ssim(hr, sr, 2) == pytest.approx(np.mean(each), abs=1e-12)
    errors = [10 ** (-psnr(hr[..., channel], sr[..., channel], 2) / 10) for channel in range(3)]
    assert psnr(hr, sr, 2) == pytest.approx(-10 * np.log10(np.mean(errors)), abs=1e-10)


def test_ssim_is_tensorflows():
    import tensorflow as tf

    theirs = tf.image.ssim(HR[..., None].astype(np.float64), SR[..., None].astype(np.float64), 255).numpy()
    assert ssim(HR, SR) == pytest.approx(float(theirs), abs=1e-6)


@pytest.mark.parametrize(
    "hr, sr, shave, said",
    [
        (HR, SR[:-1], 0, "one shape"),
        (HR, SR / 255, 0, "both uint8 or both floating point"),
        (HR.astype(float), SR.astype(float), 0, r"values in \[0, 255\]"),
        (HR / 255, SR / 255 + 0.1, 0, "sr as uint8"),
        (HR, SR, 16, "shave=16"),
        (HR, SR, -1, "shave=-1"),
        (HR[None, ..., None], SR[None, ..., None], 0, r"shape=\(1, 31, 44, 1\)"),
    ],
)
def test_what_they_refuse(hr, sr, shave, said):
    for metric in (psnr, ssim):
        with pytest.raises(ValueError, match=said):
            metric(hr, sr, shave)
    with pytest.raises(ValueError, match="11x11"):
        ssim(HR, SR, 11)


@pytest.mark.parametrize("scale, decibels, similarity", [(2, 33.66, 0.9299), (3, 30.39, 0.8682), (4, 28.42, 0.8104)])
def test_published_bicubic_of_set5(reference_data, scale, decibels, similarity):
    """The rows of the papers, to their last digit: PSNR to 0.005 dB, SSIM to 0.0001."""
    rows = []
    for _, image in benchmark(reference_data / "eval/Set5"):
        hr = crop_to_multiple(luma(image), scale)
        bicubic = imresize(imresize(hr / 255, 1 / scale), scale)
        sr = np.floor(bicubic.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        rows.append((psnr(hr, sr, scale), ssim(hr, sr, scale)))
    means = np.mean(rows, axis=0)
    assert abs(means[0] - decibels) < 0.005 and abs(means[1] - similarity) < 0.0001
