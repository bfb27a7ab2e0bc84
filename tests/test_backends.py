"""Commands under a Keras backend that they cannot work with, or that is not installed: a sentence, no traceback.

And which of TensorFlow's kernels training takes.
"""

import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from zoo import backend

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["export", "--model=fsrcnn_s_x2", "--sizes=8x9"], "Expected KERAS_BACKEND=tensorflow for exporting files"),
        (["train", "--steps=1"], "Expected KERAS_BACKEND=tensorflow for engine=tensorflow"),
        (["models"], "Expected jax to be installed"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_another_backend_ends_in_a_sentence(tmp_path, arguments, sentence):
    if importlib.util.find_spec("jax") and "installed" in sentence:
        arguments, sentence = ["train", "--steps=1"], "Expected KERAS_BACKEND=tensorflow"
    target = [f"--workdir={tmp_path}/run"] if arguments[0] == "train" else []
    target = [f"--output={tmp_path}/out"] if arguments[0] == "export" else target
    process = subprocess.run(
        [sys.executable, "-c", "import sys; from zoo.command import main; sys.exit(main())", *arguments, *target],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=200, cwd=tmp_path,
    )  # fmt: skip
    assert process.returncode == 2, process.stderr
    assert sentence in process.stderr and "Traceback" not in process.stderr
    assert list(tmp_path.iterdir()) == [], "a refused command leaves nothing behind"


@pytest.mark.skipif(importlib.util.find_spec("jax") is not None, reason="JAX is installed")
@pytest.mark.parametrize("module, arguments", [("zoo.complexity", []), ("zoo.rewrite", ["in.keras", "out.keras"])])
def test_a_module_run_under_a_backend_that_is_not_installed_ends_in_a_sentence(module, arguments, tmp_path):
    (tmp_path / "in.keras").touch()
    process = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=200, cwd=tmp_path,
    )  # fmt: skip
    assert process.returncode == 2 and process.stderr.startswith("error: Expected jax to be installed"), process.stderr


@pytest.mark.parametrize(
    "machine, before, imported, expected",
    [
        ("x86_64", None, False, "1"),
        ("AMD64", None, False, "1"),
        ("x86_64", "0", False, "0"),
        ("x86_64", None, True, None),
        ("aarch64", None, False, None),
    ],
)
def test_onednn_is_preferred_where_nothing_speaks_against_it(machine, before, imported, expected):
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    modules = {name: module for name, module in sys.modules.items() if name != "tensorflow"}
    with (
        mock.patch.object(platform, "machine", lambda: machine),
        mock.patch.dict(os.environ, environment | ({"TF_ENABLE_ONEDNN_OPTS": before} if before else {}), clear=True),
        mock.patch.object(sys, "modules", modules | ({"tensorflow": None} if imported else {})),
    ):
        backend.prefer_onednn()
        assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == expected


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN is preferred on x86 alone")
@pytest.mark.parametrize("said, taken", [(None, True), ("0", False)])
def test_training_takes_onednn(said, taken, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= {"PYTHONPATH": str(ROOT), "ONEDNN_VERBOSE": "1"}
    if said:
        environment["TF_ENABLE_ONEDNN_OPTS"] = said
    script = (
        "from zoo.training import TrainConfig, train;"
        "train(TrainConfig(model='fsrcnn_s', scale=2, steps=1, batch=2, lr_size=12, jit='off', threads=1), 'run')"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=200, cwd=tmp_path
    )
    assert process.returncode == 0, process.stderr
    assert ("backward_weights" in process.stdout) == taken, "oneDNN names what it computes"
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["onednn"] == (said or "1")


@pytest.mark.slow
def test_litert_is_not_needed_where_keras_computes():
    """Training on an accelerator, rewriting and evaluating run where neither TensorFlow nor LiteRT is installed."""
    script = (
        "import sys; sys.modules['ai_edge_litert'] = None;"
        "import zoo.complexity.table, zoo.evaluate, zoo.rewrite, zoo.training.results, zoo.training.start"
    )
    process = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
