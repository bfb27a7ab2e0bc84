"""Several runs from one start, and the average of their weights: is it better than one run that took all the steps?

`python -m experiments.average` trains gecko ×3 at a constant rate, goes on from there with three orders of patches
while the rate falls, and averages the three networks; beside them one run takes three times the steps. About eight
minutes a seed on one core; `--quick` one.
Of the records `python -m benchmarks.recipes` makes a table in docs/recipes.md.

Reference: Wortsman et al., Model soups, arXiv 2203.05482, section 3.
"""

import sys
from pathlib import Path

import keras
import numpy as np

from experiments.flags import record_seeds
from experiments.runs import pictures
from zoo.errors import exit_on_usage_error

RESULTS = Path(__file__).parent / "results" / "average"
SCALE, DEPTH, RATE, RUNS = 3, 4, 1e-2, 3


def average(networks: list[keras.Model], into: keras.Model) -> None:
    """Gives a network the mean of the weights of others like it."""
    for weights, variable in zip(zip(*(each.get_weights() for each in networks)), into.variables, strict=True):
        variable.assign(np.mean(weights, axis=0, dtype=np.float64).astype(np.float32))


def train(data: str, valid: str, steps: int, seed: int) -> dict:
    """Trains the start, the runs that go on from it and the long one, `steps` each but the last.

    Returns:
        `rows`: network → [[step, dB], …] on the pictures of `valid`, steps counted from the beginning.
    """
    from experiments.fitting import fit, held_out_psnr
    from zoo.data import by_name
    from zoo.registry import create_model
    from zoo.training.config import TrainConfig
    from zoo.training.optimizers import make_optimizer
    from zoo.training.start import start_as_interpolation

    source, shown = by_name(data, SCALE), pictures(valid, SCALE)
    keras.utils.set_random_seed(seed)
    start, *others = (create_model("gecko", SCALE, depth=DEPTH, upsampler="subpixel") for _ in range(RUNS + 3))
    start_as_interpolation(start, SCALE, 1)

    def go_on(model: keras.Model, length: int, schedule: str, order: int) -> None:
        warmup = min(200, length // 4)
        settings = TrainConfig(steps=length, learning_rate=RATE, warmup=warmup, optimizer="soap", schedule=schedule)
        optimizer = make_optimizer(settings, model.trainable_variables)
        list(fit(model, source, [length], optimizer, "mse", batch=8, lr_size=32, seed=order))

    # Orders of patches that no seed of the experiment shares with another.
    orders = [100 * seed + number for number in range(RUNS + 2)]
    go_on(start, steps, "constant", orders[0])
    for each in others:
        each.set_weights(start.get_weights())
    together, long, *branches = others
    for branch, order in zip(branches, orders[2:], strict=True):
        go_on(branch, steps, "cosine", order)
    average(branches, together)
    networks = {f"run {number}": branch for number, branch in enumerate(branches, 1)}
    networks[f"average of the {RUNS}"] = together
    rows = {name: [[2 * steps, held_out_psnr(network, shown, SCALE)]] for name, network in networks.items()}
    go_on(long, RUNS * steps, "cosine", orders[1])
    rows["one run of as many steps in all"] = [[(RUNS + 1) * steps, held_out_psnr(long, shown, SCALE)]]
    return {"seed": seed, "steps": steps, "rows": {"the start": [[steps, held_out_psnr(start, shown, SCALE)]]} | rows}


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> None:
    """The command; what has its record is not done again."""
    record_seeds("experiments.average", __doc__, RESULTS, train, arguments)


if __name__ == "__main__":
    sys.exit(main())
