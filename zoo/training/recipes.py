"""Settings by name, of recipes (`train.py --recipe=NAME --workdir=DIR`) and presets; flags beside them win."""

from zoo.errors import one_of
from zoo.registry import card
from zoo.training.config import assignments

RECIPES = {
    # What `make train` runs: two minutes on two cores; the astronaut must come out well above bicubic.
    "sample": {
        "model": "fsrcnn",
        "scale": 3,
        "data": "sample",
        "steps": 1200,
        # Farther above bicubic than Adam in the same time; the run prints by how much.
        "optimizer": "soap",
        "validate_every": 200,
        "checkpoint_every": 200,
        "ema": 0.99,
    },
    # What a machine with DIV2K runs; change --model and --scale as wanted.
    "div2k": {
        "model": "fsrcnn",
        "scale": 3,
        "data": "div2k",
        "steps": 300_000,
        "validate_every": 5000,
        "warmup": 500,
    },
}


def recipe(name: str) -> dict:
    """Returns the settings of a recipe, fields of `TrainConfig`.

    Raises:
        UsageError: an unknown name, with the valid ones listed.
    """
    return RECIPES[one_of("recipe", name, RECIPES)]


def network_of(preset: str) -> dict:
    """Returns what makes a preset's network: `model`, `scale`, `channels` and `model_options`, as its card has them.

    Raises:
        UsageError: an unknown preset, with the valid ones listed.

    Example:
        >>> network_of("gecko_x3")
        {'model': 'gecko', 'scale': 3, 'channels': 1, 'model_options': 'depth=4'}
    """
    known = card(preset)
    options = {name: value for name, value in known["options"].items() if name not in ("channels", "upsampler")}
    text = ",".join(f"{name}={value}" for name, value in options.items())
    return {**{name: known[name] for name in ("model", "scale", "channels")}, "model_options": text}


def with_options(text: str, given: str) -> str:
    """The `model_options` of a preset and those given beside it, which win.

    Raises:
        UsageError: where a part is not name=value.

    Example:
        >>> with_options("maps=20,even=True", "maps=24,depth=6")
        'maps=24,even=True,depth=6'
    """
    options = {**assignments(text, "model_options"), **assignments(given, "model_options")}
    return ",".join(f"{name}={value}" for name, value in options.items())
