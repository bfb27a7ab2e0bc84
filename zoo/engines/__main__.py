"""Lists what computes a network on this machine, and which of them each preset gets."""

import argparse
import platform
import sys

from zoo import machine, registry
from zoo.engines.opening import MACHINES, open_engine
from zoo.errors import exit_on_usage_error
from zoo.program import program, quiet

# Package → what it is for; the engine is chosen in this order, the first that computes the same as TFLite.
PACKAGES = {
    "ncnn": "pictures in cells, for rows of convolutions; extra [fast]",
    "openvino": "TFLite files on Intel and AMD processors; extra [fast]",
    "ai-edge-litert": "TFLite files, on every processor",
    "keras": "models that TFLite does not take",
}


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command `zoo engines`."""
    parser = argparse.ArgumentParser(prog=program("zoo.engines"), description=__doc__)
    parser.add_argument("pattern", nargs="?", default="*", help="of the presets that are opened, as 'fsrcnn*'")
    flags = parser.parse_args(arguments)
    print(f"{machine.system()}, {machine.processor()}, {machine.available_threads()} threads")
    installed = machine.versions(PACKAGES)
    for package, purpose in PACKAGES.items():
        print(f"  {package:<16}{installed.get(package, 'not installed'):<18}{purpose}")
    if platform.machine().lower() not in MACHINES:
        print(f"ncnn and OpenVINO are used on {' and '.join(MACHINES)} only.")
    print("Chosen, of those that compute the same as TFLite:")
    for name in registry.list_presets(flags.pattern):
        with quiet():
            engine = open_engine(name)
        print(f"  {name:<16}{type(engine).__name__.removesuffix('Engine')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
