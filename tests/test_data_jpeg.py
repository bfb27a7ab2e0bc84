"""Blur, noise and JPEG in training, held against libjpeg and against what each is meant to do."""

import io

import numpy as np
import pytest
from PIL import Image

from zoo.color import luma, to_uint8
from zoo.data import imresize, sample
from zoo.data.jpeg import BLURRED, COMPRESSED, JUDGED, NOISY, jpeg, quantization_steps, through_jpeg, worn
from zoo.errors import UsageError
from zoo.evaluate import evaluate, mean
from zoo.metrics import psnr
from zoo.training import TrainConfig
from zoo.training.validation import Validation


def studio(levels):
    """Y of BT.601 in [0, 1] of grey levels."""
    return ((16 + np.asarray(levels, np.float64) * 219 / 255) / 255).astype(np.float32)


@pytest.fixture(scope="module")
def picture():
    _, _, hr = next(iter(sample(2, channels=1, split="heldout").pictures()))
    return hr[:131, :93, 0]


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 95])
def test_as_libjpeg_does_it(picture, quality):
    expected = through_jpeg(picture, quality)
    found = np.asarray(jpeg(studio(picture)[None, ..., None], np.array([quality], np.float32)))[0, ..., 0]
    levels = np.round((255 * found - 16) * 255 / 219)
    # Both round coefficients that lie between two steps, libjpeg's integer transform sometimes to the other side.
    assert np.abs(levels - expected).mean() < 0.25
    # Control: another quality, or blocks that start a pixel later, are further from it than from the picture.
    other = through_jpeg(picture, quality - 5)
    assert np.abs(other.astype(int) - expected).mean() > 3 * np.abs(levels - expected).mean()
    shifted = np.asarray(jpeg(studio(picture)[None, 1:, 1:, None], np.array([quality], np.float32)))[0, ..., 0]
    shifted = np.round((255 * shifted - 16) * 255 / 219)
    assert np.abs(shifted - expected[1:, 1:]).mean() > 3 * np.abs(levels - expected).mean()


def test_a_grey_picture_keeps_its_black_and_white(picture):
    grey = np.round((picture.astype(float) - picture.min()) * (255 / np.ptp(picture))).astype(np.uint8)
    (found,) = np.asarray(jpeg(np.float32(grey / 255)[None, ..., None], np.float32([90])))
    file = through_jpeg(grey, 90)
    assert psnr(grey, file) > 40 and psnr(file, np.uint8(np.round(255 * found[..., 0]))) > 42
    # Control: as studio range it would lose what lies beyond.
    assert psnr(file, file.clip(16, 235)) < 40
    assert file.min() < 5 and 255 * found.min() < 5 and file.max() > 250 and 255 * found.max() > 250


def test_the_steps_are_libjpegs_at_every_quality(picture):
    qualities = np.arange(1, 101)
    for quality, steps in zip(qualities, np.asarray(quantization_steps(qualities.astype(np.float32)))):
        file = io.BytesIO()
        Image.fromarray(picture[:8, :8]).save(file, "JPEG", quality=int(quality))
        assert np.array_equal(steps.ravel(), Image.open(file).quantization[0])


def test_each_picture_has_its_own_quality(picture):
    images = np.repeat(studio(picture)[None, :32, :40, None], 2, axis=0)
    both = np.asarray(jpeg(images, np.array([30, 90], np.float32)))
    for one, quality in zip(both, (30, 90)):
        alone = np.asarray(jpeg(images[:1], np.array([quality], np.float32)))[0]
        np.testing.assert_array_equal(one, alone)
    assert np.abs(both[0] - images[0]).mean() > 2 * np.abs(both[1] - images[1]).mean()


