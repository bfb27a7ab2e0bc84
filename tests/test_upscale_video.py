"""Video: planes, time stamps, sound, subtitles and colours of clips made here, and work that was cut off."""

import copy
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
from upscale_cases import cubic, half_up

from zoo.upscale import open_engine, upscale
from zoo.upscale.__main__ import main
from zoo.upscale.targets import Job

av = pytest.importorskip("av", reason="PyAV is not installed (the extra [video])")
from video_cases import clip, frames, packets  # noqa: E402

from zoo.upscale import video  # noqa: E402
from zoo.upscale.video import VideoOptions, upscale_video  # noqa: E402

LOSSLESS = VideoOptions(crf=0)


@pytest.fixture
def nearest(tflite):
    return open_engine(tflite("nearest"))


def enlarged(plane_, scale, shift):
    """Bicubic in float64 with the columns moved by `shift` px of the input; border mirrored with the edge pixel."""
    for axis, move in ((0, 0), (1, shift)):
        length = plane_.shape[axis]
        centre = (np.arange(scale * length) + 0.5) / scale - 0.5 + move
        total = 0
        for offset in range(-2, 4):
            index = np.floor(centre).astype(int) + offset
            inside = index % (2 * length)
            inside = np.minimum(inside, 2 * length - 1 - inside)
            weight = cubic(centre - index)
            total = total + np.take(plane_.astype(np.float64), inside, axis) * (
                weight[:, None] if axis == 0 else weight
            )
        plane_ = total
    return plane_


@pytest.mark.parametrize(
    ("form", "codec", "color_range"),
    [
        ("yuv420p", "libx264", 1),
        ("yuv422p", "libx264", 1),
        ("yuv444p", "libx264", 1),
        ("yuv420p", "libx264", 2),
        ("yuvj420p", "mjpeg", 2),
        ("yuvj422p", "mjpeg", 2),
    ],
)
@pytest.mark.parametrize("name", ["nearest", "luma3"])
def test_planes(tflite, tmp_path, form, codec, color_range, name):
    engine = open_engine(tflite(name))
    source = clip(
        tmp_path / ("in.mkv" if codec == "mjpeg" else "in.mp4"),
        form,
        4,
        (38, 26),
        codec,
        color_range=color_range,
    )
    row = upscale_video(Job(source, tmp_path / "out.mkv"), engine, LOSSLESS)
    assert (row.state, row.frames, row.size) == ("written", 4, (38 * engine.scale, 26 * engine.scale)), row
    for (_, before), (_, after) in zip(frames(source), frames(tmp_path / "out.mkv"), strict=True):
        # No way through RGB, no rounding in between: luma is what the network says, to the bit.
        assert np.array_equal(after[0], upscale(before[0], engine))
        # Where video has its chroma, whatever its range: on the left luma pixel; JPEG has it in the middle.
        shift = (engine.scale - 1) / (4 * engine.scale) if codec == "libx264" and form != "yuv444p" else 0
        for low, high in zip(before[1:], after[1:]):
            expected = half_up(enlarged(low, engine.scale, shift), np.uint8).astype(int)
            difference = np.abs(high - expected)
            assert difference.max() <= 1 and (difference > 0).mean() < 5e-3
            # Control: the other place.
            elsewhere = half_up(enlarged(low, engine.scale, 0 if shift else 0.25), np.uint8).astype(int)
            assert (high != elsewhere).mean() > 0.1


@pytest.mark.parametrize(
    ("before", "after"), [("mp4", "mp4"), ("mkv", "mkv"), ("mkv", "mp4"), ("mp4", "mkv"), ("mov", "m4v")]
)
def test_time_stamps_and_sound(nearest, tmp_path, before, after):
    source, target = clip(tmp_path / f"in.{before}", count=23), tmp_path / f"out.{after}"
    row = upscale_video(Job(source, target), nearest, VideoOptions(segment=0.3))
    assert (row.state, row.frames, row.note) == ("written", 23, ""), row
    expected, received = [at for at, _ in frames(source)], [at for at, _ in frames(target)]
    sound, copied = packets(source, "audio"), packets(target, "audio")
    assert [data for _, data in copied] == [data for _, data in sound]
    # Matroska counts milliseconds, and may begin with the sound's lead-in: then everything is later alike.
    moved = received[0] - expected[0]
    assert 0 <= moved <= (Fraction(24, 1000) if (before, after) == ("mp4", "mkv") else 0)
    tolerance = 0 if after != "mkv" and before != "mkv" else Fraction(1, 1000)
    assert max(abs(b - a - moved) for a, b in zip(expected, received, strict=True)) <= tolerance
    assert max(abs(b - a - moved) for (a, _), (b, _) in zip(sound, copied, strict=True)) <= Fraction(2, 1000)
    with av.open(str(source)) as one, av.open(str(target)) as other:
        assert abs(one.duration - other.duration) <= 40000 and other.metadata["title"] == "A clip"
        if after != "mkv":
            assert other.streams.video[0].average_rate == one.streams.video[0].average_rate or before == "mkv"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name])


