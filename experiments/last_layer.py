"""The forms of the last layer from the same start: one function or another, and do they train differently?

`python -m experiments.last_layer` trains ESPCN ×2 with each form on the same batches and looks at it on the way: PSNR,
and the checkerboard that it puts on a flat field (`zoo.plots`, levels of 255). Expected: transposed, zero-interleaved
and subpixel start from one kernel and stay one function but for rounding; a kernel that scale does not divide starts
with a checkerboard that training takes away slowly, ICNR starts without one. About 20 minutes on one core; `--quick`
one minute, which shows the starts.
"""

import functools
import sys
from pathlib import Path

from experiments.flags import parse, recorded
from experiments.runs import pictures
from zoo.errors import exit_on_usage_error
from zoo.plots.checkerboard import Case

RESULTS = Path(__file__).parent / "results" / "last_layer"
SCALE = 2
CASES = [
    *(Case(form, 6) for form in ("transposed", "zero_interleaved", "subpixel")),
    Case("subpixel", 6, icnr=True),
    Case("transposed", 8),
    Case("transposed", 9),
    Case("transposed", 9, icnr=True),
    Case("resize", 3),
    Case("resize", 5),
]


def train(case: Case, data: str, valid: str, steps: int, seed: int) -> dict:
    """Trains one network and looks at it on the way.

    Returns:
        `marks`: dicts with `step`, `psnr` in dB, `checkerboard` in levels of 255 on a flat field and on a ramp, and the
        `spectrum` of the flat field (frequencies in cycles per HR px, amplitudes in levels).
    """
    from experiments.fitting import fit, held_out_psnr
    from zoo.complexity import count
    from zoo.data import by_name
    from zoo.plots import checkerboard

    model = checkerboard.network(case, SCALE, seed)
    record = {**case._asdict(), "label": case.label, "seed": seed, "steps": steps}
    record |= {"parameters": model.count_params(), "macs": count(model)["macs"], "marks": []}
    marks = sorted({0, steps // 100, steps // 20, steps // 5, steps})
    for mark in fit(model, by_name(data, SCALE), marks, 1e-3, batch=8, lr_size=20, seed=seed):
        rests = {field: checkerboard.residual(model, field, SCALE) for field in checkerboard.FIELDS}
        record["marks"].append(
            {
                "step": mark,
                "psnr": held_out_psnr(model, pictures(valid, SCALE), SCALE),
                "checkerboard": {field: checkerboard.checkerboard(rest, SCALE) for field, rest in rests.items()},
                "spectrum": [
                    [float(f"{value:.4g}") for value in line] for line in checkerboard.spectrum(rests["flat"])
                ],
            }
        )
    return record


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> None:
    """The command; what has its record is not done again."""
    flags = parse("experiments.last_layer", __doc__, RESULTS, 100, arguments)
    for seed in range(flags.seeds):
        for case in CASES:
            name = f"{case.form}_{case.kernel_size}{'_icnr' * case.icnr}_seed{seed}"
            path = flags.output / f"{name}.json"
            job = functools.partial(train, case, flags.data, flags.valid, flags.steps, seed)
            for mark in recorded(path, flags.steps, job)["marks"]:
                flat = mark["checkerboard"]["flat"]
                print(f"{name:28} {mark['step']:6} {mark['psnr']:6.2f} dB  {flat:.4f} levels", flush=True)


if __name__ == "__main__":
    sys.exit(main())
