"""Pictures of the presets at work: `python docs/pictures.py` writes docs/presets/x2.jpg …, one for each scale.

It shows them in the README too, between two markers. The photograph is scikit-image's astronaut (NASA, public domain),
which no preset was trained on.
"""

import argparse
from pathlib import Path

from zoo.program import quiet_tensorflow

quiet_tensorflow()

from PIL import Image
from skimage.data import astronaut

import zoo
from releasing.generated import inserted
from zoo.training.comparison import Comparison

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- pictures: written by `python docs/pictures.py` -->", "<!-- pictures: end -->"


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python docs/pictures.py", description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="where README.md and docs/presets lie")
    root = parser.parse_args(arguments).root
    cards = [zoo.card(name) for name in zoo.list_presets()]
    lines = []
    for scale in sorted({card["scale"] for card in cards}):
        of_scale = [card for card in cards if card["scale"] == scale]
        networks = {card["name"]: (zoo.load(card["name"]), card["channels"]) for card in of_scale}
        path = Path("docs/presets") / f"x{scale}.jpg"
        sheet = Comparison(astronaut(), scale, "").details(networks)
        Image.fromarray(sheet).save(root / path, quality=90, subsampling=0)
        lines.append(
            f"![×{scale}: a detail of a photograph, bicubic, {', '.join(networks)}, original]({path.as_posix()})"
        )
        print(path)
    readme = root / "README.md"
    text = inserted(readme.read_text(encoding="utf-8"), "\n\n".join(lines), BEGIN, END)
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
