"""Picture files in and out: formats, modes, profile, EXIF, resolution, and files that are broken or too large."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from upscale_cases import files, half_up, photo

from zoo.data.search import WRITTEN
from zoo.errors import UsageError
from zoo.upscale import open_engine, pictures, upscale
from zoo.upscale.files import Options, upscale_file
from zoo.upscale.targets import Job

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MAKE, ORIENTATION, COPYRIGHT, EXPOSURE, PIXELS_X = 271, 274, 33432, 33434, 40962
EXIF_IFD, GPS_IFD = 34665, 34853


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Doubles every pixel: what comes out of a file is then known from what went in."""
    return open_engine(files(tmp_path_factory.getbasetemp())("nearest"))


@pytest.fixture
def enlarge(engine, tmp_path):
    """Runs one file through the network; gives the row, and the result opened if there is one."""

    def run(source, name=None, **options):
        target = tmp_path / "results" / (name or source.name)
        row = upscale_file(Job(source, target), engine, Options(**options))
        assert [path.name for path in target.parent.glob("*")] == ([target.name] if row.state == "written" else [])
        return (row, Image.open(target)) if row.state == "written" else (row, None)

    return run


def as_image(mode: str) -> Image.Image:
    image = photo(19, 26, {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}.get(mode, 3))
    if mode in ("L", "LA", "RGB", "RGBA"):
        return Image.fromarray(image[..., 0] if mode == "L" else image)
    if mode == "I;16":
        return Image.fromarray(photo(19, 26, 1, np.uint16)[..., 0])
    if mode == "P transparent":
        palette = Image.fromarray(image).quantize(31)
        palette.info["transparency"] = 3
        return palette
    return Image.fromarray(image).convert(mode)


@pytest.mark.parametrize(
    ("suffix", "mode", "becomes"),
    [
        *((".png", mode, mode) for mode in ("L", "LA", "RGB", "RGBA", "I;16")),
        *((".tif", mode, mode) for mode in ("L", "LA", "RGB", "RGBA", "I;16")),
        (".png", "P", "RGB"),
        (".png", "P transparent", "RGBA"),
        (".png", "1", "L"),
        (".tiff", "CMYK", "RGB"),
        (".tif", "YCbCr", "RGB"),
        (".bmp", "RGB", "RGB"),
        (".bmp", "L", "L"),
        (".bmp", "P", "RGB"),
        (".webp", "RGB", "RGB"),
        (".webp", "RGBA", "RGBA"),
    ],
)
def test_lossless_files_give_what_the_array_gives(enlarge, engine, tmp_path, suffix, mode, becomes):
    source = tmp_path / f"picture{suffix}"
    image = as_image(mode)
    image.save(source, **({"lossless": True, "exact": True} if suffix == ".webp" else {}))
    row, result = enlarge(source, quality=100)
    assert (row.state, result.mode, row.size) == ("written", becomes, (52, 38)), row
    with Image.open(source) as stored:
        samples = np.asarray(stored if becomes == mode else stored.convert(becomes))
    assert np.array_equal(np.asarray(result), upscale(samples, engine))
    assert ("CMYK" in row.note) == (mode == "CMYK")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(enlarge, engine, tmp_path, mode):
    source = tmp_path / "picture.JPG"
    as_image(mode).save(source, "JPEG", quality=90, progressive=True)
    _, result = enlarge(source)
    assert (result.format, result.mode) == ("JPEG", "L" if mode == "L" else "RGB")
    with Image.open(source) as stored:
        expected = upscale(np.asarray(stored.convert(result.mode)), engine)
    assert np.abs(np.asarray(result).astype(int) - expected).mean() < 3
    # 4:4:4: enlarged chroma is not thrown away again.
    assert mode == "L" or [layer[1:3] for layer in result.layer] == [(1, 1)] * 3


