"""The training loop: one for every model, on one device, several devices and several machines."""

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import UsageError
from zoo.training import start
from zoo.training.checkpoint import Checkpoints, environment, steps_done
from zoo.training.comparison import Comparison
from zoo.training.compilation import choose_jit
from zoo.training.config import TrainConfig
from zoo.training.cores import one_core_an_operation, parts
from zoo.training.events import Events
from zoo.training.input import open_batches, open_both, open_comparison, open_source
from zoo.training.interruption import Interruption
from zoo.training.milestones import check_finite, due, stopped
from zoo.training.optimizers import LearningRate, make_optimizer
from zoo.training.progress import Recorder, Stopwatch
from zoo.training.results import keep_best, write_results
from zoo.training.step import make_step
from zoo.training.validation import Validation
from zoo.training.workdir import claimed, note_environment
from zoo.training.workers import Workers

LOGGER = logging.getLogger("zoo.training")


@dataclasses.dataclass(frozen=True)
class Run:
    """What the steps work on.

    Attributes:
        average: a clone of `model` that holds the moving average of its weights: what is validated and saved.
        optimizer: its `iterations` is the number of steps done.
        step: function of a batch, (lr, hr), of the iterator over those to come and of whether to stop; see
            `zoo.training.step`.
        validation, comparison: None on every worker but the chief.
    """

    config: TrainConfig
    workdir: Path
    model: keras.Model
    average: keras.Model
    optimizer: keras.optimizers.Optimizer
    checkpoints: Checkpoints
    step: Callable
    validation: Validation | None
    comparison: Comparison | None
    workers: Workers


def train(config: TrainConfig, workdir, source=None, valid=None, strategy=None) -> dict:
    """Trains the network that `config` describes, or goes on where a stopped run was.

    Start order: the checkpoint in `workdir`; else the preset or weights of `config`; else from scratch.

    Args:
        config: what to train.
        workdir: folder for checkpoints, logs, the best weights and, at the end, `model.keras`, `results.json`,
            `curve.png` and `comparison.png`.
        source: a `zoo.data.Source` instead of the one that `config.data` names.
        valid: a `zoo.data.Source` instead of the one that `config.valid` names.
        strategy: a synchronous `tf.distribute.Strategy`; default: TensorFlow's own, one device. The global batch and
            its content are the same with any number of replicas.

    Returns:
        The results, as written to `results.json`; nothing, {}, on a worker that is not the chief.

    Raises:
        UsageError: wrong data, another run's workdir, a full disk, a loss that is not finite.
        Interrupted: on Ctrl-C or SIGTERM on any worker, after a checkpoint.
        WorkerLost: when another worker has stopped.
    """
    prepare_engine(config)
    workers = Workers(strategy or tf.distribute.get_strategy())
    with workers.together(), contextlib.ExitStack() as held:
        if workers.chief:
            held.enter_context(claimed(config, Path(workdir)))
            source, valid = open_both(config, source, valid)
        else:
            source = source or open_source(config, "train")
        workers.check_alike(config.decisions(), list(getattr(source, "hashes", ())))
        return run_steps(set_up(config, Path(workdir), source, valid, workers), source, valid)


def run_steps(run: Run, source, valid) -> dict:
    """Takes the steps that are left and writes the results, which it returns."""
    config, workdir, done, chief = run.config, run.workdir, steps_done(run.optimizer), run.workers.chief
    try:
        with (
            Recorder(workdir, done, config.steps, chief, Events(workdir) if chief else None) as recorder,
            Interruption() as interruption,
        ):
            take_steps(run, open_batches(run.workers.strategy, source, config, done), recorder, interruption)
        results = {}
        if run.comparison is not None:
            results = write_results(config, workdir, run.average, valid, run.comparison, steps_done(run.optimizer))
        run.workers.leave_together()
        return results
    except OSError as error:
        raise UsageError(
            f"Expected to write into {workdir}. Received: {error.strerror or error}. "
            f"{run.checkpoints.kept()}; make room and run the same command again"
        ) from error


def prepare_engine(config: TrainConfig) -> None:
    """Makes TensorFlow repeat itself to the last bit, from the seed, with the cores asked for."""
    if config.threads:
        try:
            one_core_an_operation(config)
        except RuntimeError as error:
            raise UsageError("Expected threads to be set before TensorFlow has started in this process.") from error
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)


