"""What int8 costs each preset: measured on the public test sets and on what a screen shows, written into the cards.

    python -m releasing.int8_losses --data=Set5,Set14,BSD100,DIV2K_valid_crop256        # every preset
    python -m releasing.int8_losses fsrcnn_x3 espcn_x3 --data=Set5,Set14,BSD100

int8 is fitted to the sample photographs and to graphics drawn by `zoo.data.drawing`; the test sets and the pictures of
`releasing.screens` only measure (a checkerboard has no other form). `python -m releasing.pages` writes the pages.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from zoo.program import quiet_tensorflow

quiet_tensorflow()

import keras
import numpy as np

from export import export_model
from export.formats import Function
from export.measure import photographs
from export.options import fitting
from releasing.cards import write_card
from releasing.picture_sets import folders_of
from releasing.screens import HEIGHT, WIDTH, screens
from zoo import registry
from zoo.data import benchmark
from zoo.engines.engine import Engine
from zoo.errors import exit_on_usage_error
from zoo.evaluate import Upscaler, evaluate, mean, open_network
from zoo.metrics import psnr

# A file's own size does not matter here: its input is resized to each picture.
_SIZE = (48, 48)
# All channels, as the challenges on phones measure; and Y of the 8-bit RGB, as Qualcomm AI Hub does.
_RGB = ("rgb", "rgb8")


def int8_figures(model: keras.Model, folders: list[Path], **fitted: float) -> dict[str, dict[str, float]]:
    """What a model's int8 file costs.

    Args:
        model: of the zoo or not.
        folders: public test sets, their pictures in the folder or its `HR`.
        fitted: how int8 is fitted, `export.options.fitting`; by default as it is everywhere.
    Returns:
        `int8_loss_db`, per test set: its PSNR less that of the model itself, dB, negative where int8 loses;
        `int8_input_loss_db`, per test set: the part of it that is no doing of the file's, `input_loss`;
        `int8_agreement_db`, per kind of picture: the PSNR of the int8 file against the float file of the same export,
        dB, of the worst picture; and of an RGB model `int8_rgb`: set → protocol → PSNR, dB, of either file.
    """
    with tempfile.TemporaryDirectory(prefix="export-") as output:
        data = [str(folder) for folder in folders]
        report = export_model(model, output, [_SIZE], ["tflite_int8"], data=data, gate="off", **fitted)
        (file,) = report["files"]
        (other,) = export_model(model, output, [_SIZE], ["tflite_fp32"], check=False)["files"]
        engines = {
            kind: open_network(str(Path(output) / each["name"])) for kind, each in (("float", other), ("int8", file))
        }
        of_input = {folder.name: round(input_loss(engines["float"], folder), 4) + 0.0 for folder in folders}
        agreement = agreements(engines["float"].run, engines["int8"].run, model.input_shape[-1])
        rgb = {}
        if model.input_shape[-1] == 3:
            rgb = {"int8_rgb": {folder.name: rgb_figures(engines, folder) for folder in folders}}
    # + 0.0: no loss is not -0.0.
    losses = {name: round(-measured["loss"], 4) + 0.0 for name, measured in file["psnr"].items()}
    return {"int8_loss_db": losses, "int8_input_loss_db": of_input, "int8_agreement_db": agreement, **rgb}


def input_loss(engine: Engine, folder: Path) -> float:
    """What it costs a float network on a test set to see LR images of 8 bits, dB, negative where it loses.

    The published protocol does not round its LR images, but no int8 file reads finer ones, and no picture file has any.
    """
    rounded = Upscaler(
        lambda lr_image: engine.run(np.round(lr_image * 255) / np.float32(255)), engine.channels, engine.scale
    )
    values = [mean(evaluate(each, benchmark(folder), engine.scale)).psnr or 0.0 for each in (rounded, engine)]
    return values[0] - values[1]


def rgb_figures(engines: dict[str, Engine], folder: Path) -> dict[str, dict[str, float]]:
    """Protocol → file → PSNR, dB."""
    return {
        protocol: {
            kind: round(mean(evaluate(engine, benchmark(folder), engine.scale, protocol)).psnr or 0.0, 4)
            for kind, engine in engines.items()
        }
        for protocol in _RGB
    }


def agreements(expected: Function, received: Function, channels: int) -> dict[str, float]:
    """Kind of picture → PSNR of one function against another, dB, both clipped to [0, 1], of its worst picture."""
    (photograph, *_) = photographs(channels, (HEIGHT, WIDTH))
    kinds = {"photograph": [photograph]}
    kinds |= {kind: [picture / np.float32(255) for picture in group] for kind, group in screens(channels).items()}

    def agreement(picture: np.ndarray) -> float:
        one, other = (np.clip(function(picture), 0, 1).astype(np.float64) for function in (expected, received))
        return min(psnr(one, other), 100.0)

    return {kind: round(min(agreement(picture) for picture in group), 2) for kind, group in kinds.items()}


@exit_on_usage_error
def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m releasing.int8_losses", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets; default: all")
    parser.add_argument("--data", required=True, help="folders of public test sets, joined with commas")
    options = parser.parse_args(argv)
    folders = folders_of(options.data)
    # All names are looked up before any work is done.
    cards = [registry.card(name) for name in options.names or registry.list_presets()]
    for card in cards:
        figures = int8_figures(registry.load(card["name"]), folders, **fitting(card))
        # The measurement takes a while: somebody may have changed the card.
        write_card(registry.card(card["name"]) | figures, registry.PRESETS)
        print(card["name"], json.dumps(figures), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
