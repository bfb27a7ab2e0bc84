"""Writes a model's files and checks them: `python -m export --model=fsrcnn_x3 --sizes=360x640 --output=files`."""

import argparse
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from zoo.errors import UsageError, exit_on_usage_error


def read_sizes(text: str) -> list[tuple[int, int]]:
    """`"360x640,720x1280"` → [(360, 640), (720, 1280)]: LR height x width."""
    sizes = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)x(\d+)", part.strip())
        if not match:
            raise UsageError(f"Expected sizes as HEIGHTxWIDTH of the LR image, joined with commas. Received: {text!r}")
        sizes.append((int(match[1]), int(match[2])))
    return sizes


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    from export.write import FORMATS, export_model
    from zoo.registry import open_model

    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a preset's name or a .keras file")
    parser.add_argument("--output", required=True, type=Path, help="folder of the files")
    parser.add_argument("--sizes", default="360x640", help="LR height x width, several with commas")
    parser.add_argument("--formats", default="saved_model,tflite_fp32", help=f"out of {', '.join(FORMATS)}")
    parser.add_argument("--color", choices=("y", "rgb"), help="rgb: a luma model takes and gives RGB")
    parser.add_argument("--clip", action="store_true", help="clip the output to [0, 1]")
    parser.add_argument("--keep_form", action="store_true", help="leave the upsampling as it is")
    parser.add_argument("--nocheck", action="store_true", help="write the files, run nothing")
    parser.add_argument("--data", help="folder of a public test set: PSNR of each float file goes into the report")
    flags = parser.parse_args(arguments)
    sizes, model = read_sizes(flags.sizes), open_model(flags.model)
    report = export_model(
        model,
        flags.output,
        sizes,
        flags.formats.split(","),
        color=flags.color,
        clip=flags.clip,
        keep_form=flags.keep_form,
        check=not flags.nocheck,
        data=flags.data,
    )
    for file in report["files"]:
        print(f"{flags.output / file['name']}: {file['bytes']:,} bytes")
    if not flags.nocheck:
        print(f"{report['claim']} More in {flags.output / 'report.md'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
