"""PSNR and SSIM against their definitions, and the published figures of bicubic."""

import subprocess
import sys

import numpy as np
import pytest

from zoo import metrics
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


def batch(channels, seed=1):
    rng = np.random.default_rng(seed)
    hr = rng.integers(0, 256, (2, 27, 34, channels)) / 255
    return hr, np.clip(hr + rng.normal(0, 0.08, hr.shape), -0.1, 1.1)


def figure(metric, hr, sr):
    metric.update_state(hr, sr)
    return float(metric.result())


@pytest.mark.parametrize("shave", [0, 3])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("metric", "function"), [("PSNR", psnr), ("SSIM", ssim)])
def test_the_keras_metrics_are_the_functions_on_rounded_luma(metric, function, channels, shave):
    hr, sr = batch(channels)
    pairs = [[luma(np.floor(each.clip(0, 1) * 255 + 0.5).astype(np.uint8)) for each in pair] for pair in zip(hr, sr)]
    expected = np.mean([function(*pair, shave=shave) for pair in pairs])
    made = getattr(metrics, metric)
    assert figure(made(shave=shave, dtype="float64"), hr, sr) == pytest.approx(expected, abs=1e-9)
    assert figure(made(shave=shave), hr.astype(np.float32), sr.astype(np.float32)) == pytest.approx(expected, abs=2e-3)
    # Control: another border, and the channels in another order, are other figures.
    assert abs(figure(made(shave=shave + 4, dtype="float64"), hr, sr) - expected) > 1e-5
    if channels == 3:
        assert abs(figure(made(shave=shave, dtype="float64"), hr[..., ::-1], sr[..., ::-1]) - expected) > 1e-5


def test_a_model_compiled_with_the_metrics_fits_saves_and_loads(tmp_path):
    import keras

    import zoo

    hr, _ = batch(1)
    lr_image, hr = np.float32(hr[:, :13, :15]), np.float32(hr[:, :26, :30])
    model = zoo.create_model("espcn", scale=2)
    model.compile("adam", "mse", metrics=[metrics.PSNR(shave=2), metrics.SSIM(shave=2)])
    history = model.fit(lr_image, hr, verbose=0).history
    assert history["psnr"][0] > 0 and -1 <= history["ssim"][0] <= 1
    before = model.evaluate(lr_image, hr, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    after = keras.models.load_model(tmp_path / "model.keras")
    assert after.evaluate(lr_image, hr, verbose=0, return_dict=True) == pytest.approx(before)
    expected = np.mean(
        [
            psnr(*(np.floor(np.clip(each[..., 0], 0, 1) * 255 + 0.5).astype(np.uint8) for each in pair), shave=2)
            for pair in zip(hr, model.predict(lr_image, verbose=0))
        ]
    )
    assert before["psnr"] == pytest.approx(expected, abs=2e-3)


def test_equal_pictures_do_not_drown_the_mean_and_another_range_shows():
    hr, sr = batch(1)
    both = np.concatenate([hr[:1], sr[1:].clip(0, 1)])
    alone = figure(metrics.PSNR(dtype="float64"), hr[1:], sr[1:])
    assert figure(metrics.PSNR(dtype="float64"), hr, both) == pytest.approx((100 + alone) / 2)
    assert np.isnan(figure(metrics.PSNR(), hr * 255, sr * 255))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: psnr(HR * 1.0, SR * 1.0), "Expected hr as uint8 in 0 to 255 or floating point in [0, 1]"),
        (lambda: psnr(HR / 255, SR), "Expected hr and sr both uint8 or both floating point. Received: float64 and"),
        (lambda: metrics.PSNR().update_state(HR[None, ..., None], SR[None, ..., None]), "Expected y_true as floating"),
        (lambda: metrics.PSNR().update_state(HR / 255, SR / 255), "Expected y_true (N, h, w, 1) or (N, h, w, 3)"),
        (lambda: metrics.SSIM(shave=-1), "Expected shave to be an integer of at least 0. Received: shave=-1"),
    ],
    ids=["0-255", "mixed", "uint8", "no batch", "shave"],
)
def test_a_wrong_picture_is_one_sentence(call, sentence):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value).startswith(sentence)


@pytest.mark.slow
def test_the_functions_need_no_keras():
    code = "import sys, zoo; zoo.metrics.psnr; dir(zoo.metrics); sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
    control = "import sys, zoo; zoo.metrics.PSNR; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", control], timeout=120, capture_output=True).returncode == 1
