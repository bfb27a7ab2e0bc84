"""The light install: an empty environment with requirements-light.txt enlarges and checks, and needs no TensorFlow."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.registry import preset_file
from zoo.upscale import upscale

ROOT = Path(__file__).parent.parent
LIGHT = ROOT / "requirements-light.txt"


def requirements(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}


def test_its_floors_are_those_of_the_whole_install():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    whole = set(re.findall(r'"([^"]+)"', re.search(r"install_requires=\[(.*?)\]", setup, re.S)[1]))
    light = requirements(LIGHT.read_text(encoding="utf-8"))
    assert light < whole and not any(heavy in name for name in light for heavy in ("tensorflow", "keras"))


# What a checkout on Python's path would lend to the environment.
ALONE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def light(tmp_path_factory) -> Path:
    """The folder of an environment's programs."""
    folder = tmp_path_factory.mktemp("light")
    source, programs = folder / "source", folder / "venv/bin"
    for name in ("zoo", "export"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", str(folder / "venv")],
        [*pip, "-c", str(ROOT / "constraints.txt"), "-r", str(LIGHT)],
        [*pip, "--no-deps", str(source)],
    ):
        done = subprocess.run(command, env=ALONE, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr[-2000:]
    return programs


@pytest.mark.slow
def test_it_enlarges_and_checks_without_tensorflow(light, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (35, 52, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    (tmp_path / "m.tflite").write_bytes(preset_file("fsrcnn_s_x3", ".tflite").read_bytes())

    def zoo(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(light / "zoo"), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )

    command = [str(light / "python"), "-m", "pip", "list"]
    installed = subprocess.run(command, env=ALONE, capture_output=True, text=True, check=True).stdout
    assert "subpixel-zoo" in installed and "tensorflow" not in installed and "keras" not in installed
    for arguments in (
        ["upscale", "a.png", "--output=b.png", "--scale=3", "--model=fsrcnn_s_x3"],
        ["upscale", "a.png", "--output=c.png"],
        ["check", "m.tflite"],
        ["engines", "fsrcnn_s*"],
        ["presets"],
        ["rewrite", "m.tflite", "n.tflite"],
        ["plots", "split", "--output=split.svg"],
    ):
        done = zoo(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    enlarged = np.asarray(Image.open(tmp_path / "b.png")).astype(int)
    assert np.abs(enlarged - upscale(image, "fsrcnn_s_x3")).max() <= 1
    for arguments, missing in (
        (["train", "--workdir=w"], "absl"),
        (["models"], "keras"),
        (["evaluate", "--model=fsrcnn_s_x3", "--data=."], "keras"),
        (["export", "--model=fsrcnn_s_x3", "--output=o"], "tensorflow"),
    ):
        done = zoo(*arguments)
        assert done.returncode == 2 and done.stderr.startswith(f"error: Expected {missing} "), (arguments, done.stderr)
        assert done.stderr.count("\n") == 1
