"""Video as it is found: damage, equal time stamps, odd sides, 10 bits and HDR, fonts and covers, names, segments."""

import os
from fractions import Fraction

import numpy as np
import pytest
from upscale_cases import half_up

from zoo.errors import UsageError
from zoo.upscale import open_engine, upscale
from zoo.upscale.targets import Job, video_job

av = pytest.importorskip("av", reason="PyAV is not installed (the extra [video])")
from video_cases import clip, frames, packets  # noqa: E402

from zoo.upscale.video import VideoOptions, upscale_video  # noqa: E402
from zoo.upscale.video_frames import plane  # noqa: E402

LOSSLESS = VideoOptions(crf=0)


@pytest.fixture
def nearest(tflite):
    return open_engine(tflite("nearest"))


def changed(path, target, change):
    """Copies a file's first stream, packet by packet, each as `change` of its number and itself gives it."""
    with av.open(str(path)) as source, av.open(str(target), "w") as to:
        stream = to.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.dts is not None:
                packet = change(number, packet)
                packet.stream = stream
                to.mux(packet)
    return target


@pytest.mark.parametrize(("codec", "form"), [("mjpeg", "yuvj420p"), ("libx264", "yuv420p"), ("libvpx-vp9", "yuv420p")])
def test_a_damaged_packet_is_passed_over(nearest, tmp_path, codec, form):
    def spoilt(number, packet):
        if number != 3:
            return packet
        bad = av.Packet(b"\xff" * packet.size)
        bad.pts, bad.dts, bad.time_base = packet.pts, packet.dts, packet.time_base
        return bad

    good = clip(tmp_path / "good.mkv", form, codec=codec, sound=False)
    source = changed(good, tmp_path / "bad.mkv", spoilt)
    row = upscale_video(Job(source, tmp_path / "out.mkv"), nearest, LOSSLESS)
    assert row.state == "written" and "1 damaged packets were passed over" in row.note, row
    expected, received = [at for at, _ in frames(good)], [at for at, _ in frames(tmp_path / "out.mkv")]
    assert len(received) >= 6 and set(received) <= set(expected)
    assert upscale_video(Job(good, tmp_path / "fine.mkv"), nearest, LOSSLESS).note == ""


def test_transparency_that_is_lost_is_said(nearest, tmp_path):
    """VP9 has it beside the packets; the enlarged film must not say that it has it."""
    plain = clip(tmp_path / "plain.webm", codec="libvpx-vp9", sound=False)
    with av.open(str(plain)) as source, av.open(str(tmp_path / "clear.webm"), "w") as to:
        stream = to.add_stream_from_template(source.streams.video[0])
        stream.metadata["alpha_mode"] = "1"
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                to.mux(packet)
    row = upscale_video(Job(tmp_path / "clear.webm", tmp_path / "out.mkv"), nearest, LOSSLESS)
    assert row.state == "written" and row.note == "left out: its transparency", row
    with av.open(str(tmp_path / "out.mkv")) as made:
        assert not any("alpha" in key.lower() for key in made.streams.video[0].metadata)
    assert upscale_video(Job(plain, tmp_path / "fine.mkv"), nearest, LOSSLESS).note == ""


def test_a_film_that_ends_before_it_begins_is_said_to_be_no_whole_one(nearest, tmp_path):
    whole = clip(tmp_path / "whole.mkv", sound=False).read_bytes()
    for length in (300, 600, 900):
        (tmp_path / "cut.mkv").write_bytes(whole[:length])
        row = upscale_video(Job(tmp_path / "cut.mkv", tmp_path / "out.mkv"), nearest, LOSSLESS)
        assert row.state == "failed" and "Expected a whole video. Received: cut.mkv" in row.note, row


