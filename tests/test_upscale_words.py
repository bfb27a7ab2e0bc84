"""What a picture file says beside its pixels is kept where the format holds it, else named."""

import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin, TiffImagePlugin, features
from upscale_cases import photo, picture

from zoo.upscale import metadata, open_engine, pictures, upscale
from zoo.upscale.files import Options, upscale_file
from zoo.upscale.targets import Job, jobs

pytestmark = pytest.mark.usefixtures("shown_log")

XMP = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"/><?xpacket end="w"?>'


@pytest.fixture
def enlarge(tflite, tmp_path):
    engine = open_engine(tflite("nearest"))

    def run(source, target):
        row = upscale_file(Job(tmp_path / source, tmp_path / target), engine, Options())
        assert row.state == "written", row
        with Image.open(tmp_path / target) as image:
            image.load()
            return row.note, image

    return run


def png(path, mode="RGB"):
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "A test")
    info.add_itxt("Author", "Größe")
    info.add(b"cICP", bytes([9, 16, 0, 1]))
    info.add(b"gAMA", (100000).to_bytes(4, "big"))
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    image = photo(9, 12, 1, np.uint16) if mode == "I;16" else photo(9, 12)
    (Image.fromarray(image[..., 0]) if mode == "I;16" else Image.fromarray(image)).save(path, pnginfo=info)


@pytest.mark.parametrize("mode", ["RGB", "I;16"])
def test_texts_and_colour_chunks_of_png(enlarge, tmp_path, mode):
    png(tmp_path / "a.png", mode)
    note, image = enlarge("a.png", "b.png")
    assert note == "" and image.text["Title"] == "A test" and image.text["Author"] == "Größe"
    assert image.info["gamma"] == 1 and bytes([9, 16, 0, 1]) in (tmp_path / "b.png").read_bytes()
    assert XMP.decode() == image.text["XML:com.adobe.xmp"]
    target = "b.tif" if mode == "I;16" else "b.jpg"
    note, image = enlarge("a.png", target)
    assert "left out: its texts (Title, Author), which only PNG holds" in note
    assert "left out: what its numbers stand for (cICP, gAMA)" in note
    assert image.info["xmp"] == XMP


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def test_what_a_jpeg_says_further_is_kept_or_named(enlarge, tmp_path):
    Image.fromarray(photo(9, 12)).save(tmp_path / "a.jpg", comment=b"Sommer")
    note, image = enlarge("a.jpg", "b.jpg")
    assert note == "" and image.info["comment"] == b"Sommer"
    assert enlarge("a.jpg", "b.png")[1].text["Comment"] == "Sommer"
    assert "left out: its comment" in enlarge("a.jpg", "b.webp")[0]
    content = (tmp_path / "a.jpg").read_bytes()
    iptc = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + (8).to_bytes(4, "big") + b"\x1c\x02\x78\0\x03cat"
    signed = segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x10jumb\0\0\0\0")
    (tmp_path / "c.jpg").write_bytes(content[:2] + segment(0xED, iptc) + signed + content[2:])
    note, _ = enlarge("c.jpg", "d.jpg")
    assert "left out: what IPTC and Photoshop say of it" in note and "left out: its content credentials" in note


def test_chunks_of_png_are_kept_or_named(enlarge, tmp_path):
    Image.fromarray(photo(9, 12)).save(tmp_path / "a.png")
    chunks = {b"cLLI": bytes(8), b"mDCV": bytes(range(24)), b"caBX": b"signed", b"tIME": bytes(7), b"prIv": b"mine"}
    content = (tmp_path / "a.png").read_bytes()
    added = b"".join(
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        for name, data in chunks.items()
    )
    (tmp_path / "a.png").write_bytes(content[:33] + added + content[33:])
    note, _ = enlarge("a.png", "b.png")
    assert note == ("left out: its content credentials, which are signed for the old file; left out: its chunk prIv")
    content = (tmp_path / "b.png").read_bytes()
    assert b"cLLI" + bytes(8) in content and b"mDCV" + bytes(range(24)) in content