def set_up(config: TrainConfig, workdir: Path, source, valid, workers: Workers | None = None) -> Run:
    """Builds everything that the steps work on, with the weights they start from: every worker has the chief's."""
    workers = workers or Workers(tf.distribute.get_strategy())
    strategy = workers.strategy
    if config.batch % strategy.num_replicas_in_sync:
        raise UsageError(
            f"Expected batch to be a multiple of {strategy.num_replicas_in_sync}, the number of replicas. "
            f"Received: {config.batch}"
        )
    with strategy.scope():
        model = start.build_model(config)
        if config.freeze_body:
            start.freeze_body(model)
        average = start.build_average(config)
        optimizer = make_optimizer(config, model.trainable_variables)

    shave = start.loss_shave(config, model)
    checkpoints = Checkpoints(workdir, model, average, optimizer, writes=workers.chief)
    if workers.chief:
        resumed = checkpoints.restore()
        if resumed is None:
            LOGGER.info("Starting from %s", start.initial_weights(model, config, source, shave))
            average.set_weights(model.get_weights())
        else:
            LOGGER.info("Going on from the checkpoint of step %d in %s", resumed, workdir)
    workers.share([v.value for v in (*model.variables, *average.variables, *optimizer.variables)])
    count = parts(config, strategy.num_replicas_in_sync, workers.count)
    with strategy.scope():
        compiled = tf.Variable(0)
    if workers.chief:
        jit = choose_jit(config, workdir, model, shave, strategy.num_replicas_in_sync, count)
        note_environment(workdir, environment(config, jit))
        compiled.assign(int(jit == "on"))
    workers.share([compiled])
    return Run(
        config=config,
        workdir=workdir,
        model=model,
        average=average,
        optimizer=optimizer,
        checkpoints=checkpoints,
        step=make_step(
            model, average, optimizer, config, shave, strategy, bool(tf.convert_to_tensor(compiled)), parts=count
        ),
        validation=Validation(valid, compiled_pass(average), count, config.degradation) if workers.chief else None,
        comparison=open_comparison(config, valid, model.name) if workers.chief else None,
        workers=workers,
    )


def compiled_pass(model: keras.Model):
    """A function of (1, h, w, c): one trace for all sizes, where XLA would compile one program per size."""
    size = (1, None, None, model.input_shape[-1])
    return tf.function(lambda lr: model(lr, training=False), input_signature=[tf.TensorSpec(size, tf.float32)])


def take_steps(run: Run, batches, recorder: Recorder, interruption: Interruption) -> None:
    """Takes the steps that are left, with the log, the validations and the checkpoints between them."""
    config, rate, watch, recent = run.config, LearningRate(run.config), Stopwatch(), []
    done = steps_done(run.optimizer)
    if done == 0:
        validate(run, recorder, 0)
    batch = next(batches)
    for step in range(done + 1, config.steps + 1):
        batch, (*measured, asked) = run.step(batch, batches, tf.constant(float(interruption.asked)))
        # Several workers stop at the same step, whichever was asked; one need not wait here for its device.
        stops = float(asked) > 0 if run.workers.count > 1 else interruption.asked
        recent.append(measured)
        watch.steps += 1
        recorder.advance(step)

        now = due(config, step, stops)
        if now.logs:
            # Reading the loss waits for the device, so it is read only here; always before anything is kept.
            loss, norm, waited = np.mean([[float(value) for value in each] for each in recent], axis=0)
            recent = []
            try:
                check_finite(step, loss, norm, run.checkpoints.kept())
            except UsageError:
                run.workers.leave_together()
                raise
            recorder.record(
                step, loss=loss, gradient_norm=norm, learning_rate=float(rate(step - 1)), **watch.read(waited)
            )
        if now.validates:
            validate(run, recorder, step)
        if now.saves:
            run.checkpoints.save()
        if stops:
            run.workers.leave_together()
            raise stopped(step, run.workdir)
        if now.validates or now.saves:
            watch.restart()


def validate(run: Run, recorder: Recorder, step: int) -> None:
    """Measures the averaged weights, shows them at work, and keeps them if they are the best so far; the chief's."""
    if run.validation is None or run.comparison is None:
        return
    psnr = run.validation.psnr()
    recorder.record(step, psnr=psnr)
    recorder.picture(step, "comparison", run.comparison.draw(run.validation.network, run.config.channels))
    keep_best(run.workdir, run.average, step, psnr, run.config.keep)