def test_chance_decides_what_is_worn(picture):
    image = studio(picture)[None, :48, :48, None]
    normal = np.random.default_rng(0).standard_normal(image.shape).astype(np.float32)
    clean, most = np.float32([0, 0, 0.99, 0.5]), np.float32([0.9999, 0.9999, 0.0, 0.0])
    assert COMPRESSED < 0.99
    np.testing.assert_allclose(np.asarray(worn(image, clean[None], normal)), image, atol=1e-6)
    for column, expected in enumerate(("blur", "noise", "jpeg")):
        uniform = clean.copy()
        uniform[column] = most[column]
        changed = np.asarray(worn(image, uniform[None], normal))
        detail, before = (np.abs(np.diff(each, axis=2)).mean() for each in (changed, image))
        if expected == "blur":
            assert detail < 0.9 * before and abs(changed.mean() - image.mean()) < 1e-3
        elif expected == "noise":
            assert np.std(255 * (changed - image)) == pytest.approx(5, rel=0.05)
        else:
            np.testing.assert_array_equal(changed, np.asarray(jpeg(image, np.float32([62.5]))))


def test_batches_are_a_function_of_seed_and_step_and_workers_take_their_rows():
    source = sample(2, channels=1)

    def batches(start=0, shard=(0, 1), degradation="jpeg", seed=3):
        patches = source.patches(8, 17, seed, start_step=start, shard=shard, degradation=degradation)
        return [(lr.numpy(), hr.numpy()) for lr, hr in patches.take(2)]

    whole = batches()
    np.testing.assert_array_equal(whole[1][0], batches(start=1)[0][0])
    np.testing.assert_array_equal(whole[0][0][4:], batches(shard=(1, 2))[0][0])
    for worn_batch, plain in zip(whole, batches(degradation="none")):
        np.testing.assert_array_equal(worn_batch[1], plain[1])
        changed = np.abs(worn_batch[0] - plain[0]).max(axis=(1, 2, 3)) > 1e-6
        assert changed.any()
    assert not np.array_equal(whole[0][0], batches(seed=4)[0][0])


def test_shares():
    image = np.full((4000, 8, 8, 1), 0.5, np.float32)
    image[:, ::2] = 0.6
    uniform = np.random.default_rng(0).uniform(size=(4000, 4)).astype(np.float32)
    uniform[:, 2] = 0.99

    def share(silent):
        values = uniform.copy()
        values[:, silent] = 0
        changed = np.abs(np.asarray(worn(image, values, np.ones_like(image))) - image).max(axis=(1, 2, 3)) > 1e-6
        return changed.mean()

    assert share(silent=0) == pytest.approx(NOISY, abs=0.02)
    # A blur of less than a fifth of a pixel changes nothing.
    assert share(silent=1) == pytest.approx(BLURRED * (1 - 0.2 / 0.8), abs=0.03)


def test_validation_pictures_are_compressed():
    source = sample(2, channels=1, split="heldout")
    plain, compressed = (Validation(source, None, degradation=each) for each in ("none", "jpeg"))
    for index, (before, after) in enumerate(zip(plain.lr_images, compressed.lr_images)):
        expected = np.asarray(jpeg(before[None], np.float32([JUDGED[index % len(JUDGED)]])))[0]
        # Of 8 bits, as a file gives them.
        np.testing.assert_array_equal(after, np.float32(to_uint8(expected) / 255.0))
        assert np.abs(after - before).max() > 1 / 255


def test_colour_is_refused():
    with pytest.raises(UsageError, match="channels=1 with degradation"):
        TrainConfig(channels=3, degradation="jpeg")


def test_networks_are_measured_on_compressed_pictures():
    picture = next(iter(sample(3, channels=3, split="heldout").pictures()))[2][:90, :120]
    figures = [mean(evaluate("bicubic", [("picture", picture)], 3, name)).psnr for name in ("jpeg30", "jpeg60", "rgb8")]
    assert figures == sorted(figures) and figures[0] < figures[2] - 0.3
    lr = through_jpeg(imresize(picture, 1 / 3), 30)
    expected = psnr(luma(picture / 255.0), luma(imresize(lr, 3) / 255.0), shave=3)
    assert figures[0] == pytest.approx(expected, abs=1e-9)
