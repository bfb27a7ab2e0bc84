"""`train.py`: its flags are the fields of TrainConfig, and what is wrong ends with one sentence and exit code 2."""

import dataclasses
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from training_cases import ended

from zoo.training import TrainConfig
from zoo.training.finished import BETTER

TRAIN = Path(__file__).parent.parent / "train.py"


LIMIT = 600  # seconds, for every process
SMALL = [
    "--model=fsrcnn_s", "--scale=2", "--lr_size=16", "--batch=4", "--steps=80", "--warmup=5",
    "--checkpoint_every=10", "--validate_every=40", "--log_every=1", "--jit=off",
]  # fmt: skip


def train(*flags, **options):
    return subprocess.run([sys.executable, TRAIN, *flags], capture_output=True, text=True, timeout=LIMIT, **options)


def signalled(workdir, number, first, last):
    """Starts a run and sends it a signal at a random step between `first` and `last`."""
    step = random.randint(first, last)
    with subprocess.Popen([sys.executable, TRAIN, *SMALL, f"--workdir={workdir}"], stderr=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + LIMIT
            while process.poll() is None and time.monotonic() < deadline:
                log = workdir / "log.jsonl"
                if log.exists() and f'{{"step": {step},' in log.read_text():
                    process.send_signal(number)
                    break
                time.sleep(0.002)
            _, error = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
    return process.returncode, error.decode()


def state(workdir):
    """All that the last checkpoint holds, by name."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(workdir / "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if not name.startswith(("_", "save_counter"))]
    return {name: reader.get_tensor(name) for name in names}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("whole")
    done = train(*SMALL, f"--workdir={workdir}")
    assert ended(done, workdir), done.stderr
    assert "gain, dB" in done.stdout and "comparison.png" in done.stdout
    return workdir


@pytest.mark.slow
def test_killed_and_stopped_at_random_steps_a_run_ends_with_the_same_bits(whole_run, tmp_path):
    killed, _ = signalled(tmp_path, signal.SIGKILL, 12, 38)
    assert killed == -signal.SIGKILL
    stopped, error = signalled(tmp_path, signal.SIGINT, 42, 70)
    assert stopped == 130
    assert "The same command goes on from there." in error and "Traceback" not in error
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["step"] < 80
    done = train(*SMALL, f"--workdir={tmp_path}")
    assert ended(done, tmp_path) and "Going on from the checkpoint of step" in done.stderr
    first, second = state(whole_run), state(tmp_path)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


@pytest.mark.slow
def test_a_finished_command_says_so_at_once_and_more_steps_go_on(whole_run, tmp_path):
    shutil.copytree(whole_run, tmp_path, dirs_exist_ok=True)
    again = train(*SMALL, f"--workdir={tmp_path}", "--noexport")
    assert ended(again, tmp_path) and again.stderr == "" and again.stdout.startswith("Finished already, 80 steps: ")
    longer = train(*SMALL, "--steps=100", f"--workdir={tmp_path}", "--noexport")
    assert ended(longer, tmp_path) and "Lengthened from 80 to 100 steps" in longer.stderr
    assert json.loads((tmp_path / "results.json").read_text())["steps"] == 100


@pytest.mark.parametrize("psnr, words", [(None, "not measured, bicubic not measured"), (30.0, "30.00 dB, bicubic")])
def test_a_finished_command_says_where_no_picture_could_be_measured(tmp_path, psnr, words):
    figures = {"model": {"psnr": psnr}, "bicubic": {"psnr": psnr}, "verdict": BETTER, "steps": 80}
    config = TrainConfig(model="fsrcnn_s", scale=2, steps=80)
    (tmp_path / "results.json").write_text(json.dumps({**figures, "config": dataclasses.asdict(config)}))
    (tmp_path / "model.keras").touch()
    again = train("--model=fsrcnn_s", "--scale=2", "--steps=80", f"--workdir={tmp_path}", "--noexport")
    assert (again.returncode, again.stderr) == (0, "") and f"80 steps: {words}" in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags, sentence",
    [(["--steps=60", "--learning_rate=10", "--validate_every=60"], "The run diverged: last validation"),
     (["--steps=2"], "Worse than bicubic: ")],
)  # fmt: skip
def test_a_run_that_comes_to_nothing_fails(tmp_path, flags, sentence):
    done = train(*SMALL, *flags, "--noexport", f"--workdir={tmp_path}")
    assert done.returncode == 1 and sentence in " ".join(done.stdout.split()), done.stdout + done.stderr
    assert "Training on 8 pictures, 1.8 megapixels, of sample/train" in done.stderr
    again = train(*SMALL, *flags, "--noexport", f"--workdir={tmp_path}")
    assert again.returncode == 1 and again.stdout.startswith("Finished already")


@pytest.mark.slow
def test_ctrl_c_in_the_export_after_a_run_is_one_sentence(whole_run, tmp_path):
    """The network is there, and the same command writes the files; its last line is the verdict on them."""
    shutil.copytree(whole_run, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "export")
    command = [sys.executable, TRAIN, *SMALL, f"--workdir={tmp_path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while (line := process.stdout.readline()) and "tflite" not in line:
                pass
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
    assert process.returncode == 130 and error.strip().splitlines()[-1].startswith("Stopped while TFLite files were")
    assert "Traceback" not in error
    done = train(*SMALL, f"--workdir={tmp_path}")
    assert ended(done, tmp_path), done.stderr
    assert "Largest difference from Keras, in levels of 255" in done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_a_full_disk_ends_with_one_sentence_and_loses_nothing(tmp_path):
    signalled(tmp_path, signal.SIGTERM, 20, 30)
    before = {path: path.read_bytes() for path in (tmp_path / "checkpoints").iterdir()}

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = train(*SMALL, f"--workdir={tmp_path}", preexec_fn=fill)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: Expected to write into") and "File too large" in last and "is kept" in last
    assert "Traceback" not in done.stderr
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.slow
def test_the_sample_recipe_beats_bicubic(tmp_path):
    # What `make train` runs, whole. Measured: 1.51 dB.
    done = train("--recipe=sample", "--export", f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["config"]["model"] == "fsrcnn" and results["pictures"]
    for picture in results["pictures"]:
        assert picture["model"][0] > picture["bicubic"][0] + 1.3
        assert picture["model"][1] > picture["bicubic"][1] + 0.015
    for name in ("model.keras", "curve.png", "comparison.png"):
        assert (tmp_path / name).stat().st_size > 10_000
    report = json.loads((tmp_path / "export" / "report.json").read_text())
    assert report["files"] and all((tmp_path / "export" / file["name"]).is_file() for file in report["files"])


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (["--model=fsrcnn"], "Expected --workdir=DIR"),
        (["--workdir=w", "--stpes=5"], "error: There is no flag --stpes; did you mean 'steps'? --help lists all"),
        (["--workdir=w", "--steps=many"], "error: --steps takes a whole number. Received: many"),
        (["--workdir=w", "--learning_rate=fast"], "error: --learning_rate takes a number. Received: fast"),
        (["--workdir=w", "--loss=l3"], "Expected loss to be one of l1, charbonnier, mse. Received: 'l3'"),
        (["--workdir=w", "--lr_multipliers=upsampler"], "Expected lr_multipliers as name=value"),
        (["--workdir=w", "--steps=0"], "Expected steps to be at least 1. Received: 0"),
        # 353 maps of FSRCNN x3: four bytes, 16 patches, 50,000 squared. It takes TensorFlow to count them.
        pytest.param(
            ["--workdir=w", "--lr_size=50000"],
            "Received: --batch=16 patches of --lr_size=50000, whose maps alone take 56,480.0 GB",
            marks=pytest.mark.slow,
        ),
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
