"""A video through `zoo.upscale`: frames per second, and the share of the time that the network is at work.

The clip is made here: moving shapes, 8-bit 4:2:0, with sound. Decoding, network and encoding (x264) overlap.
"""

import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.subject import network_file

SIZE = (640, 360)


def write_clip(path: Path, frames: int) -> None:
    """25 frames a second of 640×360, a tone beside them."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = *SIZE, "yuv420p", {"crf": "18"}
        audio = container.add_stream("aac", rate=48000, layout="mono")
        for index in range(frames):
            rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
            luma = 128 + 60 * np.sin((rows + 3 * index) / 9) * np.cos((columns - 2 * index) / 13)
            luma += 40 * ((rows // 24 + (columns + 4 * index) // 24) % 2)
            chroma = np.full((2 * SIZE[1] // 4, SIZE[0]), 128)
            packed = np.concatenate([luma, chroma]).clip(16, 235).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(packed, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
            wave = np.sin(np.arange(1920 * index, 1920 * (index + 1)) / 20)[None].astype(np.float32)
            block = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            block.rate, block.pts, block.time_base = 48000, 1920 * index, Fraction(1, 48000)
            container.mux(audio.encode(block))
        container.mux(stream.encode(None))
        container.mux(audio.encode(None))


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.video`."""
    flags = record.parser("video", __doc__).parse_args(arguments)
    written = record.start("video")
    from zoo.upscale import open_engine
    from zoo.upscale.targets import Job
    from zoo.upscale.video import VideoOptions, upscale_video

    count = 25 if flags.quick else 250
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_clip(folder / "clip.mp4", count)
        for name, scale in (("fsrcnn", 2), ("espcn", 2), ("gecko", 2), ("gecko_dw", 2), ("fsrcnn", 3), ("espcn", 3)):
            engine = open_engine(network_file(folder, name, scale), measure=True)
            start = time.perf_counter()
            row = upscale_video(Job(folder / "clip.mp4", folder / f"{name}_{scale}.mp4"), engine, VideoOptions())
            seconds = time.perf_counter() - start
            assert row.state == "written", row.note
            speed = {"frames_per_second": count / seconds, "share": row.network / seconds}
            rows.append({"model": f"{name} ×{scale}", "engine": engine.kind, **speed})
    written |= {"frames": count, "width": SIZE[0], "height": SIZE[1], "rows": rows}
    record.table(
        f"{count} frames of {SIZE[0]}×{SIZE[1]}, decoded, enlarged and encoded",
        ["network", "engine", "frames/s", "in the network"],
        [[row["model"], row["engine"], f"{row['frames_per_second']:.1f}", f"{row['share']:.0%}"] for row in rows],
    )
    values = [(row["model"], row["frames_per_second"]) for row in rows]
    written["chart"] = record.chart("Video, 640×360 in", values, "frames/s", [row["model"] for row in rows])
    record.finish(written, flags.json)


if __name__ == "__main__":
    main()
