"""What a run shows and leaves: the log, TensorBoard events, the validation's figure, the pictures."""

import json
import resource

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from rich.console import Console
from test_sources import save

import zoo
from zoo.color import luma
from zoo.data import imresize
from zoo.errors import UsageError
from zoo.evaluate import evaluate, mean
from zoo.layers import FixedUpsampler
from zoo.training import TrainConfig, curve
from zoo.training.comparison import DETAIL, Comparison, most_detailed
from zoo.training.curve import draw_curve, ticks
from zoo.training.events import Events
from zoo.training.input import open_comparison
from zoo.training.progress import Recorder, read_log
from zoo.training.results import print_results, training_seconds, write_network, write_results
from zoo.training.validation import Validation

RANDOM = np.random.default_rng(4)


class Pictures:
    """Two random pictures of odd sizes."""

    def __init__(self, channels, scale=2):
        self.channels, self.scale = channels, scale

    def pictures(self):
        for name, height, width in (("a", 40, 54), ("b", 66, 38)):
            coarse = RANDOM.integers(0, 256, (height // 2, width // 2, self.channels), dtype=np.uint8)
            hr = imresize(coarse, 2)
            yield name, imresize(hr, 1 / self.scale), hr


@pytest.mark.parametrize("channels", [1, 3])
def test_the_validation_gives_the_figure_of_the_evaluation(channels):
    model = zoo.create_model("espcn", 2, channels=channels)
    source = Pictures(channels)
    validation = Validation(source, lambda lr: model(lr, training=False))
    pictures = [(name, np.squeeze(hr)) for name, hr in zip(validation.names, validation.hr_images)]
    expected = mean(evaluate(model, pictures, 2)).psnr
    assert validation.psnr() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_run_is_judged_on_the_lr_images_that_are_given(tmp_path, channels):
    rng = np.random.default_rng(5)
    for name, height, width in (("a", 95, 75), ("b", 70, 105)):
        hr = imresize(rng.integers(0, 256, (height // 5, width // 5, 3), dtype=np.uint8), 5)
        save(tmp_path / f"HR/{name}.png", hr)
        save(tmp_path / f"LR/{name}.png", 255 - hr[2::5, 2::5])
    image = keras.Input((None, None, channels))
    network = keras.Model(image, FixedUpsampler("bicubic", 5)(image))
    config = TrainConfig(scale=5, channels=channels)
    figures, worn = {}, []
    for lr_data in ("", "bicubic"):
        valid = zoo.data.from_folder(tmp_path, 5, channels=channels, lr_data=lr_data)
        validation = Validation(valid, lambda lr: network(lr, training=False))
        comparison = open_comparison(config, valid, "bicubic")
        results = write_results(config, tmp_path / "run", network, valid, comparison, 0)
        _, lr, hr = next(iter(valid.pictures()))
        assert np.array_equal(comparison.lr_image, lr)
        expected = lr / 255.0 if not lr_data else imresize(hr / 255.0, 1 / 5)
        assert np.array_equal(validation.lr_images[0], expected.astype(np.float32))
        assert results["model"]["psnr"] == pytest.approx(validation.psnr(), abs=1e-3)
        # The network is bicubic; of colours the row rounds before it takes the luma, or after.
        assert results["bicubic"]["psnr"] == pytest.approx(results["model"]["psnr"], abs=0.02)
        assert results["protocol"].endswith("; LR images of one's own: 2 of 2") == (not lr_data)
        figures[lr_data] = results["model"]["psnr"]
        if channels == 1:
            worn.append(Validation(valid, None, degradation="jpeg").lr_images)
    assert figures["bicubic"] > figures[""] + 5
    # Compressed ones are made of bicubic ones, whatever is given.
    assert all(np.array_equal(*each) for each in zip(*worn))


@pytest.mark.parametrize("channels", [1, 3], ids=["of luma", "of colours"])
def test_a_run_for_jpeg_is_judged_on_compressed_pictures(tmp_path, channels):
    for number in range(2):
        shape = (120, 90 + number, 3)[: 2 if channels == 1 else 3]
        save(tmp_path / f"{number}.png", RANDOM.integers(90, 140, shape, dtype=np.uint8))
    image = keras.Input((None, None, 1))
    network = keras.Model(image, FixedUpsampler("bicubic", 2)(image))
    valid = zoo.data.from_folder(tmp_path, 2)
    figures = {}
    for degradation in ("none", "jpeg"):
        config = TrainConfig(scale=2, degradation=degradation)
        validation = Validation(valid, lambda lr: network(lr, training=False), degradation=degradation)
        comparison = open_comparison(config, valid, "bicubic")
        results = write_results(config, tmp_path / "run", network, valid, comparison, 0)
        assert results["model"]["psnr"] == pytest.approx(validation.psnr(), abs=1e-3)
        assert results["bicubic"]["psnr"] == pytest.approx(validation.psnr(), abs=0.01)
        assert np.array_equal(comparison.lr_image / np.float32(255), validation.lr_images[0]) == (degradation == "jpeg")
        figures[degradation] = results
    assert figures["none"]["bicubic"]["psnr"] > figures["jpeg"]["bicubic"]["psnr"] + 0.5
    assert figures["jpeg"]["protocol"].endswith("; LR images as JPEG, quality 30, 45, 60, 90 in turn: 2 of 2")
    assert "LR images" not in figures["none"]["protocol"].split("rounded")[-1]


def test_a_full_disk_is_an_error_before_hdf5_meets_it(tmp_path):
    network, path = zoo.create_model("gecko_s", 2), tmp_path / "model.keras"
    write_network(path, network.save)
    before, (soft, hard) = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))  # no file gets larger: to HDF5 a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            write_network(path, network.save)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before


def test_names_in_the_table_are_shown_as_they_are(capsys):
    pictures = [{"name": "photo[final]", "bicubic": [30.0, 0.9], "model": [31.0, 0.91]}]
    mean = {"psnr": 30.0, "ssim": 0.9}
    results = {
        "network": "x", "valid": "v[1]", "config": {"keep": "best"}, "steps": 1, "best_step": 1, "protocol": "p",
        "left_out": {}, "pictures": pictures, "bicubic": mean, "model": mean, "verdict": "", "preset": {},
    }  # fmt: skip
    print_results(results, Console(width=200))
    shown = capsys.readouterr().out
    assert "photo[final]" in shown and "v[1]" in shown


def test_the_log_forgets_what_a_killed_run_wrote_after_its_checkpoint(tmp_path):
    with Recorder(tmp_path, 0, 30) as recorder:
        for step in (10, 20):
            recorder.record(step, loss=1.0 / step, steps_per_second=5.0)
        recorder.record(20, psnr=30.0)
    with open(tmp_path / "log.jsonl", "a") as log:
        log.write('{"step": 30, "lo')
    with Recorder(tmp_path, 10, 30) as recorder:
        recorder.record(20, loss=0.5, steps_per_second=10.0)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == read_log(tmp_path)
    assert [(line["step"], line["loss"]) for line in lines] == [(10, 0.1), (20, 0.5)]
    assert training_seconds(lines) == pytest.approx(10 / 5 + 10 / 10)


def test_tensorboard_gets_scalars_and_the_picture(tmp_path):
    image = RANDOM.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    with Recorder(tmp_path, 0, 10, events=Events(tmp_path)) as recorder:
        recorder.record(5, psnr=31.5)
        recorder.picture(5, "comparison", image)
    (file,) = (tmp_path / "tensorboard").iterdir()
    values = {}
    for record in tf.data.TFRecordDataset([str(file)]):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            values[value.tag] = (value.metadata.plugin_data.plugin_name, event.step, tf.make_ndarray(value.tensor))
    assert values["psnr"] == ("scalars", 5, 31.5)
    plugin, step, (width, height, png) = values["comparison"]
    assert (plugin, step, width, height) == ("images", 5, b"7", b"5")
    np.testing.assert_array_equal(tf.io.decode_png(png).numpy(), image)


def test_a_machine_that_is_not_the_chief_writes_nothing(tmp_path):
    with Recorder(tmp_path, 0, 10, enabled=False) as recorder:
        recorder.advance(5)
        recorder.record(5, loss=1.0)
        recorder.picture(5, "comparison", None)
    assert not list(tmp_path.iterdir())


def test_the_detail_is_where_the_picture_has_most():
    gray = np.full((90, 120), 100, np.uint8)
    gray[20:50, 70:100] = RANDOM.integers(0, 256, (30, 30))
    y, x = most_detailed(gray, 30)
    assert abs(y - 20) <= 1 and abs(x - 70) <= 1


@pytest.mark.parametrize("picture_channels, channels", [(1, 1), (3, 3), (3, 1)])
def test_the_comparison_shows_what_the_network_makes(picture_channels, channels):
    scale = 3
    hr = imresize(RANDOM.integers(0, 256, (50, 31, picture_channels), dtype=np.uint8), 3)
    comparison = Comparison(hr, scale, "nearest")

    def network(lr):
        return tf.repeat(tf.repeat(lr, scale, axis=1), scale, axis=2)

    sheet = comparison.draw(network, channels)
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
    # The network repeats pixels, so its panel is that of the LR image; through YCbCr it keeps its luma.
    panels = [luma(sheet[26:, 8 + 328 * i :][:, :320]).astype(int) for i in range(4)]
    assert np.abs(panels[2] - panels[0]).mean() < (1 if picture_channels == channels else 4)
    assert np.abs(panels[1] - panels[0]).mean() > 6
    assert comparison.corner[0] <= hr.shape[0] - DETAIL and comparison.corner[1] <= hr.shape[1] - DETAIL


def test_the_comparison_shows_the_first_picture_that_is_validated_on(tmp_path, monkeypatch):
    # A name like that of the sample photographs is a folder like any other.
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(6)
    for name, shape in (("1", (8, 8)), ("2", (100, 97)), ("3", (90, 90))):
        save(tmp_path / f"samples/{name}.png", rng.integers(0, 256, shape, dtype=np.uint8))
    valid = zoo.data.from_folder("samples", 3)
    comparison = open_comparison(TrainConfig(scale=3), valid, "nearest")
    assert comparison.hr_image.shape == (99, 96, 1) and list(Validation(valid, None).left_out) == ["1"]
    sheet = comparison.draw(lambda lr: np.repeat(np.repeat(lr, 3, axis=1), 3, axis=2), 1)
    assert sheet.shape[1] > 4 * DETAIL
    # Control: the sample photograph is in colour, for a luma network too.
    sample = open_comparison(TrainConfig(scale=3), zoo.data.sample(3, split="heldout"), "nearest")
    assert sample.hr_image.shape == (510, 510, 3)


def test_the_curve_is_drawn(tmp_path):
    records = [{"step": s, "loss": 1 / s} for s in range(100, 1100, 100)]
    records += [{"step": s, "psnr": 29 + s / 1000} for s in (0, 500, 1000)]
    draw_curve(records, 28.7, "a run", tmp_path / "curve.png")
    draw_curve(records[:10], 28.7, "a run without validations", tmp_path / "short.png")
    colours = [set(Image.open(tmp_path / name).convert("RGB").getdata()) for name in ("curve.png", "short.png")]
    assert (20, 90, 200) in colours[0] and (20, 90, 200) not in colours[1]
    assert all((200, 150, 60) in each for each in colours)


@pytest.mark.parametrize("gain", [2.0, -2.0])
def test_the_curve_does_not_cross_the_word_bicubic_and_its_loss_has_round_ticks(tmp_path, monkeypatch, gain):
    written = []
    monkeypatch.setattr(
        curve.ImageDraw.ImageDraw, "text", lambda pen, place, words, *_, **how: written.append((place, words, how))
    )
    records = [{"step": s, "loss": 0.0072 - 0.0017 * s / 1000} for s in range(100, 1100, 100)]
    records += [{"step": s, "psnr": 28.0 + gain * s / 1000} for s in (0, 500, 1000)]
    draw_curve(records, 28.5 if gain > 0 else 27.5, "a run", tmp_path / "curve.png")
    _, words, how = next(each for each in written if each[1].startswith("bicubic"))
    # The curve ends above bicubic where it gains, and the word stands below it; and the other way round.
    assert how["anchor"] == ("rt" if gain > 0 else "rb"), words
    losses = [words for _, words, how in written if how.get("anchor") == "lm"]
    assert losses == ["0.0055", "0.006", "0.0065", "0.007"]


@pytest.mark.parametrize("low, high", [(0, 1200), (28.31, 28.45), (-1.6, -1.1), (5, 5)])
def test_ticks_are_round_and_few(low, high):
    values = ticks(low, high)
    assert 1 <= len(values) <= 8 and all(low - 1e-9 <= value <= high + 1e-9 for value in values)
    assert all(len(f"{value:.6g}") <= 6 for value in values)


def test_the_validation_leaves_out_what_tells_nothing_and_names_it(caplog):
    source = Pictures(1)
    useful = list(source.pictures())
    odd = [("black", None, np.zeros((40, 54, 1), np.uint8)), ("tiny", None, useful[0][2][:14, :14])]
    both, only, none = Pictures(1), Pictures(1), Pictures(1)
    both.pictures, only.pictures, none.pictures = lambda: useful + odd, lambda: useful, lambda: odd
    bicubic = lambda lr: np.repeat(np.repeat(lr, 2, 1), 2, 2)  # noqa: E731
    validation = Validation(both, bicubic)
    assert validation.names == ["a", "b"] and list(validation.left_out) == ["black", "tiny"]
    assert "black: flat" in caplog.text and "tiny: too small" in caplog.text
    assert validation.psnr() == Validation(only, bicubic).psnr()
    with pytest.raises(UsageError, match="Expected a picture to validate on. Received: black: flat.*tiny"):
        Validation(none, bicubic)
    exact = Validation(only, bicubic)
    exact.sr_image = lambda index: exact.hr_images[index]
    one_off = Validation(only, bicubic)

    def off(index):
        image = one_off.hr_images[index].copy()
        image[20, 20] ^= 1
        return image

    one_off.sr_image = off
    assert exact.psnr() == pytest.approx(one_off.psnr(), abs=1e-9) and np.isfinite(exact.psnr())
