"""What the presets trained for JPEG files make of them: measured on public test sets, and written into their cards.

    python -m releasing.compressed gecko_jpeg_x2 gecko_jpeg_x4 --data=BSD100

Each is compared with bicubic and with the preset that it started from; `python -m releasing.pages` writes the pages.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from zoo.program import quiet_tensorflow

quiet_tensorflow()

from releasing.cards import write_card
from releasing.picture_sets import folders_of
from zoo import evaluate, registry
from zoo.data import benchmark
from zoo.errors import UsageError, exit_on_usage_error
from zoo.metrics import psnr
from zoo.metrics.blocking import blocking

# Compressed, and the same pictures uncompressed.
PROTOCOLS = (*(name for name, each in evaluate.PROTOCOLS.items() if each.quality), "rgb8")


def compressed(models: dict, scale: int, folders: list[Path]) -> dict:
    """Set → protocol → network → mean PSNR in dB and mean blocking in levels² of its pictures.

    Args:
        models: name → engine, or "bicubic".
        scale: of all of them.
        folders: public test sets, their pictures in the folder or its `HR`.
    """
    results: dict = {}
    for folder in folders:
        pictures = [each for each in benchmark(folder) if not evaluate.unfit(each[1], scale, scale)]
        results[folder.name] = {
            protocol: {name: _means(model, pictures, scale, protocol) for name, model in models.items()}
            for protocol in PROTOCOLS
        }
    return results


def _means(model, pictures: list, scale: int, protocol: str) -> dict[str, float]:
    figures = []
    for _, picture in pictures:
        hr, sr = evaluate.compared(model, picture, scale, protocol)
        figures.append((psnr(hr, sr, shave=scale), blocking(255 * np.asarray(sr, np.float64), 8 * scale)))
    mean = np.mean(figures, axis=0)
    return {"psnr": round(float(mean[0]), 4), "blocking": round(float(mean[1]), 4)}


@exit_on_usage_error
def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m releasing.compressed", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="NAME", help="presets trained with --degradation=jpeg")
    parser.add_argument("--data", required=True, help="folders of public test sets, joined with commas")
    options = parser.parse_args(argv)
    folders = folders_of(options.data)
    for name in options.names:
        card = registry.card(name)
        plain = card["name"].replace("_jpeg", "")
        if "--degradation=jpeg" not in card["training"]["command"] or plain == name:
            raise UsageError(f"Expected a preset NAME_jpeg_xSCALE trained with --degradation=jpeg. Received: {name!r}")
        models = {each: evaluate.open_network(each) for each in (name, plain)}
        card["compressed"] = compressed({"bicubic": "bicubic", **models}, card["scale"], folders)
        write_card(card, registry.PRESETS)
        print(name, json.dumps(card["compressed"]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
