"""A run goes on whatever has become of the files that it reads again: said, made anew, and to the same weights."""

import json
import logging
import os
import shutil

import numpy as np
import pytest
from training_cases import TINY, equal, run, state

from zoo.errors import UsageError
from zoo.files import alone, sha256
from zoo.training.results import best

DAMAGE = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "flipped": lambda content: bytes([*content[:5], content[5] ^ 0x80, *content[6:]]),
    "garbage": lambda content: bytes(range(256)) * 4,
    "null": lambda content: b"null",
    "list": lambda content: b"[1, 2]",
    "gone": lambda content: None,
}
FILES = ["best.json", "environment.json", "log.jsonl", "best.weights.h5", "checkpoints/checkpoint"]
QUICK = {("best.weights.h5", "flipped")}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=() if (name, kind) in QUICK else pytest.mark.slow)
        for name in FILES
        for kind in DAMAGE
    ],
)
def test_a_damaged_file_is_made_anew(whole_run, killed_run, tmp_path, caplog, name, kind):
    shutil.copytree(killed_run, tmp_path, dirs_exist_ok=True)
    content = DAMAGE[kind]((tmp_path / name).read_bytes())
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with caplog.at_level(logging.WARNING, "zoo"):
        results = run(TINY, tmp_path)
    # What may still be read, and a log that lacks one line, as a kill leaves it, are passed over in silence.
    if kind not in ("flipped", "gone") and name != "log.jsonl":
        assert tmp_path.name in caplog.text or name in caplog.text
    assert equal(state(whole_run), state(tmp_path)) and results["steps"] == TINY.steps
    record = json.loads((tmp_path / "best.json").read_text())
    assert record == best(tmp_path) and record["sha256"] == sha256(tmp_path / "best.weights.h5")
    assert json.loads((tmp_path / "environment.json").read_text()) and np.isfinite(results["model"]["psnr"])
    for line in (tmp_path / "log.jsonl").read_text().splitlines():
        assert json.loads(line)["step"] <= TINY.steps


@pytest.mark.parametrize("kind", ["empty", "half", "garbage", "null", "list"])
def test_a_damaged_configuration_is_one_sentence(killed_run, tmp_path, kind):
    shutil.copytree(killed_run, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "config.json"
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.raises(UsageError, match="Expected a training configuration in JSON"):
        run(TINY, tmp_path)


def test_two_trainings_in_one_workdir_are_refused(whole_run, tmp_path):
    before = sorted(os.listdir(whole_run))
    with (
        alone(whole_run, "training"),
        pytest.raises(UsageError, match=f"Expected one training at a time in {whole_run}"),
    ):
        run(TINY, whole_run)
    assert sorted(os.listdir(whole_run)) == before
    with alone(whole_run, "training"), alone(tmp_path, "training"):
        pass