def test_cmyk_goes_through_its_own_profile(tmp_path):
    image = as_image("CMYK")
    # No CMYK profile can be made here: an unusable one falls back to the plain conversion and is not kept.
    image.save(tmp_path / "picture.tif", icc_profile=PROFILE)
    with pictures.opened(tmp_path / "picture.tif") as (_, opened):
        picture = pictures.decode(tmp_path / "picture.tif", opened)
    assert picture.icc is None and np.array_equal(np.asarray(picture.pixels), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("suffix", "channels"), [(".png", 2), (".png", 3), (".png", 4), (".tif", 3), (".tif", 4)])
def test_sixteen_bits_of_colour_are_kept(enlarge, engine, tmp_path, suffix, channels):
    import tensorflow as tf

    samples = photo(21, 17, channels, np.uint16)
    source = tmp_path / f"picture{suffix}"
    if suffix == ".png":
        source.write_bytes(tf.io.encode_png(samples).numpy())
    else:
        extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        tifffile.imwrite(source, samples, photometric="rgb", iccprofile=PROFILE, resolution=(72, 72), **extra)
    row, result = enlarge(source)
    assert row.state == "written", row
    target = tmp_path / "results" / source.name
    read = (
        tf.io.decode_png(target.read_bytes(), dtype="uint16").numpy() if suffix == ".png" else tifffile.imread(target)
    )
    assert read.dtype == np.uint16 and np.array_equal(read, upscale(samples, engine))
    # Control: 8 bits would not have done.
    assert (read % 257 != 0).any()
    if suffix == ".tif":
        assert result.info["icc_profile"] == PROFILE and result.info["dpi"] == (72, 72)


def test_the_transparent_colour_of_a_sixteen_bit_png_becomes_alpha(enlarge, engine, tmp_path):
    import tensorflow as tf

    from zoo.upscale import metadata

    samples = photo(21, 17, 3, np.uint16)
    samples[3:9, 4:13] = colour = 513, 40_000, 7
    # A channel alone is not the colour.
    samples[15, 2] = 513, 40_000, 8
    content = tf.io.encode_png(samples).numpy()
    transparent = metadata.chunk(b"tRNS", struct.pack(">3H", *colour))
    (tmp_path / "picture.png").write_bytes(content[:33] + transparent + content[33:])
    row, _ = enlarge(tmp_path / "picture.png")
    assert row.state == "written", row
    read = tf.io.decode_png((tmp_path / "results" / "picture.png").read_bytes(), dtype="uint16").numpy()
    alpha = np.full(samples.shape[:2] + (1,), 65535, np.uint16)
    alpha[3:9, 4:13] = 0
    assert read.shape[-1] == 4 and np.array_equal(read, upscale(np.concatenate([samples, alpha], axis=-1), engine))


