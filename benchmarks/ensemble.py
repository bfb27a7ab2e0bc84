"""What `--ensemble`, the mean over 8 flips and quarter turns, gains in PSNR and costs in time, preset by preset.

The sets are folders of HR pictures (Set5 …); the protocol is that of `python -m zoo.evaluate`, on Y.
"""

import functools
import sys
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.timing import paired, summarise
from zoo.errors import UsageError, exit_on_usage_error

FRAME = (180, 320)


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.ensemble`."""
    parser = record.parser("ensemble", __doc__)
    parser.add_argument("--data", required=True, help="folders of HR pictures, joined with commas")
    parser.add_argument("--model", help="presets or files, joined with commas; default: every luma preset")
    flags = parser.parse_args(arguments)
    written = record.start("ensemble")
    from zoo import registry
    from zoo.data.benchmarks import benchmark
    from zoo.engines import tiles
    from zoo.evaluate import evaluate, mean
    from zoo.upscale import open_engine

    names = flags.model.split(",") if flags.model else registry.list_presets()
    engines = list(map(open_engine, names))
    if flags.model and (rgb := [engine.name for engine in engines if engine.channels != 1]):
        raise UsageError(f"Expected luma networks. Received: {', '.join(rgb)}")
    engines = [engine for engine in engines if engine.channels == 1]
    frame = np.random.default_rng(0).random((*FRAME, 1), np.float32)
    rows = []
    for engine in engines:
        ways = {
            name: functools.partial(tiles.run_picture, engine, ensemble=on)
            for name, on in (("plain", False), ("ensemble", True))
        }
        calls = {name: functools.partial(way, frame) for name, way in ways.items()}
        cost = summarise(paired(calls, rounds=2 if flags.quick else 7), "plain")["ensemble"]["ratio"]
        for folder in flags.data.split(","):
            pictures = benchmark(Path(folder))[: 1 if flags.quick else None]
            psnr = {name: mean(evaluate(way, pictures, engine.scale)).psnr for name, way in ways.items()}
            gain = psnr["ensemble"] - psnr["plain"]
            rows.append(
                {"model": engine.name, "set": Path(folder).name, "psnr": psnr["plain"], "gain": gain, "cost": cost}
            )
    written["rows"] = rows
    record.table(
        "Self-ensemble, PSNR on Y",
        ["model", "set", "dB", "gain, dB", "time"],
        [
            [row["model"], row["set"], f"{row['psnr']:.2f}", f"{row['gain']:+.2f}", f"{row['cost']:.1f}×"]
            for row in rows
        ],
    )
    values = [(f"{row['model']}, {row['set']}", row["gain"]) for row in rows]
    written["chart"] = record.chart("What the ensemble gains", values, "dB", [])
    record.finish(written, flags.json)


if __name__ == "__main__":
    sys.exit(main())
