"""How a step is spread over the cores: into how many parts, of which sizes, and what TensorFlow is told."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from zoo.training import TrainConfig
from zoo.training.cores import cores, parts, sizes


@pytest.mark.parametrize(
    "threads, batch, replicas, workers, expected",
    [
        (2, 16, 1, 1, 2),
        (1, 16, 1, 1, 1),
        (6, 16, 1, 1, 6),
        (6, 4, 1, 1, 4),
        (8, 16, 2, 1, 4),  # two devices of one process share its cores
        (8, 16, 2, 2, 8),  # two machines have their own
        (8, 16, 4, 4, 4),
        (1, 16, 2, 1, 1),
    ],
)
def test_as_many_parts_as_cores_and_rows(threads, batch, replicas, workers, expected):
    assert parts(TrainConfig(threads=threads, batch=batch), replicas, workers) == expected


def test_a_gpu_gets_the_batch_whole(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"] if kind == "GPU" else [])
    assert parts(TrainConfig(threads=4)) == 1


@pytest.mark.parametrize("batch, count, expected", [(16, 2, [8, 8]), (7, 3, [3, 2, 2]), (3, 3, [1, 1, 1]), (5, 1, [5])])
def test_the_parts_differ_by_one_row_at_most(batch, count, expected):
    assert sizes(batch, count) == expected


def test_all_cores_of_the_process_are_used(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 3, 5}, raising=False)
    assert cores(TrainConfig()) == 3 and cores(TrainConfig(threads=2)) == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores(TrainConfig()) == os.cpu_count()


@pytest.mark.slow
@pytest.mark.parametrize("threads, batch, expected", [(4, 16, 1), (4, 2, 2), (4, 1, 4), (1, 16, 1)])
def test_an_operation_gets_the_cores_that_parts_leave(threads, batch, expected):
    code = (
        "import tensorflow as tf; from zoo.training import TrainConfig; from zoo.training.cores import *\n"
        f"one_core_an_operation(TrainConfig(threads={threads}, batch={batch}))\n"
        "tf.zeros(1); print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) == expected
