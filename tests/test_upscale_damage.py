"""Files that look like pictures: damaged, greedy, endless, or with black and white the other way round."""

import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from upscale_cases import everything_in, files, photo

from zoo.data.decode import PictureError, read_picture
from zoo.errors import UsageError
from zoo.upscale import open_engine, upscale
from zoo.upscale.__main__ import main
from zoo.upscale.files import Options, upscale_file
from zoo.upscale.pictures import decode, opened
from zoo.upscale.targets import Job


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return open_engine(files(tmp_path_factory.mktemp("networks"))("luma"))


def read(path):
    with opened(path) as (_, image):
        pixels = decode(path, image).pixels
    return pixels if isinstance(pixels, np.ndarray) else np.atleast_3d(np.asarray(pixels))


@pytest.mark.parametrize("kind", ["RGB", "L", "RGBA", "grey16", "rgb16"])
def test_a_damaged_png_is_never_written(tmp_path, engine, kind):
    samples = photo(41, 63, {"L": 1, "RGBA": 4, "grey16": 1}.get(kind, 3), np.uint16 if "16" in kind else np.uint8)
    path, target = tmp_path / "a.png", tmp_path / "o" / "a.png"
    if kind == "rgb16":
        import tensorflow as tf

        path.write_bytes(tf.io.encode_png(samples).numpy())
    else:
        Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples).save(path)
    np.testing.assert_array_equal(read(path), samples)
    whole = path.read_bytes()
    start, random = whole.index(b"IDAT"), np.random.default_rng(0)
    for position in random.integers(start, len(whole) - 12, 25):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        row = upscale_file(Job(path, target), engine, Options())
        assert row.state == "failed" and row.note.startswith("Expected a whole picture"), position
        assert not target.exists()


def grey(path, levels, *, white_is_zero=False, order="<", bits=16):
    """A plain TIFF by TIFF 6.0, one strip, so that no library's idea of it is in the way."""
    height, width = levels.shape
    stored = (1 << bits) - 1 - levels if white_is_zero else levels
    if bits == 12:
        pairs = np.pad(stored, [(0, 0), (0, width % 2)]).reshape(height, -1, 2).astype(int)
        first, second = pairs[..., 0], pairs[..., 1]
        data = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1).astype(np.uint8)
        data = data.reshape(height, -1)[:, : (width * 12 + 7) // 8].tobytes()
    else:
        data = stored.astype(f"{order}u2").tobytes()
    tags = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, int(not white_is_zero))]
    tags += [(273, 4, 8 + 2 + 9 * 12 + 4), (277, 3, 1), (278, 4, height), (279, 4, len(data))]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    for tag, kind, value in tags:
        packed = struct.pack(f"{order}H", value) + b"\0\0" if kind == 3 else struct.pack(f"{order}I", value)
        head += struct.pack(f"{order}HHI", tag, kind, 1) + packed
    path.write_bytes(head + b"\0\0\0\0" + data)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_grey_of_more_than_eight_bits_has_its_own_black_and_white(tmp_path, order, bits, white_is_zero):
    path = tmp_path / "grey.tif"
    levels = np.random.default_rng(1).integers(0, 1 << bits, (7, 13))
    levels[0, :2] = 0, (1 << bits) - 1
    grey(path, levels, white_is_zero=white_is_zero, order=order, bits=bits)
    expected = np.floor(levels * 65535 / ((1 << bits) - 1) + 0.5)
    # Pillow has no reader for the others: a sentence, and no negative.
    if (order, bits, white_is_zero) in [("<", 12, True), (">", 12, False), (">", 12, True), (">", 16, True)]:
        with pytest.raises(UsageError, match="Expected a whole picture"):
            read(path)
        with pytest.raises(PictureError, match="cannot identify"):
            read_picture(path)
        return
    np.testing.assert_array_equal(read(path)[..., 0], expected)
    np.testing.assert_array_equal(read_picture(path), np.floor(expected / 257 + 0.5))


def test_what_is_no_picture_at_all_is_said_so(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="cannot identify image file"):
        read(tmp_path / "a.png")


STRIPS = [
    {},
    {"rowsperstrip": 5},
    {"rowsperstrip": 5, "planarconfig": "separate"},
    {"tile": (16, 16)},
    {"tile": (16, 16), "planarconfig": "separate"},
    {"compression": "lzma"},
    {"compression": None},
]


@pytest.mark.parametrize("options", STRIPS, ids=str)
def test_a_deep_tiff_is_whole_or_refused(tmp_path, options):
    samples, path = photo(23, 37, 3, np.uint16), tmp_path / "a.tif"
    stored = np.ascontiguousarray(samples.transpose(2, 0, 1)) if "planarconfig" in options else samples
    tifffile.imwrite(path, stored, photometric="rgb", metadata=None, **({"compression": "deflate"} | options))
    np.testing.assert_array_equal(read(path), samples)
    with tifffile.TiffFile(path) as file:
        last = file.pages[0].dataoffsets[-1]
    with path.open("r+b") as file:
        file.truncate(last + 3)
    with pytest.raises(UsageError, match="Expected a whole picture"):
        read(path)


@pytest.mark.parametrize("content, word", [(bytes(5 << 20), "more"), (bytes(16 * 16 * 6 - 2), "1534")])
def test_a_deep_tiff_unpacks_to_its_picture_and_nothing_else(tmp_path, monkeypatch, content, word):
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((16, 16, 3), np.uint16), photometric="rgb", metadata=None, compression="deflate")
    with tifffile.TiffFile(path) as file:
        offset, count = (file.pages[0].tags[tag].valueoffset for tag in (273, 279))
    packed = zlib.compress(content)
    with path.open("r+b") as file:
        place = file.seek(0, os.SEEK_END)
        file.write(packed)
        for position, value in ((offset, place), (count, len(packed))):
            file.seek(position - 6)
            file.write(struct.pack("<HII", 4, 1, value))
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda page: pytest.fail("unpacked"))
    with pytest.raises(UsageError, match=f"that holds {word}"):
        read(path)


def test_a_pipe_is_named_and_the_pictures_behind_it_are_done(tmp_path, capsys):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    os.mkfifo(folder / "a.png")
    Image.fromarray(photo(9, 11)).save(folder / "b.png")
    model = files(tmp_path)("luma")
    assert main([str(folder), f"--output={output}", f"--model={model}"]) == 2
    assert "no regular file" in capsys.readouterr().out
    assert [path.name for path in output.iterdir()] == ["b.png"]


@pytest.mark.parametrize("letter", "aé")
def test_names_as_long_as_file_systems_take_them(tmp_path, engine, letter):
    name = letter * (251 // len(letter.encode())) + ".png"
    Image.fromarray(photo(9, 11)).save(tmp_path / name)
    row = upscale_file(Job(tmp_path / name, tmp_path / "o" / name), engine, Options())
    assert row.state == "written", row.note
    np.testing.assert_array_equal(read(tmp_path / "o" / name), upscale(photo(9, 11), engine))
    assert len(everything_in(tmp_path / "o")) == 1
