"""The engine for accelerators: pictures, crops, optimizer and average on the device, many steps in one compiled loop.

Keras on JAX (`KERAS_BACKEND=jax`), with or without TensorFlow installed. Only losses and checkpoints come back.
"""

import contextlib
import dataclasses
import functools
import logging
import math
import os
import platform
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np

from zoo.data.on_device import patches_on_device
from zoo.errors import UsageError
from zoo.machine import available_threads, processor, versions
from zoo.training import start
from zoo.training.config import TrainConfig
from zoo.training.input import open_both, open_comparison
from zoo.training.interruption import Interruption
from zoo.training.losses import average_rate, mean_loss
from zoo.training.milestones import check_finite, due, stopped
from zoo.training.optimizers import LearningRate, make_optimizer
from zoo.training.progress import Recorder, Stopwatch
from zoo.training.results import keep_best, write_results
from zoo.training.snapshots import Snapshots, restore_together
from zoo.training.validation import Validation
from zoo.training.workdir import claimed, note_environment

LOGGER = logging.getLogger("zoo.training")

# XLA's names of the operations that may be in a CUDA graph; `WHILE` is the loop over the steps.
_IN_ONE_GRAPH = ("FUSION", "CUBLAS", "CUBLASLT", "CUDNN", "CUSTOM_CALL", "DYNAMIC_SLICE_FUSION", "CONVOLUTION",
                 "CONDITIONAL", "WHILE")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Seed:
    """One of the runs that share the device: its configuration, folder, checkpoints and log."""

    config: TrainConfig
    workdir: Path
    snapshots: Snapshots


def train(config: TrainConfig, workdir, source=None, valid=None) -> dict:
    """Trains the network of `config` on the device, or goes on where a stopped run was; as `zoo.training.loop.train`.

    Raises:
        UsageError: as there, and where Keras does not run on JAX.
        Interrupted: on Ctrl-C or SIGTERM, after a checkpoint.
    """
    return _train([Seed(config, Path(workdir), Snapshots(Path(workdir)))], source, valid)[0]


def train_seeds(config: TrainConfig, workdir, seeds, source=None, valid=None) -> list[dict]:
    """Trains one network from several seeds at once, as one computation mapped over them.

    Args:
        config: its own seed is not used.
        workdir: each seed n has its run in `workdir/seed_n`.
        seeds: different integers; memory grows with their number.

    Returns:
        The results of each, as `train` returns them.
    """
    seeds = list(seeds)
    if len(set(seeds)) < len(seeds) or not seeds:
        raise UsageError(f"Expected seeds that differ. Received: {seeds}")
    folders = [Path(workdir) / f"seed_{seed}" for seed in seeds]
    runs = [
        Seed(dataclasses.replace(config, seed=seed), folder, Snapshots(folder)) for seed, folder in zip(seeds, folders)
    ]
    return _train(runs, source, valid)


def _train(runs: list[Seed], source, valid) -> list[dict]:
    config = runs[0].config
    with contextlib.ExitStack() as held:
        for run in runs:
            held.enter_context(claimed(run.config, run.workdir))
        if jax.default_backend() == "cpu":
            LOGGER.warning(
                "No accelerator here: engine=device runs on the processor, several times slower than tensorflow"
            )
        return Trainer(runs, *open_both(config, source, valid)).finish()


