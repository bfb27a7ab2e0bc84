"""Encoded video in segments of some seconds, and how they become one file with the source's sound and subtitles.

A segment is whole or not there. Segments are NUT files, which keep any time base; joining them codes nothing anew.
"""

import json
import os
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from zoo.errors import UsageError
from zoo.files import whole
from zoo.upscale.targets import CONTAINERS, Job


class Segments:
    """The encoded part of a video, in a hidden folder beside the target.

    Attributes:
        last: the time of the last frame that the segments of an earlier run hold, seconds; None if there are none.
    """

    def __init__(self, job: Job, source, stream, engine, options):
        self.job, self.stream, self.options = job, stream, options
        self.copied = [each for each in source.streams if each.type in ("audio", "subtitle")]
        self._check_container()
        self.size = stream.codec_context.width * engine.scale, stream.codec_context.height * engine.scale
        self.folder = job.target.with_name(f".{job.target.name}.parts")
        self._take_up([engine.fingerprint(), engine.scale, repr(options)])
        self.container = None

    def add(self, frame) -> None:
        """Encodes a frame, in a new segment once the current one is long enough."""
        time = frame.pts * frame.time_base
        if self.container is not None and time >= self.began + Fraction(self.options.segment):
            self.close()
        if self.container is None:
            self._open(frame)
        self.container.mux(self.output.encode(frame))

    def close(self) -> None:
        """Finishes the current segment, if there is one."""
        if self.container is not None:
            container, self.container = self.container, None
            container.mux(self.output.encode(None))
            container.close()
            self.unfinished.rename(self.unfinished.with_suffix(".nut"))

    def join(self) -> None:
        """Writes the target and removes the segments."""
        paths, form = self._paths(), CONTAINERS[self.job.target.suffix.lower()]
        if not paths:
            raise UsageError(f"Expected a video with frames. Received: {self.job.source.name}, without one")
        plan = _plan(paths)
        # What a player needs first comes first.
        options = {} if form == "matroska" else {"movflags": "+faststart"}
        # Opened anew: a seek to the start need not lead to the first packet of every stream.
        with (
            av.open(str(self.job.source)) as looked_at,
            av.open(str(self.job.source)) as source,
            whole(self.job.target) as unfinished,
            av.open(str(unfinished), "w", format=form, options=options) as to,
        ):
            first = next(looked_at.decode(looked_at.streams[self.stream.index]))
            video = self._add_video(to, first)
            if first.rotation:
                video.set_display_rotation(first.rotation)
            others = {each.index: to.add_stream_from_template(source.streams[each.index]) for each in self.copied}
            self._describe(source, to, video, others)
            sound = self._sound(source)
            waiting = next(sound, None)
            for packet, (packet.dts, packet.duration) in zip(_packets(paths), plan):
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

    def _sound(self, source) -> Iterator:
        """The packets of the streams that are copied, in their order."""
        if self.copied:
            for packet in source.demux([source.streams[each.index] for each in self.copied]):
                if packet.dts is not None:
                    yield packet

    def _check_container(self) -> None:
        with av.open(os.devnull, "w", format=CONTAINERS[self.job.target.suffix.lower()]) as container:
            holds = container.supported_codecs
        for each in self.copied:
            name = each.codec_context.codec.canonical_name if each.codec_context else "an unknown kind"
            if name not in holds:
                raise UsageError(
                    f"Expected a container that holds {each.type} in {name} (.mkv holds most). "
                    f"Received: {self.job.target.name}"
                )

    def _take_up(self, key: list) -> None:
        """Goes on with the segments that are there if they are of the same work, else begins anew."""
        stat = self.job.source.stat()
        text = json.dumps([str(self.job.source.resolve()), stat.st_size, stat.st_mtime_ns, *key])
        state = self.folder / "work.json"
        if not state.is_file() or state.read_text(encoding="utf-8") != text:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            state.write_text(text, encoding="utf-8")
        paths = self._paths()
        self.count = len(paths)
        self.last = max(packet.pts * packet.time_base for packet in _packets(paths[-1:])) if paths else None

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.nut"))

    def _open(self, frame) -> None:
        self.unfinished = self.folder / f"{self.count:06}.tmp"
        self.count += 1
        self.began = frame.pts * frame.time_base
        # Times stay as they are, though the first frames have to be decoded before the time 0.
        options = {"avoid_negative_ts": "disabled"}
        self.container = av.open(str(self.unfinished), "w", format="nut", options=options)
        self.output = self._add_video(self.container, frame)

    def _add_video(self, container, frame):
        """A stream of enlarged frames like `frame`; in the segments and in the target the same."""
        rate = self.stream.average_rate or 25
        output = container.add_stream("libx264", rate=rate, time_base=self.stream.time_base)
        output.width, output.height = self.size
        output.pix_fmt = frame.format.name.replace("yuvj", "yuv")
        output.options = {"crf": str(self.options.crf), "preset": self.options.preset}
        context = output.codec_context
        context.time_base = self.stream.time_base
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(context, name, getattr(frame, name))
        if self.stream.sample_aspect_ratio:
            context.sample_aspect_ratio = self.stream.sample_aspect_ratio
        return output

    def _describe(self, source, to, video, others: dict) -> None:
        to.metadata.update(source.metadata)
        for each in self.copied:
            others[each.index].metadata.update(each.metadata)
            others[each.index].disposition = each.disposition
        video.metadata.update(self.stream.metadata)
        if source.chapters():
            to.set_chapters(source.chapters())


def _packets(paths: list[Path]) -> Iterator:
    for path in paths:
        with av.open(str(path)) as container:
            for packet in container.demux(video=0):
                if packet.pts is not None:
                    yield packet


def _plan(paths: list[Path]) -> list[tuple[int, int]]:
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
