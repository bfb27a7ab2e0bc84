"""Graphics made by code: text, lines, user interfaces, flat colours, gradients, dithering. No licence is needed.

Networks trained on photographs alone ghost beside hard edges and put a screen on saturated flats, which photographs
hardly have. Nor does making graphics smaller give edges as hard as a screen's: those are LR images of their own.
"""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.data.sources import Picture, Source

SIDE = 768
# What is cut out of each sheet: more than a few hundredths of all patches would cost photographs their sharpness.
PART = 224
# LR pixels of a screenshot, the same at every scale.
SCREEN = 80
TWICE = 2  # drawn larger and shrunk: edges as a rasteriser smooths them
_SENTENCE = (
    "sub pixel layer LR HR 2x 3x 4x kernel phase window zero one border mirror The quick brown fox jumps over the lazy "
    "dog 0123456789 Menu File Edit View Help OK Cancel Settings 100% Wi-Fi 12:30 Open Save Print (c) [a] {b} <c> #1 @ &"
)
WORDS = _SENTENCE.split()


def graphics(scale: int, channels: int = 1) -> Source:
    """Opens the graphics: 15 pictures of 224×224 pixels, the same on every call.

    Args:
        scale: HR side / LR side, at least 2.
        channels: 1 for luma, 3 for RGB.

    Example:
        >>> import zoo.data
        >>> len(list(zoo.data.graphics(2, channels=3).pictures()))
        15
    """
    makers = (_text, _text, _text, _lines, _lines, _interface, _interface, _interface, _flats, _flats, _gradients,
              _dithering, _charts, _charts, _pixel_art)  # fmt: skip
    pictures = [
        Picture(f"{maker.__name__.strip('_')}_{index}", f"zoo.data.drawing/{index}", _reader(maker, index))
        for index, maker in enumerate(makers)
    ]
    return Source("graphics", scale, channels, pictures, pixels=len(pictures) * PART**2)


def screenshots(scale: int, channels: int = 1) -> Source:
    """Opens LR images that were never made smaller: 24 of 80×80 pixels, words, lines and patterns in two colours.

    A screen has its words without a grey between; the HR image repeats each pixel `scale` times, down and across. So a
    network learns to draw nothing beside such strokes, where it has learnt from smaller pictures to expect ringing. And
    its maps stay within bounds there, so that the 256 levels of int8 are left for photographs.

    Args:
        scale: HR side / LR side, at least 2.
        channels: 1 for luma, 3 for RGB.

    Example:
        >>> name, lr_image, hr_image = next(screenshots(3).pictures())
        >>> lr_image.shape, hr_image.shape, len(np.unique(hr_image))
        ((80, 80, 1), (240, 240, 1), 2)
    """
    pictures = [Picture(f"screen_{index}", f"zoo.data.drawing/{index}", _screen(index, scale)) for index in range(24)]
    words = "LR images of screenshots: their own, each pixel repeated in the HR image"
    return Source("screenshots", scale, channels, pictures, len(pictures) * (scale * SCREEN) ** 2, lr_images=words)


def _screen(seed: int, scale: int):
    def read():
        random = np.random.default_rng(seed)
        ink, paper = _pair(random)
        mask = _patterns(random) if seed % 4 == 2 else _strokes(random, crossed=seed % 4 == 3)
        lr_image = np.where(mask[..., None], np.array(ink, np.uint8), np.array(paper, np.uint8))
        return lr_image.repeat(scale, axis=0).repeat(scale, axis=1), lr_image

    return read


def _strokes(random, crossed: bool) -> np.ndarray:
    """Lines of words of several sizes, some of them crossed by lines: where there is ink, (80, 80)."""
    mask = Image.new("1", (SCREEN, SCREEN))
    pen, top = ImageDraw.Draw(mask), int(random.integers(-4, 4))
    while top < SCREEN:
        size = float(random.uniform(8, 22))
        line = " ".join(random.choice(WORDS, 6))
        pen.text((int(random.integers(-20, 6)), top), line, 1, font=ImageFont.load_default(size=size))
        top += int(size * random.uniform(1.1, 2.2))
    for ends in random.uniform(0, SCREEN, (6 * crossed, 2, 2)):
        pen.line([(float(x), float(y)) for x, y in ends], 1, int(random.integers(1, 3)))
    return np.asarray(mask)


