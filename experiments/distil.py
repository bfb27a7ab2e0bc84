"""From a wide network to a thin one: does a teacher help?

`python -m experiments.distil` trains gecko ×3 with twice the maps (four times the multiplications), then plain ones
from one start on the same patches: on the originals, on what the teacher makes of the LR patches, and on the mean of
what it makes of their eight orientations, its self-ensemble. About 25 minutes a seed on one core; `--quick` two.
Of the records `python -m benchmarks.recipes` makes a table in docs/recipes.md.

References: Hinton et al., arXiv 1503.02531; self-ensemble: Timofte et al., CVPR 2016, section 3.
"""

import sys
from pathlib import Path

import keras
from keras import ops

from experiments.flags import record_seeds
from experiments.runs import pictures
from zoo.errors import exit_on_usage_error

RESULTS = Path(__file__).parent / "results" / "distil"
SCALE, DEPTH, MAPS = 3, 4, 16
TEACHER = {"maps": 2 * MAPS, "steps": 2}
RATE = 1e-2


def self_ensemble(network):
    """The mean of what a network makes of a batch's eight orientations, each turned back; (N, H, W, C) as it has it."""

    def run(images):
        total = 0.0
        for turn in (lambda each: each, lambda each: ops.swapaxes(each, 1, 2)):
            for axes in ((), (1,), (2,), (1, 2)):
                answer = network(ops.flip(turn(images), axes) if axes else turn(images), training=False)
                total = total + turn(ops.flip(answer, axes) if axes else answer)
        return total / 8

    return run


def train(data: str, valid: str, steps: int, seed: int) -> dict:
    """Trains a teacher for twice the steps and three students of it.

    Returns:
        `rows`: network → [[step, dB], …] on the pictures of `valid`; `self_ensemble`: dB of the teacher's.
    """
    from experiments.fitting import fit, held_out_psnr
    from zoo.data import by_name
    from zoo.registry import create_model
    from zoo.training.config import TrainConfig
    from zoo.training.optimizers import make_optimizer
    from zoo.training.start import start_as_interpolation

    source, shown = by_name(data, SCALE), pictures(valid, SCALE)

    def trained(maps: int, length: int, target=None) -> tuple[keras.Model, list]:
        keras.utils.set_random_seed(seed)
        model = create_model("gecko", SCALE, depth=DEPTH, maps=maps, upsampler="subpixel")
        start_as_interpolation(model, SCALE, 1)
        settings = TrainConfig(steps=length, learning_rate=RATE, warmup=min(200, length // 4), optimizer="soap")
        optimizer, marks = make_optimizer(settings, model.trainable_variables), sorted({length // 2, length})
        stretches = fit(model, source, marks, optimizer, "mse", target, batch=8, lr_size=32, seed=seed)
        return model, [[mark, held_out_psnr(model, shown, SCALE)] for mark in stretches]

    teacher, figures = trained(TEACHER["maps"], TEACHER["steps"] * steps)
    ensemble = self_ensemble(teacher)
    rows = {
        "the teacher": figures,
        "on the originals": trained(MAPS, steps)[1],
        "on the teacher's answers": trained(MAPS, steps, lambda lr: teacher(lr, training=False))[1],
        "on its self-ensemble's": trained(MAPS, steps, ensemble)[1],
    }
    together = held_out_psnr(lambda images, training: ensemble(images), shown, SCALE)
    return {"seed": seed, "steps": steps, "rows": rows, "self_ensemble": together}


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> None:
    """The command; what has its record is not done again."""
    record_seeds("experiments.distil", __doc__, RESULTS, train, arguments)


if __name__ == "__main__":
    sys.exit(main())
