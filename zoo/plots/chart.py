"""Charts and maps by matplotlib, which the extra `[plots]` installs."""

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREY, BLUE = "#8a9199", "#1f6fb2"


def figure(width: float, height: float) -> "Figure":
    """An empty figure, inches wide and high, whose parts find their places themselves.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(
            'Expected matplotlib, which `pip install "subpixel-zoo[plots]"` brings. Received: no such package'
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def save(made: "Figure", path: Path) -> None:
    """Writes PNG, JPEG or SVG by the path's suffix; the same figure gives the same bytes."""
    import matplotlib

    svg = path.suffix == ".svg"
    # Without salt and metadata an SVG holds random names and the date; with "none" its words are text, not outlines.
    with matplotlib.rc_context({"svg.hashsalt": "zoo", "svg.fonttype": "none"}):
        made.savefig(path, dpi=110, metadata={"Date": None} if svg else None)
