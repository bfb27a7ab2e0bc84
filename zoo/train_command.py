"""Trains a network of the zoo: `zoo train --model=espcn --scale=3 --data=FOLDER --workdir=runs/espcn_x3`.

The same command goes on where a run was stopped. `--help` lists every choice.
"""

import dataclasses
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags
from absl import logging as absl_logging

from zoo.backend import prefer_onednn, require_backend
from zoo.data.decode import one_limit
from zoo.errors import STOPPED, UsageError, did_you_mean, exit_on_usage_error
from zoo.program import ends_on_ctrl_c, own_package, quiet, quiet_tensorflow
from zoo.training import BACKENDS, TrainConfig, train
from zoo.training.finished import DIVERGED, WORSE, decibels, finished
from zoo.training.help import usage
from zoo.training.interruption import Interrupted, WorkerLost, leave
from zoo.training.recipes import RECIPES, network_of, recipe, with_options

FLAGS = flags.FLAGS
# By the type of a field.
DEFINE: dict[Any, Callable] = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
    str: flags.DEFINE_string,
}
FIELDS = dataclasses.fields(TrainConfig)
COMMAND_FLAGS = ("workdir", "recipe", "export", "strategy", "cluster", "task", "wait")

flags.DEFINE_string("workdir", None, "Folder of the run: checkpoints, logs, results.")
flags.DEFINE_string("recipe", None, f"Complete settings by name ({', '.join(RECIPES)}); flags given beside it win.")
flags.DEFINE_boolean("export", True, "Write TFLite files too: LR 360x640 for a GPU, and one of any size for a CPU.")
flags.DEFINE_string("strategy", None, "mirrored: all devices of this machine; multi_worker: several machines.")
flags.DEFINE_string("cluster", None, "For multi_worker: host:port,host:port,… of all workers; else TF_CONFIG says it.")
flags.DEFINE_integer("task", None, "Which worker of --cluster this one is, from 0.")
flags.DEFINE_integer("wait", 300, "Seconds within which all workers have to come.", lower_bound=1)
for field in FIELDS:
    DEFINE[field.type](field.name, field.default, field.metadata["help"])


@exit_on_usage_error
def run(argv: list[str]) -> int:
    if len(argv) > 1:
        raise UsageError(f"Expected flags only, as --name=value. Received: {argv[1]!r}")
    if not FLAGS.workdir:
        raise UsageError("Expected --workdir=DIR, the folder of the run. Received none.")
    settings = recipe(FLAGS.recipe) if FLAGS.recipe else {}
    given: dict[str, Any] = {field.name: FLAGS[field.name].value for field in FIELDS if FLAGS[field.name].present}
    if given.get("preset"):
        network = network_of(given["preset"])
        if given.get("model", network["model"]) != network["model"]:
            del network["model_options"]
        elif "model_options" in given:
            given["model_options"] = with_options(network["model_options"], given["model_options"])
        settings = {**settings, **network}
    config = TrainConfig(**{**settings, **given})
    one_limit()
    workdir = Path(FLAGS.workdir)
    exports = FLAGS.export and config.engine == "tensorflow"
    done = {} if FLAGS.strategy else finished(config, workdir)
    if done and (not exports or (workdir / "export" / "report.json").is_file()):
        print(
            f"Finished already, {config.steps:,} steps: {decibels(done['model']['psnr'])}, bicubic "
            f"{decibels(done['bicubic']['psnr'])}. More --steps go on from there; its results lie in {workdir}."
        )
        return code_of(done)
    with quiet():  # TensorFlow greets whoever imports it
        choose_backend(config)
        if config.engine == "tensorflow" and not FLAGS.strategy:
            from zoo.training.memory import check_memory  # not at the top: --help needs no TensorFlow

            check_memory(config)
    show_log()
    if "data" not in {**settings, **given}:
        print("No --data: trains on the sample photographs that come with scikit-image.", file=sys.stderr)
    try:
        results = train(config, FLAGS.workdir, strategy=open_strategy(config))
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        print("Stopped between two checkpoints. The same command goes on from the last one.", file=sys.stderr)
        return STOPPED
    except WorkerLost as lost:
        leave(str(lost))
    if not results:
        print("Done; the results are in the chief's folder.")
        return 0
    from zoo.training.results import print_results  # not at the top: --help needs no TensorFlow

    print_results(results)
    print(f"In {workdir}: model.keras, results.json, curve.png, comparison.png")
    if (workdir / "tensorboard").is_dir():
        print(f"The course of the run: tensorboard --logdir={workdir}, of the extra [tensorboard]")
    if exports:
        return max(code_of(results), export(workdir))
    if FLAGS.export:
        print(f"TFLite files are written by TensorFlow: zoo export --model={workdir}/model.keras …")
    return code_of(results)


