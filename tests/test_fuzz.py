"""Two thousand damaged files of every kind that is read: a sentence or a result, whole, in bounded time and memory."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

FAMILIES = {
    "pictures": 940,
    "videos": 150,
    "tflite": 80,
    "onnx": 100,
    "keras": 80,
    "weights": 50,
    "records": 150,
    "manifests": 200,
    "configurations": 100,
    "workdirs": 150,
}
SECONDS = 300
MEMORY = 1.5 * 2**30


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_damaged_files_are_a_sentence(tmp_path, family):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, str(Path(__file__).with_name("fuzz_cases.py"))]
    with open(tmp_path / "told", "w+b") as told:
        child = subprocess.Popen(
            [*command, family, str(FAMILIES[family]), str(tmp_path)], stdout=told, stderr=told, env=environment
        )
        timer = threading.Timer(SECONDS, child.kill)
        timer.start()
        child.wait()
        timer.cancel()
        told.seek(0)
        text = told.read().decode(errors="replace")
    failed = [part.strip() for part in text.split("\nat ") if "FAILED" in part]
    last = [line for line in text.splitlines() if line.startswith("at ")][-1:]
    assert child.returncode == 0 and not failed, (
        child.returncode,
        last,
        failed[:3],
        text[-1500:] if not failed else "",
    )
    assert last == [f"at {FAMILIES[family] - 1}"]
    peak = next(line for line in text.splitlines() if line.startswith("peak "))
    assert int(peak.split()[1]) * 1024 < MEMORY
