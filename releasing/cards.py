"""A preset's card as a file."""

import json
from pathlib import Path

from zoo.files import whole_file


def write_card(card: dict, folder: Path) -> None:
    """Writes a preset's card, NAME.json."""
    with whole_file(folder / f"{card['name']}.json") as unfinished:
        unfinished.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
