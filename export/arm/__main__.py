"""`python -m export.arm`: presets in every TFLite format on emulated ARM64, held against this machine's CPU.

Exit code 0: all right; 1: a file is computed wrongly or crashes; 2: no emulator or wrong input.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from zoo.errors import UsageError, exit_on_usage_error, one_of
from zoo.files import file_to_write, in_place_of
from zoo.program import Parser, program, quiet_tensorflow

SIZE = (96, 96)
FORMATS = ("tflite_fp32", "tflite_fp16", "tflite_dynamic", "tflite_int8")


def measured(
    names: list[str], formats: tuple[str, ...], cpus: tuple[str, ...], size: tuple[int, int] = SIZE
) -> dict[str, dict[str, Any]]:
    """Preset → format → what `verdicts` says of the file, made for LR images of a height and width, on a photograph.

    All files are run by one process for each CPU: to start one takes longer than to run a file.
    """
    from export.arm.verdicts import verdicts
    from export.measure import photographs
    from export.options import fitting
    from export.write import export_model
    from zoo.registry import card, load

    with tempfile.TemporaryDirectory(prefix="arm64-") as folder:
        owners, paths, images = [], [], []
        for name in names:
            model = load(name)
            counts = fitting(card(name))
            report = export_model(model, Path(folder) / name, [size], list(formats), check=False, **counts)
            owners += [(name, file["format"]) for file in report["files"]]
            paths += [Path(folder) / name / file["name"] for file in report["files"]]
            images += [[photographs(model.input_shape[-1], size)[0][None]]] * len(report["files"])
        found: dict[str, dict[str, Any]] = {name: {} for name in names}
        for (name, form), entry in zip(owners, verdicts(paths, images, cpus), strict=True):
            found[name][form] = entry
    return found


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command."""
    from export.arm import emulator

    parser = Parser(prog=program("export.arm"), description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="PRESET", help="default: all")
    parser.add_argument("--install", action="store_true", help="fetch the emulator by Debian's apt-get and pip")
    parser.add_argument("--formats", default=",".join(FORMATS), help=f"out of {', '.join(FORMATS)} (default: all)")
    parser.add_argument("--cpus", default=",".join(emulator.CPUS), help="to emulate (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="where to write all of it")
    flags = parser.parse_args(arguments)
    if flags.install:
        print(f"{emulator.install()}: QEMU and LiteRT for ARM64")
        return 0
    if flags.json:
        file_to_write(flags.json)
    if not emulator.installed():
        raise UsageError(f"Expected an emulator of ARM64. Received: none; {emulator.MISSING}")
    quiet_tensorflow()
    from export.arm.verdicts import worst
    from export.report import environment
    from zoo.files import write_json
    from zoo.registry import card, list_presets

    formats = tuple(one_of("a format", form, FORMATS) for form in flags.formats.split(","))
    names = [card(name)["name"] for name in flags.names or list_presets()]
    presets = measured(names, formats, tuple(flags.cpus.split(",")))
    for name, files in presets.items():
        for form, entry in files.items():
            for part in entry.values():
                print(f"{name} {form}: {part['sentence']}", flush=True)
                if "half" in part:
                    print(f"{name} {form}: {part['half']['sentence']}", flush=True)
    if flags.json:
        replaced = in_place_of(flags.json)
        write_json(flags.json, {"size": SIZE, "presets": presets, "environment": environment()})
        print(f"wrote {flags.json}{replaced}")
    return int(any(worst(entry) != "right" for preset in presets.values() for entry in preset.values()))


if __name__ == "__main__":
    sys.exit(main())
