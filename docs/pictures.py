"""Pictures of the presets at work: `python docs/pictures.py` writes docs/presets/NAME.jpg for each.

The photograph is scikit-image's astronaut (NASA, public domain), which no preset was trained on.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from PIL import Image
from skimage.data import astronaut

import zoo
from zoo.training.comparison import Comparison


def main() -> None:
    for name in zoo.list_presets():
        card = zoo.card(name)
        sheet = Comparison(astronaut(), card["scale"], name).draw(zoo.load(name), card["channels"])
        path = Path(__file__).parent / "presets" / f"{name}.jpg"
        Image.fromarray(sheet).save(path, quality=90, subsampling=0)
        print(path)


if __name__ == "__main__":
    main()
