"""What int8 costs each preset: measured on the public test sets, and written into the cards.

    python -m releasing.int8_losses --data=Set5,Set14                  # every preset
    python -m releasing.int8_losses fsrcnn_x3 espcn_x3 --data=Set5,Set14

int8 is fitted to the sample photographs; the test sets only measure. `python -m releasing.pages` writes the pages.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from zoo.program import quiet_tensorflow

quiet_tensorflow()

import keras

from export import export_model
from releasing.cards import write_card
from zoo import registry
from zoo.errors import UsageError, exit_on_usage_error

# A file's own size does not matter here: its input is resized to each picture.
_SIZE = (48, 48)


def int8_loss(model: keras.Model, folders: list[Path]) -> dict[str, float]:
    """The PSNR of a model's int8 file less that of the model itself, dB, per test set; negative where int8 loses.

    Args:
        model: of the zoo or not.
        folders: public test sets, their pictures in the folder or its `HR`.
    """
    with tempfile.TemporaryDirectory(prefix="export-") as output:
        data = [str(folder) for folder in folders]
        report = export_model(model, output, [_SIZE], ["tflite_int8"], data=data, gate="off")
    (file,) = report["files"]
    # + 0.0: no loss is not -0.0.
    return {name: round(-measured["loss"], 4) + 0.0 for name, measured in file["psnr"].items()}


@exit_on_usage_error
def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m releasing.int8_losses", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets; default: all")
    parser.add_argument("--data", required=True, help="folders of public test sets, joined with commas")
    options = parser.parse_args(argv)
    folders = [Path(folder) for folder in options.data.split(",") if folder]
    if not folders:
        raise UsageError("Expected folders of test sets in --data. Received: none")
    # All names are looked up before any work is done.
    cards = [registry.card(name) for name in options.names or registry.list_presets()]
    for card in cards:
        card["int8_loss_db"] = int8_loss(registry.load(card["name"]), folders)
        write_card(card, registry.PRESETS)
        print(card["name"], json.dumps(card["int8_loss_db"]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