def test_sixteen_bit_png_keeps_profile_resolution_and_exif(enlarge, engine, tmp_path):
    from zoo.upscale import deep, metadata

    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "Camera", 8
    samples = photo(11, 14, 3, np.uint16)
    deep.write_png(tmp_path / "picture.png", samples, PROFILE, (300, 150), exif, metadata.Words())
    row, result = enlarge(tmp_path / "picture.png")
    assert (row.state, result.size) == ("written", (22, 28)), row
    assert result.info["icc_profile"] == PROFILE and np.allclose(result.info["dpi"], (150, 300), atol=0.02)
    assert result.getexif()[MAKE] == "Camera" and result.getexif()[ORIENTATION] == 1
    import tensorflow as tf

    read = tf.io.decode_png((tmp_path / "results" / "picture.png").read_bytes(), dtype="uint16").numpy()
    assert np.array_equal(read, upscale(np.rot90(samples), engine))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_profile_exif_and_resolution_are_kept(enlarge, tmp_path, suffix):
    exif = Image.Exif()
    exif[MAKE], exif[COPYRIGHT], exif[ORIENTATION] = "Camera", "Somebody", 6
    exif.get_ifd(EXIF_IFD).update({EXPOSURE: 0.5, PIXELS_X: 26, PIXELS_X + 1: 19})
    exif.get_ifd(GPS_IFD)[1] = "N"
    if suffix == ".tif":
        exif.update({tag: exif.get_ifd(tag) for tag in (EXIF_IFD, GPS_IFD)})
    source = tmp_path / f"picture{suffix}"
    as_image("RGB").save(source, icc_profile=PROFILE, exif=exif, dpi=(300, 150))
    row, result = enlarge(source)
    assert (row.state, row.note, result.size) == ("written", "", (38, 52))
    assert result.info["icc_profile"] == PROFILE
    kept = result.getexif()
    assert (kept[MAKE], kept[COPYRIGHT], kept.get(ORIENTATION, 1)) == ("Camera", "Somebody", 1)
    assert kept.get_ifd(EXIF_IFD)[EXPOSURE] == 0.5 and kept.get_ifd(GPS_IFD)[1] == "N"
    assert kept.get_ifd(EXIF_IFD)[PIXELS_X] == 38 and kept.get_ifd(EXIF_IFD)[PIXELS_X + 1] == 52
    if suffix != ".webp":
        # Turned by 90 degrees, and with it the two resolutions.
        assert np.allclose([float(value) for value in result.info["dpi"]], (150, 300), atol=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied_once(enlarge, engine, tmp_path, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    for name, image in (("eight.png", as_image("RGB")), ("sixteen.png", as_image("I;16"))):
        image.save(tmp_path / name, exif=exif)
        _, result = enlarge(tmp_path / name)
        with Image.open(tmp_path / name) as stored:
            upright = np.asarray(ImageOps.exif_transpose(stored))
        assert np.array_equal(np.asarray(result), upscale(upright, engine))
        assert result.getexif()[ORIENTATION] == 1
        (tmp_path / "results" / name).unlink()


def test_the_resolution_goes_into_the_exif_of_webp(enlarge, tmp_path):
    as_image("RGB").save(tmp_path / "picture.png", dpi=(300, 300))
    _, result = enlarge(tmp_path / "picture.png", "picture.webp")
    assert round(float(result.getexif()[282])) == 300 and result.getexif()[296] == 2


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_broken_exif_does_not_refuse_the_picture(enlarge, tmp_path):
    as_image("RGB").save(tmp_path / "picture.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01" * 40)
    row, _ = enlarge(tmp_path / "picture.jpg")
    assert row.state == "written"


def test_of_an_animation_the_first_frame_and_a_note(enlarge, engine, tmp_path):
    frames = [as_image("RGB"), Image.new("RGB", (26, 19), "red")]
    frames[0].save(tmp_path / "picture.png", save_all=True, append_images=frames[1:])
    row, result = enlarge(tmp_path / "picture.png")
    assert row.note == "the first of 2 frames"
    assert np.array_equal(np.asarray(result), upscale(np.asarray(frames[0]), engine))


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3000, 1), (2, 3)])
def test_odd_sizes(enlarge, engine, tmp_path, size):
    samples = photo(*size)
    Image.fromarray(samples).save(tmp_path / "picture.png")
    _, result = enlarge(tmp_path / "picture.png")
    assert np.array_equal(np.asarray(result), upscale(samples, engine))


def truncated(suffix: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (60, 70, 3), np.uint8)
    Image.fromarray(noise).save(buffer, WRITTEN[suffix])
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