def _patterns(random) -> np.ndarray:
    """Tiles of checks, dots and hatching, as fills and dithering have them: where there is ink, (80, 80)."""
    side = SCREEN // 4
    y, x = np.mgrid[:side, :side]
    rows = []
    for _ in range(4):
        tiles = []
        for kind in random.integers(3, size=4):
            period, across, down = (int(number) for number in random.integers((1, -1, 0), (4, 2, 2)))
            checks = (y // period + x // period) % 2 == 1
            dots = random.random((side, side)) < random.uniform(0.05, 0.5)
            hatching = (across * x + (down if across else 1) * y) % (period + 1) == 0
            tiles.append((checks, dots, hatching)[kind])
        rows.append(np.concatenate(tiles, axis=1))
    return np.concatenate(rows)


def _reader(maker, seed: int):
    def read():
        random = np.random.default_rng(seed)
        y, x = random.integers(0, SIDE - PART + 1, 2)
        return np.asarray(maker(random).convert("RGB"))[y : y + PART, x : x + PART], None

    return read


def _colour(random, saturated: bool = False) -> tuple[int, int, int]:
    levels = random.choice((0, 36, 73, 109, 146, 182, 219, 255), 3) if saturated else random.integers(0, 256, 3)
    red, green, blue = (int(level) for level in levels)
    return red, green, blue


def _pair(random) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Ink and paper: black on white, white on black, or two colours of different lightness."""
    kind = random.integers(4)
    if kind < 2:
        return ((0, 0, 0), (255, 255, 255)) if kind else ((255, 255, 255), (0, 0, 0))
    while True:
        ink, paper = _colour(random, kind == 2), _colour(random, kind == 2)
        if abs(sum(ink) - sum(paper)) > 200:
            return ink, paper


def _write(pen: ImageDraw.ImageDraw, random, box, ink, size: float) -> None:
    """Fills a box with lines of words, some of them bold."""
    font = ImageFont.load_default(size=size)
    left, top, right, bottom = box
    y = top
    while y + size <= bottom:
        line = ""
        while True:
            word = str(random.choice(WORDS))
            if pen.textlength(line + word, font=font) > right - left:
                break
            line += word + " "
        pen.text((left, y), line, ink, font=font, stroke_width=int(random.integers(5) == 0))
        y += int(size * 1.3)


def _text(random) -> Image.Image:
    """Paragraphs of several sizes: on the left rasterised as drawn, on the right drawn twice as large and shrunk."""
    sheet = Image.new("RGB", (SIDE, SIDE))
    rows = 4
    for row in range(rows):
        for column in range(2):
            ink, paper = _pair(random)
            size = float(random.uniform(9, 30))
            factor = TWICE if column else 1
            cell = Image.new("RGB", (SIDE // 2 * factor, SIDE // rows * factor), paper)
            _write(ImageDraw.Draw(cell), random, (6, 6, cell.width - 6, cell.height - 6), ink, size * factor)
            if random.integers(3) == 0:
                cell = cell.rotate(float(random.uniform(-25, 25)), Image.Resampling.BICUBIC, fillcolor=paper)
            cell = cell.resize(
                (SIDE // 2, SIDE // rows), Image.Resampling.LANCZOS if column else Image.Resampling.NEAREST
            )
            sheet.paste(cell, (column * SIDE // 2, row * SIDE // rows))
    return sheet


def _lines(random) -> Image.Image:
    """Thin lines of all directions, circles and curves, one to four pixels wide, with and without smoothing."""
    cells = []
    for smooth in (1, TWICE):
        ink, paper = _pair(random)
        cell = Image.new("RGB", (SIDE // 2 * smooth, SIDE * smooth), paper)
        pen = ImageDraw.Draw(cell)
        for _ in range(70):
            ends = [(float(x), float(y)) for x, y in random.uniform(0, 1, (2, 2)) * cell.size]
            width = int(random.integers(1, 4)) * smooth
            if random.integers(2):
                pen.line(ends, ink, width)
            else:
                (x, y), radius = ends[0], float(random.uniform(4, 60)) * smooth
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=ink, width=width)
        cells.append(cell.resize((SIDE // 2, SIDE), Image.Resampling.LANCZOS))
    sheet = Image.new("RGB", (SIDE, SIDE))
    for index, cell in enumerate(cells):
        sheet.paste(cell, (index * SIDE // 2, 0))
    return sheet


def _interface(random) -> Image.Image:
    """Windows with title bars, buttons, frames, lists and icons."""
    ink, paper = _pair(random)
    sheet = Image.new("RGB", (SIDE, SIDE), paper)
    pen = ImageDraw.Draw(sheet)
    for _ in range(14):
        x, y = (int(v) for v in random.integers(0, SIDE - 150, 2))
        width, height = (int(v) for v in random.integers(90, 320, 2))
        fill, bar, words = _colour(random), _colour(random, True), _pair(random)[0]
        draw = pen.rounded_rectangle if random.integers(2) else pen.rectangle
        draw((x, y, x + width, y + height), fill=fill, outline=ink, width=int(random.integers(1, 3)))
        pen.rectangle((x + 1, y + 1, x + width - 1, y + 20), fill=bar)
        _write(pen, random, (x + 4, y + 3, x + width - 4, y + 19), (255, 255, 255), 13)
        _write(pen, random, (x + 8, y + 28, x + width - 8, y + height - 34), words, float(random.uniform(10, 18)))
        for button in range(int(random.integers(1, 4))):
            corner = x + 8 + 60 * button
            if corner + 52 < x + width:
                box = (corner, y + height - 28, corner + 52, y + height - 8)
                pen.rounded_rectangle(box, 4, fill=_colour(random, True), outline=ink)
                _write(pen, random, (corner + 6, y + height - 25, corner + 50, y + height - 9), words, 12)
    return sheet


def _flats(random) -> Image.Image:
    """Flat colours side by side, most of them saturated, some with a hard one-pixel frame."""
    sheet = Image.new("RGB", (SIDE, SIDE))
    pen, side = ImageDraw.Draw(sheet), 32
    for y in range(0, SIDE, side):
        for x in range(0, SIDE, side):
            frame = _colour(random, True) if random.integers(3) == 0 else None
            pen.rectangle((x, y, x + side - 1, y + side - 1), fill=_colour(random, True), outline=frame)
    return sheet


def _gradients(random) -> Image.Image:
    """Ramps between two colours in all directions, and round ones."""
    side = SIDE // 4
    y, x = np.mgrid[:side, :side] / side - 0.5
    rows = []
    for _ in range(4):
        cells = []
        for _ in range(4):
            angle = random.uniform(0, 2 * math.pi)
            ramp = (
                np.hypot(x, y) * 1.4 if random.integers(3) == 0 else 0.5 + 0.7 * (x * np.cos(angle) + y * np.sin(angle))
            )
            low, high = np.array(_colour(random)), np.array(_colour(random))
            cells.append(low + ramp.clip(0, 1)[..., None] * (high - low))
        rows.append(np.concatenate(cells, axis=1))
    return Image.fromarray(np.round(np.concatenate(rows)).astype(np.uint8))


def _dithering(random) -> Image.Image:
    """Ramps in few colours, by error diffusion and by an ordered screen, each pixel doubled so that ×2 can see it."""
    half = SIDE // 2
    ramps = _gradients(random).resize((half, half), Image.Resampling.BOX)
    diffused = ramps.quantize(8, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB")
    screen = np.kron(np.ones((half // 2, half // 2)), [[-32, 32], [64, -64]])[..., None]
    ordered = Image.fromarray(((np.asarray(ramps) + screen).clip(0, 255) // 128 * 255).astype(np.uint8))
    sheet = Image.new("RGB", (SIDE, SIDE))
    for index, picture in enumerate((diffused, ordered, ramps.quantize(16).convert("RGB"), ordered.convert("L"))):
        cell = picture.convert("RGB").resize((half, half), Image.Resampling.NEAREST, (0, 0, half // 2, half // 2))
        sheet.paste(cell, (index % 2 * half, index // 2 * half))
    return sheet


def _charts(random) -> Image.Image:
    """Bars, curves and a map of filled polygons, with labels; smoothed edges."""
    ink, paper = _pair(random)
    sheet = Image.new("RGB", (SIDE * TWICE, SIDE * TWICE), paper)
    pen = ImageDraw.Draw(sheet)
    for _ in range(30):
        centre = random.uniform(0, SIDE * TWICE, 2)
        angles = np.sort(random.uniform(0, 2 * math.pi, int(random.integers(3, 9))))
        radius = random.uniform(40, 260)
        corners = [(float(centre[0] + radius * np.cos(a)), float(centre[1] + radius * np.sin(a))) for a in angles]
        pen.polygon(corners, fill=_colour(random), outline=ink, width=int(random.integers(1, 5)))
    for _ in range(12):
        x = np.linspace(0, SIDE * TWICE, 160)
        y = random.uniform(0, SIDE * TWICE) + random.uniform(20, 200) * np.sin(x / random.uniform(20, 300))
        pen.line(list(zip(x.tolist(), y.tolist())), _colour(random), int(random.integers(2, 8)))
        corner = [float(v) for v in random.uniform(0, SIDE * TWICE - 300, 2)]
        _write(pen, random, (*corner, corner[0] + 290, corner[1] + 50), ink, 26)
    return sheet.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _pixel_art(random) -> Image.Image:
    """Mirrored sprites of few colours, two to six pixels a block."""
    sheet = Image.new("RGB", (SIDE, SIDE), _colour(random, True))
    for _ in range(160):
        block = int(random.integers(2, 7))
        palette = np.array([_colour(random, True) for _ in range(4)], np.uint8)
        half = random.integers(0, 4, (12, 6))
        sprite = palette[np.concatenate([half, half[:, ::-1]], axis=1)].repeat(block, axis=0).repeat(block, axis=1)
        left, top = (int(place) for place in random.integers(0, SIDE - 72, 2))
        sheet.paste(Image.fromarray(sprite), (left, top))
    return sheet