def test_a_turned_picture_is_upright_in_xmp_too(enlarge, tmp_path):
    for xmp in (b'<x tiff:Orientation="6"/>', b"<x><tiff:Orientation>6</tiff:Orientation></x>"):
        exif = Image.Exif()
        exif[274] = 6
        Image.fromarray(photo(9, 12)).save(tmp_path / "a.jpg", exif=exif, xmp=xmp)
        image = enlarge("a.jpg", "b.jpg")[1]
        assert image.size == (18, 24) and image.info["xmp"] == xmp.replace(b"6", b"1")
    # Control: a side that is up already.
    xmp = xmp.replace(b"6", b"1")
    Image.fromarray(photo(9, 12)).save(tmp_path / "a.jpg", xmp=xmp)
    image = enlarge("a.jpg", "b.jpg")[1]
    assert image.size == (24, 18) and image.info["xmp"] == xmp


def test_a_place_on_the_map_is_named(enlarge, tmp_path):
    exif = Image.Exif()
    exif[33550], exif[33922], exif[270] = (0.5, 0.5, 0.0), (0.0, 0.0, 0.0, 3.0, 4.0, 0.0), "a map"
    Image.fromarray(photo(9, 12)).save(tmp_path / "a.tif", tiffinfo=exif)
    note, image = enlarge("a.tif", "b.tif")
    assert note == "left out: its place on the map, which holds for the old pixels"
    assert 33550 not in image.tag_v2 and image.tag_v2[270] == "a map"


def test_what_a_deep_tiff_does_not_hold_is_named(enlarge, tmp_path):
    import tifffile

    extra = [(271, 2, 0, "maker", True), (33434, 5, 1, (1, 60), True)]
    tifffile.imwrite(tmp_path / "a.tif", photo(9, 12, 3, np.uint16), photometric="rgb", extratags=extra, metadata=None)
    note, image = enlarge("a.tif", "b.tif")
    assert "left out: its EXIF but for texts" in note and image.tag_v2[271] == "maker"


@pytest.mark.parametrize("suffix", ["jpg", "webp", "tif"])
def test_xmp_is_kept(enlarge, tmp_path, suffix):
    Image.fromarray(photo(9, 12)).save(tmp_path / f"a.{suffix}", **({} if suffix == "tif" else {"xmp": XMP}))
    if suffix == "tif":
        Image.fromarray(photo(9, 12)).save(tmp_path / "a.tif", tiffinfo={700: XMP})
    note, image = enlarge(f"a.{suffix}", f"b.{suffix}")
    assert note == "" and image.info["xmp"] == XMP
    note, _ = enlarge(f"a.{suffix}", "b.bmp")
    assert note == "left out: its XMP, which BMP does not hold"


def test_sixteen_bit_colour_keeps_xmp(enlarge, tmp_path):
    import tifffile

    tags = [(700, 1, len(XMP), XMP, True)]
    tifffile.imwrite(tmp_path / "a.tif", photo(9, 12, 3, np.uint16), photometric="rgb", extratags=tags, metadata=None)
    for target in ("b.tif", "b.png"):
        note, image = enlarge("a.tif", target)
        assert note == ""
        assert XMP in (tmp_path / target).read_bytes()


