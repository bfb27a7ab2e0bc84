"""Single layers before and after the rewrite, and the costs of `zoo.targets.xnnpack` fitted to their times."""

import timeit
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.targets.facts import Upsampling

# (transposed or resized, kernel side, scale, input maps, output maps, LR side in px)
CONVOLUTIONS = [
    ("transposed", 9, 2, 48, 1, 96),
    ("transposed", 9, 3, 48, 3, 96),
    ("transposed", 9, 4, 24, 1, 96),
    ("transposed", 5, 2, 24, 12, 64),
    ("transposed", 4, 2, 96, 48, 48),
    ("transposed", 4, 2, 40, 24, 64),
    ("transposed", 4, 2, 24, 3, 96),
    ("transposed", 4, 2, 192, 96, 24),
    ("transposed", 3, 2, 96, 48, 48),
    ("transposed", 3, 2, 24, 16, 64),
    ("transposed", 3, 2, 48, 2, 96),
    ("transposed", 3, 2, 192, 96, 32),
    ("transposed", 2, 2, 96, 48, 48),
    ("transposed", 2, 2, 192, 96, 24),
    ("transposed", 2, 2, 16, 1, 96),
    ("transposed", 8, 4, 24, 24, 32),
    ("transposed", 16, 8, 12, 12, 24),
    ("resized", 3, 2, 48, 24, 64),
    ("resized", 3, 2, 96, 48, 32),
    ("resized", 3, 2, 24, 1, 96),
    ("resized", 3, 2, 192, 96, 16),
    ("resized", 5, 3, 24, 24, 48),
    ("resized", 3, 4, 24, 16, 32),
    ("resized", 2, 2, 96, 48, 32),
    ("resized", 7, 2, 16, 8, 64),
]
# (method, scale, maps, LR side)
ENLARGEMENTS = [
    ("nearest", 2, 24, 64),
    ("nearest", 2, 96, 48),
    ("nearest", 4, 12, 48),
    ("bilinear", 2, 3, 128),
    ("bilinear", 2, 24, 64),
    ("bilinear", 2, 48, 48),
    ("bilinear", 4, 8, 48),
]


class Runner:
    """A TFLite file on two threads of XNNPACK, with its input in place."""

    def __init__(self, path: Path, seed: int = 0):
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(path), num_threads=2)
        self._interpreter.allocate_tensors()
        (given,) = self._interpreter.get_input_details()
        image = np.random.default_rng(seed).uniform(size=given["shape"]).astype(np.float32)
        self._interpreter.set_tensor(given["index"], image)
        self.bytes = path.stat().st_size
        names = [each["op_name"] for each in self._interpreter._get_ops_details()]
        self.operations = [name for name in names if name != "DELEGATE"]

    def __call__(self) -> None:
        self._interpreter.invoke()

    def outputs(self) -> list[np.ndarray]:
        """Of the last call, in the order of their shapes."""
        outputs = [self._interpreter.get_tensor(each["index"]) for each in self._interpreter.get_output_details()]
        return sorted(outputs, key=lambda output: output.shape)


def runner(model, folder: Path, size: tuple[int, int]) -> Runner:
    """The model as a TFLite file of this input size."""
    from export.tflite import write_tflite

    path = folder / f"{len(list(folder.iterdir()))}.tflite"
    write_tflite(model, path, size)
    return Runner(path)


class Measured(NamedTuple):
    """A layer in words and in facts, and its times in s per LR pixel."""

    found: str
    facts: Upsampling
    before: float
    after: float


def rounds_in(runs: dict[str, Runner], seconds: float) -> int:
    """Rounds that take about so long: short calls are disturbed more by what else runs, and need more of them."""
    times = [timeit.timeit(run, number=1) for run in runs.values() for _ in range(2)]
    return int(min(max(2 * seconds / sum(times), 9), 150))


def models(quick: bool):
    """(model of one layer, LR side) for every entry of the two lists."""
    import keras
    from keras import layers

    for kind, side, scale, inputs, outputs, size in CONVOLUTIONS[::6] if quick else CONVOLUTIONS:
        image = keras.Input((None, None, inputs))
        if kind == "transposed":
            x = layers.Conv2DTranspose(outputs, side, strides=scale, padding="same")(image)
        else:
            x = layers.Conv2D(outputs, side, padding="same")(layers.UpSampling2D(scale)(image))
        yield keras.Model(image, x), size
    for method, scale, maps, size in ENLARGEMENTS[::4] if quick else ENLARGEMENTS:
        image = keras.Input((None, None, maps))
        yield keras.Model(image, layers.UpSampling2D(scale, interpolation=method)(image)), size


def measure(folder: Path, quick: bool) -> list[Measured]:
    """Times of all single layers in both forms, alternating."""
    from benchmarks.networks import randomise
    from benchmarks.timing import paired, summarise
    from zoo import rewrite
    from zoo.rewrite.plan import plan
    from zoo.rewrite.tracing import graphs_of
    from zoo.targets.choice import EVERYTHING

    results = []
    for model, size in models(quick):
        randomise(model)
        after, explanation = rewrite.rewritten(model, EVERYTHING)
        (facts,), (row,) = plan(graphs_of(model), False, EVERYTHING).facts, explanation.rows
        both = {"before": model, "after": after}
        runs = {name: runner(each, folder, (size, size)) for name, each in both.items()}
        rounds = 2 if quick else rounds_in(runs, 1.0)
        summary = summarise(paired(runs, rounds=rounds, pause=0.005), "before")
        # The time of one and the ratio of the two, which other work on the machine disturbs less than two times.
        before = summary["before"]["best"] / size**2
        results.append(Measured(row.found, facts, before, before * summary["after"]["ratio"]))
    return results


def fit(measured: list[Measured]) -> dict[str, float]:
    """The costs of `zoo.targets.xnnpack`, in multiplications of a full convolution.

    From the ratio of the two forms of each layer alone, which was measured round by round: minimises the squares of
    log(expected ratio / measured ratio), those beyond a factor of e counted linearly.
    """
    from scipy.optimize import least_squares

    from zoo.targets.xnnpack import COSTS, speedup

    kinds = [kind for kind in COSTS if kind != "convolution"]
    ratios = np.asarray([each.before / each.after for each in measured])

    def costs(logarithms) -> dict[str, float]:
        return {"convolution": 1.0, **dict(zip(kinds, np.exp(logarithms).tolist()))}

    def errors(logarithms):
        expected = [speedup(each.facts, costs(logarithms)) for each in measured]
        return np.log(np.asarray(expected) / ratios)

    start = np.log([2.0, 20.0, 40.0, 20.0, 10.0])
    return costs(least_squares(errors, start, loss="soft_l1", bounds=(-4, 9)).x)
