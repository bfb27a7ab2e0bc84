"""Photographs that no preset was trained on, chosen by or measured on before: their PSNR, written into the cards.

    apt-get download mate-backgrounds plasma-workspace-wallpapers      # Debian 12
    for each in *.deb; do dpkg-deb --extract $each unpacked; done
    python -m releasing.held_out --unpacked=unpacked                   # every preset
    python -m releasing.held_out gecko_x3 fsrcnn_x3 --unpacked=unpacked

They are JPEG files of two and more megapixels and are shrunk by half first, so that nothing of the compression is left.
`python -m releasing.pages` writes the pages.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zoo.program import quiet_tensorflow

quiet_tensorflow()

from releasing.cards import write_card
from zoo import registry
from zoo.data import crop_to_multiple, imresize
from zoo.data.decode import read_picture
from zoo.errors import UsageError, exit_on_usage_error
from zoo.evaluate import evaluate, mean
from zoo.files import existing_folder

WHAT = (
    "23 photographs of Debian's mate-backgrounds 1.26.0 and plasma-workspace-wallpapers 5.27.5, shrunk by half "
    "(`releasing/held_out.py`)"
)
_COUNT = 23
# Painted: Autumn.
_LEFT_OUT = ("Autumn",)


def photographs(unpacked: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(name, uint8 picture, half as high and wide as the file) of each photograph, by name.

    Raises:
        UsageError: where others than the 23 lie there.
    """
    mate = sorted((unpacked / "usr/share/backgrounds/mate/nature").glob("*.jpg"))
    plasma = sorted((unpacked / "usr/share/wallpapers").glob("*/contents/images/2560x1600.jpg"))
    files = {path.stem: path for path in mate} | {path.parts[-4]: path for path in plasma}
    files = {name: path for name, path in files.items() if name not in _LEFT_OUT}
    if len(files) != _COUNT:
        raise UsageError(f"Expected the {_COUNT} photographs of both packages in {unpacked}. Received: {len(files)}")
    for name, path in files.items():
        yield name, imresize(crop_to_multiple(read_picture(path), 2), 1 / 2)


@exit_on_usage_error
def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m releasing.held_out", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets; default: all")
    parser.add_argument("--unpacked", required=True, help="folder that both Debian packages were unpacked into")
    options = parser.parse_args(argv)
    # All names are looked up before any work is done.
    cards = [registry.card(name) for name in options.names or registry.list_presets()]
    pictures = list(photographs(existing_folder(options.unpacked, "the unpacked packages")))
    for card in cards:
        found = mean(evaluate(registry.load(card["name"]), pictures, card["scale"]))
        measured = {"pictures": WHAT, "psnr": round(found.psnr or 0.0, 4), "ssim": round(found.ssim or 0.0, 5)}
        # The measurement takes a while: somebody may have changed the card.
        write_card(registry.card(card["name"]) | {"held_out": measured}, registry.PRESETS)
        print(f"{card['name']}: {measured['psnr']:.2f} dB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
