"""Training steps per second: the project's step, stock Keras `fit`, a hand-written PyTorch loop. ×3, LR 32, batch 16.

The same network, loss (L1), optimizer (Adam) and random crops of the same photographs, flipped and turned, each loop in
a process of its own. A round takes so many steps with each of them in turn; the processor's seconds per step are
counted beside the clock's.
"""

import contextlib
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.timing import paired, summarise
from zoo.backend import prefer_onednn
from zoo.machine import available_threads

SCALE, LR_SIZE, BATCH = 3, 32, 16
OURS = "zoo.training"


def ours(network: str, source, folder: Path) -> Callable[[int], None]:
    """The project's own step and batches, as `train.py` sets them up."""
    prefer_onednn()
    import tensorflow as tf

    from zoo.training import TrainConfig
    from zoo.training.cores import one_core_an_operation
    from zoo.training.input import open_batches
    from zoo.training.loop import prepare_engine, set_up

    config = TrainConfig(model=network, scale=SCALE, batch=BATCH, lr_size=LR_SIZE, start="random")
    one_core_an_operation(config)
    prepare_engine(config)
    run = set_up(config, folder, source, source)
    batches = open_batches(tf.distribute.get_strategy(), source, config, 0)

    batch = next(batches)

    def steps(count: int) -> None:
        nonlocal batch
        for _ in range(count):
            batch, (loss, *_) = run.step(batch, batches)
        float(loss)

    return steps


def keras_fit(network: str, source, folder: Path) -> Callable[[int], None]:
    """`model.compile` and `model.fit` on the same batches."""
    import keras

    from zoo.registry import create_model

    model = create_model(network, scale=SCALE, upsampler="subpixel")
    model.compile(keras.optimizers.Adam(1e-3), "mean_absolute_error")
    batches = source.patches(BATCH, LR_SIZE, seed=0)
    return lambda count: model.fit(batches, steps_per_epoch=count, epochs=1, verbose=0)


def pytorch(network: str, source, folder: Path, channels_last: bool) -> Callable[[int], None]:
    """The loop that a PyTorch user writes, pictures in memory as bytes."""
    import torch

    torch.set_num_threads(available_threads())
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = {"espcn": torch_espcn, "fsrcnn": torch_fsrcnn}[network]().to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    pictures = [
        (torch.from_numpy(lr.transpose(2, 0, 1).copy()), torch.from_numpy(hr.transpose(2, 0, 1).copy()))
        for _, lr, hr in source.pictures()
    ]
    random = np.random.default_rng(0)

    def batch():
        lr_patches, hr_patches = [], []
        for _ in range(BATCH):
            lr, hr = pictures[random.integers(len(pictures))]
            y, x = (int(random.integers(side - LR_SIZE + 1)) for side in lr.shape[1:])
            turns, flip = int(random.integers(4)), bool(random.integers(2))
            for image, patches, times in ((lr, lr_patches, 1), (hr, hr_patches, SCALE)):
                rows, columns = (slice(times * start, times * (start + LR_SIZE)) for start in (y, x))
                patch = torch.rot90(image[:, rows, columns], turns, (1, 2))
                patches.append(patch.flip(2) if flip else patch)
        return (
            torch.stack(patches).to(torch.float32).div_(255).contiguous(memory_format=layout)
            for patches in (lr_patches, hr_patches)
        )

    def steps(count: int) -> None:
        for _ in range(count):
            lr_images, hr_images = batch()
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.l1_loss(model(lr_images), hr_images)
            loss.backward()
            optimizer.step()
        loss.item()

    return steps


def torch_espcn():
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 64, 5, padding=2), nn.Tanh(), nn.Conv2d(64, 32, 3, padding=1), nn.Tanh(),
        nn.Conv2d(32, SCALE**2, 3, padding=1), nn.PixelShuffle(SCALE),
    )  # fmt: skip


def torch_fsrcnn():
    from torch import nn

    layers = [nn.Conv2d(1, 56, 5, padding=2), nn.PReLU(56), nn.Conv2d(56, 12, 1), nn.PReLU(12)]
    for _ in range(4):
        layers += [nn.Conv2d(12, 12, 3, padding=1), nn.PReLU(12)]
    layers += [nn.Conv2d(12, 56, 1), nn.PReLU(56), nn.ConvTranspose2d(56, 1, 9, SCALE, 3)]
    return nn.Sequential(*layers)


LOOPS: dict[str, Callable] = {
    OURS: ours,
    "Keras fit": keras_fit,
    "PyTorch": functools.partial(pytorch, channels_last=False),
    "PyTorch channels_last": functools.partial(pytorch, channels_last=True),
}


