"""The command: `python -m export --model=fsrcnn_x3 --sizes=360x640,720x1280 --formats=tflite_fp32 --output=DIR`.

Exit code 0: all files are written and nothing speaks against them; 1: they are written, and the GPU delegate refuses
one or computes it wrongly; 2: wrong input.
"""

import os
import re
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it when it is imported

from absl import app, flags, logging

from zoo.errors import UsageError, exit_on_usage_error

FLAGS = flags.FLAGS
_FORMATS = "saved_model, tflite_fp32, tflite_fp16, tflite_int8, tflite_dynamic, onnx"
flags.DEFINE_string("model", None, "A preset's name or a .keras file.")
flags.DEFINE_string("output", None, "Folder for the files and their report.")
flags.DEFINE_list("sizes", ["360x640"], "LR sizes of the static files, height x width, joined with commas.")
flags.DEFINE_list("formats", ["saved_model", "tflite_fp32"], f"Formats, joined with commas: {_FORMATS}.")
flags.DEFINE_string(
    "color", None, "y: luma in and out; rgb: a luma model takes and gives RGB. Default: as the model is."
)
flags.DEFINE_string("io", "float", "What int8 files take and give: float or uint8.")
flags.DEFINE_boolean("clip", False, "Clip the output to [0, 1].")
flags.DEFINE_boolean("keep_form", False, "Leave the upsampling layer as it is instead of moving it into LR space.")
flags.DEFINE_string("calibration", None, "Folder of pictures that int8 is fitted to. Default: the sample photographs.")
flags.DEFINE_list("data", [], "Folders of test sets to measure PSNR on, joined with commas.")
flags.DEFINE_string("gate", "full", "Runs on the GPU delegate: full, small (not at the files' own sizes) or off.")


def sizes_of(words: list[str]) -> list[tuple[int, int]]:
    """`["360x640"]` → `[(360, 640)]`."""
    matches = [re.fullmatch(r"(\d+)x(\d+)", word.strip()) for word in words]
    if not all(matches):
        raise UsageError(f"Expected --sizes as HEIGHTxWIDTH, like 360x640,720x1280. Received: {','.join(words)!r}")
    return [(int(match[1]), int(match[2])) for match in matches]


@exit_on_usage_error
def main(argv: list[str]) -> int:
    if len(argv) > 1:
        raise UsageError(f"Expected flags only, as --name=value. Received: {argv[1]!r}")
    for name in ("model", "output"):
        if not FLAGS[name].value:
            raise UsageError(f"Expected --{name}. Received none; --help lists all flags.")
    sizes = sizes_of(FLAGS.sizes)
    logging.set_verbosity(logging.WARNING)  # Keras and TensorFlow tell every file that they write
    from export.write import export_model
    from zoo.data import from_folder
    from zoo.models import scale_of
    from zoo.registry import open_model

    model = open_model(FLAGS.model)
    calibration = None
    if FLAGS.calibration:
        channels = 3 if FLAGS.color == "rgb" else model.input_shape[-1]
        calibration = from_folder(FLAGS.calibration, scale_of(model), channels)
    options = {name: FLAGS[name].value for name in ("formats", "color", "io", "clip", "keep_form", "data", "gate")}
    report = export_model(model, FLAGS.output, sizes, calibration=calibration, progress=print, **options)
    print(f"{FLAGS.output}/report.md says all of it.")
    return int(any(entry.get("delegate", {}).get("verdict") in BAD for entry in report["files"]))


BAD = ("wrong", "refused", "crashed")


@exit_on_usage_error
def parse(argv: list[str]) -> list[str]:
    """Reads the flags; a wrong one is a sentence like any other wrong input."""
    try:
        return FLAGS(argv)
    except flags.Error as error:
        raise UsageError(f"Expected flags that --help lists. Received: {error}") from None


def flags_or_exit(argv: list[str]) -> list[str]:
    rest = parse(argv)
    return sys.exit(rest) if isinstance(rest, int) else rest


if __name__ == "__main__":
    app.run(main, flags_parser=flags_or_exit)
