"""The `zoo` command: one word in front of what the `python -m` forms do.

zoo train | evaluate | upscale | rewrite | export | prepare | plots | presets | models
"""

import importlib
import sys

from zoo.errors import UsageError, exit_on_usage_error
from zoo.program import quiet, quiet_tensorflow

# Word → module whose `main(arguments)` does it, and a line of help. Resolved when used: `zoo upscale` starts at once.
WORDS = {
    "train": ("zoo.train_command", "train a network, or go on where a run was stopped"),
    "evaluate": ("zoo.evaluate", "PSNR and SSIM by the published protocol"),
    "upscale": ("zoo.upscale.__main__", "make pictures larger"),
    "rewrite": ("zoo.rewrite.__main__", "move a Keras network's upsampling into LR space"),
    "export": ("export.__main__", "SavedModel, TFLite and ONNX files, checked"),
    "prepare": ("zoo.data.prepare", "prepare pictures once, for many workers to train on"),
    "plots": ("zoo.plots.__main__", "pictures of kernels, checkerboards, cost and error"),
    "presets": (None, "list the trained networks"),
    "models": ("zoo.complexity.__main__", "list the architectures and what they cost"),
}


def usage() -> str:
    lines = [f"  zoo {word:<10}{text}" for word, (_, text) in WORDS.items()]
    return "\n".join(["usage: zoo WORD [flags]; zoo WORD --help explains the flags", "", *lines])


def print_presets() -> None:
    """One line a preset: its name, scale, parameters and PSNR on Set5."""
    from zoo.registry import card, list_presets

    for name in list_presets():
        entry = card(name)
        result = entry["results"].get("Set5")
        figure = f"Set5 {result['psnr']:.2f} dB" if result else ""
        print(f"{name:<20} ×{entry['scale']}  {entry['parameters']:>7,} parameters  {figure}")


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    word, *rest = arguments
    if word not in WORDS:
        raise UsageError(f"Expected one of {', '.join(WORDS)}. Received: {word!r}")
    if word == "presets":
        print_presets()
        return 0
    if sys.argv[1:] == arguments:
        sys.argv[0] = f"zoo {word}"  # what its --help calls it
    quiet_tensorflow()
    with quiet():  # TensorFlow greets whoever imports it
        module = importlib.import_module(WORDS[word][0])
    return module.main(rest) or 0


if __name__ == "__main__":
    sys.exit(main())
