"""Large pictures through `zoo.upscale`: is time linear in the pixels, how much memory does it take, are tiles exact?

Every picture is enlarged in a process of its own, whose peak of resident memory is the operating system's figure.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.subject import network_file, picture
from benchmarks.timing import linear_fit

SCALE = 2
# LR height and width: 0.25 to 133 megapixels of output; the largest is 7680×4320 ×2.
SIZES = ((204, 306), (408, 612), (816, 1224), (1632, 2448), (2160, 3840), (3240, 5760), (4320, 7680))


def enlarge_one(path: str, height: int, width: int) -> dict:
    """In the child: seconds of one picture and the peak of memory, after a small picture has warmed everything up."""
    from zoo.upscale import open_engine, upscale

    engine = open_engine(path)
    image = picture(height, width)
    upscale(image[:64, :64], engine)
    start = time.perf_counter()
    result = upscale(image, engine)
    seconds = time.perf_counter() - start
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    ends = image.nbytes + result.nbytes
    return {"height": height, "width": width, "megapixels": result.shape[0] * result.shape[1] / 1e6,
            "seconds": seconds, "peak_bytes": peak, "picture_bytes": ends, "work_bytes": peak - ends}  # fmt: skip


def in_child(path: Path, size: tuple[int, int]) -> dict:
    """`enlarge_one` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.large_pictures", f"--child={size[0]},{size[1]},{path}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def whole_against_tiled(path: Path, quick: bool) -> list[dict]:
    """Largest differences between the whole picture and tiles of awkward sides, for the engines of `zoo.upscale`."""
    from zoo.engines.keras import KerasEngine
    from zoo.engines.opening import without_cells
    from zoo.engines.tflite import TFLiteEngine
    from zoo.engines.tiles import run_picture
    from zoo.registry import create_model
    from zoo.upscale import open_engine, upscale

    image = picture(120, 161) if quick else picture(241, 355)
    lr_image = np.random.default_rng(3).random((*image.shape[:2], 1), np.float32)
    fastest = open_engine(path)
    candidates = (TFLiteEngine(path.read_bytes(), path.name), without_cells(fastest), fastest)
    engines = {type(engine).__name__.removesuffix("Engine"): engine for engine in candidates}
    engines["Keras"] = KerasEngine(create_model("espcn", scale=SCALE))
    rows = []
    for name, engine in engines.items():
        entire = max(image.shape[:2])
        whole_bytes, whole_floats = upscale(image, engine, tile=entire), run_picture(engine, lr_image, entire)
        for tile in ((37, 53), (64, 64)):
            floats = np.abs(run_picture(engine, lr_image, tile) - whole_floats).max() / np.ptp(whole_floats)
            levels = np.abs(upscale(image, engine, tile=tile).astype(int) - whole_bytes).max()
            rows.append({"engine": name, "tile": tile, "float": float(floats), "uint8_levels": int(levels)})
    return rows


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.large_pictures`."""
    parser = record.parser("large_pictures", __doc__)
    parser.add_argument("--child", help="for the command's own processes: height,width,file")
    flags = parser.parse_args(arguments)
    if flags.child:
        height, width, path = flags.child.split(",", 2)
        print(json.dumps(enlarge_one(path, int(height), int(width))))
        return
    written = record.start("large_pictures")
    with tempfile.TemporaryDirectory() as folder:
        path = network_file(Path(folder), "espcn", SCALE)
        written["pictures"] = [in_child(path, size) for size in (SIZES[:3] if flags.quick else SIZES)]
        written["tiling"] = whole_against_tiled(path, flags.quick)
    pictures = written["pictures"]
    written["fit"] = linear_fit([row["megapixels"] for row in pictures], [row["seconds"] for row in pictures])
    record.table(
        f"ESPCN ×{SCALE}, RGB",
        ["output, Mpx", "s", "s/Mpx", "peak, MB", "without the pictures, MB"],
        [
            [f"{row['megapixels']:.2f}", f"{row['seconds']:.2f}", f"{row['seconds'] / row['megapixels']:.3f}",
             f"{row['peak_bytes'] / 1e6:.0f}", f"{row['work_bytes'] / 1e6:.0f}"]
            for row in pictures
        ],
    )  # fmt: skip
    fit = written["fit"]
    print(f"time = {fit['slope']:.3f} s/Mpx + {fit['offset']:.3f} s; farthest from that line: {fit['residual']:.1%}")
    record.table(
        "Whole against tiled",
        ["engine", "tile, LR px", "float, of the range", "uint8, levels"],
        [
            [r["engine"], "×".join(map(str, r["tile"])), f"{r['float']:.1e}", str(r["uint8_levels"])]
            for r in written["tiling"]
        ],
    )
    values = [(f"{row['megapixels']:.2f} Mpx", row["seconds"] / row["megapixels"]) for row in pictures]
    written["chart"] = record.chart(f"Seconds per megapixel, ESPCN ×{SCALE}", values, "s/Mpx", [n for n, _ in values])
    record.finish(written, flags.json)


if __name__ == "__main__":
    main()
