"""Encoded video in segments of some seconds, and how they become one file with the source's sound and subtitles.

A segment is whole or not there. Segments are NUT files, which keep any time base; joining them codes nothing anew.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from zoo.errors import UsageError
from zoo.files import alone, remove, whole_file, write_json
from zoo.upscale.targets import Job
from zoo.upscale.video_frames import FORMATS, Frames, Passed, mastering, opened, url
from zoo.upscale.video_streams import Streams, packets_of


class Segments:
    """The encoded part of a video, in a hidden folder beside the target.

    `work.json` there says of what work it is, in which engines, and of each segment how many frames it holds, up to
    which time, and its hash: a segment that does not fit, after a power cut say, is made anew with all that follow it.

    Attributes:
        last: the time of the last frame that the segments of an earlier run hold, seconds; None if there are none.
        size: (width, height) of the result, px.
        notes: what of an earlier run was not taken up, in words.
        passed: what of the video did not come through, in this run and in earlier ones.

    Raises:
        UsageError: nothing of the video can be decoded, or the target does not hold its sound or subtitles.
    """

    def __init__(self, job: Job, source, stream, engine, options):
        self.job, self.stream, self.options = job, stream, options
        self.streams = Streams(source, stream, job)
        context = stream.codec_context
        self.size = FORMATS[context.pix_fmt].even(context.width * engine.scale, context.height * engine.scale)
        with opened(job.source) as looked_at:
            self.first = Frames(looked_at, looked_at.streams[stream.index], job.source).first()
            if self.first is None:
                raise UsageError(f"Expected a whole video. Received: {job.source.name}, without a frame")
            self.rotation, self.mastering = self.first.rotation, mastering(self.first)
        self.folder, self.kinds = job.parts, engine.kinds()
        self.notes: list[str] = []
        self.passed = Passed()
        stat = job.source.stat()
        self.work = [str(job.source.resolve()), stat.st_size, stat.st_mtime_ns]
        self.work += [engine.fingerprint(), engine.scale, engine.radius, repr(options)]
        self.segments: list[dict] = []
        self.last: Fraction | None = None
        self.container: Any = None
        self.output: Any = None
        self.frames = 0

    @contextlib.contextmanager
    def taken_up(self) -> Iterator[None]:
        """Takes up what an earlier run left; until the block ends no other run works on these segments.

        Raises:
            UsageError: another run does.
        """
        if self.folder.is_symlink():
            remove(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone(self.folder, "video"):
            self._take_up()
            yield

    def add(self, frame) -> None:
        """Encodes a frame, in a new segment once the current one is long enough."""
        time = frame.pts * frame.time_base
        if self.container is not None and time >= self.began + Fraction(self.options.segment):
            self.close()
        if self.container is None:
            self._open(frame)
        # A segment that lacks a packet is none.
        container, self.container = self.container, None
        container.mux(self.output.encode(frame))
        self.container, self.frames, self.latest = container, self.frames + 1, time

    def close(self) -> None:
        """Finishes the current segment, if there is one."""
        if self.container is not None:
            container, self.container = self.container, None
            container.mux(self.output.encode(None))
            container.close()
            entry = {"frames": self.frames, "last": str(self.latest), "sha256": hash_on_disk(self.unfinished)}
            self.unfinished.rename(self._path(len(self.segments)))
            self.segments.append(entry)
            self._note_down()

    def join(self) -> list[str]:
        """Writes the target and removes the segments; returns what of the source is left out, in words."""
        paths = [self._path(number) for number in range(len(self.segments))]
        if not paths:
            raise UsageError(f"Expected a video with frames. Received: {self.job.source.name}, without one")
        timing = _timing(paths)
        form = self.streams.form
        # What a player needs first comes first.
        options = {} if form == "matroska" else {"movflags": "+faststart"}
        # Opened anew: a seek to the start need not lead to the first packet of every stream.
        with (
            opened(self.job.source) as source,
            whole_file(self.job.target) as unfinished,
            av.open(url(unfinished), "w", format=form, options=options) as to,
        ):
            video = self._add_video(to, self.first)
            if self.rotation:
                video.set_display_rotation(self.rotation)
            others, left_out = self.streams.add_to(source, to)
            self._describe(source, to, video)
            sound = packets_of(source, [*others])
            waiting = next(sound, None)
            for packet, (decoded_at, duration) in zip(_packets(paths), timing):
                packet.dts, packet.duration = decoded_at, duration
                # In the order of time, so that a player need not look far for either.
                while waiting is not None and waiting.dts * waiting.time_base <= packet.pts * packet.time_base:
                    waiting.stream = others[waiting.stream.index]
                    to.mux(waiting)
                    waiting = next(sound, None)
                packet.stream = video
                to.mux(packet)
            while waiting is not None:
                waiting.stream = others[waiting.stream.index]
                to.mux(waiting)
                waiting = next(sound, None)
        shutil.rmtree(self.folder)
        return left_out

    def _take_up(self) -> None:
        """Goes on with the segments that are there if they are of the same work, else begins anew."""
        try:
            stored = json.loads((self.folder / "work.json").read_text(encoding="utf-8"))
            known = stored["segments"] if stored["work"] == self.work else []
            if known and stored["kinds"] != self.kinds:
                began, now = (", ".join(kinds.values()) for kinds in (stored["kinds"], self.kinds))
                self.notes.append(f"an earlier run computed with {began}, this one does with {now}: all was made anew")
                known = []
            self.passed = Passed.of(stored["passed"]) if known else self.passed
            for number, entry in enumerate(known):
                if not self._path(number).is_file() or hash_on_disk(self._path(number)) != entry["sha256"]:
                    self.notes.append(f"segments from {float(self.last or 0):.1f} s on were damaged and made anew")
                    break
                self.last = Fraction(entry["last"])
                self.segments.append(entry)
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, AttributeError):
            self.notes.append("the record of an earlier run was damaged: all was made anew")
            self.segments, self.last, self.passed = [], None, Passed()
        own = {self._path(number) for number in range(len(self.segments))}
        # The folder itself stays: it is what is held.
        for left in {*self.folder.iterdir()} - own - {self.folder / "work.json"}:
            remove(left)
        self._note_down()

    def _note_down(self) -> None:
        record = {"work": self.work, "kinds": self.kinds, "segments": self.segments, "passed": self.passed.stored()}
        write_json(self.folder / "work.json", record)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.nut"

    def _open(self, frame) -> None:
        self.unfinished = self.folder / f"{len(self.segments):06}.tmp"
        self.began, self.frames = frame.pts * frame.time_base, 0
        # Times stay as they are, though the first frames have to be decoded before the time 0.
        options = {"avoid_negative_ts": "disabled"}
        container = av.open(url(self.unfinished), "w", format="nut", options=options)
        self.output = self._add_video(container, frame)
        self.container = container

    def _add_video(self, container, frame):
        """A stream of enlarged frames like `frame`; in the segments and in the target the same."""
        rate = self.stream.average_rate or 25
        output = container.add_stream("libx264", rate=rate, time_base=self.stream.time_base)
        output.width, output.height = self.size
        output.pix_fmt = frame.format.name.replace("yuvj", "yuv")
        # With 10 bits, x264's 0 of the rate factor is no longer lossless.
        quality = {"crf": str(self.options.crf)} if self.options.crf else {"qp": "0"}
        output.options = {**quality, "preset": self.options.preset}
        if self.mastering:
            output.options |= {"x264-params": self.mastering}
        context = output.codec_context
        context.time_base = self.stream.time_base
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(context, name, getattr(frame, name))
        if self.stream.sample_aspect_ratio:
            context.sample_aspect_ratio = self.stream.sample_aspect_ratio
        return output

    def _describe(self, source, to, video) -> None:
        to.metadata.update(source.metadata)
        # That it is transparent, the enlarged one is not.
        tags = self.stream.metadata.items()
        video.metadata.update({key: value for key, value in tags if key.lower() != "alpha_mode"})
        if source.chapters():
            to.set_chapters(source.chapters())


def hash_on_disk(path: Path) -> str:
    """Of a file, once it lies on the disk whole."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _packets(paths: list[Path]) -> Iterator:
    for path in paths:
        with av.open(url(path)) as container:
            for packet in container.demux(video=0):
                if packet.pts is not None:
                    yield packet


def _timing(paths: list[Path]) -> list[tuple[int, int]]:
    """When each packet has to be decoded, and how long its frame is shown.

    Decoded in the order of the presentation times, as much earlier as frames are reordered: each segment was encoded by
    itself, so the encoder's own times may run backwards from one to the next.
    """
    shown = [packet.pts for packet in _packets(paths)]
    ordered = sorted(shown)
    lengths = [later - time for time, later in zip(ordered, ordered[1:])]
    # How long the last frame is shown, nobody says: as long as the one before it.
    lengths.append(lengths[-1] if lengths else 1)
    place = {time: position for position, time in enumerate(ordered)}
    delay = max(position - place[time] for position, time in enumerate(shown))
    early = [ordered[0] - min(lengths) * (delay - position) for position in range(delay)]
    return [(time, lengths[place[at]]) for time, at in zip(early + ordered, shown)]
