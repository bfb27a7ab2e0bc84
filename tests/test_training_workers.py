"""Several devices and processes train as one: batch, gradient and weights; and what happens when a worker is lost."""

import json
import random
import re
import signal

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.worker_kills import (
    SMALL,
    TRAIN,
    addresses,
    finish,
    kill,
    launch,
    same_bits,
    state,
    stopped_well,
    workers,
)
from zoo.errors import UsageError
from zoo.training.interruption import LOST
from zoo.training.workers import read_cluster

# The loss is smooth: under L1 the sign of an error as small as the rounding decides about a pixel's gradient.
FLAGS = [*SMALL, "--loss=mse", "--steps=20", "--checkpoint_every=5"]
PROBE = """
import sys
from pathlib import Path
from zoo.backend import prefer_onednn
prefer_onednn()  # before TensorFlow is imported, as the command does
import numpy as np
import tensorflow as tf
from zoo.data import sample
from zoo.training import TrainConfig
from zoo.training.cores import one_core_an_operation
from zoo.training.input import open_batches
from zoo.training.loop import prepare_engine, set_up, train
from zoo.training.step import make_total
from zoo.training.workers import Workers, open_strategy

kind, count, task, cluster, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], Path(sys.argv[5])
flags = dict(flag.removeprefix("--").split("=") for flag in sys.argv[6:] if "=" in flag)
kinds = {name: field.type for name, field in TrainConfig.__dataclass_fields__.items()}
config = TrainConfig(**{name: kinds[name](value) for name, value in flags.items()})
one_core_an_operation(config)
prepare_engine(config)
if kind == "devices":
    devices = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(count)])
else:
    strategy = open_strategy("multi_worker", cluster, task) if count > 1 else tf.distribute.get_strategy()
source = sample(2)
run = set_up(config, folder / "unused", source, sample(2, split="heldout"), Workers(strategy))
total = tf.function(make_total(run.model, config, 0, strategy))
batch = next(open_batches(strategy, source, config, 7))
asked = tf.constant(float(task == 1))
np.save(folder / f"gradient{task}", total(batch, asked))
np.save(folder / f"rows{task}", np.concatenate(strategy.experimental_local_results(batch[0])))
if kind != "devices":  # every worker with the rows of the first
    first = next(iter(source.patches(24, 12, 0, start_step=7, shard=(0, count))))
    np.save(folder / f"wrong{task}", total(first, asked))
train(config, folder / "run", source, strategy=strategy)
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """A function (kind, count) → folder of what `count` workers or devices computed; each is run once."""
    done = {}

    def run(kind, count):
        if (kind, count) not in done:
            folder = done[kind, count] = tmp_path_factory.mktemp(f"{kind}{count}")
            processes = 1 if kind == "devices" else count
            cluster = addresses(processes)
            tail = [cluster, str(folder), *FLAGS]
            with launch([["-c", PROBE, kind, str(count), str(task), *tail] for task in range(processes)]) as launched:
                for index, code in enumerate(launched.codes()):
                    assert code == 0, launched.output(index)[-3000:]
        return done[kind, count]

    return run


def apart(first, second):
    """How far one vector is from the other, relative to its length."""
    return np.linalg.norm(first - second) / np.linalg.norm(second)


@pytest.mark.slow
@pytest.mark.parametrize("kind, count", [("workers", 2), ("workers", 3), ("devices", 3)])
def test_many_train_as_one(probe, kind, count):
    one, many = probe("workers", 1), probe(kind, count)
    tasks = range(count if kind == "workers" else 1)

    rows = [np.load(many / f"rows{task}.npy") for task in tasks]
    assert all(len(each) == 24 // len(tasks) for each in rows)
    np.testing.assert_array_equal(np.concatenate(rows), np.load(one / "rows0.npy"))

    gradient = np.load(one / "gradient0.npy")[:-1]
    assert apart(np.load(many / "gradient0.npy")[:-1], gradient) <= 1e-6
    for task in tasks:  # to the last bit the same for all, and all know that one was asked to stop
        np.testing.assert_array_equal(np.load(many / f"gradient{task}.npy"), np.load(many / "gradient0.npy"))
        assert np.load(many / f"gradient{task}.npy")[-1] == (len(tasks) > 1)
    if kind == "workers":  # Control: rows that are read twice do not pass.
        assert apart(np.load(many / "wrong0.npy")[:-1], gradient) > 1e-2

    weights, expected = state(many / "run"), state(one / "run")
    assert weights.keys() == expected.keys()
    for name in expected:
        if name.startswith(("model", "average")):
            np.testing.assert_allclose(weights[name], expected[name], rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.slow
def test_only_the_chief_writes_and_the_log_is_that_of_one(probe):
    one, many = (probe("workers", count) / "run" for count in (1, 3))
    assert {path.name for path in many.rglob("*") if "events" not in path.name} == {
        path.name for path in one.rglob("*") if "events" not in path.name
    }
    assert len(list((many / "tensorboard").iterdir())) == 1
    steps = [[json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines()] for run in (one, many)]
    assert steps[0] == steps[1]


@pytest.mark.slow
def test_a_killed_worker_stops_the_others_and_the_restarted_run_has_the_same_bits(probe, tmp_path):
    step, victim = random.randint(6, 18), random.randrange(3)  # the first checkpoint is that of step 5
    killed = kill(tmp_path, 3, FLAGS, step, victim)
    assert stopped_well(killed), killed
    unfinished = state(tmp_path)
    finish(tmp_path, 3, FLAGS)
    whole = state(probe("workers", 3) / "run")
    assert same_bits(state(tmp_path), whole)
    assert not same_bits(unfinished, whole)


def test_the_judgement_of_a_killed_worker_can_fail():
    good = {
        "seconds": 1.0,
        "codes": [75, 75],
        "sentences": ["error: Expected all 3 workers to go on."],
        "tracebacks": 0,
    }
    assert stopped_well(good)
    for bad in ({"seconds": 31.0}, {"codes": [75, 1]}, {"sentences": ["UnavailableError: …"]}, {"tracebacks": 1}):
        assert not stopped_well({**good, **bad})
    assert not same_bits({"a": np.float32([0.0])}, {"a": np.float32([-0.0])})


@pytest.mark.slow
def test_ctrl_c_on_one_worker_stops_all_at_the_same_step(tmp_path):
    flags = [flag for flag in FLAGS if not flag.startswith(("--steps", "--checkpoint_every"))]
    with workers(tmp_path, 2, [*flags, "--steps=5000", "--checkpoint_every=5000"]) as launched:
        launched.wait_for(tmp_path, 5)
        launched.processes[1].send_signal(signal.SIGINT)
        assert launched.codes() == [130, 130]
        sentences = {launched.output(index).strip().splitlines()[-1] for index in range(2)}
    assert len(sentences) == 1 and "The same command goes on from there." in sentences.pop()
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["step"]
    assert tf.train.latest_checkpoint(tmp_path / "checkpoints").endswith(f"-{last}")


@pytest.mark.slow
def test_workers_with_other_flags_do_not_train_together(tmp_path):
    cluster = addresses(2)
    flags = ["--strategy=multi_worker", f"--cluster={cluster}", f"--workdir={tmp_path}", *FLAGS]
    with launch([[str(TRAIN), *flags, f"--task={task}", f"--seed={task}"] for task in range(2)]) as launched:
        assert launched.codes() == [2, 2]
        for index in range(2):
            last = launched.output(index).strip().splitlines()[-1]
            assert last.startswith("error: Expected the same flags and the same pictures") and "worker 1 (" in last


@pytest.mark.slow
def test_a_worker_that_never_comes_ends_the_wait(tmp_path):
    cluster = addresses(2)
    flags = ["--strategy=multi_worker", f"--cluster={cluster}", "--wait=5", f"--workdir={tmp_path}", *FLAGS]
    for task in range(2):
        with launch([[str(TRAIN), *flags, f"--task={task}"]]) as launched:
            assert launched.codes() == [LOST]
            *_, last = launched.output(0).strip().splitlines()
        assert last.startswith("error: Expected 2 workers within 5 s.") and f"worker {1 - task} (" in last
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--cluster=a:1,b:1", "--task=0", "--strategy=many", "--strategy=multi_worker"])
def test_flags_that_do_not_go_together(tmp_path, flag):
    with launch([[str(TRAIN), f"--workdir={tmp_path / 'run'}", flag]]) as launched:
        assert launched.codes() == [2]
        assert launched.output(0).strip().splitlines()[-1].startswith("error: Expected")
    assert not list(tmp_path.iterdir())


def test_the_page_names_flags_that_exist():
    from zoo import train_command

    page = (TRAIN.parent / "docs" / "machines.md").read_text(encoding="utf-8")
    commands = [line for line in page.splitlines() if "zoo train" in line]
    flags = {flag for line in commands for flag in re.findall(r"--(\w+)=", line)} | set(re.findall(r"`--(\w+)", page))
    assert {"strategy", "cluster", "task", "wait", "batch"} <= flags
    assert flags <= set(train_command.FLAGS) and "workers" not in train_command.FLAGS


@pytest.mark.parametrize(
    "cluster, task, sentence",
    [
        ("", None, "cluster=host:port,… and task, or TF_CONFIG"),
        ("", 0, "with task. Received: task=0 alone"),
        ("a:1,b:1", None, "Expected task"),
        ("a:1,b", 0, "host:port. Received: 'b'"),
        ("a:1,b:port", 0, "host:port. Received: 'b:port'"),
        ("a:1,b:70000", 0, "host:port. Received: 'b:70000'"),
        ("a:1,a:1", 0, "an address of its own"),
        ("a:1,b:1", 2, "task from 0 to 1. Received: 2"),
        ("a:1,b:1", -1, "task from 0 to 1. Received: -1"),
    ],
)
def test_a_cluster_that_cannot_be_understood(monkeypatch, cluster, task, sentence):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UsageError) as error:
        read_cluster(cluster, task)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "evaluator", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "one"}}',
    ],
)
def test_a_tf_config_that_cannot_be_understood(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UsageError, match="Expected TF_CONFIG as"):
        read_cluster("", None)


def test_the_cluster_from_the_environment_and_from_flags(monkeypatch):
    jobs = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    for kind, index, place in (("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)):
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}}))
        assert read_cluster("", None) == (["a:1", "b:1", "c:1"], place)
    assert read_cluster("[::1]:5000, d:2", 1) == (["[::1]:5000", "d:2"], 1)
