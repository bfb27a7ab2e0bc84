"""Sources: every kind of file, pairs, damaged files, leaks between training and validation."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from zoo import data
from zoo.color import rgb_to_y
from zoo.data.decode import PictureError, read_picture
from zoo.data.sources import pack
from zoo.errors import UsageError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (25, 38, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (25, 38), dtype=np.uint8)
SIXTEEN = RNG.integers(0, 65536, (25, 38), dtype=np.uint16)


def save(path, pixels, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def test_kinds_without_loss(tmp_path):
    alpha = RNG.integers(0, 256, (25, 38, 1), dtype=np.uint8)
    for suffix in ("png", "PNG", "bmp", "tif", "tiff"):
        assert np.array_equal(read_picture(save(tmp_path / f"rgb.{suffix}", RGB)), RGB)
        assert np.array_equal(read_picture(save(tmp_path / f"gray.{suffix}", GRAY)), GRAY)
    assert np.array_equal(read_picture(save(tmp_path / "a.webp", RGB, lossless=True)), RGB)
    assert np.array_equal(read_picture(save(tmp_path / "a.tif", RGB, compression="tiff_lzw")), RGB)
    rgba = np.concatenate([RGB, alpha], axis=2)
    assert np.array_equal(read_picture(save(tmp_path / "rgba.png", rgba)), RGB), "alpha is dropped, not blended"
    la = np.concatenate([GRAY[..., None], alpha], axis=2)
    assert np.array_equal(read_picture(save(tmp_path / "la.png", la)), GRAY)


def test_palettes_and_bilevel(tmp_path):
    palette = Image.fromarray(RGB).quantize(16)
    palette.save(tmp_path / "p.png")
    assert np.array_equal(read_picture(tmp_path / "p.png"), np.asarray(palette.convert("RGB")))
    palette.save(tmp_path / "transparent.png", transparency=0)
    assert np.array_equal(read_picture(tmp_path / "transparent.png"), np.asarray(palette.convert("RGB")))
    black_and_white = (GRAY > 127) * np.uint8(255)
    assert np.array_equal(read_picture(save(tmp_path / "1.png", black_and_white, mode="1")), black_and_white)


def test_sixteen_bits_are_rounded(tmp_path):
    import skimage.io

    expected = np.floor(SIXTEEN / 257 + 0.5)
    assert np.array_equal(read_picture(save(tmp_path / "16.png", SIXTEEN)), expected)
    assert np.array_equal(read_picture(save(tmp_path / "16.tif", SIXTEEN)), expected)
    assert not np.array_equal(SIXTEEN >> 8, expected), "control: cutting the low byte off is another picture"
    colour = np.stack([SIXTEEN, SIXTEEN[::-1], SIXTEEN[:, ::-1]], axis=2)
    skimage.io.imsave(tmp_path / "16rgb.tif", colour, check_contrast=False)
    assert np.array_equal(read_picture(tmp_path / "16rgb.tif"), colour >> 8), "Pillow reads the high byte"
    assert [name for name, *_ in data.from_folder(tmp_path, 2).pictures()] == [
        *(f"{tmp_path}/16.{suffix}" for suffix in ("png", "tif")), "16rgb",
    ]  # fmt: skip


def test_pictures_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "turned.png", RGB, exif=exif)
    assert np.array_equal(read_picture(tmp_path / "turned.png"), np.rot90(RGB, -1))
    (_, lr, hr), *_ = data.from_folder(tmp_path, 2, channels=3).pictures()
    assert hr.shape == (38, 24, 3) and lr.shape == (19, 12, 3)


def test_a_jpeg_of_four_inks(tmp_path):
    assert read_picture(save(tmp_path / "ink.jpg", RGB, mode="CMYK")).shape == RGB.shape


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lr_is_made_from_luma_or_from_rgb(tmp_path, scale):
    save(tmp_path / "rgb.png", RGB)
    save(tmp_path / "gray.png", GRAY)
    height, width = 25 // scale * scale, 38 // scale * scale
    for channels in (1, 3):
        found = {name: (lr, hr) for name, lr, hr in data.from_folder(tmp_path, scale, channels).pictures()}
        originals = {
            "rgb": RGB if channels == 3 else rgb_to_y(RGB)[..., None],
            "gray": np.repeat(GRAY[..., None], channels, axis=2),
        }
        for name, original in originals.items():
            lr, hr = found[name]
            assert lr.dtype == hr.dtype == np.uint8
            assert np.array_equal(hr, original[:height, :width])
            assert np.array_equal(lr, data.imresize(original[:height, :width], 1 / scale))


def test_folders_are_joined_and_searched(tmp_path):
    save(tmp_path / "one/deep/a.png", RGB)
    save(tmp_path / "one/b.jpg", RGB)
    save(tmp_path / "one/.hidden/c.png", RGB)
    save(tmp_path / "one/._d.png", RGB)
    save(tmp_path / "set/HR/e.png", RGB)
    save(tmp_path / "set/LRbicx2/e.png", RGB[:12, :19])
    (tmp_path / "one/notes.txt").write_text("no picture")
    source = data.from_folder(f"{tmp_path}/one, {tmp_path}/set", 2)
    assert [name for name, *_ in source.pictures()] == ["b", "deep/a", "e"] and source.skipped == []
    assert [name for name, _ in data.benchmark(tmp_path / "one")] == ["b", "deep/a"]


@pytest.fixture
def div2k_layout(tmp_path):
    """DIV2K's folders; the LR files are no bicubic, so that one sees that they are taken."""
    for split, numbers in (("train", (1, 2, 3)), ("valid", (801,))):
        for number in numbers:
            hr = RNG.integers(0, 256, (24 + 3 * number % 7, 36, 3), dtype=np.uint8)
            hr = hr[: hr.shape[0] // 3 * 3]
            save(tmp_path / f"DIV2K_{split}_HR/{number:04d}.png", hr)
            save(tmp_path / f"DIV2K_{split}_LR_bicubic/X3/{number:04d}x3.png", 255 - hr[1::3, 1::3])
    return tmp_path


@pytest.mark.parametrize("inside", ["", "DIV2K_train_HR"])
def test_pairs_of_divk(div2k_layout, inside):
    pictures = list(data.from_folder(div2k_layout / inside, 3, channels=3).pictures())
    assert [name for name, *_ in pictures] == ["0001", "0002", "0003"]
    for _, lr, hr in pictures:
        assert np.array_equal(lr, 255 - hr[1::3, 1::3])
    # No LR files at this scale: they are made.
    for _, lr, hr in data.from_folder(div2k_layout / inside, 2, channels=3).pictures():
        assert np.array_equal(lr, data.imresize(hr, 1 / 2))
    if not inside:
        valid = data.from_folder(div2k_layout, 3, split="valid")
        assert [name for name, *_ in valid.pictures()] == ["0801"]


def test_wrong_pairs_are_named(div2k_layout):
    (div2k_layout / "DIV2K_train_LR_bicubic/X3/0001x3.png").unlink()
    save(div2k_layout / "DIV2K_train_LR_bicubic/X3/0002x3.png", RGB)
    source = data.from_folder(div2k_layout, 3)
    assert [name for name, *_ in source.pictures()] == ["0003"]
    reasons = dict(source.skipped)
    assert len(reasons) == 2 and "0001x3.png" in reasons[str(div2k_layout / "DIV2K_train_HR/0001.png")]
    assert "LR image has 25x38" in reasons[str(div2k_layout / "DIV2K_train_HR/0002.png")]


def test_lr_sides_rounded_up_are_cropped(tmp_path):
    """DIV2K at scale 8: 1356 / 8 = 169.5, and its LR image has 170 rows."""
    save(tmp_path / "DIV2K_train_HR/0001.png", RGB)
    lr = data.imresize(RGB, 1 / 2)
    assert lr.shape == (13, 19, 3)
    save(tmp_path / "DIV2K_train_LR_bicubic/X2/0001x2.png", lr)
    ((_, found, hr),) = data.from_folder(tmp_path, 2, channels=3).pictures()
    assert np.array_equal(found, lr[:12]) and np.array_equal(hr, RGB[:24])


@pytest.mark.usefixtures("shown_log")
def test_damaged_pictures_are_named_skipped_and_counted(tmp_path, caplog):
    whole = save(tmp_path / "a.png", RGB).read_bytes()
    save(tmp_path / "jpeg.jpg", np.tile(RGB, (8, 8, 1)), quality=95)
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    jpeg = (tmp_path / "jpeg.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("I am no picture")
    (tmp_path / "text.tif").write_text("I am no picture")
    (tmp_path / "bits.png").write_bytes(whole[:60] + bytes(40) + whole[100:])
    save(tmp_path / "one.png", RGB[:1, :1])
    source = data.from_folder(tmp_path, 2)
    assert [name for name, *_ in source.pictures()] == ["a", "jpeg"]
    damaged = {"cut.png", "cut.jpg", "empty.png", "text.png", "text.tif", "bits.png", "one.png"}
    assert {path.rsplit("/", 1)[1] for path, _ in source.skipped} == damaged
    assert all(reason for _, reason in source.skipped)
    for name in damaged:
        assert f"Skipping {tmp_path}/{name}: " in caplog.text
    assert "skipped 7 of 9 pictures" in caplog.text


def interrupt(monkeypatch, source, reads):
    """Ctrl-C while a source is read, once so many pictures have been."""
    left = iter(range(reads))

    def stops(*given):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return pack(*given)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("zoo.data.sources.pack", stops)
        source.records  # noqa: B018 - reads


def test_an_interrupted_load_leaves_nothing_to_the_next(tmp_path, monkeypatch):
    for number in range(4):
        save(tmp_path / f"{number}.png", RGB[number:])
    for name in ("no header", "header"):
        (tmp_path / f"0 {name}.png").write_bytes((tmp_path / "0.png").read_bytes()[: 900 * (name == "header")])
    source, whole = data.from_folder(tmp_path, 2), data.from_folder(tmp_path, 2)
    interrupt(monkeypatch, source, 2)
    assert source.places == whole.places and source.hashes == whole.hashes and len(source.places) == 4
    assert source.skipped == whole.skipped and len(source.skipped) == 2
    assert np.array_equal(source.records, whole.records)


def test_a_folder_without_pictures(tmp_path):
    for read in (lambda path: data.from_folder(path, 2), data.benchmark):
        with pytest.raises(UsageError, match="Expected a folder with pictures"):
            read(tmp_path)
        with pytest.raises(UsageError, match="which is not there"):
            read(tmp_path / "missing")
    (tmp_path / "bad.png").write_text("no")
    with pytest.raises(UsageError, match=r"Expected at least one picture that can be read .*bad.png"):
        list(data.from_folder(tmp_path, 2).pictures())
    with pytest.raises(UsageError, match=r"bad.png"):
        data.benchmark(tmp_path)


@pytest.mark.parametrize("options", [{"scale": 1}, {"scale": 2.5}, {"scale": 2, "channels": 2}])
def test_what_a_source_refuses(options):
    with pytest.raises(UsageError, match="Expected"):
        data.sample(**options)


def test_unknown_splits(tmp_path):
    with pytest.raises(UsageError, match="train, heldout"):
        data.sample(2, split="test")
    with pytest.raises(UsageError, match="train, valid"):
        data.from_folder(tmp_path, 2, split="test")


def test_too_much_for_the_memory(tmp_path, monkeypatch):
    save(tmp_path / "a.png", RGB)
    monkeypatch.setattr("zoo.data.folders.pixel_count", lambda path: 10**15)
    with pytest.raises(UsageError, match="fit in this machine's"):
        list(data.from_folder(tmp_path, 2).pictures())


@pytest.mark.parametrize("kind", ["copy", "other format", "grey version"])
def test_a_leak_is_found_by_content(tmp_path, kind):
    train, valid = tmp_path / "train", tmp_path / "valid"
    for number in range(3):
        save(train / f"{number}.png", RNG.integers(0, 256, (20, 20, 3), dtype=np.uint8))
    save(train / "original.png", RGB)
    save(valid / "other.png", RGB[::-1])
    leak = {"copy": RGB, "other format": RGB, "grey version": rgb_to_y(RGB)}[kind]
    save(valid / f"renamed.{'bmp' if kind == 'other format' else 'png'}", leak)
    # At another scale the two are cropped differently, and it is the same picture nevertheless.
    with pytest.raises(UsageError, match=r"Received: \S*valid/renamed\.\w+ is \S*train/original.png$"):
        data.check_disjoint(data.from_folder(train, 2), data.from_folder(valid, 3, channels=3))


def test_what_is_no_leak(tmp_path):
    save(tmp_path / "train/a.png", RGB)
    almost = RGB.copy()
    almost[3, 4] ^= 64
    save(tmp_path / "valid/a.png", almost)
    save(tmp_path / "valid/b.png", RGB[:-1])
    # The same bytes as another shape are another picture.
    save(tmp_path / "train/c.png", GRAY)
    save(tmp_path / "valid/c.png", GRAY.reshape(38, 25))
    data.check_disjoint(data.from_folder(tmp_path / "train", 2), data.from_folder(tmp_path / "valid", 2))


def test_samples_are_real_photographs():
    train, heldout = data.sample(3), data.sample(3, split="heldout")
    data.check_disjoint(train, heldout)
    with pytest.raises(UsageError, match=r"astronaut is skimage.data.astronaut$"):
        data.check_disjoint(heldout, data.sample(2, split="heldout"))
    pixels = {name: hr.shape[0] * hr.shape[1] for name, _, hr in train.pictures()}
    assert len(pixels) == 8 and 1.7e6 < sum(pixels.values()) < 2e6
    ((name, lr, hr),) = data.sample(3, channels=3, split="heldout").pictures()
    assert name == "astronaut" and lr.shape == (170, 170, 3) and hr.shape == (510, 510, 3)


def test_benchmark_sets(reference_data):
    pictures = dict(data.benchmark(reference_data / "eval/Set14"))
    assert len(pictures) == 14 and pictures["bridge"].ndim == 2 and pictures["zebra"].shape[2] == 3
    assert [name for name, _ in data.benchmark(reference_data / "eval/Set5/HR")] == [
        "baby", "bird", "butterfly", "head", "woman",
    ]  # fmt: skip


def test_a_float_tiff_is_refused(tmp_path):
    Image.fromarray(RGB[..., 0].astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(PictureError, match="floating-point"):
        read_picture(tmp_path / "f.tif")


@pytest.mark.slow
def test_pictures_need_no_tensorflow(tmp_path):
    save(tmp_path / "a.png", RGB)
    code = (
        "import sys, zoo.color, zoo.metrics, zoo.data as data; "
        "data.imresize(data.benchmark(sys.argv[1])[0][1], 1 / 2); list(data.from_folder(sys.argv[1], 2).pictures()); "
        "loaded = {'tensorflow', 'keras'} & set(sys.modules); sys.exit(', '.join(loaded) or 0)"
    )
    process = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
    # Control: the same check sees TensorFlow where the batches are made.
    code = "import sys; from zoo import data; data.sample(2).patches(2, 8, 0); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).returncode == 1
