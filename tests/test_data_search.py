"""What training and measuring find in a folder: nothing is passed over in silence, and large scans are taken."""

import os

import pytest
from PIL import Image, features
from test_sources import RGB, save

from zoo import command, data
from zoo.data import decode, search
from zoo.data.prepare import main as prepare
from zoo.errors import UsageError
from zoo.upscale import pictures
from zoo.upscale.targets import jobs

pytestmark = pytest.mark.usefixtures("shown_log")


@pytest.mark.parametrize("suffix", search.SUFFIXES)
def test_every_command_takes_the_same_kinds(tmp_path, suffix):
    """Of what is written the result keeps its kind; what is only read becomes PNG; a refusal names all kinds."""
    path = tmp_path / f"a{suffix}"
    save(path, RGB)
    assert data.benchmark(tmp_path)[0][1].shape == RGB.shape
    (job,) = jobs([str(tmp_path)], str(tmp_path / "out"))
    assert job.target.name == (f"a{suffix}" if suffix in search.WRITTEN else f"a{suffix}.png")
    path.write_bytes(b"nothing")
    refused = pytest.raises(UsageError, match=r"Expected a whole picture \(.png, .*, .gif(, .avif)?\)")
    with refused, pictures.opened(path):
        pass


def test_a_folder_without_a_picture_is_told_what_is_one(tmp_path):
    for read in (lambda: data.from_folder(tmp_path, 2), lambda: data.benchmark(tmp_path)):
        with pytest.raises(
            UsageError, match=r"Expected a folder with pictures \(.png, .*, .gif(, .avif)?\). Received: "
        ):
            read()
    with pytest.raises(UsageError, match=r"Expected a folder with pictures \(.png, .*, .gif(, .avif)?\). Received: "):
        jobs([str(tmp_path)], str(tmp_path / "out"))


def test_what_pillow_reads_is_taken_and_the_rest_is_named(tmp_path, caplog):
    folder = tmp_path / "in"
    save(folder / "a.png", RGB)
    save(folder / "b.jpg", RGB).rename(folder / "b.jfif")
    save(folder / "c.gif", RGB)
    if features.check("avif"):
        save(folder / "d.avif", RGB)
    (folder / "e.HEIC").write_bytes(b"")
    (folder / "h.mp4").write_bytes(b"")
    os.mkfifo(folder / "f.png")
    (tmp_path / "elsewhere").mkdir()
    (folder / "g").symlink_to(tmp_path / "elsewhere")
    for read in (lambda: data.from_folder(folder, 2).pictures(), lambda: data.benchmark(folder)):
        caplog.clear()
        assert [each[0] for each in read()] == ["a", "b", "c"] + ["d"] * features.check("avif")
        assert f"left out of {folder}: 1 .heic, which are not read here: convert them to PNG first" in caplog.text
        assert f"left out: {folder / 'f.png'}: no regular file" in caplog.text and ".mp4" not in caplog.text
        assert f"left out: {folder / 'g'}: a link to a folder" in caplog.text


def test_a_folder_that_cannot_be_read_is_named(tmp_path, caplog, closed):
    save(tmp_path / "a.png", RGB)
    save(tmp_path / closed / "b.png", RGB)
    assert [name for name, *_ in data.from_folder(tmp_path, 2).pictures()] == ["a"]
    assert f"left out: {tmp_path / closed}: Permission denied" in caplog.text


def test_scans_are_taken_by_every_command(tmp_path, monkeypatch, capsys):
    """Pillow refuses more than twice its limit; here the limit is lowered instead of the picture enlarged."""
    save(tmp_path / "in/a.png", RGB)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", RGB.shape[0] * RGB.shape[1] // 3)
    # Control: in a program of one's own Pillow's limit holds.
    assert "decompression bomb" in data.from_folder(tmp_path / "in", 2).skipped[0][1]
    assert prepare([f"--data={tmp_path / 'in'}", "--scale=2", f"--output={tmp_path / 'out'}"]) == 0
    assert "1 pictures," in capsys.readouterr().out
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    assert command.main(["evaluate", "--model=espcn_x2", f"--data={tmp_path / 'in'}"]) == 0
    # The commands have one of their own.
    monkeypatch.setattr(decode, "MAX_MEGAPIXELS", 0.0009)
    assert prepare([f"--data={tmp_path / 'in'}", "--scale=2", f"--output={tmp_path / 'more'}"]) == 2
    assert "its 38×25 pixels are more than 0.0009 megapixels: cut it in pieces" in capsys.readouterr().err
