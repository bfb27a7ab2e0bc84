"""The light install: an empty environment with requirements-light.txt enlarges and checks, and needs no TensorFlow."""

import re
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


@pytest.fixture(scope="module")
def light(tmp_path_factory) -> Path:
    """The folder of an environment's programs."""
    folder = tmp_path_factory.mktemp("light")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # From a wheel, so that nothing is found but what is installed.
    wheel = [*pip[:3], "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "-w", str(folder), str(ROOT)]
    for command in (
        [*pip, "-c", str(ROOT / "constraints.txt"), "-r", str(LIGHT)],
        wheel,
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr[-2000:]
    (built,) = folder.glob("*.whl")
    subprocess.run([*pip, "--no-deps", str(built)], check=True, timeout=300)
    return folder / "venv/bin"


@pytest.mark.slow
def test_it_enlarges_and_checks_without_tensorflow(light, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (35, 52, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    (tmp_path / "m.tflite").write_bytes(preset_file("fsrcnn_s_x3", ".tflite").read_bytes())

    def zoo(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(light / "zoo"), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )

    installed = subprocess.run([str(light / "python"), "-m", "pip", "list"], capture_output=True, text=True, check=True)
    assert "tensorflow" not in installed.stdout and "keras" not in installed.stdout
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
