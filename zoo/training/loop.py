"""The training loop: one for every model, on one device, several devices and several machines."""

import json
import logging
import signal
import threading
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import zoo.data
from zoo.complexity import receptive_field
from zoo.data import check_disjoint
from zoo.errors import UsageError
from zoo.training import start
from zoo.training.checkpoint import Checkpoints, claim_workdir, write_whole
from zoo.training.config import TrainConfig
from zoo.training.optimizers import LearningRate, make_optimizer
from zoo.training.progress import Recorder, Stopwatch
from zoo.training.step import make_step
from zoo.training.validation import Validation

LOGGER = logging.getLogger("zoo.training")


class Interrupted(Exception):
    """Ctrl-C or SIGTERM: the run has been saved and can go on."""


def train(config: TrainConfig, workdir, source=None, valid=None) -> dict:
    """Trains the network that `config` describes, or goes on where a killed run stopped.

    Start order: a checkpoint in `workdir`, else the preset or weights of `config`, else from scratch.

    Args:
        config: what to train.
        workdir: folder for checkpoints, logs, the best weights and, at the end, `model.keras` and `results.json`.
        source: a `zoo.data.Source` instead of the one that `config.data` names.
        valid: a `zoo.data.Source` instead of the one that `config.valid` names.

    Returns:
        The results, as written to `results.json`.

    Raises:
        UsageError: wrong data, another run's workdir, a full disk, a loss that is not finite.
        Interrupted: on Ctrl-C or SIGTERM, after a checkpoint.
    """
    workdir = Path(workdir)
    prepare_engine(config)
    claim_workdir(config, workdir)
    source, valid = source or open_source(config, "train"), valid or open_source(config, "valid")
    if hasattr(source, "hashes") and hasattr(valid, "hashes"):
        check_disjoint(source, valid)

    strategy = tf.distribute.get_strategy()
    with strategy.scope():
        model = start.build_model(config)
        began = initial_weights(model, config)
        if config.freeze_body:
            start.freeze_body(model)
        average = keras.models.clone_model(model)
        average.set_weights(model.get_weights())
        for ours, theirs in zip(average.layers, model.layers):
            ours.trainable = theirs.trainable
        optimizer = make_optimizer(config, model.trainable_variables)
    checkpoints = Checkpoints(workdir, model, average, optimizer)
    resumed = checkpoints.restore()
    LOGGER.info("Starting from %s", began if resumed is None else f"the checkpoint of step {resumed} in {workdir}")

    shave = config.loss_shave if config.loss_shave >= 0 else config.scale * receptive_field(model)
    if 2 * shave >= config.scale * config.lr_size:
        raise UsageError(
            f"Expected lr_size above {2 * shave // config.scale}, as {shave} HR pixels at each side "
            f"are left out of the loss. Received: lr_size={config.lr_size}"
        )
    run_step = make_step(model, average, optimizer, config, shave, strategy)
    validation = Validation(valid, average)
    with Recorder(workdir, resumed or 0, config.steps) as recorder, Interruption() as interruption:
        batches = open_batches(strategy, source, config, resumed or 0)
        steps(config, workdir, run_step, batches, optimizer, average, checkpoints, validation, recorder, interruption)
    return finish(config, workdir, average, optimizer)


def steps(config, workdir, run_step, batches, optimizer, average, checkpoints, validation, recorder, interruption):
    """Runs the steps that are left, with the log, the validations and the checkpoints between them."""
    rate, watch, recent = LearningRate(config), Stopwatch(), []
    first = int(optimizer.iterations)
    for step in range(first + 1, config.steps + 1):
        began = time.perf_counter()
        batch = next(batches)
        watch.waited += time.perf_counter() - began
        recent.append(run_step(batch))
        watch.steps += 1
        recorder.advance(step)

        last = step == config.steps
        saves = step % config.checkpoint_every == 0 or last or interruption.asked
        validates = step % config.validate_every == 0 or last
        if step % config.log_every == 0 or saves or validates:
            # Reading the loss waits for the device, so it is read only here; always before anything is kept.
            loss, norm = np.mean(np.array([[float(value) for value in pair] for pair in recent]), axis=0)
            recent = []
            if not (np.isfinite(loss) and np.isfinite(norm)):
                raise UsageError(
                    f"Expected a finite loss; at step {step} it is {loss} and the gradient's norm {norm}. "
                    f"The checkpoint of step {checkpoints.step or 0} is kept; "
                    "try a smaller learning_rate, or clip_norm"
                )
            recorder.record(step, loss=loss, gradient_norm=norm, learning_rate=float(rate(step - 1)), **watch.read())
        if validates:
            psnr = validation.psnr()
            recorder.record(step, psnr=psnr)
            keep_best(workdir, average, step, psnr)
        if saves:
            checkpoints.save()
        if interruption.asked:
            raise Interrupted(f"Stopped after step {step}, saved in {workdir}. The same command goes on from there.")
        if validates or saves:
            watch.restart()