class Trainer:
    """Everything that the steps work on: the state of all runs on the device, and the loop over it.

    Attributes:
        state: name → list of arrays, `weights`, `frozen`, `average` and `optimizer`, each with the runs as first axis.
        step: how many updates have been made.
    """

    def __init__(self, runs: list[Seed], source, valid):
        config = self.config = runs[0].config
        self.runs, self.valid = runs, valid
        self.held, self.draw = patches_on_device(
            source, config.batch, config.lr_size, min_detail=config.min_detail, degradation=config.degradation
        )
        self._build(config)
        self.step, states = restore_together([run.snapshots for run in runs], self._fresh_state())
        if self.step:
            for run in runs:
                LOGGER.info("Going on from the checkpoint of step %d in %s", self.step, run.workdir)
        else:
            states = [self._start(run.config) for run in runs]
        # The optimizer's own count of steps is not part of the state: it is `step`.
        self.counter = next(i for i, v in enumerate(self.optimizer.variables) if v is self.optimizer.iterations)
        self.keys = jnp.stack([jax.random.key(run.config.seed) for run in runs])
        self.state = {name: [jnp.stack(each) for each in zip(*(s[name] for s in states))] for name in states[0]}
        self.programs: dict[int, Callable] = {}
        self.judged = start.build_average(config)
        self.infer = jax.jit(lambda weights, frozen, lr: self.judged.stateless_call(weights, frozen, lr)[0])

    def _build(self, config: TrainConfig) -> None:
        keras.utils.set_random_seed(config.seed)
        self.model = start.build_model(config)
        if config.freeze_body:
            start.freeze_body(self.model)
        self.shave = start.loss_shave(config, self.model)
        self.optimizer = make_optimizer(config, self.model.trainable_variables)

    def _start(self, config: TrainConfig) -> dict[str, list]:
        """The state of a run before its first step."""
        self._build(config)
        drawn = _Drawn(functools.partial(self.draw, self.held), config)
        LOGGER.info("Starting from %s", start.initial_weights(self.model, config, drawn, self.shave))
        return self._fresh_state()

    def _fresh_state(self) -> dict[str, list]:
        weights = [np.asarray(v.value) for v in self.model.trainable_variables]
        return {
            "weights": weights,
            "frozen": [np.asarray(v.value) for v in self.model.non_trainable_variables],
            "average": weights,
            "optimizer": [np.asarray(v.value) for v in self.optimizer.variables if v is not self.optimizer.iterations],
        }

    def gradient(self, weights: list, frozen: list, lr, hr) -> tuple:
        """Returns the loss of a batch and its gradient, an array for each of the weights that are not frozen."""

        def loss_of(weights):
            sr, _ = self.model.stateless_call(weights, frozen, lr, training=True)
            return mean_loss(self.config.loss, sr, hr, self.shave)

        return jax.value_and_grad(loss_of)(weights)

    def update(self, held: dict, key, state: dict, number) -> tuple[dict, tuple]:
        """One update of one run: (pictures, key, state, steps done) → (new state, (loss, norm of the gradient))."""
        config = self.config
        loss, gradients = self.gradient(state["weights"], state["frozen"], *self.draw(held, key, number))
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(gradient)) for gradient in gradients))
        variables = list(state["optimizer"])
        variables.insert(self.counter, jnp.asarray(number, self.optimizer.iterations.dtype))
        weights, variables = self.optimizer.stateless_apply(variables, gradients, state["weights"])
        del variables[self.counter]
        rate = average_rate(config.ema, number + 1)
        average = [mean + rate * (weight - mean) for mean, weight in zip(state["average"], weights)]
        return {**state, "weights": weights, "average": average, "optimizer": variables}, (loss, norm)

    def advance(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Makes so many updates of all runs on the device; returns losses and gradient norms, (runs, steps) each."""
        if steps not in self.programs:
            self.programs[steps] = jax.jit(self._program(steps), donate_argnums=2, compiler_options=compiler_options())
        self.state, measured = self.programs[steps](self.held, self.keys, self.state, self.step)
        self.step += steps
        losses, norms = measured
        return np.asarray(losses), np.asarray(norms)

    def _program(self, steps: int):
        """The function (pictures, keys, state, steps done) → (state, (losses, norms)) of so many updates of all."""

        def alone(held, key, state, number):
            state, measured = self.update(held, key[0], jax.tree.map(lambda each: each[0], state), number)
            return jax.tree.map(lambda each: each[None], (state, measured))

        # The number of a step is the same for all runs: mapped over too, both sides of every `cond` would be computed.
        update = jax.vmap(self.update, (None, 0, 0, None)) if len(self.runs) > 1 else alone

        def program(held, keys, state, done):
            numbers = done + jnp.arange(steps)
            state, measured = jax.lax.scan(lambda state, number: update(held, keys, state, number), state, numbers)
            return state, jax.tree.map(jnp.transpose, measured)

        return program

    def finish(self) -> list[dict]:
        """Makes the updates that are left, with log, validations and checkpoints between, and writes the results."""
        config = self.config
        for run in self.runs:
            note_environment(run.workdir, environment())
        recorders = [Recorder(run.workdir, self.step, config.steps) for run in self.runs]
        validation = Validation(self.valid, None, degradation=config.degradation)
        comparison = open_comparison(config, self.valid, self.model.name)
        try:
            for recorder in recorders:
                recorder.__enter__()
            with Interruption() as interruption:
                self._take_steps(recorders, validation, interruption)
            return [
                write_results(run.config, run.workdir, self._with_average(index), self.valid, comparison, self.step)
                for index, run in enumerate(self.runs)
            ]
        except OSError as error:
            raise UsageError(
                f"Expected to write into {self.runs[0].workdir}. Received: {error.strerror or error}. "
                f"{self.runs[-1].snapshots.kept()}; make room and run the same command again"
            ) from error
        finally:
            for recorder in recorders:
                recorder.__exit__()

    def _take_steps(self, recorders: list[Recorder], validation: Validation, interruption: Interruption) -> None:
        config, rate, watch = self.config, LearningRate(self.config), Stopwatch()
        if self.step == 0:
            self._validate(recorders, validation)
        # Chunks end on multiples of their length, where something may be due, wherever a run was before; so a resumed
        # run is computed by the programs of one that was not stopped.
        chunk = math.gcd(config.log_every, config.checkpoint_every, config.validate_every)
        recent = []
        while self.step < config.steps:
            recent.append(self.advance(min(chunk - self.step % chunk, config.steps - self.step)))
            watch.steps += recent[-1][0].shape[1]
            stops = interruption.asked and self.step < config.steps
            now = due(config, self.step, stops)
            for recorder in recorders:
                recorder.advance(self.step)
            if now.logs:
                losses, norms = (np.concatenate(each, axis=1).mean(axis=1) for each in zip(*recent))
                recent = []
                speed = watch.read(0.0)
                learning_rate = float(rate(self.step - 1))
                for run, recorder, loss, norm in zip(self.runs, recorders, losses, norms):
                    check_finite(self.step, loss, norm, run.snapshots.kept())
                    recorder.record(
                        self.step, loss=float(loss), gradient_norm=float(norm), learning_rate=learning_rate, **speed
                    )
            if now.validates:
                self._validate(recorders, validation)
            if now.saves:
                self.save()
            if stops:
                raise stopped(self.step, self.runs[0].workdir)
            if now.validates or now.saves:
                watch.restart()

    def _validate(self, recorders: list[Recorder], validation: Validation) -> None:
        for index, (run, recorder) in enumerate(zip(self.runs, recorders)):
            weights, frozen = ([each[index] for each in self.state[name]] for name in ("average", "frozen"))
            validation.network = functools.partial(self.infer, weights, frozen)
            psnr = validation.psnr()
            recorder.record(self.step, psnr=psnr)
            keep_best(run.workdir, self._with_average(index), self.step, psnr, run.config.keep)

    def _with_average(self, index: int) -> keras.Model:
        """The network with the averaged weights of one run."""
        for variables, name in (
            (self.judged.trainable_variables, "average"),
            (self.judged.non_trainable_variables, "frozen"),
        ):
            for variable, values in zip(variables, self.state[name]):
                variable.assign(values[index])
        return self.judged

    def save(self) -> None:
        for index, run in enumerate(self.runs):
            state = {name: [each[index] for each in arrays] for name, arrays in self.state.items()}
            run.snapshots.save(self.step, state)


def compiler_options() -> dict[str, str]:
    """Returns what XLA is told beyond its defaults: on a GPU whole steps, convolutions too, become one CUDA graph.

    A step of such small networks is some hundred operations of microseconds, and starting them one by one takes longer
    than they do; `python -m benchmarks.device_training` measures it. XLA leaves convolutions out unless it is told.
    """
    if jax.default_backend() != "gpu" or "xla_gpu_enable_command_buffer" in os.environ.get("XLA_FLAGS", ""):
        return {}
    return {"xla_gpu_enable_command_buffer": ",".join(_IN_ONE_GRAPH)}


def environment() -> dict:
    """Returns what, besides the configuration, decides the last bits of the weights."""
    device = jax.devices()[0]
    return {
        "device": device.device_kind if device.platform != "cpu" else processor(),
        "threads": available_threads() if device.platform == "cpu" else None,
        **versions(("jax", "keras")),
        "python": platform.python_version(),
    }


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """The batches of the device, for what reads patches before the first step."""

    draw: Callable
    config: TrainConfig

    def patches(self, batch: int, lr_size: int, seed: int, **_):
        # `draw` has the options already, those of the run.
        key, step = jax.random.key(seed), 0
        while True:
            yield self.draw(key, step)
            step += 1