BROKEN = {
    **{f"truncated{suffix}": truncated(suffix) for suffix in (".png", ".jpg", ".webp", ".tif", ".bmp")},
    "empty.png": b"",
    "text.png": b"This is no picture.",
    "header.png": b"\x89PNG\r\n\x1a\n" + bytes(30),
    "drawing.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(enlarge, tmp_path, name):
    (tmp_path / name).write_bytes(BROKEN[name])
    row, _ = enlarge(tmp_path / name)
    assert row.state == "failed"
    assert row.note.startswith("Expected a whole picture (.png, .jpg") and f"Received: {name}: " in row.note
    assert "\n" not in row.note and str(tmp_path) not in row.note


def test_a_directory_with_a_pictures_name_is_refused(enlarge, tmp_path):
    (tmp_path / "x.png").mkdir()
    row, _ = enlarge(tmp_path / "x.png")
    assert row.note == f"Expected a picture. Received: {str(tmp_path / 'x.png')!r}, a folder"
    as_image("L").save(tmp_path / "y.png")
    (tmp_path / "results" / "y.png").mkdir(parents=True)
    row = upscale_file(Job(tmp_path / "y.png", tmp_path / "results" / "y.png"), None, Options())
    assert row.note == f"Expected a file's name. Received: {tmp_path / 'results' / 'y.png'}, a folder"


def test_a_bomb_is_refused_before_it_is_decoded(enlarge, tmp_path, monkeypatch):
    import struct
    import zlib

    # A header of 30,000 × 20,000 and next to nothing behind it.
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 30000, 20000, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = zlib.compress(bytes(1000))
    body = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    (tmp_path / "bomb.png").write_bytes(header + body)
    # As the command leaves it, which has a limit of its own.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    row, _ = enlarge(tmp_path / "bomb.png")
    assert row.note == (
        "Expected a result of at most 300 megapixels (--max_megapixels raises it). "
        "Received: bomb.png, 30000×20000, 2400 at scale 2"
    )
    # In a program of one's own, Pillow's limit holds too.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_478_485)
    row, _ = enlarge(tmp_path / "bomb.png")
    assert row.state == "failed" and "600000000 pixels" in row.note
    as_image("RGB").save(tmp_path / "small.png")
    row, _ = enlarge(tmp_path / "small.png", max_megapixels=0.0019)
    assert row.state == "failed" and "26×19, 0.001976 at scale 2" in row.note
    row, _ = enlarge(tmp_path / "small.png", max_megapixels=0.002)
    assert row.state == "written"


@pytest.mark.parametrize(
    ("mode", "size", "name", "words"),
    [
        ("RGBA", (5, 5), "x.jpg", "Expected no transparency for JPEG (--format=png keeps it). Received: x.jpg"),
        ("LA", (5, 5), "x.jpeg", "Expected no transparency for JPEG (--format=png keeps it). Received: x.jpeg"),
        ("LA", (5, 5), "x.bmp", "Expected no transparency for BMP (--format=png keeps it). Received: x.bmp"),
        ("RGBA", (5, 5), "x.bmp", "Expected no transparency for BMP (--format=png keeps it). Received: x.bmp"),
        ("I;16", (5, 5), "x.webp", "Expected 8 bits for WEBP (--format=png keeps 16). Received: x.webp with 16 bits"),
        ("I;16", (5, 5), "x.bmp", "Expected 8 bits for BMP (--format=png keeps 16). Received: x.bmp with 16 bits"),
        ("RGB", (8200, 2), "x.webp", "Expected at most 16383 px a side for WEBP. Received: 16400×4"),
        ("RGB", (2, 33000), "x.jpg", "Expected at most 65535 px a side for JPEG. Received: 4×66000"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(enlarge, tmp_path, mode, size, name, words):
    Image.new(mode, size).save(tmp_path / "picture.png")
    assert enlarge(tmp_path / "picture.png", name)[0].note == words


def test_samples_of_another_kind_are_refused(enlarge, tmp_path):
    Image.new("F", (4, 4)).save(tmp_path / "float.tif")
    assert "Expected grey, RGB, CMYK or palette colours. Received: mode F" in enlarge(tmp_path / "float.tif")[0].note
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(tmp_path / "long.tif")
    assert "Expected samples of 8 or 16 bits. Received: values from 70000" in enlarge(tmp_path / "long.tif")[0].note


def test_a_file_that_fails_while_it_is_written_leaves_nothing(engine, tmp_path, monkeypatch):
    as_image("RGB").save(tmp_path / "picture.png")
    (tmp_path / "result.png").write_bytes(b"what was there before")

    def fail(self, path, *_, **__):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    row = upscale_file(Job(tmp_path / "picture.png", tmp_path / "result.png"), engine, Options())
    assert (row.state, row.note) == ("failed", "No space left on device")
    assert (tmp_path / "result.png").read_bytes() == b"what was there before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture.png", "result.png"]
    with pytest.raises(UsageError), pictures.refusing(tmp_path / "x"):
        raise IndexError


def test_the_rounding_of_the_truth_is_half_up():
    assert half_up(np.array([0.5, 1.5, -3.0, 300.0]), np.uint8).tolist() == [1, 2, 0, 255]
