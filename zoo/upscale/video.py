"""Video through a luma network: the luma plane itself, with no way through RGB.

Decoding, network and encoding overlap; what is encoded goes into segments (`zoo.upscale.segments`), so that work that
was cut off goes on where the last segment ends.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.engines.engine import Engine
from zoo.errors import UsageError
from zoo.upscale.enlarge import Samples, run_network
from zoo.upscale.files import MAX_MEGAPIXELS, Row, sentence
from zoo.upscale.planes import bicubic, bordered
from zoo.upscale.targets import Job

try:
    import av
except ImportError:
    av = None

# Luma px to a chroma px, across and down.
FORMATS = {
    "yuv420p": (2, 2),
    "yuvj420p": (2, 2),
    "yuv422p": (2, 1),
    "yuvj422p": (2, 1),
    "yuv444p": (1, 1),
    "yuvj444p": (1, 1),
}


@dataclass(frozen=True)
class VideoOptions:
    """How a video is enlarged and written.

    Attributes:
        tile, ensemble: as in `zoo.upscale.upscale`.
        crf: x264's constant rate factor, 0 (lossless) to 51 (smallest).
        preset: x264's speed.
        max_megapixels: of a frame of the result.
        segment: seconds of video between two places from which cut-off work goes on.
    """

    tile: int | None = None
    ensemble: bool = False
    crf: int = 17
    preset: str = "veryfast"
    max_megapixels: float = MAX_MEGAPIXELS
    segment: float = 10.0


def upscale_video(
    job: Job,
    engine: Engine,
    options: VideoOptions,
    progress: Callable[[float], None] = lambda fraction: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Row:
    """Enlarges one video; a failure is a row that says why.

    Y goes through the network as it is stored, in its own range; Cb and Cr are enlarged by bicubic interpolation in
    the place they have between the luma pixels (H.264's default: on the left one), rounded half up. Pixel format,
    colour range, matrix, primaries, transfer, pixel shape, rotation and time stamps stay what they were.

    Args:
        job: the source, 8-bit YUV, and a target that ends with one of `zoo.upscale.segments.CONTAINERS`.
        engine: of a luma network.
        progress: is told of the work done, in parts of the video.
        stopped: is asked after every frame whether to end; the same call goes on later.
    """
    try:
        if av is None:
            raise UsageError("Expected PyAV for video (pip install 'subpixel-zoo[video]'). Received: none")
        with av.open(str(job.source)) as source:
            stream = _checked_stream(source, job.source, engine, options)
            return _enlarge_stream(source, stream, job, engine, options, progress, stopped)
    except Exception as error:
        if av is not None and isinstance(error, av.error.InvalidDataError):
            error = UsageError(f"Expected a whole video. Received: {job.source.name}: {error.strerror}")
        return Row(job, "failed", sentence(error))


def _checked_stream(source, path: Path, engine: Engine, options: VideoOptions):
    """The video stream of an opened file, if it is of a kind that can be enlarged."""
    # A cover picture is a video stream too.
    streams = [each for each in source.streams.video if not each.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise UsageError(f"Expected a video. Received: {path.name}, without one")
    context = streams[0].codec_context
    if context.pix_fmt not in FORMATS:
        raise UsageError(f"Expected 8-bit YUV ({', '.join(FORMATS)}). Received: {path.name}, {context.pix_fmt}")
    if engine.channels != 1:
        raise UsageError(f"Expected a luma network for video. Received: {engine.name} with {engine.channels} channels")
    width, height = context.width * engine.scale, context.height * engine.scale
    if width * height / 1e6 > options.max_megapixels:
        raise UsageError(
            f"Expected frames of at most {options.max_megapixels:g} megapixels (--max_megapixels raises it). "
            f"Received: {path.name}, {width}×{height} at scale {engine.scale}"
        )
    across, down = FORMATS[context.pix_fmt]
    if width % across or height % down:
        raise UsageError(f"Expected even sides for {context.pix_fmt}. Received: {path.name} → {width}×{height}")
    return streams[0]


def _enlarge_stream(source, stream, job: Job, engine: Engine, options: VideoOptions, progress, stopped) -> Row:
    from zoo.upscale.segments import Segments

    segments = Segments(job, source, stream, engine, options)
    frames = _frames(source, stream, job.source, segments.last)
    length = float((stream.duration or 0) * stream.time_base) or (source.duration or 0) / 1e6
    network, done, count, halted = 0.0, 0.0, 0, False

    def encode(frame, luma: np.ndarray, pending: list) -> None:
        for future in pending:
            future.result()
        segments.add(_assembled(frame, luma, engine.scale))

    with (
        ThreadPoolExecutor(1, "decode") as decoder,
        ThreadPoolExecutor(1, "colours") as painter,
        ThreadPoolExecutor(1, "encode") as encoder,
    ):
        ahead = deque(decoder.submit(next, frames, None) for _ in range(2))
        behind: deque = deque()
        try:
            while not halted and (frame := ahead.popleft().result()) is not None:
                ahead.append(decoder.submit(next, frames, None))
                luma = Samples(plane(frame.planes[0])[..., None])
                result = Samples(np.empty((luma.height * engine.scale, luma.width * engine.scale, 1), np.uint8))
                ways = engine, painter, options.tile, options.ensemble
                seconds, pending = run_network(luma, result.write, *ways)
                network, count = network + seconds, count + 1
                behind.append(encoder.submit(encode, frame, result.samples[..., 0], pending))
                # Two frames wait for the encoder at most.
                if len(behind) > 2:
                    behind.popleft().result()
                at = min(float(frame.pts * frame.time_base) / length, 1) if length else done
                progress(max(at - done, 0))
                done, halted = max(at, done), stopped()
            for future in behind:
                future.result()
        finally:
            # Whatever happened: what is encoded is kept.
            encoder.submit(segments.close).result()
    if halted:
        return Row(job, "not tried", "stopped; the same command goes on")
    segments.join()
    progress(1 - done)
    size = stream.codec_context.width * engine.scale, stream.codec_context.height * engine.scale
    note = "" if segments.last is None else f"went on after {float(segments.last):.1f} s"
    return Row(job, "written", note, size, network, count)


def _frames(source, stream, path: Path, last) -> Iterator:
    """The decoded frames after the time `last` (seconds, a fraction), or all."""
    stream.thread_type = "AUTO"
    for attempt in ("index", "start"):
        if last is not None:
            source.seek(0 if attempt == "start" else int(last / stream.time_base), stream=stream)
        complete = last is None or attempt == "start"
        for index, frame in enumerate(source.decode(stream)):
            if frame.pts is None:
                frame.pts = round(index / stream.guessed_rate / stream.time_base)
            time = frame.pts * stream.time_base
            # An index that leads too far cannot be trusted: once more from the start.
            complete = complete or time <= last
            if not complete:
                break
            if last is None or time > last:
                yield _checked_frame(frame, stream, path)
        if complete:
            return


def _checked_frame(frame, stream, path: Path):
    context = stream.codec_context
    if (frame.width, frame.height, frame.format.name) != (context.width, context.height, context.pix_fmt):
        raise UsageError(
            f"Expected frames of one size and format, {context.width}×{context.height} {context.pix_fmt}. "
            f"Received: {path.name}, {frame.width}×{frame.height} {frame.format.name} in between"
        )
    if frame.interlaced_frame:
        raise UsageError(f"Expected progressive frames. Received: {path.name}, interlaced")
    return frame


def _assembled(frame, luma: np.ndarray, scale: int):
    """The enlarged frame: the network's luma, bicubic chroma, and everything else as it was."""
    across, down = FORMATS[frame.format.name]
    name = frame.format.name.replace("yuvj", "yuv")
    result = av.VideoFrame(frame.width * scale, frame.height * scale, name)
    plane(result.planes[0])[...] = luma
    # A chroma sample lies on the left one of its two luma pixels, not between them.
    cosited = (scale - 1) / (4 * scale) if across == 2 and frame.format.name != "yuvj420p" else 0
    chroma = np.stack([plane(each) for each in frame.planes[1:]]).astype(np.float32)
    around = [(0, length) for length in chroma.shape[1:]]
    enlarged = bicubic(bordered(chroma, around), scale, (0, cosited)) + np.float32(0.5)
    for target, values in zip(result.planes[1:], np.clip(enlarged, 0, 255, out=enlarged)):
        plane(target)[...] = values.astype(np.uint8)
    result.pts, result.time_base, result.duration = frame.pts, frame.time_base, frame.duration
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(result, name, getattr(frame, name))
    return result


def plane(of) -> np.ndarray:
    """A frame's plane as an array (height, width) uint8 in its own memory, without the padding of its lines."""
    return np.frombuffer(of, np.uint8).reshape(-1, of.line_size)[: of.height, : of.width]