def test_a_gain_map_is_named(enlarge, tmp_path):
    told = XMP.replace(b"<x:xmpmeta", b'<x:xmpmeta hdrgm:Version="1.0"')
    Image.fromarray(photo(9, 12)).save(tmp_path / "a.jpg", xmp=told)
    note, image = enlarge("a.jpg", "b.jpg")
    assert note == "left out: its gain map and the XMP that tells of it" and "xmp" not in image.info
    frames = [Image.fromarray(photo(9, 12, seed=seed)) for seed in (0, 1)]
    frames[0].save(tmp_path / "c.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert enlarge("c.jpg", "d.jpg")[0] == "left out: the further pictures behind the first"


def test_a_long_profile_is_left_out_of_png_only(enlarge, tmp_path):
    profile = os.urandom(2_500_000)
    Image.fromarray(photo(9, 12)).save(tmp_path / "a.jpg", icc_profile=profile)
    note, image = enlarge("a.jpg", "b.png")
    assert "left out: its colour profile of 2.5 MB" in note and "icc_profile" not in image.info
    note, image = enlarge("a.jpg", "b.tif")
    assert note == "" and image.info["icc_profile"] == profile


@pytest.mark.parametrize(("tag", "words"), [(37500, "the camera's own notes in its EXIF"), (40092, "its EXIF")])
def test_exif_that_is_too_long_for_jpeg(enlarge, tmp_path, tag, words):
    exif = Image.Exif()
    exif[271] = "A camera"
    (exif.get_ifd(34665) if tag == 37500 else exif)[tag] = bytes(70000)
    Image.fromarray(photo(9, 12)).save(tmp_path / "a.png", exif=exif)
    note, image = enlarge("a.png", "b.jpg")
    assert note == f"left out: {words}, of which a JPEG holds 64 kB"
    assert image.getexif().get(271) == ("A camera" if tag == 37500 else None)
    note, image = enlarge("a.png", "b.png")
    assert note == "" and image.getexif()[271] == "A camera"


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_texts_of_exif_beyond_ascii(tmp_path, suffix):
    exif = Image.Exif()
    said = {33432: "© Müller", 270: "plain", 315: "Größe".encode().decode("latin-1")}
    exif.update({tag: text.encode("latin-1") for tag, text in said.items()})
    Image.fromarray(photo(9, 12)).save(tmp_path / "a.jpg", exif=exif)
    target = tmp_path / f"b.{suffix}"
    with pictures.opened(tmp_path / "a.jpg") as (_, image):
        read = pictures.decode(tmp_path / "a.jpg", image)
    pictures.check_target(target, read, 2)
    pictures.save(read, target)
    with Image.open(target) as image:
        assert read.notes == [] and {tag: image.getexif()[tag] for tag in said} == said
    # What is no text to Pillow, or in a directory of its own, cannot be written as it was.
    read.exif.get_ifd(34665)[42033] = "5ü"
    read.exif[50000] = "ß"
    pictures.check_target(target, read, 2)
    assert read.notes == [f"EXIF's tag {tag} has ? for what is not ASCII" for tag in (42033, 50000)]


def test_texts_beyond_ascii_in_a_deep_tiff(tmp_path):
    tags = [(33432, 2, 0, "© Müller".encode("latin-1"), True), (50000, 2, 0, b"\xdf", True), (271, 2, 0, "maker", True)]
    samples = photo(9, 12, 3, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extratags=tags, metadata=None)
    with pictures.opened(tmp_path / "a.tif") as (_, image):
        read = pictures.decode(tmp_path / "a.tif", image)
    pictures.check_target(tmp_path / "b.tif", read, 2)
    pictures.save(read, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        written = {tag: file.pages[0].tags[tag].value for tag in (33432, 50000, 271)}
    assert read.notes == [] and written == {33432: "© Müller", 50000: "ß", 271: "maker"}


def test_transparency_of_sixteen_bit_grey(enlarge, tmp_path):
    levels = photo(9, 12, 1, np.uint16)[..., 0]
    levels[2:4, 3:6] = 777
    Image.fromarray(levels).save(tmp_path / "a.png", transparency=777)
    note, image = enlarge("a.png", "b.png")
    assert note == "" and image.getpixel((8, 5))[-1] == 0 and image.getpixel((0, 0))[-1] == 255


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_transparency_of_grey_with_few_levels(tmp_path, bits):
    hidden = 1
    levels = np.arange(16).reshape(2, 8) % (1 << bits)
    rows = b"".join(b"\0" + np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:]).tobytes()
                    for row in levels.astype(np.uint8))  # fmt: skip
    header = struct.pack(">IIBBBBB", 8, 2, bits, 0, 0, 0, 0)
    chunks = {b"IHDR": header, b"tRNS": struct.pack(">H", hidden), b"IDAT": zlib.compress(rows), b"IEND": b""}
    content = b"".join(metadata.chunk(*each) for each in chunks.items())
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pictures.opened(tmp_path / "a.png") as (_, image):
        samples = np.asarray(pictures.decode(tmp_path / "a.png", image).pixels)
    assert np.array_equal(samples[..., 0], levels * (255 // ((1 << bits) - 1)))
    # The levels beside it are the control.
    assert np.array_equal(samples[..., 1], np.where(levels == hidden, 0, 255))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("mode", ["1", "P"])
def test_transparency_of_few_colours(enlarge, tmp_path, mode, interlaced):
    image = Image.fromarray(photo(16, 12)).convert(mode)
    options = {"transparency": 0 if mode == "1" else bytes(range(256))}
    image.save(tmp_path / "a.png", **options)
    note, result = enlarge("a.png", "b.png")
    expected = np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"))[..., 3]
    assert note == "" and expected.min() < 255
    difference = np.asarray(result.convert("RGBA"))[::2, ::2, 3].astype(int) - expected
    assert np.abs(difference[1:-1, 1:-1]).mean() < 60 and result.mode in ("LA", "RGBA")


def test_pages_are_not_counted(enlarge, tmp_path, monkeypatch):
    pages = [Image.fromarray(photo(3, 4, seed=seed)) for seed in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert enlarge("a.tif", "b.tif")[0] == "the first of several frames"
    content = bytearray((tmp_path / "a.tif").read_bytes())
    first = int.from_bytes(content[4:8], "little")
    count = int.from_bytes(content[first : first + 2], "little")
    # The second page lies beyond the file: that is no reason against the first.
    place = first + 2 + 12 * count
    content[place : place + 4] = (1 << 30).to_bytes(4, "little")
    (tmp_path / "far.tif").write_bytes(content)
    assert enlarge("far.tif", "c.tif")[0] == ""
    # Counting thousands takes minutes.
    counted = []
    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "n_frames", property(lambda _: counted.append("Pillow") or 3))
    monkeypatch.setattr(tifffile.TiffPages, "__len__", lambda _: counted.append("tifffile") or 3)
    assert enlarge("a.tif", "d.tif")[0] == "the first of several frames"
    assert counted == []
    # Control: both would have been noticed.
    with Image.open(tmp_path / "a.tif") as image, tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert image.n_frames == len(file.pages) == 3
    assert set(counted) == {"Pillow", "tifffile"}


def test_what_pillow_reads_is_taken_and_what_it_does_not_is_named(tmp_path, caplog, upscale_command, tflite):
    folder = tmp_path / "in"
    picture(folder / "a.png")
    picture(folder / "b.jpg").rename(folder / "b.jfif")
    Image.fromarray(photo(9, 12, 1)[..., 0]).save(folder / "a.gif")
    if features.check("avif"):
        Image.fromarray(photo(9, 12)).save(folder / "c.avif")
    (folder / "d.heic").write_bytes(b"")
    (folder / "e.HEIC").write_bytes(b"")
    (folder / "f.MP4").write_bytes(b"")
    found = {job.target.name for job in jobs([str(folder)], str(tmp_path / "out"))}
    assert found == {"a.png", "b.jfif", "a.gif.png"} | ({"c.avif.png"} if features.check("avif") else set())
    assert f"left out of {folder}: 2 .heic, which are not read here: convert them to PNG first" in caplog.text
    assert f"left out of {folder}: 1 .mp4, which are given one at a time" in caplog.text
    code, out, _ = upscale_command("in", "--output=out")
    assert code == 0 and out.startswith(f"{len(found)} written")
    result = np.asarray(Image.open(tmp_path / "out/a.gif.png").convert("L"))
    assert np.abs(result.astype(int) - upscale(photo(9, 12, 1)[..., 0], tflite("nearest"))).max() <= 2


def test_a_folder_that_cannot_be_read_is_named(tmp_path, caplog, closed):
    picture(tmp_path / "in/a.png")
    picture(tmp_path / "in" / closed / "b.png")
    assert len(jobs([str(tmp_path / "in")], str(tmp_path / "out"))) == 1
    assert f"left out: {tmp_path / 'in' / closed}: Permission denied" in caplog.text
