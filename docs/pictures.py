"""Pictures of the presets at work: `python docs/pictures.py` writes docs/presets/x2.jpg …, one for each scale.

docs/presets.md shows them. The photograph is scikit-image's astronaut (NASA, public domain),
which no preset was trained on.
"""

import argparse
from pathlib import Path

from zoo.program import quiet_tensorflow

quiet_tensorflow()

from PIL import Image
from skimage.data import astronaut

import zoo
from zoo.training.comparison import Comparison

ROOT = Path(__file__).parent.parent


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python docs/pictures.py", description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="where docs/presets lies")
    root = parser.parse_args(arguments).root
    cards = [zoo.card(name) for name in zoo.list_presets()]
    for scale in sorted({card["scale"] for card in cards}):
        of_scale = [card for card in cards if card["scale"] == scale]
        networks = {card["name"]: (zoo.load(card["name"]), card["channels"]) for card in of_scale}
        path = Path("docs/presets") / f"x{scale}.jpg"
        sheet = Comparison(astronaut(), scale, "").details(networks)
        Image.fromarray(sheet).save(root / path, quality=90, subsampling=0)
        print(path)


if __name__ == "__main__":
    main()
