"""What a border without a grey frame costs: a frame of 640×360 with the mirrored margin and without, preset by preset.

Both go through `zoo.upscale`, in turns; the margin is what `zoo.engines.mirrored` reads beyond the picture.
"""

import contextlib
import time
from collections.abc import Iterator

import numpy as np

from benchmarks import record
from benchmarks.timing import paired, summarise

FRAME = (360, 640)
HEADINGS = ["network", "engine", "reach, px", "ms", "time with it", "quartiles"]
# One of each architecture and scale that a video is enlarged by.
PRESETS = "espcn_x2,fsrcnn_x2,fsrcnn_s_x2,gecko_x2,gecko_dw_x2,srcnn_x2,espcn_x3,fsrcnn_x3,gecko_x3"


@contextlib.contextmanager
def no_margin() -> Iterator[None]:
    """The network's own border, as where its reach is not known."""
    from zoo.engines import mirrored

    margin = mirrored.margin
    mirrored.margin = lambda engine: None
    try:
        yield
    finally:
        mirrored.margin = margin


def cells(rows: list[dict]) -> list[list[str]]:
    """A line of the table for each network."""
    return [
        [row["model"], row["engine"].removesuffix("Engine"), str(row["reach"]), f"{1e3 * row['median']:.1f}",
         f"{row['ratio'] - 1:+.1%}", f"{row['ratio_low'] - 1:+.1%} to {row['ratio_high'] - 1:+.1%}"]
        for row in rows
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.border`."""
    parser = record.parser("border", __doc__)
    parser.add_argument("--model", default=PRESETS, help="presets or files, joined with commas; default: %(default)s")
    parser.add_argument("--threads", type=int, help="default: as many as the process may use")
    parser.add_argument("--processor_time", action="store_true", help="of all threads, for a machine that others share")
    flags = parser.parse_args(arguments)
    written = record.start("border")
    from zoo.upscale import open_engine, upscale

    clock = time.process_time if flags.processor_time else time.perf_counter
    height, width = (60, 80) if flags.quick else FRAME
    frame = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    rows = []
    for name in flags.model.split(","):
        engine = open_engine(name, flags.threads)
        image = frame if engine.channels == 1 else np.stack([frame] * 3, axis=-1)

        def mirrored(image=image, engine=engine) -> None:
            upscale(image, engine)

        def plain(image=image, engine=engine) -> None:
            with no_margin():
                upscale(image, engine)

        times = paired({"mirrored": mirrored, "plain": plain}, rounds=2 if flags.quick else 15, clock=clock)
        summary = summarise(times, "plain")
        row = {name: summary["mirrored"][name] for name in ("ratio", "ratio_low", "ratio_high", "median")}
        rows.append({"model": engine.name, "engine": type(engine).__name__, "reach": engine.radius, **row})
    written |= {"clock": clock.__name__, "width": width, "height": height, "rows": rows}
    record.table(f"The mirrored margin, a grey picture of {width}×{height}", HEADINGS, cells(rows))
    values = [(row["model"], row["ratio"]) for row in rows]
    written["chart"] = record.chart("Time with the mirrored margin", values, "of the time without", [])
    record.finish(written, flags.json)


if __name__ == "__main__":
    main()
