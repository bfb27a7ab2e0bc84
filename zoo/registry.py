"""Models and presets by name. Importing this module imports neither Keras nor TensorFlow."""

import fnmatch
import hashlib
import importlib
import inspect
import json
import numbers
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError, one_of
from zoo.files import existing_file
from zoo.keras_file import opened

if TYPE_CHECKING:
    import keras

__all__ = [
    "MODELS",
    "PRESETS",
    "a_preset",
    "best_presets",
    "card",
    "create_model",
    "import_modules",
    "is_shipped",
    "list_models",
    "list_presets",
    "load",
    "open_model",
    "preset_file",
]


def __dir__() -> list[str]:
    return sorted(__all__)


# A card's `redistribution` where the weights may be shipped.
FREE = "free pictures only"
# Name → where its function lives and what it is, in one line.
MODELS = {
    "espcn": ("zoo.models.espcn", "three layers in LR space, tanh; Shi et al. 2016"),
    "espcn_residual": ("zoo.models.espcn", "ESPCN over a fixed bicubic path; not a published architecture"),
    "fsrcnn": ("zoo.models.fsrcnn", "eight thin layers with PReLU and a 9×9 deconvolution; Dong et al. 2016"),
    "fsrcnn_s": ("zoo.models.fsrcnn", "the small FSRCNN; Dong et al. 2016"),
    "gecko": ("zoo.models.gecko", "this zoo's own: 3×3 convolutions in LR space, whole or separable, with one sum"),
    "gecko_s": ("zoo.models.gecko", "the small gecko"),
    "srcnn": ("zoo.models.srcnn", "bicubic, then three layers in HR space; Dong et al. 2014"),
}
PRESETS = Path(__file__).parent / "presets"


def list_models() -> list[str]:
    """The names that `create_model` takes, sorted.

    Example:
        >>> import zoo
        >>> zoo.list_models()[:3]
        ['espcn', 'espcn_residual', 'fsrcnn']
    """
    return sorted(MODELS)


def create_model(name: str, /, scale: int, **options) -> "keras.Model":
    """A new, untrained model.

    Args:
        name: one of `list_models()`.
        scale: the enlargement, an integer of at least 2.
        **options: the architecture's arguments: `channels=1`, `upsampler="subpixel"`, FSRCNN's `d`, `s`, `m` ….
    Returns:
        `keras.Model`, (N, H, W, channels) float32 in [0, 1] → (N, scale·H, scale·W, channels), unclipped.
    Raises:
        UsageError: an unknown name or option, with the valid ones listed, or a value that the model refuses.

    Example:
        >>> import zoo
        >>> model = zoo.create_model("fsrcnn", scale=3, d=16, s=8, m=1)
        >>> model.output_shape
        (None, None, None, 1)
    """
    module, _ = MODELS[one_of("the model", name, list_models())]
    build = getattr(importlib.import_module(module), name)
    valid = list(inspect.signature(build).parameters)
    for option in options:
        one_of(f"the option of {name}", option, valid)
    # NumPy's integers become Python's, which can be saved.
    plain = {key: int(value) if _is_integer(value) else value for key, value in options.items()}
    try:
        return build(scale, **plain)
    except UsageError:
        raise
    # Keras' own, as of an activation that it does not know, and what is none of the numbers that it should be.
    except (ValueError, TypeError) as error:
        raise UsageError(f"Expected options that {name} takes. Received: {error}") from error


