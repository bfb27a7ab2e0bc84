"""The frames of a video file: damaged packets are passed over, times rise, and what does not come through is named."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError

try:
    import av
except ImportError:
    av = None


class Format(NamedTuple):
    """A pixel format: luma px to a chroma px, across and down, and bits of a sample."""

    across: int
    down: int
    bits: int = 8

    @property
    def dtype(self) -> type:
        return np.uint8 if self.bits == 8 else np.uint16

    def even(self, width: int, height: int) -> tuple[int, int]:
        """The sides that a frame needs to have whole px of chroma, as H.264 wants them."""
        return width + width % self.across, height + height % self.down


FORMATS = {
    "yuv420p": Format(2, 2),
    "yuvj420p": Format(2, 2),
    "yuv422p": Format(2, 1),
    "yuvj422p": Format(2, 1),
    "yuv444p": Format(1, 1),
    "yuvj444p": Format(1, 1),
    "yuv420p10le": Format(2, 2, 10),
    "yuv422p10le": Format(2, 1, 10),
    "yuv444p10le": Format(1, 1, 10),
}
# Data of single frames that no new frame gets.
_LOST = {
    "A53_CC": "closed captions within the pictures",
    "DOVI_METADATA": "Dolby Vision's data",
    "DOVI_RPU_BUFFER": "Dolby Vision's data",
    "DYNAMIC_HDR_PLUS": "HDR10+'s data",
    "DYNAMIC_HDR_VIVID": "HDR Vivid's data",
    "AMBIENT_VIEWING_ENVIRONMENT": "the ambient viewing environment",
    "ICC_PROFILE": "the colour profile",
    "S12M_TIMECODE": "time codes of single frames",
}
# A file that gives nothing but errors has ended.
_ERRORS = 100
# Containers that say when a frame is decoded, not when it is shown: FFmpeg's guess is wrong where frames are stored in
# another order. Decoded frames come as they are shown, so that each has the time of the one that was decoded then.
_DECODING_TIMES = ("avi",)


def url(path: Path) -> str:
    """A path as FFmpeg takes it: `12:30.mp4` alone would be a protocol."""
    return f"file:{path}"


def opened(path: Path):
    """Opens a video file to read; names and titles in it that are no text do not stand in the way."""
    return av.open(url(path), metadata_errors="replace")


def plane(of, dtype=np.uint8) -> np.ndarray:
    """A frame's plane as an array (height, width) in its own memory, without the padding of its lines."""
    return np.frombuffer(of, dtype).reshape(-1, of.line_size // np.dtype(dtype).itemsize)[: of.height, : of.width]


@dataclass
class Passed:
    """What of a video did not come through as it is, also in earlier runs of the same work.

    Attributes:
        damaged: the packets that could not be decoded, or only in part, by where they lie.
        moved: the times of frames shown no later than the one before them, which were moved behind it.
        lost: what single frames carried and no new frame gets, in words.
    """

    damaged: set[str] = field(default_factory=set)
    moved: set[int] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def stored(self) -> dict[str, list]:
        """As JSON holds it; from another thread than the one that adds to it."""
        return {name: sorted({*values}) for name, values in vars(self).items()}

    @classmethod
    def of(cls, stored: dict) -> "Passed":
        """What `stored` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        damaged, moved, lost = (stored[name] for name in ("damaged", "moved", "lost"))
        return cls({str(each) for each in damaged}, {int(each) for each in moved}, {str(each) for each in lost})

    def notes(self) -> list[str]:
        """In words."""
        return [
            *([f"{len(self.damaged)} damaged packets were passed over"] if self.damaged else []),
            *([f"{len(self.moved)} frames had the time of the one before them, and follow it"] if self.moved else []),
            *(f"left out: {lost}" for lost in sorted(self.lost)),
        ]


class Frames:
    """The decoded frames of one stream.

    Attributes:
        passed: what did not come through.
    """

    def __init__(self, source, stream, path: Path, passed: Passed | None = None):
        self.source, self.stream, self.path = source, stream, path
        self.passed = Passed() if passed is None else passed
        # Up to this time an earlier run has been through, and with its start decoded, not in the middle.
        self.known: Fraction | None = None
        # Threads that each have a frame would tell of a damaged one later, and lose others with it.
        stream.thread_type = "SLICE"

    def after(self, last: Fraction | None) -> Iterator:
        """The frames after the time `last`, seconds, or all.

        Raises:
            UsageError: frames of several sizes or formats, or interlaced ones.
        """
        stream, self.known = self.stream, last
        for attempt in ("index", "start"):
            if last is not None:
                self.source.seek(0 if attempt == "start" else int(last / stream.time_base), stream=stream)
            complete = last is None or attempt == "start"
            before: int | None = None
            # Frames without a time follow the one that the file gave last, at the stream's rate.
            given, since = 0 if complete else None, 0
            for frame in self.decoded():
                if frame.pts is not None:
                    given, since = frame.pts, 0
                # Which place was sought out, only a time can tell: once more from the start.
                if given is None:
                    break
                frame.pts = given + round(since / (stream.guessed_rate or 25) / stream.time_base)
                since += 1
                late = before is not None and frame.pts <= before
                if before is not None and late:
                    frame.pts = before + 1
                before = frame.pts
                time = frame.pts * stream.time_base
                # An index that leads too far cannot be trusted: once more from the start.
                complete = complete or time <= last
                if not complete:
                    break
                if last is None or time > last:
                    self.passed.moved |= {frame.pts} if late else set()
                    self.passed.lost |= {_LOST[each.type.name] for each in frame.side_data if each.type.name in _LOST}
                    yield self._checked(frame)
            if complete:
                return

    def first(self):
        """The first frame that can be decoded; None if there is none."""
        return next(self.decoded(), None)

    def decoded(self) -> Iterator:
        errors, place = 0, 0
        while errors < _ERRORS:
            try:
                for packet in self.source.demux(self.stream):
                    errors = 0
                    place = packet.pos if packet.pos is not None else packet.dts or place
                    try:
                        decoded = packet.decode()
                    except (av.error.InvalidDataError, av.error.EOFError):
                        if packet.size:
                            self._damaged(f"packet at {place}", packet.pts)
                        continue
                    for frame in decoded:
                        if self.source.format.name in _DECODING_TIMES:
                            frame.pts = frame.dts
                        if frame.is_corrupt:
                            self._damaged(f"frame at {frame.pts}", frame.pts)
                        yield frame
                return
            # The file itself: what follows may be whole.
            except av.error.InvalidDataError:
                if not errors:
                    self._damaged(f"file behind {place}", None)
                errors += 1

    def _damaged(self, place: str, time: int | None) -> None:
        if self.known is None or time is None or time * self.stream.time_base > self.known:
            self.passed.damaged.add(place)

    def _checked(self, frame):
        context = self.stream.codec_context
        if (frame.width, frame.height, frame.format.name) != (context.width, context.height, context.pix_fmt):
            raise UsageError(
                f"Expected frames of one size and format, {context.width}×{context.height} {context.pix_fmt}. "
                f"Received: {self.path.name}, {frame.width}×{frame.height} {frame.format.name} in between"
            )
        if frame.interlaced_frame:
            raise UsageError(f"Expected progressive frames. Received: {self.path.name}, interlaced")
        return frame


def mastering(frame) -> str:
    """x264's parameters for the display that a film was made on and its brightest light; "" where nothing is said.

    References: SMPTE ST 2086; CTA-861.3, appendix A; FFmpeg's AVMasteringDisplayMetadata: fractions of red, green, blue
    and white point (x, y), darkest and brightest, and whether they are there.
    """
    found = {each.type.name: bytes(each) for each in frame.side_data}
    parameters = []
    if len(content := found.get("MASTERING_DISPLAY_METADATA", b"")) >= 88:
        numbers = np.frombuffer(content[:80], np.int32).reshape(10, 2)
        has_colours, has_light = np.frombuffer(content[80:88], np.int32)
        if has_colours and has_light and numbers[:, 1].all():
            # Colours in steps of 1/50000, light in steps of 1/10000 cd/m².
            steps = [Fraction(*map(int, pair)) * (50000 if index < 8 else 10000) for index, pair in enumerate(numbers)]
            red, green, blue, white, light = (f"({round(a)},{round(b)})" for a, b in zip(steps[::2], steps[1::2]))
            light = f"({round(steps[9])},{round(steps[8])})"
            parameters.append(f"mastering-display=G{green}B{blue}R{red}WP{white}L{light}")
    if len(content := found.get("CONTENT_LIGHT_LEVEL", b"")) >= 8:
        brightest, average = np.frombuffer(content[:8], np.uint32)
        parameters.append(f"cll={brightest},{average}")
    return ":".join(parameters)
