"""A folder of pictures through `python -m zoo.upscale`'s engine room, against the loop that a user would write.

Decoding, network and encoding of neighbouring pictures overlap; the figure is the share of the time that the network
is at work. Both ways write the same files, which is checked.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.subject import network_file, picture
from benchmarks.timing import paired, summarise
from zoo.machine import available_threads

SCALE, COUNT = 2, 100
# Of the LR picture, megapixels.
SMALLEST, LARGEST = 0.15, 2.0


def write_pictures(folder: Path, count: int, largest: float) -> int:
    """Writes so many PNG and JPEG pictures of 0.15 to `largest` megapixels, equally many per octave; their pixels."""
    from PIL import Image

    random = np.random.default_rng(5)
    pixels = 0
    for number in range(count):
        area = SMALLEST * 1e6 * (largest / SMALLEST) ** random.random()
        aspect = random.uniform(1, 1.8)
        height, width = int((area / aspect) ** 0.5), int((area * aspect) ** 0.5)
        suffix = ".png" if number % 2 else ".jpg"
        Image.fromarray(picture(height, width, number)).save(folder / f"{number:03d}{suffix}", quality=92)
        pixels += height * width
    return pixels


def naive(sources: Path, output: Path, engine) -> None:
    """What a user writes: read, enlarge, save, next."""
    from PIL import Image

    from zoo.upscale import upscale

    for path in sorted(sources.iterdir()):
        image = np.asarray(Image.open(path).convert("RGB"))
        Image.fromarray(upscale(image, engine)).save(output / path.name, quality=95)


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.files`."""
    flags = record.parser("files", __doc__).parse_args(arguments)
    written = record.start("files")
    from zoo.upscale import open_engine
    from zoo.upscale.files import Options, upscale_files
    from zoo.upscale.targets import jobs

    count, largest = (8, 0.3) if flags.quick else (COUNT, LARGEST)
    network: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        sources, ours, theirs = folder / "in", folder / "ours", folder / "naive"
        for each in (sources, ours, theirs):
            each.mkdir()
        megapixels = write_pictures(sources, count, largest) / 1e6
        engine = open_engine(str(network_file(folder, "espcn", SCALE)))

        def overlapped() -> None:
            rows = list(upscale_files(jobs([str(sources)], str(ours), None), engine, Options()))
            failed = [row.note for row in rows if row.state != "written"]
            assert len(rows) == count and not failed, failed
            network.append(sum(row.network for row in rows))

        began = time.perf_counter()
        times = paired(
            {"zoo.upscale": overlapped, "naive loop": lambda: naive(sources, theirs, engine)}, rounds=1, warmup=0
        )
        took = time.perf_counter() - began
        same = _same_pictures(ours, theirs)
    share = float(np.median([inside / outside for inside, outside in zip(network, times["zoo.upscale"])]))
    written |= {
        "pictures": count,
        "lr_megapixels": megapixels,
        "times": summarise(times, "zoo.upscale"),
        "network_share": share,
        "network_seconds": network,
        "largest_png_difference": same,
        "cores": available_threads(),
        "seconds_in_all": took,
    }
    record.table(
        f"{count} pictures, {megapixels:.0f} Mpx, ESPCN ×{SCALE}",
        ["way", "s", "pictures/s", "time / zoo's"],
        [
            [name, f"{row['median']:.1f}", f"{count / row['median']:.2f}", f"{row['ratio']:.2f}"]
            for name, row in written["times"].items()
        ],
    )
    print(f"the network is at work {share:.0%} of the time; the PNG files of both ways differ by {same} levels")
    values = [(name, row["median"]) for name, row in written["times"].items()]
    written["chart"] = record.chart(f"{count} pictures, ESPCN ×{SCALE}", values, "s", ["zoo.upscale"])
    record.finish(written, flags.json)


def _same_pictures(first: Path, second: Path) -> int:
    """The largest difference between the PNG files of both folders, in levels; JPEG may be encoded differently."""
    from PIL import Image

    largest = 0
    for path in sorted(first.glob("*.png")):
        one, two = (np.asarray(Image.open(each / path.name), np.int16) for each in (first, second))
        largest = max(largest, int(np.abs(one - two).max()))
    return largest


if __name__ == "__main__":
    main()
