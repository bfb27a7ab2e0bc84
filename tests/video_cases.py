"""Clips made here, and what is in a video file."""

from fractions import Fraction

import av
import numpy as np

from zoo.upscale.video_frames import FORMATS, plane

BASE = Fraction(1, 90000)


def times(count: int) -> list[int]:
    """A variable frame rate: 25 frames a second, every fifth frame twice as long, not from 0."""
    return [9000 + 3600 * index + 3600 * (index // 5) for index in range(count)]


def clip(path, form="yuv420p", count=12, size=(64, 48), codec="libx264", sound=True, rotation=0, base=BASE, **colours):
    """Writes a moving pattern with sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, time_base=base)
        stream.width, stream.height, stream.pix_fmt = *size, form
        if codec == "libx264":
            stream.options = {"crf": "8", "g": "5"}
        stream.codec_context.time_base = base
        for name, value in colours.items():
            setattr(stream.codec_context, name, value)
        if rotation:
            stream.set_display_rotation(rotation)
        audio = container.add_stream("aac", rate=44100, layout="mono") if sound else None
        container.metadata["title"] = "A clip"
        for index, at in enumerate(times(count)):
            frame = av.VideoFrame(*size, form)
            for number, each in enumerate(frame.planes):
                rows, columns = np.mgrid[: each.height, : each.width]
                values = 128 + 90 * np.sin(rows / 5 + number) * np.cos(columns / 4 - index / 3)
                samples = np.frombuffer(each, np.uint16 if "10" in form else np.uint8)
                step = each.line_size // samples.itemsize
                samples.reshape(-1, step)[: each.height, : each.width] = values
            frame.pts, frame.time_base = int(at * BASE / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            for index in range(count * 2):
                wave = np.sin(np.arange(1024 * index, 1024 * (index + 1)) / 20)[None].astype(np.float32)
                block = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
                block.rate, block.pts, block.time_base = 44100, 1024 * index, Fraction(1, 44100)
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def frames(path):
    with av.open(str(path)) as container:
        return [
            (
                frame.pts * frame.time_base,
                [plane(each, FORMATS[frame.format.name].dtype).copy() for each in frame.planes],
            )
            for frame in container.decode(video=0)
        ]


def packets(path, kind):
    with av.open(str(path)) as container:
        stream = next(each for each in container.streams if each.type == kind)
        found = [packet for packet in container.demux(stream) if packet.pts is not None]
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in found]
