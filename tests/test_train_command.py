"""`train.py`: its flags are the fields of TrainConfig, and what is wrong ends with one sentence and exit code 2."""

import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = Path(__file__).parent.parent / "train.py"


def train(*flags, **options):
    return subprocess.run([sys.executable, TRAIN, *flags], capture_output=True, text=True, timeout=200, **options)


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (["--model=fsrcnn"], "Expected --workdir=DIR"),
        (["--workdir=w", "--stpes=5"], "stpes"),
        (["--workdir=w", "--steps=many"], "steps"),
        (["--workdir=w", "--loss=l3"], "Expected loss to be one of l1, charbonnier, mse. Received: 'l3'"),
        (["--workdir=w", "--lr_multipliers=upsampler"], "Expected lr_multipliers as name=value"),
        (["--workdir=w", "leftover"], "Expected flags only, as --name=value. Received: 'leftover'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_flag_ends_with_one_sentence(tmp_path, flags, sentence):
    done = train(*flags, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
