"""What the presets do and do not do: `python -m releasing.limits` writes docs/limits.md, its pictures and the hero.

Every figure of the page is measured by this command, on a public-domain photograph and on pictures drawn by code
(`releasing/limit_cases.py`). With `--check` it writes nothing and fails where a figure is another one.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.program import quiet_tensorflow

quiet_tensorflow()

from releasing.limit_cases import Case, cases, hard_text
from releasing.limits_text import page
from releasing.sheets import sheet
from zoo import registry
from zoo.color import luma
from zoo.data import crop_to_multiple, imresize
from zoo.engines import Engine, open_engine
from zoo.errors import exit_on_usage_error
from zoo.metrics import psnr
from zoo.upscale import upscale

ROOT = Path(__file__).parent.parent
SCALES = (2, 3, 4)
# Side of a detail, HR px, and how large a pixel of it is drawn; of the README's hero, docs/hero.jpg, too.
DETAIL, ZOOM, HERO, HERO_ZOOM, HERO_SCALE, SHOWN_SCALE = 120, 2, 108, 3, 2, 4
# An echo is what stands farther than this, LR px, from any ink: beyond what bicubic reaches.
FAR = 2
# Figures of two machines differ by the order in which their engines add up, dB or levels.
TOLERANCE = 0.05, 2
SHEETS = {
    "photograph": ["photograph"],
    "text": ["text, reduced", "interface, reduced"],
    "jpeg": ["JPEG, quality 60", "JPEG, quality 30"],
    "noise": ["noise, 15 levels", "blur, 1 LR px"],
}


def enlargements(lr_image: np.ndarray, scale: int, engines: dict[str, Engine]) -> dict[str, np.ndarray]:
    """Name → `lr_image` (h, w, 3) enlarged, uint8: bicubic as MATLAB has it, Pillow's Lanczos, and each preset."""
    height, width, _ = lr_image.shape
    lanczos = Image.fromarray(lr_image).resize((scale * width, scale * height), Image.Resampling.LANCZOS)
    found = {"bicubic": imresize(lr_image, scale), "lanczos": np.asarray(lanczos)}
    return found | {name: upscale(lr_image, engine) for name, engine in engines.items()}


def measured(scale: int, engines: dict[str, Engine], found: dict[str, Case]) -> dict[str, dict[str, float]]:
    """Case → way of enlarging → PSNR on Y in dB, `scale` px of the border left out."""
    rows = {}
    for name, case in found.items():
        original = luma(crop_to_multiple(case.hr_image, scale))
        ways = enlargements(case.lr_image(scale), scale, engines)
        rows[name] = {way: round(psnr(original, luma(image), shave=scale), 2) for way, image in ways.items()}
    return rows


def echoes(scale: int, engines: dict[str, Engine]) -> dict[str, dict[str, int]]:
    """ "text" and "flat" → way of enlarging → levels of 255: what stands on the paper away from any ink, and how far a
    saturated flat colour is off, the border left out."""
    paper = hard_text()
    ink = np.pad(paper[..., 0] == 0, FAR)
    height, width = paper.shape[:2]
    near = np.zeros((height, width), bool)
    for y in range(2 * FAR + 1):
        for x in range(2 * FAR + 1):
            near |= ink[y : y + height, x : x + width]
    away = ~near.repeat(scale, 0).repeat(scale, 1)
    rows: dict[str, dict[str, int]] = {"text": {}, "flat": {}}
    for way, image in enlargements(paper, scale, engines).items():
        rows["text"][way] = int((255 - image[away].astype(int)).max())
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)):
        flat = np.broadcast_to(np.array(colour, np.uint8), (40, 40, 3)).copy()
        for way, image in enlargements(flat, scale, engines).items():
            off = int(np.abs(image[10 * scale : -10 * scale, 10 * scale : -10 * scale].astype(int) - colour).max())
            rows["flat"][way] = max(rows["flat"].get(way, 0), off)
    return rows


def detail(case: Case, scale: int, engines: dict[str, Engine], side: int, ways: list[str]) -> dict[str, np.ndarray]:
    """Caption → the case's detail, enlarged in each of the ways, then the original."""
    y, x = case.corner
    inside = np.s_[y : y + side, x : x + side]
    chosen = {name: engine for name, engine in engines.items() if name in ways}
    made = enlargements(case.lr_image(scale), scale, chosen)
    return {way: made[way][inside] for way in ways} | {"original": case.hr_image[inside]}


def pictures(engines: dict[int, dict[str, Engine]], found: dict[str, Case]) -> dict[Path, Image.Image]:
    """The page's pictures and the README's, by their place under docs/."""
    best = registry.best_presets()
    scale = SHOWN_SCALE
    ways = ["bicubic", "lanczos", best[scale], *(name for name in engines[scale] if "jpeg" in name)]
    made = {
        Path("limits") / f"{name}.jpg": sheet(
            [detail(found[each], scale, engines[scale], DETAIL, ways) for each in shown], ZOOM
        )
        for name, shown in SHEETS.items()
    }
    ways = ["bicubic", best[HERO_SCALE]]
    rows = [
        detail(found[name], HERO_SCALE, engines[HERO_SCALE], HERO, ways)
        for name in ("face", "text, reduced", "thin lines, reduced")
    ]
    made[Path("hero.jpg")] = sheet(rows, HERO_ZOOM)
    # What has no original: words as a screen has them, and their echoes.
    ways = ["bicubic", "lanczos", *(name for name in engines[scale] if name != "srcnn_x4")]
    enlarged = enlargements(hard_text()[4:34, 2:62], scale, engines[scale])
    rows = [{way: enlarged[way] for way in ways[start : start + 3]} for start in range(0, len(ways), 3)]
    made[Path("limits") / "screen.jpg"] = sheet(rows, 2)
    return made


def differs(old: str, new: str) -> bool:
    """Whether two pages differ by more than figures that another machine may give."""
    number = re.compile(r"[+-]?\d+\.\d\d\b|\b\d+ of 255\b")
    if number.sub("#", old.replace("**", "")) != number.sub("#", new.replace("**", "")):
        return True
    pairs = zip(number.findall(old), number.findall(new))
    return any(abs(float(a.split()[0]) - float(b.split()[0])) > TOLERANCE["of" in a] for a, b in pairs)


@exit_on_usage_error
def main(argv: list[str] | None = None) -> int:
    """The command; returns 0, or 1 with `--check` where the page is out of date."""
    parser = argparse.ArgumentParser(prog="python -m releasing.limits", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a figure is another one")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="the folder of the pages")
    flags = parser.parse_args(argv)
    cards = [registry.card(name) for name in registry.list_presets()]
    engines = {
        scale: {card["name"]: open_engine(card["name"], sizes=True) for card in cards if card["scale"] == scale}
        for scale in SCALES
    }
    found = cases()
    text = page(
        {scale: measured(scale, engines[scale], found) for scale in SCALES},
        {scale: echoes(scale, engines[scale]) for scale in SCALES},
        {card["name"]: card for card in cards},
    )
    written = flags.docs / "limits.md"
    if flags.check:
        stale = not written.is_file() or differs(written.read_text(encoding="utf-8"), text)
        print("limits.md is not what was measured" if stale else "limits.md is what was measured", file=sys.stderr)
        return int(stale)
    written.write_text(text, encoding="utf-8")
    (flags.docs / "limits").mkdir(exist_ok=True)
    for place, picture in pictures(engines, found).items():
        picture.save(flags.docs / place, quality=90, subsampling=0)
        print(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
