"""Containment made visible: an HR network is one LR network among many, and what the others add.

`python -m experiments.containment` asks two things. A trained network that convolves in HR space is written as the LR
network that computes the same (`zoo.rewrite.to_lr_space(…, whole=True)`), and both are trained on: freed of their ties,
the LR network's weights improve at once. And networks of equal multiplications with random weights, teachers, are
fitted by others, students: which space stands in for the other?
Expected: the LR network ahead within the first hundred steps; students in LR space come closer to teachers in HR space
than the other way round. About 20 minutes on one core; `--quick` one minute, in which only the first is seen.
"""

import functools
import sys
from pathlib import Path

import numpy as np

from experiments.equal import REGIMES, equal_widths, sides_of
from experiments.flags import parse, recorded
from experiments.runs import pictures
from zoo.errors import exit_on_usage_error

RESULTS = Path(__file__).parent / "results" / "containment"
SCALE, BUDGET = 2, 0.5
WIDTHS = (4, 4, 4)
SPACES = ("hr_nearest", "lr")


def train_on(data: str, valid: str, steps: int, seed: int) -> dict:
    """Trains an HR network, then it and the LR network that contains it on the same batches.

    Returns:
        `psnr`: (network) → [[step, dB], …] on the pictures of `valid`; `difference`: the largest one between both at
        the start; `macs`, `parameters` of both.
    """
    import keras

    from experiments.fitting import fit, held_out_psnr
    from experiments.networks import in_space
    from zoo import rewrite
    from zoo.complexity import count
    from zoo.data import by_name
    from zoo.training.start import start_as_interpolation

    keras.utils.set_random_seed(seed)
    source, shown = by_name(data, SCALE), pictures(valid, SCALE)
    hr = in_space(SCALE, space="hr_nearest", widths=WIDTHS)
    start_as_interpolation(hr, SCALE, 1)
    list(fit(hr, source, [steps], 3e-3, seed=seed))
    networks = {"hr": hr, "lr": rewrite.to_lr_space(hr, whole=True)}
    answers = [np.asarray(model(shown[0][0][None])) for model in networks.values()]
    record = {
        "seed": seed,
        "steps": steps,
        "difference": float(np.abs(answers[0] - answers[1]).max()),
        "parameters": {name: model.count_params() for name, model in networks.items()},
        "macs": {name: count(model)["macs"] for name, model in networks.items()},
    }
    marks = sorted({0, steps // 20, steps // 10, steps // 4, steps // 2, steps})
    record["psnr"] = {
        name: [[mark, held_out_psnr(model, shown, SCALE)] for mark in fit(model, source, marks, 1e-3, seed=seed + 1000)]
        for name, model in networks.items()
    }
    return record


def stand_in(data: str, valid: str, steps: int, seed: int, regime: str, teacher: str, student: str) -> dict:
    """Fits a network in one space to one with random weights, in the same or another space, of equal multiplications.

    Returns:
        `fidelity` in dB: the mean square of what the teacher adds to bicubic over that of the student's error, on
        pictures that were not used.
    """
    import keras

    from experiments.fitting import fit
    from experiments.networks import in_space
    from zoo.data import by_name
    from zoo.training.start import start_as_interpolation

    keras.utils.set_random_seed(seed)
    widths = equal_widths(SCALE, BUDGET)
    networks = {}
    for role, space in (("teacher", teacher), ("student", student)):
        networks[role] = in_space(
            SCALE, space=space, widths=widths[regime, space], sides=sides_of(space, regime, SCALE), name=role
        )
    for layer in networks["teacher"].layers:
        if isinstance(layer, keras.layers.PReLU):
            layer.alpha.assign(np.full(layer.alpha.shape, 0.25))
    start_as_interpolation(networks["student"], SCALE, 1)
    run = functools.partial(networks["teacher"], training=False)
    bicubic = keras.Model(networks["teacher"].input, networks["teacher"].get_layer("bicubic").output)
    list(fit(networks["student"], by_name(data, SCALE), [steps], 3e-3, "mse", run, seed=seed))
    errors, signals = [], []
    for lr_image, _ in pictures(valid, SCALE):
        wanted, received, start = (
            np.asarray(each(lr_image[None])) for each in (networks["teacher"], networks["student"], bicubic)
        )
        errors.append(np.square(wanted - received).mean())
        signals.append(np.square(wanted - start).mean())
    return {
        "seed": seed, "steps": steps, "regime": regime, "teacher": teacher, "student": student,
        "fidelity": float(10 * np.log10(np.mean(signals) / np.mean(errors))),
        "parameters": {role: network.count_params() for role, network in networks.items()},
    }  # fmt: skip


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> None:
    """The command; what has its record is not done again."""
    flags = parse("experiments.containment", __doc__, RESULTS, 200, arguments)
    jobs = {
        f"train_on_seed{seed}": functools.partial(train_on, flags.data, flags.valid, flags.steps, seed)
        for seed in range(flags.seeds)
    }
    for seed in range(flags.seeds):
        for regime in REGIMES:
            for teacher in SPACES:
                for student in SPACES:
                    jobs[f"{regime}_{teacher}_by_{student}_seed{seed}"] = functools.partial(
                        stand_in, flags.data, flags.valid, flags.steps, seed, regime, teacher, student
                    )
    for name, job in jobs.items():
        found = recorded(flags.output / f"{name}.json", flags.steps, job)
        print(name, found.get("psnr") or f"{found['fidelity']:.1f} dB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
