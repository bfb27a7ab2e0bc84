"""Writes a model's files and checks them: `zoo export --model=fsrcnn_x3 --sizes=360x640 --output=files`.

Exit code 0: all files are written and nothing speaks against them; 1: they are written, and the GPU delegate refuses
one or computes it wrongly; 2: wrong input.
"""

import argparse
import re
import sys
from pathlib import Path

from zoo.backend import require_backend
from zoo.errors import UsageError, exit_on_usage_error
from zoo.program import Parser, ends_on_ctrl_c, program, quiet_tensorflow
from zoo.targets import records


def read_sizes(text: str) -> list[tuple[int, int]]:
    """`"360x640,720x1280"` → [(360, 640), (720, 1280)]: LR height x width."""
    sizes = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)x(\d+)", part.strip())
        if not match:
            raise UsageError(f"Expected sizes as HEIGHTxWIDTH of the LR image, joined with commas. Received: {text!r}")
        sizes.append((int(match[1]), int(match[2])))
    return sizes


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=program("export"), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a preset's name or a .keras file")
    parser.add_argument("--output", required=True, type=Path, help="folder of the files and their report")
    parser.add_argument(
        "--sizes",
        help="LR height x width of the static files, several with commas; default 360x640, or the network's own",
    )
    parser.add_argument(
        "--formats",
        default="saved_model,tflite_fp32",
        help="saved_model, tflite_fp32, tflite_fp16, tflite_int8, tflite_dynamic, onnx, glsl, wgsl; several by commas",
    )
    parser.add_argument("--color", choices=("y", "rgb"), help="rgb: a luma model takes and gives RGB")
    parser.add_argument("--io", choices=("float", "uint8"), default="float", help="what int8 files take and give")
    parser.add_argument(
        "--border", choices=("mirror", "zeros"), default="mirror", help="what a shader takes to lie outside the picture"
    )
    parser.add_argument("--clip", action="store_true", help="clip the output to [0, 1]")
    parser.add_argument(
        "--import", dest="modules", default="", metavar="MODULE", help="modules that register layers of one's own"
    )
    parser.add_argument("--keep_form", action="store_true", help="leave the upsampling as it is")
    parser.add_argument(
        "--upsampler", metavar="FORM", help="write a zoo network's upsampling in this form: transposed, subpixel, …"
    )
    parser.add_argument(
        "--target",
        help="what the files are for, which chooses the form of the upsampling and activations: "
        f"{', '.join(records.TARGETS)}; default gpu_delegate",
    )
    parser.add_argument(
        "--layer_errors", action="store_true", help="beside int8 files, where they lose, as JSON for Model Explorer"
    )
    parser.add_argument(
        "--drawn",
        type=float,
        help="how much text, lines and interfaces count beside photographs where int8 is fitted; default: by a "
        "preset's card, else 1",
    )
    parser.add_argument(
        "--copies",
        type=float,
        help="how many multiplications int8 may have besides, as a part of its own, for channels that are computed "
        "several times; default: by a preset's card, else 0.25",
    )
    parser.add_argument("--calibration", help="folder of pictures that int8 is fitted to; default: sample photographs")
    parser.add_argument("--data", default="", help="folders of public test sets, joined with commas: PSNR of each file")
    parser.add_argument("--nocheck", action="store_true", help="write the files, run nothing")
    parser.add_argument(
        "--gate",
        choices=("full", "small", "off"),
        default="full",
        help="runs on the GPU delegate; small: not at the files' own sizes, which take minutes without a GPU",
    )
    return parser


@exit_on_usage_error
@ends_on_ctrl_c()
def main(arguments: list[str] | None = None) -> int:
    """The command `zoo export`."""
    flags = _parser().parse_args(arguments)
    quiet_tensorflow()
    require_backend("tensorflow", "exporting files")
    sizes = read_sizes(flags.sizes) if flags.sizes else None
    from absl import logging

    from export.described import terms
    from export.formats import check_formats
    from export.network import enlarges_pictures
    from export.network_files import SCALE, reads_a_photograph
    from export.options import better_in_int8, fitting
    from export.write import export_model
    from zoo.data import from_folder
    from zoo.data.decode import one_limit
    from zoo.engines import ranges
    from zoo.engines.keras import KerasEngine
    from zoo.models import scale_of
    from zoo.registry import card, import_modules, list_presets, open_model

    logging.set_verbosity(logging.WARNING)  # Keras and TensorFlow tell of every file that they write
    formats = check_formats(flags.formats.split(","))
    one_limit()
    import_modules(flags.modules)
    model = open_model(flags.model)
    if flags.upsampler:
        from zoo.rewrite import convert

        model = convert(model, flags.upsampler)
    if enlarges_pictures(model) and (remark := ranges.remark(KerasEngine(model), flag=False)):
        print(f"note: {remark}", file=sys.stderr)
    calibration = None
    if flags.calibration:
        larger = enlarges_pictures(model)
        if not larger and not reads_a_photograph(model):
            raise UsageError("Expected --calibration for a network that reads pictures of 1 or 3 channels. "
                             f"Received: {model.name!r}, which does not")  # fmt: skip
        channels = 3 if flags.color == "rgb" else model.inputs[0].shape[-1]
        calibration = from_folder(flags.calibration, scale_of(model) if larger else SCALE, channels)
    entry = card(flags.model) if flags.model in list_presets() else {}
    if entry and "tflite_int8" in formats and (remark := better_in_int8(entry, map(card, list_presets()))):
        print(f"note: {remark}", file=sys.stderr)
    asked = {name: value for name in ("drawn", "copies") if (value := getattr(flags, name)) is not None}
    report = export_model(
        model,
        flags.output,
        sizes,
        formats,
        color=flags.color,
        io=flags.io,
        border=flags.border,
        target=flags.target,
        clip=flags.clip,
        layer_errors=flags.layer_errors,
        keep_form=flags.keep_form or bool(flags.upsampler),
        calibration=calibration,
        terms=terms(entry) if entry else "",
        **(fitting(entry) | asked),
        data=[folder for folder in flags.data.split(",") if folder],
        check=not flags.nocheck,
        gate=flags.gate,
        progress=print,
    )
    if flags.nocheck:
        return 0
    others = sum(len(each["files"]) for each in report.get("earlier", []))
    kept = f", which tells of {others} file{'s' * (others > 1)} of earlier exports there too" if others else ""
    print(f"{report['claim']} More in {flags.output / 'report.md'}{kept}.")
    return int(report["claim"].startswith("NOT"))


if __name__ == "__main__":
    sys.exit(main())