def test_what_cannot_be_decoded_at_all_is_no_video(nearest, tmp_path):
    def spoilt(number, packet):
        bad = av.Packet(b"\xff" * packet.size)
        bad.pts, bad.dts, bad.time_base = packet.pts, packet.dts, packet.time_base
        return bad

    source = changed(clip(tmp_path / "good.mkv", sound=False), tmp_path / "bad.mkv", spoilt)
    row = upscale_video(Job(source, tmp_path / "out.mkv"), nearest, LOSSLESS)
    assert (row.state, row.note) == ("failed", "Expected a whole video. Received: bad.mkv, without a frame")
    assert not (tmp_path / ".out.mkv.parts").exists()


def test_two_frames_with_one_time_stamp(nearest, tmp_path):
    def early(number, packet):
        packet.pts = packet.dts = 40 * (number - (number == 4))
        packet.time_base = Fraction(1, 1000)
        return packet

    source = clip(tmp_path / "good.mkv", "yuvj420p", 8, codec="mjpeg", sound=False)
    source = changed(source, tmp_path / "twice.mkv", early)
    row = upscale_video(Job(source, tmp_path / "out.mkv"), nearest, LOSSLESS)
    assert (row.state, row.frames) == ("written", 8), row
    assert row.note == "1 frames had the time of the one before them, and follow it"
    # Encoded in an order of their own: what is kept is when each is shown.
    assert [round(at * 1000) for at, _ in frames(tmp_path / "out.mkv")] == [0, 40, 80, 120, 121, 200, 240, 280]


