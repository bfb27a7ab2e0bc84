"""LR images of one's own: every layout that people have, what is said of it, and what is not clear is refused."""

import logging

import numpy as np
import pytest
from test_sources import RGB, save
from training_cases import TINY

from zoo import data
from zoo.data.prepare import main as prepare
from zoo.data.records import RecordsOnDisk
from zoo.errors import UsageError
from zoo.training.input import open_source

# Not what bicubic interpolation makes: one sees which is taken.
HR = RGB[:24, :36]
OWN = {scale: 255 - HR[scale // 2 :: scale, scale // 2 :: scale] for scale in (2, 3, 4)}

LAYOUTS = {
    "unknown degradation": (2, "", "DIV2K_train_HR/0001.png", "DIV2K_train_LR_unknown/X2/0001x2.png"),
    "mild": (4, "DIV2K_train_HR", "DIV2K_train_HR/0001.png", "DIV2K_train_LR_mild/0001x4m.png"),
    "wild": (4, "", "DIV2K_train_HR/0001.png", "DIV2K_train_LR_wild/0001x4w.png"),
    "equal names": (3, "", "HR/a.png", "LR/a.png"),
    "equal names in folders": (3, "HR", "HR/deep/a.png", "LR/deep/a.png"),
    "a folder a scale": (2, "", "HR/a.png", "LR/X2/ax2.png"),
    "the scale in the folder's name": (2, "", "HR/a.png", "LR_x2/a.png"),
    "RealSR": (4, "", "001_HR.png", "001_LR4.png"),
    "pairs without a scale": (3, "", "deep/a_HR.png", "deep/a_LR.png"),
}


def laid_out(folder, hr, lr, scale):
    save(folder / hr, HR)
    save(folder / lr, OWN[scale])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lr_images_beside_the_originals_are_taken_and_that_is_said(tmp_path, layout):
    scale, inside, hr, lr = LAYOUTS[layout]
    laid_out(tmp_path, hr, lr, scale)
    source = data.from_folder(tmp_path / inside, scale, channels=3)
    ((_, found, original),) = source.pictures()
    assert np.array_equal(original, HR) and np.array_equal(found, OWN[scale])
    assert "beside the originals" in source.lr_images and "bicubic" not in source.lr_images
    # Asked for, they are made whatever lies there.
    made = data.from_folder(tmp_path / inside, scale, channels=3, lr_data="bicubic")
    ((_, found, _),) = made.pictures()
    assert np.array_equal(found, data.imresize(HR, 1 / scale)) and not np.array_equal(found, OWN[scale])
    assert "bicubic interpolation, as --lr_data says" in made.lr_images
    # Whoever measures gets the originals only.
    assert [image.shape for _, image in data.benchmark(tmp_path / inside if layout != "mild" else tmp_path)][:1] == [
        HR.shape
    ]


def test_a_folder_of_ones_own_by_its_name(tmp_path):
    for number in (1, 2):
        save(tmp_path / f"in/{number}.png", HR)
        save(tmp_path / f"mine/{number}x3.png", OWN[3])
    source = data.from_folder(tmp_path / "in", 3, channels=3, lr_data=str(tmp_path / "mine"))
    assert all(np.array_equal(lr, OWN[3]) for _, lr, _ in source.pictures())
    assert f"those in {tmp_path / 'mine'}, as --lr_data says" in source.lr_images
    several = data.from_folder(f"{tmp_path}/in,{tmp_path}/in", 3, lr_data=f"{tmp_path}/mine,bicubic")
    assert len(list(several.pictures())) == 4 and several.lr_images.count("LR images of") == 2
    for wrong, words in ((f"{tmp_path}/mine,bicubic", "for each of 1 folders"), ("nowhere", "which is not there")):
        with pytest.raises(UsageError, match=words):
            data.from_folder(tmp_path / "in", 3, lr_data=wrong)


def test_what_is_not_clear_is_refused(tmp_path):
    save(tmp_path / "DIV2K_train_HR/0001.png", HR)
    for kind, letter in (("mild", "m"), ("difficult", "d")):
        save(tmp_path / f"DIV2K_train_LR_{kind}/0001x4{letter}.png", OWN[4])
    with pytest.raises(UsageError, match=r"Expected --lr_data to name .* Received: .*LR_difficult, .*LR_mild"):
        data.from_folder(tmp_path, 4)
    # They are of scale 4, and at another they are made.
    assert "made by" in data.from_folder(tmp_path, 2).lr_images
    save(tmp_path / "DIV2K_train_LR_bicubic/X4/0001x4.png", OWN[4])
    assert "LR_bicubic/X4" in data.from_folder(tmp_path, 4).lr_images
    save(tmp_path / "real/1_HR.png", HR)
    save(tmp_path / "real/1_LR4.png", OWN[4])
    with pytest.raises(UsageError, match=r"Expected LR images for scale 2 .* Received: .*1_LR4.png"):
        data.from_folder(tmp_path / "real", 2)


def test_an_original_without_its_lr_image_or_with_several_is_named(tmp_path):
    for name in ("a", "b", "c"):
        save(tmp_path / f"HR/{name}.png", HR)
    save(tmp_path / "LR/a.png", OWN[2])
    for suffix in ("png", "bmp"):
        save(tmp_path / f"LR/b.{suffix}", OWN[2])
    source = data.from_folder(tmp_path, 2)
    assert [name for name, *_ in source.pictures()] == ["a"]
    reasons = {path.rsplit("/", 1)[1]: reason for path, reason in source.skipped}
    assert "its LR image: several: b.bmp, b.png" in reasons["b.png"]
    assert "its LR image: none in" in reasons["c.png"] and "is named c.png or cx2.png" in reasons["c.png"]


def test_without_lr_images_that_is_said_too(tmp_path):
    save(tmp_path / "in/a.png", HR)
    save(tmp_path / "in/a_LR.png", OWN[2])  # of nothing here: an original like any other
    source = data.from_folder(tmp_path / "in", 2)
    assert len(list(source.pictures())) == 2 and "as none lie beside the originals" in source.lr_images
    assert "bicubic" in data.sample(2).lr_images


@pytest.mark.usefixtures("shown_log")
def test_a_run_says_it_first_and_prepared_data_remembers(tmp_path, caplog, capsys):
    import dataclasses

    laid_out(tmp_path, "HR/a.png", "LR/a.png", 2)
    config = dataclasses.replace(TINY, data=str(tmp_path), scale=2)
    with caplog.at_level(logging.INFO, "zoo"):
        open_source(config, "train")
        open_source(config, "valid")
    found = f"Training: {tmp_path} has its pictures in HR; LR images of {tmp_path / 'HR'}"
    assert f"{found}: those in {tmp_path / 'LR'}, as it lies" in caplog.text
    assert "Validation: LR images of sample/heldout: made by" in caplog.text
    command = [f"--data={tmp_path}", "--scale=2", "--channels=3", f"--output={tmp_path / 'prepared'}"]
    assert prepare(command) == 0 and str(tmp_path / "LR") in capsys.readouterr().err
    ready = RecordsOnDisk(tmp_path / "prepared", 2, 3)
    assert f"those in {tmp_path / 'LR'}" in ready.lr_images
    assert all(np.array_equal(lr, OWN[2]) for _, lr, _ in ready.pictures())
    # Other LR images are other data.
    assert prepare([*command, "--lr_data=bicubic"]) == 2
    assert "Expected a new folder" in capsys.readouterr().err
    with pytest.raises(UsageError, match="beside a folder of pictures"):
        data.by_name(str(tmp_path / "prepared"), 2, 3, lr_data="bicubic")
    with pytest.raises(UsageError, match="Expected LR images of one's own beside a folder"):
        data.by_name("sample,graphics", 2, 3, lr_data="bicubic")
    with pytest.raises(UsageError, match="Received: '~nobody-knows/pictures', which is not there"):
        data.by_name("~nobody-knows/pictures", 2, 3)
