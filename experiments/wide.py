"""Trained wide and collapsed exactly: does it help?

`python -m experiments.wide` trains gecko ×3 as it is, with each convolution as SESR's linear block (as many times as
many maps, then 1×1) and as RepVGG's branches (3×3, 1×1 and the map itself, without normalisation), by Adam and by SOAP,
each at two learning rates. All of them compute one kernel per convolution in every step, as SESR does in training, and
start as one function with one set of pictures; in the end the kernels are those of a plain gecko. About an hour on one
core; `--quick` three minutes.
Of the records `python -m benchmarks.recipes` makes a table in docs/recipes.md.

References: SESR, arXiv 2103.09404, section 3; RepVGG, arXiv 2101.03697, section 3.
"""

import functools
import itertools
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops

from experiments.flags import parse, recorded
from experiments.runs import pictures
from zoo.errors import exit_on_usage_error

RESULTS = Path(__file__).parent / "results" / "wide"
SCALE, FACTOR = 3, 4
FORMS = ("plain", "wide", "branches")
RATES = {"adam": (1e-3, 3e-3), "soap": (3e-3, 1e-2)}


@keras.saving.register_keras_serializable("experiments")
class Linear(keras.layers.Conv2D):
    """A convolution whose kernel is made of more weights than it has, all of them trained.

    Args:
        form: "wide": k×k to `FACTOR` times the maps, then 1×1; "branches": the sum of k×k, 1×1 and, with as many maps
            in as out, the map itself.
    """

    def __init__(self, *arguments, form: str = "wide", **options):
        super().__init__(*arguments, **options)
        self.form = form

    def get_config(self) -> dict:
        return super().get_config() | {"form": self.form}

    def build(self, input_shape):
        maps = input_shape[-1]
        middle = FACTOR * self.filters if self.form == "wide" else self.filters
        self.first = self.add_weight(
            shape=(*self.kernel_size, maps, middle), initializer=self.kernel_initializer, name="first"
        )
        rows = middle if self.form == "wide" else maps
        self.second = self.add_weight(
            shape=(rows, self.filters), initializer=keras.initializers.Orthogonal(), name="second"
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.built = True

    def collapsed(self):
        """The kernel (k, k, I, O) that the weights make."""
        if self.form == "wide":
            return ops.tensordot(self.first, self.second, 1)
        margins = [((side - 1) // 2, side // 2) for side in self.kernel_size]
        maps = self.first.shape[2]
        beside = self.second + (np.eye(maps, dtype="float32") if maps == self.filters else 0)
        return self.first + ops.pad(beside[None, None], [*margins, (0, 0), (0, 0)])

    def start_from(self, kernel: np.ndarray) -> None:
        """Changes the weights of the first convolution by as little as makes the kernel this one."""
        missing = kernel - np.asarray(self.collapsed())
        # The second one's columns are orthonormal: its transpose is its inverse.
        back = np.asarray(self.second).T if self.form == "wide" else np.eye(self.filters)
        self.first.assign(np.asarray(self.first) + missing @ back)

    def call(self, inputs):
        return self.activation(ops.conv(inputs, self.collapsed(), 1, "same", "channels_last") + self.bias)


def in_form(plain: keras.Model, form: str) -> keras.Model:
    """The network with its thin convolutions in a form of `FORMS`, computing the same."""
    if form == "plain":
        return plain

    def clone(layer):
        if type(layer) is keras.layers.Conv2D:
            return Linear.from_config(layer.get_config() | {"form": form})
        return type(layer).from_config(layer.get_config())

    model = keras.models.clone_model(plain, clone_function=clone)
    for layer, ours in zip(plain.layers, model.layers, strict=True):
        if isinstance(ours, Linear):
            ours.start_from(np.asarray(layer.kernel))
            ours.bias.assign(layer.bias)
        else:
            ours.set_weights(layer.get_weights())
    return model


def collapse(model: keras.Model, plain: keras.Model) -> None:
    """Gives a plain network what one of `in_form` has learned."""
    for layer, ours in zip(plain.layers, model.layers, strict=True):
        if isinstance(ours, Linear):
            layer.kernel.assign(ours.collapsed())
            layer.bias.assign(ours.bias)
        elif layer is not ours:
            layer.set_weights(ours.get_weights())


def train(form: str, optimizer: str, rate: float, data: str, valid: str, steps: int, seed: int) -> dict:
    """Trains one network and measures what is left of it when it is collapsed.

    Returns:
        `psnr`: [[step, dB], …] of the plain network; `difference`: the largest one between both at the end;
        `parameters` of the plain network and `trained`, how many there were.
    """
    from experiments.fitting import fit, held_out_psnr
    from zoo.data import by_name
    from zoo.registry import create_model
    from zoo.training.config import TrainConfig
    from zoo.training.optimizers import make_optimizer
    from zoo.training.start import start_as_interpolation

    keras.utils.set_random_seed(seed)
    plain = create_model("gecko", SCALE, depth=4, upsampler="subpixel")
    start_as_interpolation(plain, SCALE, 1)
    model = in_form(plain, form)
    settings = TrainConfig(steps=steps, learning_rate=rate, warmup=min(200, steps // 4), optimizer=optimizer)
    ours = make_optimizer(settings, model.trainable_variables)
    shown, marks, psnr = pictures(valid, SCALE), sorted({0, steps // 4, steps // 2, steps}), []
    for mark in fit(model, by_name(data, SCALE), marks, ours, "mse", batch=8, lr_size=32, seed=seed):
        collapse(model, plain)
        psnr.append([mark, held_out_psnr(plain, shown, SCALE)])
    answers = [np.asarray(each(shown[0][0][None])) for each in (plain, model)]
    return {
        "form": form, "optimizer": optimizer, "learning_rate": rate, "seed": seed, "steps": steps, "psnr": psnr,
        "difference": float(np.abs(answers[0] - answers[1]).max()),
        "parameters": plain.count_params(), "trained": model.count_params(),
    }  # fmt: skip


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> None:
    """The command; what has its record is not done again."""
    flags = parse("experiments.wide", __doc__, RESULTS, 100, arguments)
    for seed in range(flags.seeds):
        for optimizer, form in itertools.product(RATES, FORMS):
            for rate in RATES[optimizer]:
                path = flags.output / f"{optimizer}_{rate:g}_{form}_seed{seed}.json"
                job = functools.partial(train, form, optimizer, rate, flags.data, flags.valid, flags.steps, seed)
                print(path.stem, f"{recorded(path, flags.steps, job)['psnr'][-1][1]:.2f} dB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