class Child:
    """A loop in a process of its own, as its user runs it: no engine's settings or waiting threads reach another's.

    It takes as many steps as a line of its input says, and answers with the processor's seconds.
    """

    def __init__(self, module: str, case: str):
        command = [sys.executable, "-m", module, f"--child={case}"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, text=True, **pipes)

    def missing(self) -> str | None:
        """Waits until the loop is ready; what it lacks, or None."""
        return self._answer().get("missing")

    def run(self, steps: int) -> float:
        print(steps, file=self.process.stdin, flush=True)
        return self._answer()["processor"]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(line)


def serve(make: Callable[[Path], Callable[[int], None]], first: int = 2) -> None:
    """In the child: makes the loop ready, then takes as many steps as each line of the input says.

    Args:
        make: function of a folder of the child's own, which gives the function that takes so many steps.
        first: steps taken at once, which compile; the warm-up round comes on top.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        try:
            steps = make(Path(folder) / "run")
        except ImportError as error:
            print(json.dumps({"missing": str(error)}), file=sys.__stdout__, flush=True)
            return
        steps(first)
        print(json.dumps({}), file=sys.__stdout__, flush=True)
        for line in sys.stdin:
            start = time.process_time()
            steps(int(line))
            print(json.dumps({"processor": time.process_time() - start}), file=sys.__stdout__, flush=True)


def contest(network: str, steps: int, rounds: int, sessions: int) -> dict:
    """All loops on one network: steps per second, the processor's seconds per step, ratios to PyTorch's better one.

    Each session starts the processes anew: where its memory happens to lie makes one of PyTorch a quarter slower than
    the next.
    """
    missing: dict[str, str] = {}
    times: dict[str, list[float]] = {}
    processor: dict[str, list[float]] = {}
    for _ in range(sessions):
        with contextlib.ExitStack() as stack:
            children = {
                name: stack.enter_context(contextlib.closing(Child("benchmarks.training", f"{network}:{name}")))
                for name in LOOPS
            }
            for name in LOOPS:
                if lacks := children[name].missing():
                    missing[name] = lacks
                    del children[name]

            def job(name: str, child: Child) -> Callable[[], None]:
                return lambda: processor.setdefault(name, []).append(child.run(steps) / steps)

            # PyTorch's threads spin for a while after their last work.
            jobs = {name: job(name, child) for name, child in children.items()}
            for name, seconds in paired(jobs, rounds=rounds, warmup=1, pause=0.3).items():
                times.setdefault(name, []).extend(seconds)
    torch_ways = [name for name in times if name.startswith("PyTorch")]
    baseline = min(torch_ways or [OURS], key=lambda name: float(np.median(times[name])))
    rows = {
        name: {
            **row,
            "steps_per_second": steps / row["median"],
            "times_as_fast": 1 / row["ratio"],
            "processor_seconds_per_step": float(np.median(processor[name])),
        }
        for name, row in summarise(times, baseline).items()
    }
    return {"network": network, "baseline": baseline, "sessions": sessions, "loops": rows, "missing": missing}


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.training`."""
    parser = record.parser("training", __doc__)
    parser.add_argument("--sessions", type=int, default=2, help="how often all processes start anew")
    parser.add_argument("--child", help="for the command's own processes: network:loop")
    flags = parser.parse_args(arguments)
    if flags.child:
        import zoo.data

        network, loop = flags.child.split(":", 1)
        serve(lambda folder: LOOPS[loop](network, zoo.data.sample(SCALE), folder))
        return
    written = record.start("training")
    steps, rounds = (5, 2) if flags.quick else (30, 3)
    written["results"] = [contest(network, steps, rounds, flags.sessions) for network in ("espcn", "fsrcnn")]
    record.table(
        f"Training ×{SCALE}, LR {LR_SIZE}, batch {BATCH}",
        ["network and loop", "steps/s", "× PyTorch", "processor s/step"],
        [
            [f"{each['network']}, {name}", f"{row['steps_per_second']:.1f}", f"{row['times_as_fast']:.2f}",
             f"{row['processor_seconds_per_step']:.3f}"]
            for each in written["results"]
            for name, row in each["loops"].items()
        ],
    )  # fmt: skip
    values = [
        (f"{each['network']}, {name}", row["steps_per_second"])
        for each in written["results"]
        for name, row in each["loops"].items()
    ]
    mine = [label for label, _ in values if label.endswith(OURS)]
    written["chart"] = record.chart(f"Training steps per second, ×{SCALE}", values, "/s", mine)
    record.finish(written, flags.json)


if __name__ == "__main__":
    main()