def test_colours_shape_and_turn_are_kept(nearest, tmp_path):
    colours = {"color_range": 1, "colorspace": 1, "color_primaries": 1, "color_trc": 1}
    for name, values in (
        ("bt709", colours),
        ("bt601", colours | {"colorspace": 6}),
        ("full", colours | {"color_range": 2}),
    ):
        source = clip(tmp_path / f"{name}.mp4", count=3, sound=False, sample_aspect_ratio=Fraction(4, 3), **values)
        target = tmp_path / f"{name}_out.mp4"
        assert upscale_video(Job(source, target), nearest, LOSSLESS).state == "written"
        with av.open(str(target)) as container:
            frame = next(container.decode(video=0))
            assert {key: getattr(frame, key) for key in values} == values
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    source = clip(tmp_path / "turned.mp4", count=3, rotation=90)
    assert upscale_video(Job(source, tmp_path / "turned_out.mp4"), nearest, LOSSLESS).state == "written"
    with av.open(str(source)) as one, av.open(str(tmp_path / "turned_out.mp4")) as other:
        assert next(one.decode(video=0)).rotation == next(other.decode(video=0)).rotation == 90


def with_subtitles(path, codec="subrip"):
    source = clip(path.with_name("plain.mkv"), count=10)
    with av.open(str(source)) as plain, av.open(str(path), "w") as container:
        streams = {each.index: container.add_stream_from_template(each) for each in plain.streams}
        text = container.add_mux_stream(codec)
        text.metadata["language"] = "fin"
        for packet in plain.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
        for at, words in ((100, b"Hei"), (250, "Hyvää päivää".encode())):
            packet = av.Packet(words)
            packet.pts = packet.dts = at
            packet.duration, packet.time_base, packet.stream = 100, Fraction(1, 1000), text
            container.mux(packet)
        container.set_chapters(
            [{"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}}]
        )
    return path


def test_subtitles_and_chapters_are_kept_where_the_container_can(nearest, tmp_path):
    source = with_subtitles(tmp_path / "in.mkv")
    assert upscale_video(Job(source, tmp_path / "out.mkv"), nearest, VideoOptions()).state == "written"
    assert packets(tmp_path / "out.mkv", "subtitle") == packets(source, "subtitle") != []
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.subtitles[0].language == "fin"
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One"]
    row = upscale_video(Job(source, tmp_path / "out.mp4"), nearest, VideoOptions())
    assert row.note == "Expected a container that holds subtitle in subrip (.mkv holds most). Received: out.mp4"
    assert not (tmp_path / "out.mp4").exists() and not (tmp_path / ".out.mp4.parts").exists()


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_what_was_stopped_goes_on_at_its_segment(nearest, tmp_path, suffix):
    source = clip(tmp_path / f"in.{suffix}", count=40)
    options = VideoOptions(segment=0.25, crf=0)
    assert upscale_video(Job(source, tmp_path / f"whole.{suffix}"), nearest, options).frames == 40
    seen = []

    def after(count):
        def stopped():
            seen.append(1)
            return len(seen) == count

        return stopped

    target = tmp_path / f"out.{suffix}"
    row = upscale_video(Job(source, target), nearest, options, stopped=after(9))
    assert row.state == "not tried" and not target.exists()
    parts = tmp_path / f".out.{suffix}.parts"
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("*.nut")}
    # A segment that was not finished when the power went does not count.
    (parts / "000009.tmp").write_bytes(b"half")
    assert kept and upscale_video(Job(source, target), nearest, options, stopped=after(20)).state == "not tried"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    row = upscale_video(Job(source, target), nearest, options)
    assert (
        row.state == "written"
        and 0 < row.frames < 31
        and row.note.startswith("went on after 1.")
        and not parts.exists()
    )
    whole, gone_on = frames(tmp_path / f"whole.{suffix}"), frames(target)
    assert [at for at, _ in gone_on] == [at for at, _ in whole] == [at for at, _ in frames(source)]
    for (_, one), (_, other) in zip(whole, gone_on, strict=True):
        assert all(np.array_equal(*planes) for planes in zip(one, other))
    assert packets(target, "audio") == packets(tmp_path / f"whole.{suffix}", "audio")


@pytest.mark.parametrize("how", ["another network", "another radius", "the same"])
def test_other_work_is_not_taken_up(nearest, tflite, tmp_path, how):
    source = clip(tmp_path / "in.mp4", count=30)
    stopped = iter([False] * 12 + [True]).__next__
    job = Job(source, tmp_path / "out.mp4")
    assert upscale_video(job, nearest, VideoOptions(segment=0.2), stopped=stopped).state == "not tried"
    engine = open_engine(tflite("luma")) if how == "another network" else copy.copy(nearest)
    if how == "another radius":  # as --radius may state it
        object.__setattr__(engine, "radius", engine.radius + 1)
    row = upscale_video(job, engine, VideoOptions(segment=0.2))
    assert row.state == "written"
    if how == "the same":
        assert row.frames < 30 and row.note.startswith("went on after")
    else:
        # What is there was made by the first.
        assert (row.frames, row.note) == (30, "")


def test_refused(nearest, tflite, tmp_path, monkeypatch):
    whole = clip(tmp_path / "in.mp4")

    def note(source, engine=nearest, options=LOSSLESS, target="out.mp4"):
        row = upscale_video(Job(source, tmp_path / target), engine, options)
        assert (
            row.state == "failed" and not (tmp_path / target).exists() and not (tmp_path / f".{target}.parts").exists()
        )
        return row.note

    assert (
        note(whole, open_engine(tflite("rgb")))
        == "Expected a luma network for video. Received: rgb.tflite with 3 channels"
    )
    assert "Expected frames of at most 0.01 megapixels" in note(whole, options=VideoOptions(max_megapixels=0.01))
    assert "in.mp4, 128×96 at scale 2" in note(whole, options=VideoOptions(max_megapixels=0.01))
    grey = clip(tmp_path / "grey.mkv", "gray", count=2, codec="ffv1", sound=False)
    assert note(grey) == f"Expected YUV ({', '.join(video.FORMATS)}). Received: grey.mkv, gray"
    (tmp_path / "half.mp4").write_bytes(whole.read_bytes()[:2000])
    assert note(tmp_path / "half.mp4").startswith("Expected a whole video. Received: half.mp4: ")
    (tmp_path / "text.mp4").write_text("no video")
    assert note(tmp_path / "text.mp4").startswith("Expected a whole video. Received: text.mp4: ")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        audio = container.add_stream("aac", rate=44100, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.rate = 44100
        container.mux(audio.encode(silence))
        container.mux(audio.encode(None))
    assert note(tmp_path / "sound.mp4") == "Expected a video. Received: sound.mp4, without one"
    monkeypatch.setattr(video, "av", None)
    assert note(whole) == "Expected PyAV for video (pip install 'subpixel-zoo[video]'). Received: none"


def test_the_command(tflite, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    clip(tmp_path / "in.mp4")
    clip(tmp_path / "old.avi", codec="mpeg4", sound=False, base=Fraction(1, 25))
    model = f"--model={tflite('nearest')}"

    def run(*arguments):
        return main([*arguments, model]), *capsys.readouterr()

    code, out, _ = run("in.mp4", "--output=out.mkv", "--crf=30")
    assert code == 0 and out.startswith("1 written: 0.1 megapixels in ") and out.endswith(" frames/s\n")
    assert run("in.mp4", "--output=out.mkv", "--skip")[:2] == (0, "1 skipped\n")
    assert run("in.mp4", "--output=out.mkv")[0] == 2
    assert run("old.avi", "--output=folder")[0] == 0 and (tmp_path / "folder/old.mkv").exists()
    for arguments, words in (
        (["in.mp4", "old.avi", "--output=x"], "Expected one video at a time. Received: in.mp4 and 1 more"),
        (["in.mp4", "--output=x.gif"], "Expected an output that ends with .mp4, .m4v, .mov, .mkv. Received: x.gif"),
        (
            ["in.mp4", "--output=in.mp4", "--overwrite"],
            "Expected an output other than the picture itself. Received: in.mp4",
        ),
        (["absent.mp4", "--output=x.mp4"], "Expected a video. Received: 'absent.mp4', which is not there"),
        (["in.mp4", "--output=x.mp4", "--crf=52"], "Expected --crf from 0 to 51. Received: 52"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "") and err == f"error: {words}\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_command_goes_on(tflite, tmp_path, number):
    source = clip(tmp_path / "in.mp4", count=300, size=(160, 120))
    command = [sys.executable, "-c", "import sys, zoo.upscale.video as v; v.VideoOptions.__init__.__defaults__ = "
               "(None, False, 17, 'veryfast', 300.0, 0.4); from zoo.upscale.__main__ import main; sys.exit(main())",
               str(source), f"--output={tmp_path / 'out.mp4'}", f"--model={tflite('thin')}"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / ".out.mp4.parts").glob("*.nut"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err and not (tmp_path / "out.mp4").exists()
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "went on after" in done.stdout, done
    assert [at for at, _ in frames(tmp_path / "out.mp4")] == [at for at, _ in frames(source)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
