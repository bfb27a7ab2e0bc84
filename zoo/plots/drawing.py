"""Diagrams of cells with words in them, as SVG text."""

from html import escape

PHASES = ("#8ecae6", "#ffb703", "#95d5b2", "#f4978e", "#cdb4db", "#e9c46a", "#a3b18a", "#f9bec7", "#b8c0ff")
EMPTY, PLAIN, LINE = "#eeeeee", "#ffffff", "#555555"
CELL = 34


class Drawing:
    """Cells, lines and words in an SVG as large as they need; lengths in px."""

    def __init__(self):
        self._lines = []
        self._width = self._height = 0.0

    def _extend(self, x: float, y: float) -> None:
        self._width, self._height = max(self._width, x + 10), max(self._height, y + 10)

    def text(self, x: float, y: float, words: str, anchor: str = "start", size: float = 13) -> None:
        if anchor == "start":
            self._extend(x + 0.52 * size * len(words), y)
        self._lines.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size:g}">{escape(words)}</text>'
        )

    def cell(self, x: float, y: float, fill: str, words: str = "", side: float = CELL) -> None:
        self._extend(x + side, y + side)
        self._lines.append(
            f'<rect x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}" fill="{fill}" stroke="{LINE}"/>'
        )
        if words:
            size = min(13.0, 1.7 * side / max(len(words), 1))
            self.text(x + side / 2, y + side / 2 + size / 3, words, "middle", size)

    def line(
        self, start: tuple[float, float], end: tuple[float, float], colour: str = LINE, width: float = 1.5
    ) -> None:
        (x1, y1), (x2, y2) = start, end
        self._extend(max(x1, x2), max(y1, y2))
        self._lines.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="{width:g}"/>'
        )

    def svg(self) -> str:
        width, height = round(self._width), round(self._height)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">'
        )
        paper = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        return "\n".join([head, paper, *self._lines, "</svg>", ""])