def code_of(results: dict) -> int:
    """The exit code of a run: 1 where it came to nothing."""
    return int(results["verdict"] in (WORSE, DIVERGED))


def choose_backend(config: TrainConfig) -> None:
    """Sets Keras' backend to the engine's, before Keras is imported, and TensorFlow's threads.

    Raises:
        UsageError: where KERAS_BACKEND names another, or --strategy belongs to another engine.
    """
    if config.engine == "device" and FLAGS.strategy:
        raise UsageError(f"Expected --engine=tensorflow with --strategy. Received: --strategy={FLAGS.strategy}")
    os.environ.setdefault("KERAS_BACKEND", BACKENDS[config.engine])
    prefer_onednn()
    require_backend(BACKENDS[config.engine], f"engine={config.engine}")
    if config.engine == "device":
        return
    from zoo.training.cores import one_core_an_operation  # not at the top: --help needs no TensorFlow

    one_core_an_operation(config)


def open_strategy(config: TrainConfig):
    """Opens what --strategy and the flags beside it name; None where the run has one device."""
    if not FLAGS.strategy:
        if FLAGS.cluster or FLAGS.task is not None:
            raise UsageError("Expected --strategy=multi_worker with --cluster and --task. Received none.")
        return None
    from zoo.training import workers
    from zoo.training.loop import prepare_engine

    prepare_engine(config)
    return workers.open_strategy(FLAGS.strategy, FLAGS.cluster or "", FLAGS.task, FLAGS.wait)


def show_log() -> None:
    """Shows what the zoo says as plain lines, and of TensorFlow the warnings."""
    absl_logging.set_verbosity(absl_logging.WARNING)
    ours = logging.getLogger("zoo")
    ours.setLevel(logging.INFO)
    ours.addHandler(logging.StreamHandler())
    ours.propagate = False


def export(workdir: Path) -> int:
    """Writes the TFLite files of the trained network; `zoo export` has other sizes and formats.

    Returns:
        The exit code: 1 where the GPU delegate refuses one or computes it wrongly.
    """
    own_package("export")
    stopped = "Stopped while TFLite files were written; the network is there. The same command writes them anew."
    try:
        with ends_on_ctrl_c(stopped):
            from export import export_model
            from zoo.registry import open_model

            model = open_model(str(workdir / "model.keras"), own=True)
            options = {"sizes": [(360, 640)], "formats": ["tflite_fp32", "tflite_dynamic"], "progress": print}
            report = export_model(model, workdir / "export", **options)
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return STOPPED
    print(f"{report['claim']} More in {workdir / 'export' / 'report.md'}.")
    return int(report["claim"].startswith("NOT"))


def flags_or_exit(argv: list[str]) -> list[str]:
    """Reads the flags and returns what is none; a wrong one is a sentence like any other wrong input, and the end."""
    rest: list[str] = []

    @exit_on_usage_error
    def parse() -> None:
        try:
            rest.extend(FLAGS(argv))
        except flags.UnrecognizedFlagError as error:
            near = did_you_mean(error.flagname, list(FLAGS))
            raise UsageError(f"There is no flag --{error.flagname}{near or '.'} --help lists all") from None
        except flags.Error as error:
            raise UsageError(_taken(str(error))) from None

    if code := parse():
        sys.exit(code)
    return rest


def _taken(reason: str) -> str:
    """What a flag takes, in place of what a parser says of it."""
    wrong = re.match(r"flag --(\w+)=(.*?): ", reason)
    kind = next((field.type for field in FIELDS if wrong and field.name == wrong[1]), None)
    named: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false"}
    words = named.get(kind)
    return f"--{wrong[1]} takes {words}. Received: {wrong[2]}" if wrong and words else reason


def main(arguments: list[str] | None = None) -> None:
    """The command; exits with its code, as absl's programs do."""
    quiet_tensorflow()
    argv = sys.argv if arguments is None else [sys.argv[0], *arguments]
    if {"--help", "-h"} & {*argv[1:]}:
        others = {name: FLAGS[name].help for name in COMMAND_FLAGS}
        print(usage(argv[0] if argv[0].startswith("zoo ") else "python train.py", others))
        sys.exit(0)
    for name in (*COMMAND_FLAGS, *(field.name for field in FIELDS)):
        # --help shows the flags of the program that was started, which may be the `zoo` command.
        FLAGS.register_key_flag_for_module(argv[0], FLAGS[name])
    app.run(run, argv=argv, flags_parser=flags_or_exit)
