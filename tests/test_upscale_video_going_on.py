"""A video that goes on: frames without times, after a failure, and beside another run of it."""

import pytest

av = pytest.importorskip("av", reason="PyAV is not installed (the extra [video])")
from video_cases import clip  # noqa: E402

from zoo.upscale.video_frames import Frames, opened  # noqa: E402


@pytest.mark.parametrize(
    "has_time", [lambda index: True, lambda index: False, lambda index: index % 2, lambda index: index % 5 < 2]
)
def test_frames_without_times_go_on_where_they_ended(tmp_path, monkeypatch, has_time):
    source = clip(tmp_path / "in.mkv", count=30, sound=False)
    with opened(source) as container:
        place = {frame.pts: index for index, frame in enumerate(container.decode(video=0))}
    decoded = Frames._decoded

    def untimed(self):
        for frame in decoded(self):
            frame.pts = frame.pts if has_time(place[frame.pts]) else None
            yield frame

    monkeypatch.setattr(Frames, "_decoded", untimed)

    def after(last):
        with opened(source) as container:
            stream = container.streams.video[0]
            found = Frames(container, stream, source).after(last)
            return [(frame.pts * stream.time_base, hash(bytes(frame.planes[0]))) for frame in found]

    whole = after(None)
    assert len(whole) == len({content for _, content in whole}) == 30
    for number in (0, 3, 14, 17, 28, 29):
        assert after(whole[number][0]) == whole[number + 1 :]