@pytest.mark.parametrize("size", [(33, 25), (32, 25), (33, 24)], ids=str)
@pytest.mark.parametrize(("form", "codec"), [("yuvj420p", "mjpeg"), ("yuvj422p", "mjpeg"), ("yuv444p", "libx264")])
@pytest.mark.parametrize("network", ["nearest", "luma3"])
def test_odd_sides(tflite, tmp_path, size, form, codec, network):
    engine = open_engine(tflite(network))
    source = clip(tmp_path / "in.mkv", form, 2, size, codec, sound=False)
    row = upscale_video(Job(source, tmp_path / "out.mkv"), engine, LOSSLESS)
    width, height = (side * engine.scale for side in size)
    across, down = {"yuvj420p": (2, 2), "yuvj422p": (2, 1)}.get(form, (1, 1))
    assert (row.state, row.size) == ("written", (width + width % across, height + height % down)), row
    assert ("became" in row.note) == (row.size != (width, height))
    for (_, before), (_, after) in zip(frames(source), frames(tmp_path / "out.mkv"), strict=True):
        assert np.array_equal(after[0][:height, :width], upscale(before[0], engine))
        assert np.array_equal(after[0][-1, :width], after[0][height - 1, :width])
        assert after[1].shape == (-(-height // down), -(-width // across))


def test_ten_bits_stay_ten_bits(tflite, tmp_path):
    engine = open_engine(tflite("luma3"))
    colours = {"color_primaries": 9, "color_trc": 18, "colorspace": 9, "color_range": 1}  # HLG, BT.2100
    for form in ("yuv420p10le", "yuv422p10le", "yuv444p10le"):
        source = clip(tmp_path / f"{form}.mp4", form, 2, (38, 26), sound=False, **colours)
        with av.open(str(source), "r") as container:
            assert container.streams.video[0].codec_context.pix_fmt == form
        target = tmp_path / f"{form}_out.mkv"
        assert upscale_video(Job(source, target), engine, LOSSLESS).state == "written"
        for (_, before), (_, after) in zip(frames(source), frames(target), strict=True):
            expected = upscale(before[0].astype(np.float32) / 1023, engine)
            assert np.abs(after[0] - half_up(expected.astype(np.float64) * 1023, np.uint16).astype(int)).max() <= 1
            assert after[0].max() > 255 and len(np.unique(after[0] % 4)) == 4
        with av.open(str(target)) as container:
            frame = next(container.decode(video=0))
            assert frame.format.name == form and {key: getattr(frame, key) for key in colours} == colours


@pytest.mark.skipif("libx265" not in av.codecs_available, reason="no encoder of HDR10 in this PyAV")
def test_the_mastering_display_of_hdr10_is_kept(nearest, tmp_path):
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx265", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        stream.options = {"x265-params": f"log-level=none:hdr10=1:master-display={display}:max-cll=1000,400"}
        stream.codec_context.color_trc = 16
        for number in range(30):
            frame = av.VideoFrame(64, 48, "yuv420p10le")
            for each in frame.planes:
                plane(each, np.uint16)[...] = 300 + 5 * number
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    def side_data(path):
        kinds = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            assert frame.color_trc == 16
            found = {each.type.name: bytes(each) for each in frame.side_data}
            return [np.frombuffer(found[kind][:80], np.int32) for kind in kinds]

    row = upscale_video(Job(source, target), nearest, VideoOptions(segment=0.4))
    assert (row.state, row.note) == ("written", ""), row
    for one, other in zip(side_data(source), side_data(target), strict=True):
        assert np.array_equal(one, other)


def test_fonts_and_covers_are_copied_or_named(nearest, tmp_path):
    source = tmp_path / "in.mkv"
    with av.open(str(clip(tmp_path / "plain.mkv", sound=False))) as plain, av.open(str(source), "w") as to:
        stream = to.add_stream_from_template(plain.streams.video[0])
        to.add_attachment("letters.ttf", "application/x-truetype-font", b"a font")
        image = av.VideoFrame(16, 12, "rgb24")
        encoder = av.CodecContext.create("png", "w")
        encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 16, 12, "rgb24", Fraction(1, 25)
        to.add_attachment(
            "cover.png", "image/png", b"".join(map(bytes, [*encoder.encode(image), *encoder.encode(None)]))
        )
        for packet in plain.demux():
            if packet.dts is not None:
                packet.stream = stream
                to.mux(packet)
    row = upscale_video(Job(source, tmp_path / "out.mkv"), nearest, LOSSLESS)
    assert (row.state, row.note) == ("written", ""), row
    with av.open(str(tmp_path / "out.mkv")) as container:
        kinds = [each.type for each in container.streams]
        assert sorted(kinds) == ["attachment", "video", "video"]
        assert container.streams[kinds.index("attachment")].metadata["filename"] == "letters.ttf"
        assert bytes(container.streams[kinds.index("attachment")].data) == b"a font"
    row = upscale_video(Job(source, tmp_path / "out.mp4"), nearest, LOSSLESS)
    assert (row.state, row.note) == ("written", "left out: the attached file letters.ttf"), row
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [each.codec_context.name for each in container.streams.video] == ["h264", "png"]


def test_a_time_code_is_kept(nearest, tmp_path):
    with av.open(str(tmp_path / "in.mov"), "w") as to:
        stream = to.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["timecode"] = "01:02:03:04"
        for index in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 30 * index, np.uint8), "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            to.mux(stream.encode(frame))
        to.mux(stream.encode(None))
    with av.open(str(tmp_path / "in.mov")) as made:
        assert [each.type for each in made.streams] == ["video", "data"]
    for suffix in ("mov", "mp4", "mkv"):
        row = upscale_video(Job(tmp_path / "in.mov", tmp_path / f"out.{suffix}"), nearest, LOSSLESS)
        assert (row.state, row.note) == ("written", ""), row
        with av.open(str(tmp_path / f"out.{suffix}")) as result:
            told = {key.lower(): value for key, value in result.streams.video[0].metadata.items()}
            assert told["timecode"] == "01:02:03:04"


@pytest.mark.parametrize("kind", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_no_video(tmp_path, kind):
    kind(tmp_path / "in.mp4")
    if kind is os.mkfifo:
        with pytest.raises(UsageError, match="Expected a video. Received: .*in.mp4', no regular file"):
            video_job([str(tmp_path / "in.mp4")], str(tmp_path / "out.mp4"))
    else:
        assert video_job([str(tmp_path / "in.mp4")], str(tmp_path / "out.mp4")) is None


def test_a_title_that_is_no_text(nearest, tmp_path):
    content = clip(tmp_path / "in.mkv", sound=False).read_bytes()
    assert content.count(b"A clip") == 1
    (tmp_path / "in.mkv").write_bytes(content.replace(b"A clip", b"A \xff\xfeip"))
    row = upscale_video(Job(tmp_path / "in.mkv", tmp_path / "out.mkv"), nearest, LOSSLESS)
    assert row.state == "written", row


def test_a_name_with_a_colon(nearest, tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    clip(tmp_path / "in.mp4").rename("12:30.mp4")
    for target in ("a:b.mp4", "file:c.mkv"):
        row = upscale_video(Job(Path("12:30.mp4"), Path(target)), nearest, LOSSLESS)
        assert row.state == "written" and Path(target).exists(), row


def stopped_clip(nearest, tmp_path, change=None):
    source = clip(tmp_path / "in.mp4", count=40)
    if change is not None:
        source = changed(source, tmp_path / "in.mkv", change)
    seen = []
    row = upscale_video(
        Job(source, tmp_path / "out.mp4"),
        nearest,
        VideoOptions(segment=0.25, crf=0),
        stopped=lambda: seen.append(1) or len(seen) == 30,
    )
    assert row.state == "not tried"
    return source, tmp_path / ".out.mp4.parts"


def emptied(parts):
    (parts / "000001.nut").write_bytes(b"")


def halved(parts):
    content = (parts / "000001.nut").read_bytes()
    (parts / "000001.nut").write_bytes(content[: len(content) // 2])


def flipped(parts):
    content = bytearray((parts / "000001.nut").read_bytes())
    content[len(content) // 2] ^= 1
    (parts / "000001.nut").write_bytes(content)


def gone(parts):
    (parts / "000001.nut").unlink()


def first_gone(parts):
    (parts / "000000.nut").unlink()


def record_halved(parts):
    content = (parts / "work.json").read_text()
    (parts / "work.json").write_text(content[: len(content) // 2])


def record_of_another_kind(parts):
    (parts / "work.json").write_text("[1]")


@pytest.mark.parametrize(
    "damage", [None, emptied, halved, flipped, gone, first_gone, record_halved, record_of_another_kind]
)
def test_a_damaged_segment_is_made_anew(nearest, tmp_path, damage):
    source, parts = stopped_clip(nearest, tmp_path)
    if damage is not None:
        damage(parts)
    row = upscale_video(Job(source, tmp_path / "out.mp4"), nearest, VideoOptions(segment=0.25, crf=0))
    assert row.state == "written" and ("anew" in row.note) == (damage is not None), row
    received = frames(tmp_path / "out.mp4")
    assert [at for at, _ in received] == [at for at, _ in frames(source)]
    for (_, before), (_, after) in zip(frames(source), received, strict=True):
        assert np.array_equal(after[0], upscale(before[0], nearest))
    assert packets(tmp_path / "out.mp4", "audio") and not parts.exists()


def test_what_was_passed_over_is_still_said_by_the_run_that_goes_on(nearest, tmp_path):
    def spoilt(number, packet):
        if number not in (3, 36):
            return packet
        bad = av.Packet(b"\xff" * packet.size)
        bad.pts, bad.dts, bad.time_base = packet.pts, packet.dts, packet.time_base
        return bad

    source, parts = stopped_clip(nearest, tmp_path, spoilt)
    row = upscale_video(Job(source, tmp_path / "out.mp4"), nearest, VideoOptions(segment=0.25, crf=0))
    whole = upscale_video(Job(source, tmp_path / "whole.mp4"), nearest, VideoOptions(segment=0.25, crf=0))
    assert row.state == "written" and row.note.startswith("went on after"), row
    # The same as of a run that was not stopped, nothing twice.
    assert row.note.partition("; ")[2] == whole.note and "damaged packets were passed over" in whole.note
    assert not whole.note.startswith("0") and not parts.exists()


def test_segments_are_not_looked_for_behind_a_link(nearest, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "000000.nut").write_text("mine")
    (tmp_path / ".out.mp4.parts").symlink_to(precious)
    row = upscale_video(Job(clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"), nearest, LOSSLESS)
    assert row.state == "written" and (precious / "000000.nut").read_text() == "mine"
    assert [path.name for path in precious.iterdir()] == ["000000.nut"]
