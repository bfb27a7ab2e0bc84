"""Details of pictures side by side, in rows: what docs/limits.md and the README show."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, LINE = 8, 24
INK, PAPER = (20, 20, 20), (255, 255, 255)


def sheet(rows: Sequence[Mapping[str, np.ndarray]], zoom: int) -> Image.Image:
    """One row a mapping caption → detail, uint8 (h, w, 3), all of one size, each pixel as zoom × zoom.

    Example:
        >>> detail = np.zeros((10, 20, 3), np.uint8)
        >>> sheet([{"before": detail, "after": detail}], zoom=3).size
        (136, 62)
    """
    height, width, _ = next(iter(rows[0].values())).shape
    step_x, step_y = zoom * width + GAP, LINE + zoom * height + GAP
    made = Image.new("RGB", (max(map(len, rows)) * step_x, len(rows) * step_y), PAPER)
    pen, font = ImageDraw.Draw(made), ImageFont.load_default(size=15)
    for line, row in enumerate(rows):
        for column, (caption, detail) in enumerate(row.items()):
            pen.text((column * step_x, line * step_y + 3), caption, INK, font=font)
            large = Image.fromarray(detail).resize((zoom * width, zoom * height), Image.Resampling.NEAREST)
            made.paste(large, (column * step_x, line * step_y + LINE))
    return made
