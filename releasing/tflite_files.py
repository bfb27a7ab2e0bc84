"""The TFLite files of presets, made anew from their weights, their hashes into the cards.

    python -m releasing.tflite_files                  # every preset
    python -m releasing.tflite_files fsrcnn_x3 espcn_x3

For when the way to write such a file has become better: neither weights nor results change.
"""

import argparse
import hashlib
import sys
from pathlib import Path

from zoo.program import quiet_tensorflow

quiet_tensorflow()

from export import tflite_dynamic
from export.described import terms
from releasing.cards import write_card
from zoo import registry
from zoo.errors import exit_on_usage_error


def remake(name: str, folder: Path | None = None) -> bool:
    """Writes NAME.tflite and its hash in NAME.json.

    Args:
        name: a preset.
        folder: where the two go; by default where the presets lie.
    Returns:
        Whether the file is another one than before.
    Raises:
        UsageError: no such preset, or weights that are not the card's.
    """
    folder = registry.PRESETS if folder is None else folder
    card = registry.card(name)
    path = folder / f"{name}.tflite"
    tflite_dynamic(registry.load(name), path, terms=terms(card))
    before, digest = card["sha256"]["tflite"], hashlib.sha256(path.read_bytes()).hexdigest()
    card["sha256"]["tflite"] = digest
    write_card(card, folder)
    return digest != before


@exit_on_usage_error
def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m releasing.tflite_files", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets; default: all")
    names = parser.parse_args(argv).names or registry.list_presets()
    # All names are looked up before any file is written.
    for name in names:
        registry.card(name)
    for name in names:
        print(name, "is another file now" if remake(name) else "is as it was", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
