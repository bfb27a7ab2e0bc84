"""The `zoo` command: one word in front of what the `python -m` forms do.

zoo train | evaluate | upscale | rewrite | export | check | prepare | plots | presets | models | engines
"""

import importlib
import re
import sys
from pathlib import Path

import zoo
from zoo.errors import UsageError, did_you_mean, exit_on_usage_error
from zoo.program import own_package, quiet, quiet_tensorflow

# Word → module whose `main(arguments)` does it, and a line of help. Resolved when used: `zoo upscale` starts at once.
WORDS = {
    "train": ("zoo.train_command", "train a network, or go on where a run was stopped"),
    "evaluate": ("zoo.evaluate.__main__", "PSNR and SSIM by the published protocol"),
    "upscale": ("zoo.upscale.__main__", "make pictures larger"),
    "rewrite": ("zoo.rewrite.__main__", "a Keras network, TFLite or ONNX file in the form that an accelerator takes"),
    "export": ("export.__main__", "SavedModel, TFLite and ONNX files, checked"),
    "check": ("export.check", "what a GPU delegate, or another target, makes of anybody's TFLite file"),
    "prepare": ("zoo.data.prepare", "prepare pictures once, for many workers to train on"),
    "plots": ("zoo.plots.__main__", "pictures of kernels, checkerboards, cost and error"),
    "presets": ("zoo.presets_command", "list the trained networks"),
    "models": ("zoo.complexity.__main__", "list the architectures and what they cost"),
    "engines": ("zoo.engines.__main__", "list what computes a network here, and which of them a preset gets"),
}
# Modules that a light install leaves out (requirements-light.txt).
HEAVY = ("absl", "keras", "skimage", "tensorflow", "tensorflow_datasets")


def usage() -> str:
    lines = [f"  zoo {word:<10}{text}" for word, (_, text) in WORDS.items()]
    return "\n".join(["usage: zoo WORD [flags]; zoo WORD --help explains the flags; zoo --version", "", *lines])


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    if arguments[0] == "--version":
        print(f"zoo {zoo.__version__}")
        return 0
    # Shells leave a home after "=" as it is, and a folder called "~" would be made.
    word, *rest = [re.sub(r"(?<==)~(?=/|$)", str(Path.home()), each) for each in arguments]
    if word not in WORDS:
        raise UsageError(f"Expected one of {', '.join(WORDS)}. Received: {word!r}{did_you_mean(word, WORDS)}")
    if sys.argv[1:] == arguments:
        sys.argv[0] = f"zoo {word}"  # what its --help calls it
    quiet_tensorflow()
    own_package(WORDS[word][0].partition(".")[0])
    try:
        with quiet():  # TensorFlow greets whoever imports it
            module = importlib.import_module(WORDS[word][0])
        return module.main(rest) or 0
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in HEAVY:
            raise
        raise UsageError(
            f"Expected {missing} for `zoo {word}`, which `pip install subpixel-zoo` brings. "
            "Received: an environment without it"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
