"""A video that goes on: frames without times, after a failure, and beside another run of it."""

import errno
import time
from fractions import Fraction
from functools import partial

import pytest

from zoo.upscale import open_engine
from zoo.upscale.targets import Job

av = pytest.importorskip("av", reason="PyAV is not installed (the extra [video])")
import video_cases  # noqa: E402
from video_cases import clip, frames  # noqa: E402

from zoo.upscale import segments, video  # noqa: E402
from zoo.upscale.video import VideoOptions, upscale_video  # noqa: E402
from zoo.upscale.video_frames import Frames, opened  # noqa: E402

# Fast: x264 keeps few frames back, so that packets come while a segment is open.
SHORT = VideoOptions(segment=0.4, crf=0, preset="ultrafast")


@pytest.fixture
def nearest(tflite):
    return open_engine(tflite("nearest"))


@pytest.mark.parametrize(
    "has_time", [lambda index: True, lambda index: False, lambda index: index % 2, lambda index: index % 5 < 2]
)
def test_frames_without_times_go_on_where_they_ended(tmp_path, monkeypatch, has_time):
    source = clip(tmp_path / "in.mkv", count=30, sound=False)
    with opened(source) as container:
        place = {frame.pts: index for index, frame in enumerate(container.decode(video=0))}
    decoded = Frames.decoded

    def untimed(self):
        for frame in decoded(self):
            frame.pts = frame.pts if has_time(place[frame.pts]) else None
            yield frame

    monkeypatch.setattr(Frames, "decoded", untimed)

    def after(last):
        with opened(source) as container:
            stream = container.streams.video[0]
            found = Frames(container, stream, source).after(last)
            return [(frame.pts * stream.time_base, hash(bytes(frame.planes[0]))) for frame in found]

    whole = after(None)
    assert len(whole) == len({content for _, content in whole}) == 30
    for number in (0, 3, 14, 17, 28, 29):
        assert after(whole[number][0]) == whole[number + 1 :]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_an_avi_s_frames_have_the_times_at_which_they_are_shown(tmp_path, monkeypatch, codec):
    """An AVI says when a frame is decoded; x264 stores them in another order than they are shown in."""
    monkeypatch.setattr(video_cases, "times", lambda count: [3600 * index for index in range(count)])
    source = clip(tmp_path / "in.ts", count=20, codec=codec, sound=False, base=Fraction(1, 25))
    path = tmp_path / "in.avi"
    with av.open(str(source)) as given, av.open(str(path), "w") as to:
        stream = to.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                to.mux(packet)
    seen = []
    for each in (path, source):
        with opened(each) as container:
            stream = container.streams.video[0]
            found = Frames(container, stream, each)
            seen.append([(frame.pts * stream.time_base, frame.to_ndarray().tobytes()) for frame in found.after(None)])
            assert found.passed.notes() == []
    with av.open(str(path)) as container:
        guessed = [frame.pts for frame in container.decode(video=0)]
    # Control: PyAV's own times are out of order.
    assert (guessed != sorted(guessed)) == (codec == "libx264")
    (times, pictures), (expected, originals) = (zip(*each) for each in seen)
    assert pictures == originals
    assert [at - times[0] for at in times] == pytest.approx([at - expected[0] for at in expected], abs=1e-3)
    with opened(path) as container:
        stream = container.streams.video[0]
        gone_on = [frame.pts * stream.time_base for frame in Frames(container, stream, path).after(times[7])]
    assert gone_on == list(times[8:])


class Failing:
    """A function that fails at one call, late enough for further frames to wait behind it."""

    def __init__(self, function, at, error):
        self.function, self.left, self.error = function, at, error

    def __call__(self, *values):
        self.left -= 1
        if self.left:
            return self.function(*values)
        time.sleep(0.5)
        raise self.error


class Container:
    """A container whose packets go through `mux`."""

    def __init__(self, container, mux):
        self.mux, self.close = partial(mux, container), container.close


@pytest.mark.parametrize("place", ["disk", "memory", "packet"])
def test_no_frame_is_missing_after_a_failure(nearest, tmp_path, monkeypatch, place):
    source = clip(tmp_path / "in.mp4", count=40, sound=False)
    job, full = Job(source, tmp_path / "out.mp4"), OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patched:
        if place == "disk":
            patched.setattr(segments, "hash_on_disk", Failing(segments.hash_on_disk, 2, full))
        elif place == "memory":
            patched.setattr(video, "assembled", Failing(video.assembled, 15, MemoryError()))
        else:
            begin, mux = segments.Segments._open, Failing(lambda container, packets: container.mux(packets), 17, full)

            def _open(self, frame):
                begin(self, frame)
                self.container = Container(self.container, mux)

            patched.setattr(segments.Segments, "_open", _open)
        row = upscale_video(job, nearest, SHORT)
        assert row.state == "failed" and row.note.startswith("MemoryError" if place == "memory" else "No space"), row
    row = upscale_video(job, nearest, SHORT)
    assert row.state == "written" and row.note.startswith("went on after 0."), row
    received = frames(tmp_path / "out.mp4")
    assert [at for at, _ in received] == [at for at, _ in frames(source)]


def test_a_second_run_of_one_video_is_refused_and_leaves_the_first_alone(nearest, tmp_path):
    source = clip(tmp_path / "in.mp4", count=40, sound=False)
    job, other, rows = Job(source, tmp_path / "out.mp4"), Job(source, tmp_path / "other.mp4"), []

    def stopped():
        if len(rows) == 30:
            rows.extend(upscale_video(each, nearest, SHORT) for each in (job, other))
        else:
            rows.append(None)
        return False

    row = upscale_video(job, nearest, SHORT, stopped=stopped)
    second, control = (each for each in rows if each is not None)
    expected = f"Expected one video at a time in {job.parts}. Received: a second one"
    assert (second.state, second.note, control.state) == ("failed", expected, "written")
    assert (row.state, row.frames, row.note) == ("written", 40, ""), row
    received = frames(tmp_path / "out.mp4")
    assert [at for at, _ in received] == [at for at, _ in frames(source)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "other.mp4", "out.mp4"]