def _is_integer(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def list_presets(pattern: str = "*") -> list[str]:
    """The names of the trained networks that `load` takes, sorted.

    Args:
        pattern: as a shell's, of the names that are wanted.

    Example:
        >>> list_presets("srcnn*")
        ['srcnn_x2', 'srcnn_x3', 'srcnn_x4']
    """
    return sorted(path.stem for path in PRESETS.glob("*.json") if fnmatch.fnmatchcase(path.stem, pattern))


def a_preset(name: str, *others: str) -> str:
    """`name`, if it is a preset's.

    Args:
        others: what is taken beside presets, for the sentence: "a .keras file".

    Raises:
        UsageError: it is not; of a family's name, as `espcn`, the sentence lists its presets.

    Example:
        >>> a_preset("srcnn")
        Traceback (most recent call last):
        zoo.errors.UsageError: Expected a preset, with its scale. Received: 'srcnn', the name of srcnn_x2, srcnn_x3, \
srcnn_x4
    """
    if family := family_presets(name):
        raise UsageError(f"Expected a preset, with its scale. Received: {name!r}, the name of {', '.join(family)}")
    return one_of("the preset" if not others else "the model", name, [*list_presets(), *others])


def family_presets(name: str) -> list[str]:
    """The presets NAME_xSCALE."""
    return [each for each in list_presets() if each.rpartition("_x")[0] == name]


def card(name: str) -> dict[str, Any]:
    """A preset's card: architecture, recipe, data and terms, results, hashes.

    Raises:
        UsageError: an unknown name, with the valid ones listed.

    Example:
        >>> import zoo
        >>> zoo.card("fsrcnn_s_x2")["scale"]
        2
    """
    return json.loads((PRESETS / f"{a_preset(name)}.json").read_text(encoding="utf-8"))


def best_presets() -> dict[int, str]:
    """Scale → the preset that `zoo upscale` takes by itself.

    It is for luma and for pictures that were no JPEG files, its weights may be shipped, and among such it has the
    highest mean PSNR over the test sets of its card. A preset for research only may be a tenth of a dB ahead.

    Example:
        >>> best_presets()[2]
        'gecko_dw_x2'
    """
    found: dict[int, tuple[float, str]] = {}
    for each in map(card, list_presets()):
        if each["channels"] == 1 and "compressed" not in each and each["redistribution"] == FREE:
            figures = [result["psnr"] for result in each["results"].values()]
            mean = sum(figures) / max(1, len(figures))
            found[each["scale"]] = max(found.get(each["scale"], (0.0, "")), (mean, each["name"]))
    return {scale: name for scale, (_, name) in sorted(found.items())}


def preset_file(name: str, suffix: str) -> Path:
    """The path of a preset's file (`".weights.h5"` or `".tflite"`), once its SHA-256 is the one in the card.

    Raises:
        UsageError: an unknown name, a missing file, or a file that is not the one the card was written for.
    """
    expected = card(name)["sha256"][suffix.lstrip(".")]
    path = PRESETS / f"{name}{suffix}"
    if not path.is_file():
        raise UsageError(f"Expected the preset's file {path.name}. Received: nothing at {path}")
    received = hashlib.sha256(path.read_bytes()).hexdigest()
    if received != expected:
        raise UsageError(f"Expected SHA-256 {expected} for {path.name}. Received: {received}; install the package anew")
    return path


def is_shipped(sha256: str) -> bool:
    """Whether the file with this hash is a preset's, by its card, and so no stranger's.

    Example:
        >>> from zoo import card, registry
        >>> registry.is_shipped(card("fsrcnn_x3")["sha256"]["tflite"])
        True
    """
    return any(sha256 in card(name)["sha256"].values() for name in list_presets())


def load(name: str, upsampler: str | None = None) -> "keras.Model":
    """A trained network, without a download.

    Args:
        name: one of `list_presets()`: ARCH_xSCALE or ARCH_VARIANT_xSCALE.
        upsampler: the form of its upsampling layer; the weights are the same in all. Default: subpixel, the fast one,
            where the architecture's upsampler is learned.
    Raises:
        UsageError: an unknown name or form, or weights whose hash is not the card's.

    Example:
        >>> import zoo
        >>> zoo.load("fsrcnn_s_x2").count_params() == zoo.card("fsrcnn_s_x2")["parameters"]
        True
    """
    from zoo.layers import EXACT

    description = card(name)
    path = preset_file(name, ".weights.h5")
    options = dict(description["options"])
    trained = options.get("upsampler")
    if upsampler is not None:
        if trained not in EXACT:
            raise UsageError(f"Expected no upsampler for {name}, whose upsampling is fixed. Received: {upsampler!r}")
        one_of("upsampler", upsampler, EXACT)
    model = create_model(description["model"], description["scale"], name=name, **options)
    model.load_weights(path)
    if trained in EXACT and (upsampler or "subpixel") != trained:
        # The forms hold the same variables, but the file names the layer by its class: it is read as it was saved.
        other = create_model(
            description["model"], description["scale"], name=name, **{**options, "upsampler": upsampler or "subpixel"}
        )
        other.set_weights(model.get_weights())
        return other
    return model


def import_modules(names: str) -> None:
    """Imports modules for what they register, several names with commas; also from the folder that one stands in.

    Raises:
        UsageError: there is no such module, or it fails.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in filter(None, names.split(",")):
        try:
            importlib.import_module(name.strip())
        except Exception as error:  # Code of one's own raises what it likes.
            raise UsageError(
                f"Expected modules that can be imported. Received: {name.strip()!r}: {type(error).__name__}: {error}"
            ) from error


def open_model(name_or_file: str, own: bool = False) -> "keras.Model":
    """A preset by its name, or a model from a `.keras` file, tried in another process and read in safe mode.

    Args:
        own: this process has written the file: it need not be tried.

    Raises:
        UsageError: neither a preset's name nor a readable `.keras` file.

    Example:
        >>> import zoo
        >>> zoo.open_model("fsrcnn_s_x2").name
        'fsrcnn_s_x2'
    """
    path = Path(name_or_file)
    if path.suffix != ".keras":
        return load(a_preset(name_or_file, "a .keras file"))
    return opened(existing_file(path, "a .keras file"), own)