def prepare_engine(config: TrainConfig) -> None:
    """Makes TensorFlow repeat itself to the last bit, from the seed, with the threads asked for."""
    if config.threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(config.threads)
        except RuntimeError as error:
            raise UsageError("Expected threads to be set before TensorFlow has started in this process.") from error
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)


def open_source(config: TrainConfig, split: str):
    """Opens the pictures to train or to validate on, without `config.valid` those held out of the data.

    A folder holds nothing out: its runs are then validated on the sample photograph.
    """
    scale, channels = config.scale, config.channels
    held_out = split == "valid" and not config.valid
    name = config.data if split == "train" or held_out else config.valid
    if name == "div2k":
        options = {"manual_dir": config.manual_dir} if config.manual_dir else {}
        return zoo.data.div2k(scale, split=split, channels=channels, **options)
    if name == "sample" or held_out:
        return zoo.data.sample(scale, channels=channels, split="train" if split == "train" else "heldout")
    return zoo.data.from_folder(name, scale, channels=channels, split=split)


def open_batches(strategy, source, config: TrainConfig, start_step: int):
    """Returns an iterator over the batches from `start_step` on: each worker draws only its rows of every batch."""

    def patches(context):
        shard = (context.input_pipeline_id, context.num_input_pipelines)
        options = {"start_step": start_step, "shard": shard}
        if config.min_detail:
            options["min_detail"] = config.min_detail
        rows = source.patches(config.batch, config.lr_size, config.seed, **options)
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        return rows.rebatch(config.batch // context.num_replicas_in_sync) if replicas > 1 else rows

    return iter(strategy.distribute_datasets_from_function(patches))


def initial_weights(model, config: TrainConfig) -> str:
    """Gives a model its weights where there is no checkpoint, and says which."""
    if config.preset or config.weights:
        return start.load_weights(model, config)
    if config.start == "interpolation":
        start.start_as_interpolation(model, config.scale, config.channels)
        return "scratch, as an interpolation"
    return "scratch, at random"


def keep_best(workdir: Path, average, step: int, psnr: float) -> None:
    """Writes the averaged weights if no earlier validation was better."""
    path = workdir / "best.json"
    if path.exists() and json.loads(path.read_text())["psnr"] >= psnr:
        return
    temporary = workdir / ".best.weights.h5"
    average.save_weights(temporary)
    temporary.replace(workdir / "best.weights.h5")
    write_whole(path, lambda file: file.write_text(json.dumps({"step": step, "psnr": psnr}) + "\n"))


def finish(config: TrainConfig, workdir: Path, average, optimizer) -> dict:
    """Writes `model.keras` with the best weights, and `results.json`."""
    best = json.loads((workdir / "best.json").read_text()) if (workdir / "best.json").exists() else {}
    if best:
        average.load_weights(workdir / "best.weights.h5")
    temporary = workdir / ".model.keras"
    average.save(temporary)
    temporary.replace(workdir / "model.keras")
    results = {"steps": int(optimizer.iterations), "best_step": best.get("step"), "valid_psnr": best.get("psnr")}
    write_whole(workdir / "results.json", lambda file: file.write_text(json.dumps(results, indent=2) + "\n"))
    return results


class Interruption:
    """Turns the first Ctrl-C or SIGTERM into a wish that the loop asks about; a second one stops at once."""

    def __init__(self):
        self.asked = False

    def __enter__(self):
        self.previous = {}
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_):
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _ask(self, number, frame):
        self.asked = True
        signal.signal(number, self.previous[number])
