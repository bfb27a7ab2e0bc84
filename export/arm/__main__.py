"""`python -m export.arm`: presets in every TFLite format on emulated ARM64, held against this machine's CPU.

Exit code 0: all right; 1: a file is computed wrongly or crashes; 2: no emulator or wrong input.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from zoo.errors import UsageError, exit_on_usage_error
from zoo.program import program, quiet_tensorflow

SIZE = (96, 96)
FORMATS = ("tflite_fp32", "tflite_fp16", "tflite_dynamic", "tflite_int8")


def measured(name: str, formats: tuple[str, ...], cpus: tuple[str, ...]) -> dict[str, Any]:
    """Format → what `verdicts` says of a preset's file, at 96×96 LR px on a photograph."""
    from export.arm.verdicts import verdicts
    from export.measure import photographs
    from export.write import export_model
    from zoo.registry import load

    model = load(name)
    image = photographs(model.input_shape[-1], SIZE)[0][None]
    with tempfile.TemporaryDirectory(prefix="arm64-") as folder:
        report = export_model(model, folder, [SIZE], list(formats), check=False)
        paths = [Path(folder) / file["name"] for file in report["files"]]
        return dict(zip(formats, verdicts(paths, [[image]] * len(paths), cpus)))


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command."""
    from export.arm import emulator

    parser = argparse.ArgumentParser(prog=program("export.arm"), description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="PRESET", help="default: all")
    parser.add_argument("--install", action="store_true", help="fetch the emulator by Debian's apt-get and pip")
    parser.add_argument("--formats", default=",".join(FORMATS), help=f"out of {', '.join(FORMATS)} (default: all)")
    parser.add_argument("--cpus", default=",".join(emulator.CPUS), help="to emulate (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="where to write all of it")
    flags = parser.parse_args(arguments)
    if flags.install:
        print(f"{emulator.install()}: QEMU and LiteRT for ARM64")
        return 0
    if not emulator.installed():
        raise UsageError(f"Expected an emulator of ARM64. Received: none; {emulator.MISSING}")
    quiet_tensorflow()
    from export.arm.verdicts import worst
    from export.report import environment
    from zoo.files import write_json
    from zoo.registry import card, list_presets

    formats = tuple(flags.formats.split(","))
    if unknown := set(formats) - set(FORMATS):
        raise UsageError(f"Expected formats out of {', '.join(FORMATS)}. Received: {', '.join(sorted(unknown))}")
    names = [card(name)["name"] for name in flags.names or list_presets()]
    presets = {}
    for name in names:
        presets[name] = measured(name, formats, tuple(flags.cpus.split(",")))
        for form, entry in presets[name].items():
            for part in entry.values():
                print(f"{name} {form}: {part['sentence']}", flush=True)
                if "half" in part:
                    print(f"{name} {form}: {part['half']['sentence']}", flush=True)
        if flags.json:
            write_json(flags.json, {"size": SIZE, "presets": presets, "environment": environment()})
    return int(any(worst(entry) != "right" for preset in presets.values() for entry in preset.values()))


if __name__ == "__main__":
    sys.exit(main())
