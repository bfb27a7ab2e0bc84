"""The page's sample pictures, made here: two of scikit-image's photographs, reduced, and two that are drawn.

python -m releasing.samples     # writes web/samples/; --check fails where a picture is another one

Astronaut: NASA, public domain. Coffee: Rachel Michetti, CC0-1.0; a JPEG file, for the networks that are for such.
"""

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from releasing.screens import screens
from zoo.errors import exit_on_usage_error
from zoo.files import whole_file

FOLDER = Path(__file__).parent.parent / "web" / "samples"
_QUALITY = 30
# Levels that a picture may differ by and still be the same: libraries draw letters a little differently.
_SAME = 2.0


def samples() -> dict[str, bytes]:
    """File name → content.

    Example:
        >>> sorted(samples())
        ['coffee.jpg', 'face.png', 'lines.png', 'text.png']
    """
    from skimage import data

    drawn = screens(3)
    return {
        "face.png": _packed(_reduced(data.astronaut(), (130, 0, 330, 250), 2), "PNG"),
        "text.png": _packed(Image.fromarray(drawn["text"][1]), "PNG"),
        "lines.png": _packed(Image.fromarray(drawn["lines"][0]), "PNG"),
        "coffee.jpg": _packed(_reduced(data.coffee(), (60, 20, 500, 380), 2), "JPEG", quality=_QUALITY),
    }


def _reduced(image: np.ndarray, box: tuple[int, int, int, int], factor: int) -> Image.Image:
    part = Image.fromarray(image).crop(box)
    return part.resize((part.width // factor, part.height // factor), Image.Resampling.BICUBIC)


def _packed(picture: Image.Image, form: str, **options: int) -> bytes:
    content = io.BytesIO()
    picture.save(content, form, optimize=True, **options)
    return content.getvalue()


def differs(one: bytes, other: bytes) -> bool:
    """Whether two files show different pictures."""
    first, second = (np.asarray(Image.open(io.BytesIO(each)).convert("RGB"), np.float64) for each in (one, other))
    return first.shape != second.shape or bool(np.abs(first - second).mean() > _SAME)


@exit_on_usage_error
def main(argv: list[str] | None = None) -> int:
    """The command; returns 0, or 1 with `--check` where a picture is out of date."""
    parser = argparse.ArgumentParser(prog="python -m releasing.samples", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a picture is another one")
    flags = parser.parse_args(argv)
    old = []
    for name, content in samples().items():
        path = FOLDER / name
        if path.is_file() and not differs(path.read_bytes(), content):
            continue
        old.append(name)
        if not flags.check:
            FOLDER.mkdir(exist_ok=True)
            with whole_file(path) as unfinished:
                unfinished.write_bytes(content)
            print(f"{path}: {len(content):,} bytes")
    if flags.check and old:
        print(f"out of date: {', '.join(old)}", file=sys.stderr)
    return int(flags.check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
