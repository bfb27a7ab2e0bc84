"""Fixtures that every room's tests share."""

import errno
import gc
import logging
import os
import re
import shutil
import sys
import uuid
import warnings
from pathlib import Path

from zoo.program import quiet_tensorflow

quiet_tensorflow()

import numpy as np
import pytest
from PIL import Image
from upscale_cases import files


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder with the public test sets (`eval/Set5/HR` …), named by ZOO_REFERENCE_DATA; they cannot be shipped."""
    folder = os.environ.get("ZOO_REFERENCE_DATA")
    if not folder:
        pytest.skip("ZOO_REFERENCE_DATA is not set: the public test sets cannot be shipped")
    path = Path(folder).resolve()
    if not (path / "eval").is_dir():
        pytest.fail(f"Expected a folder with eval/Set5/HR in ZOO_REFERENCE_DATA. Received: {folder!r}")
    return path


def pytest_addoption(parser):
    parser.addoption("--named-skips", help="file of regular expressions; a skip for any other reason fails the run")


def pytest_collection_finish():
    """What was imported stays; to look through it again and again for what may go takes a test run's time."""
    gc.freeze()


def pytest_sessionfinish(session, exitstatus):
    """Fails a run in which a test skipped for a reason that the file of --named-skips does not name."""
    file = session.config.getoption("--named-skips")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not file or reporter is None:
        return
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    named = [re.compile(line) for line in lines if line and not line.startswith("#")]
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(pattern.search(reason) for pattern in named):
            reporter.write_line(f"unnamed skip: {report.nodeid}: {reason}", red=True)
            session.exitstatus = 1


@pytest.fixture(autouse=True)
def same_random_numbers(request):
    """A test draws what it draws whichever tests were run before it in its process."""
    for name in (request.module.__name__, "rewrite_onnx_cases", "tflite_cases"):
        module = sys.modules.get(name)
        if hasattr(module, "rng"):
            module.rng = np.random.default_rng(3)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """What was measured of engines for the user changes nothing that is made once for many tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of each test's own, of which this process knows nothing: what one has measured changes no other."""
    folder = tmp_path_factory.getbasetemp() / "caches" / uuid.uuid4().hex
    monkeypatch.setenv("ZOO_CACHE", str(folder))
    if "zoo.engines.choices" in sys.modules:
        monkeypatch.setattr("zoo.engines.choices.KNOWN", {})
    return folder / "engines"


@pytest.fixture(autouse=True)
def seeded():
    """Layers start from the same weights in every run, so that a control which needs some size always has it."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="session")
def one_process_for_trials():
    """The process that tries `.keras` files imports Keras once for all tests."""
    from zoo import keras_file

    keras_file.IDLE = 3600


@pytest.fixture
def shown_log(monkeypatch):
    """The zoo's log reaches `caplog`: a command in this process may have kept it to itself, or silenced warnings."""
    logger = logging.getLogger("zoo")
    monkeypatch.setattr(logger, "propagate", True)
    before = logger.level
    logger.setLevel(before or logging.WARNING)
    yield
    logger.setLevel(before)


@pytest.fixture
def closed(monkeypatch):
    """The name of folders that cannot be read; by their rights they could, as root reads every folder."""
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return "closed"


@pytest.fixture
def presets(tmp_path, monkeypatch):
    """The folder of the presets, a copy that a test may change."""
    from zoo import registry

    folder = shutil.copytree(registry.PRESETS, tmp_path / "presets")
    monkeypatch.setattr(registry, "PRESETS", folder)
    return folder


@pytest.fixture
def made_here(monkeypatch):
    """TFLite files run at once, without the trial in a process of its own: what it refuses, tests/test_trial.py has."""
    from zoo.graphs import trial

    monkeypatch.setattr(trial, "tried", lambda *_: (True, ""))


@pytest.fixture(scope="session")
def unet(tmp_path_factory):
    """A small U-Net as a file and in memory."""
    from benchmarks.networks import NETWORKS, randomise

    path = tmp_path_factory.mktemp("unet") / "in.keras"
    model = randomise(NETWORKS["unet_upsampling"].build(0.1))
    model.save(path)
    return path, model


@pytest.fixture
def float64():
    """Models that are built meanwhile compute in float64."""
    import keras

    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.fixture(scope="session")
def tflite(tmp_path_factory):
    """Name, and size if it shall be fixed → the TFLite file of a small network of `upscale_cases`."""
    return files(tmp_path_factory.getbasetemp())


@pytest.fixture
def upscale_command(tflite, tmp_path, monkeypatch, capsys):
    """Runs `python -m zoo.upscale` in the test's folder; gives the exit code, its output and its errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)

    from zoo.upscale.__main__ import main

    def run(*arguments: str, model=None):
        capsys.readouterr()
        with warnings.catch_warnings():
            try:
                code = main([*arguments, f"--model={model or tflite('nearest')}"])
            except SystemExit as left:
                code = left.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
