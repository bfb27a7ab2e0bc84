"""Complete settings by name: `python train.py --recipe=NAME --workdir=DIR`; flags given beside it win."""

from zoo.errors import one_of

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
