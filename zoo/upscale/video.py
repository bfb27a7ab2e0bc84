"""Video through a luma network: the luma plane itself, with no way through RGB.

Decoding, network and encoding overlap; what is encoded goes into segments (`zoo.upscale.segments`), so that work that
was cut off goes on where the last segment ends.
"""

import errno
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.engines.engine import Engine
from zoo.errors import UsageError
from zoo.upscale.enlarge import Samples, run_network
from zoo.upscale.files import MAX_MEGAPIXELS, Outcome, sentence
from zoo.upscale.planes import bicubic, bordered
from zoo.upscale.targets import Job
from zoo.upscale.video_frames import FORMATS, Frames, opened, plane

try:
    import av
except ImportError:
    av = None


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
) -> Outcome:
    """Enlarges one video; a failure is a row that says why.

    Y goes through the network as it is stored, in its own range; Cb and Cr are enlarged by bicubic interpolation in
    the place they have between the luma pixels (H.264's default: on the left one), rounded half up. Pixel format, bits,
    colour range, matrix, primaries, transfer, the mastering display, pixel shape, rotation and time stamps stay what
    they were. Damaged packets are passed over, and counted in the row's note, which names all that is lost.

    Args:
        job: the source, YUV of 8 or 10 bits, and a target that ends with one of `zoo.upscale.segments.CONTAINERS`.
        engine: of a luma network.
        progress: is told of the work done, in parts of the video.
        stopped: is asked after every frame whether to end; the same call goes on later.
    """
    try:
        if av is None:
            raise UsageError("Expected PyAV for video (pip install 'subpixel-zoo[video]'). Received: none")
        with opened(job.source) as source:
            stream = _checked_stream(source, job.source, engine, options)
            from zoo.upscale.segments import Segments

            segments = Segments(job, source, stream, engine, options)
            with segments.taken_up():
                return _enlarge_stream(source, segments, engine, options, progress, stopped)
    except Exception as error:
        # EIO: as a Matroska file that ends too early gives it.
        damaged = av is not None and isinstance(error, av.error.InvalidDataError)
        if damaged or getattr(error, "errno", 0) == errno.EIO:
            reason = getattr(error, "strerror", None) or error
            error = UsageError(f"Expected a whole video. Received: {job.source.name}: {reason}")
        return Outcome(job, "failed", sentence(error))


def _checked_stream(source, path: Path, engine: Engine, options: VideoOptions):
    """The video stream of an opened file, if it is of a kind that can be enlarged."""
    # A cover picture is a video stream too.
    streams = [each for each in source.streams.video if not each.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise UsageError(f"Expected a video. Received: {path.name}, without one")
    context = streams[0].codec_context
    if context.pix_fmt is None:
        raise UsageError(f"Expected a whole video. Received: {path.name}, without a frame")
    if context.pix_fmt not in FORMATS:
        raise UsageError(f"Expected YUV ({', '.join(FORMATS)}). Received: {path.name}, {context.pix_fmt}")
    if engine.channels != 1:
        raise UsageError(f"Expected a luma network for video. Received: {engine.name} with {engine.channels} channels")
    width, height = context.width * engine.scale, context.height * engine.scale
    if width * height / 1e6 > options.max_megapixels:
        raise UsageError(
            f"Expected frames of at most {options.max_megapixels:g} megapixels (--max_megapixels raises it). "
            f"Received: {path.name}, {width}×{height} at scale {engine.scale}"
        )
    return streams[0]


def _enlarge_stream(source, segments, engine: Engine, options: VideoOptions, progress, stopped) -> Outcome:
    job, stream = segments.job, segments.stream
    found = Frames(source, stream, job.source, segments.passed)
    frames = found.after(segments.last)
    length = float((stream.duration or 0) * stream.time_base) or (source.duration or 0) / 1e6
    network, done, count, halted = 0.0, 0.0, 0, False
    broken = False

    def encode(frame, luma: np.ndarray, pending: list) -> None:
        nonlocal broken
        # What follows a frame that failed would be taken for all up to there.
        if broken:
            return
        broken = True
        for future in pending:
            future.result()
        segments.add(assembled(frame, luma, engine.scale, stream.codec_context.name == "mjpeg"))
        broken = False

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
                luma = _luma(frame)
                result = Samples(np.empty((luma.height * engine.scale, luma.width * engine.scale, 1), luma.dtype))
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
        return Outcome(job, "not tried", "stopped; the same command goes on")
    left_out = segments.join()
    progress(1 - done)
    width, height = (side * engine.scale for side in (stream.codec_context.width, stream.codec_context.height))
    notes = [f"went on after {float(segments.last):.1f} s"] if segments.last is not None else []
    notes += [*segments.notes, *segments.passed.notes(), *left_out]
    if segments.size != (width, height):
        notes.append(
            f"{width}×{height} became {segments.size[0]}×{segments.size[1]}, the last px repeated: H.264 has even sides"
        )
    return Outcome(job, "written", "; ".join(notes), segments.size, network, count)


def _luma(frame) -> Samples:
    """The luma plane for the network: 8 bits as they are, 10 bits as floating point in [0, 1]."""
    kind = FORMATS[frame.format.name]
    samples = plane(frame.planes[0], kind.dtype)[..., None]
    return Samples(samples if kind.bits == 8 else samples.astype(np.float32) / np.float32((1 << kind.bits) - 1))


def assembled(frame, luma: np.ndarray, scale: int, centred: bool):
    """The enlarged frame: the network's luma, bicubic chroma, and everything else as it was.

    Args:
        centred: a chroma sample lies between its two luma pixels, as JPEG has it; else on the left one.
    """
    kind, largest = FORMATS[frame.format.name], (1 << FORMATS[frame.format.name].bits) - 1
    width, height = kind.even(frame.width * scale, frame.height * scale)
    result = av.VideoFrame(width, height, frame.format.name.replace("yuvj", "yuv"))
    if luma.dtype != kind.dtype:
        luma = (luma * np.float32(largest) + np.float32(0.5)).astype(kind.dtype)
    missing = [(0, height - luma.shape[0]), (0, width - luma.shape[1])]
    plane(result.planes[0], kind.dtype)[...] = np.pad(luma, missing, mode="edge")
    cosited = (scale - 1) / (4 * scale) if kind.across == 2 and not centred else 0
    chroma = np.stack([plane(each, kind.dtype) for each in frame.planes[1:]]).astype(np.float32)
    around = tuple((0, length) for length in chroma.shape[1:])
    enlarged = bicubic(bordered(chroma, around), scale, (0, cosited)) + np.float32(0.5)
    for target, values in zip(result.planes[1:], np.clip(enlarged, 0, largest, out=enlarged)):
        # A chroma px of an odd side covers a luma px that is not there.
        samples = plane(target, kind.dtype)
        samples[...] = values[: samples.shape[0], : samples.shape[1]].astype(kind.dtype)
    result.pts, result.time_base, result.duration = frame.pts, frame.time_base, frame.duration
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(result, name, getattr(frame, name))
    return result
