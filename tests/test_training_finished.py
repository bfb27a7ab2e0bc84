"""Training says what it does: on what, what came of it, that it is finished or goes on, why it did not start."""

import dataclasses
import json
import logging
import shutil

import numpy as np
import pytest
from PIL import Image
from training_cases import TINY, Noise, equal, run, state

import zoo
from zoo.errors import UsageError
from zoo.files import alone
from zoo.training import TrainConfig, loop
from zoo.training.finished import BETTER, DIVERGED, WORSE, advice, finished, judged, rival
from zoo.training.input import amount, open_both

pytestmark = pytest.mark.usefixtures("shown_log")


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("short")
    return workdir, run(TINY, workdir)


def validations(*psnr):
    return [{"step": 0, "loss": 1.0}, *({"step": n, "psnr": each} for n, each in enumerate(psnr))]


@pytest.mark.parametrize(
    "psnr, bicubic, model, verdict",
    [
        ((28.47, 29.1), 28.68, 29.1, BETTER),
        ((28.47, 28.5), 28.68, 28.5, WORSE),
        ((28.47, 28.68), 28.68, 28.68, WORSE),
        ((28.47, 4.4), 28.68, 28.47, DIVERGED),
        # It had been good before: the weights are, the run is not.
        ((28.47, 30.0, 19.9), 28.68, 30.0, DIVERGED),
        # A dip in the first steps is none.
        ((31.7, 25.96), 31.71, 31.7, WORSE),
        # Random weights begin far below.
        ((6.1, 20.0, 29.0), 28.68, 29.0, BETTER),
        ((28.47, "nan", 29.0), 28.68, 29.0, BETTER),
        ((), None, None, BETTER),
    ],
)
def test_what_a_run_comes_to(psnr, bicubic, model, verdict):
    assert judged(validations(*psnr), bicubic, model) == verdict


def test_a_run_that_came_to_nothing_says_so(short_run):
    _, results = short_run
    for verdict, words in ((DIVERGED, "The run diverged: last validation"), (WORSE, "Worse than bicubic: ")):
        (line,) = advice({**results, "verdict": verdict, "preset": {}})
        assert line.startswith(words)
    assert advice({**results, "verdict": BETTER, "preset": {}}) == []


def test_a_preset_that_is_ahead_is_named(short_run):
    _, results = short_run
    preset = results["preset"]
    assert preset["name"] == "fsrcnn_s_x2" and preset["flags"] == "--preset=fsrcnn_s_x2"
    assert preset["model"] == pytest.approx(results["model"]["psnr"])
    ahead = {**preset, "psnr": preset["model"] + 1}
    (line,) = advice({**results, "verdict": BETTER, "preset": ahead})
    assert "--preset=fsrcnn_s_x2 starts from it" in line
    assert advice({**results, "verdict": BETTER, "preset": {**ahead, "psnr": preset["model"] - 1}}) == []


def test_a_run_that_gained_nothing_on_its_start_says_so(short_run):
    _, results = short_run
    for preset, best, said in (("fsrcnn_s_x2", 0, True), ("fsrcnn_s_x2", 10, False), ("", 0, False)):
        config = {**results["config"], "preset": preset}
        lines = advice({**results, "verdict": BETTER, "preset": {}, "best_step": best, "config": config})
        assert [line.split(":")[0] for line in lines] == ["Nothing was gained"] * said


def test_which_preset_a_run_is_held_against():
    assert rival(TrainConfig(model="espcn", scale=3)) == (
        "espcn_x3", "--model_options=activation=relu --preset=espcn_x3",
    )  # fmt: skip
    assert rival(TrainConfig(model="espcn", scale=3, model_options="activation=relu"))[1] == "--preset=espcn_x3"
    assert rival(TrainConfig(model="fsrcnn", scale=3, channels=3))[0] == "fsrcnn_rgb_x3"
    assert rival(TrainConfig(model="fsrcnn", scale=3, preset="fsrcnn_x3")) is None
    assert rival(TrainConfig(model="fsrcnn", scale=5)) is None
    # Of an architecture with several: its very network, then what may be shipped, however far ahead another one is.
    assert rival(TrainConfig(model="gecko", scale=2)) == ("gecko_x2", "--preset=gecko_x2")
    separable = "maps=32,depth=9,separable=True"
    assert rival(TrainConfig(model="gecko", scale=2, model_options=separable))[0] == "gecko_dw_x2"
    assert rival(TrainConfig(model="gecko", scale=2, model_options="maps=20"))[0] == "gecko_dw_x2"


def test_a_finished_run_is_known_at_once_and_another_is_not(short_run, tmp_path):
    workdir, results = short_run
    assert finished(TINY, workdir)["model"] == results["model"]
    assert finished(dataclasses.replace(TINY, log_every=7), workdir)
    for other in ({"steps": 24}, {"learning_rate": 0.1}, {"seed": 9}):
        assert finished(dataclasses.replace(TINY, **other), workdir) == {}
    assert finished(TINY, tmp_path) == {}
    shutil.copytree(workdir, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.keras").unlink()
    assert finished(TINY, tmp_path) == {}


def test_a_finished_run_can_be_lengthened_and_says_what_that_does(short_run, tmp_path, caplog):
    shutil.copytree(short_run[0], tmp_path, dirs_exist_ok=True)
    longer = dataclasses.replace(TINY, steps=20)
    with caplog.at_level(logging.INFO, "zoo"):
        results = run(longer, tmp_path)
    assert results["steps"] == 20 and "Going on from the checkpoint of step 12" in caplog.text
    (said,) = [each.getMessage() for each in caplog.records if "Lengthened" in each.getMessage()]
    assert said.startswith("Lengthened from 12 to 20 steps: the learning rate follows the cosine of 20 steps")
    # The rates by the formula of the cosine: warm-up 2, final share 0.01, one step before the twelfth.
    old, new = (1e-3 * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * 9 / rest))) for rest in (10, 18))
    assert f"{new:.1e} in place of {old:.1e}" in said
    assert TrainConfig.load(tmp_path / "config.json") == longer
    # Control: the weights moved; and back it does not go.
    assert not equal(state(tmp_path), state(short_run[0]))
    with pytest.raises(UsageError, match="steps: 12 instead of 20; a run may be lengthened, not shortened"):
        run(TINY, tmp_path)
    with pytest.raises(UsageError, match="learning_rate: 0.01 instead of 0.001"):
        run(dataclasses.replace(longer, steps=30, learning_rate=0.01), tmp_path)


class Refused(Noise):
    """Its pictures are too small for a patch."""

    def patches(self, *_, **__):
        raise UsageError("Expected larger pictures")


@pytest.mark.parametrize("there", [False, True])
def test_a_refused_start_leaves_nothing(tmp_path, there):
    workdir = tmp_path / "runs" / "mine"
    if there:
        workdir.mkdir(parents=True)
        (workdir / "notes.txt").write_text("of mine")
    with pytest.raises(UsageError, match="Expected larger pictures"):
        loop.train(TINY, workdir, source=Refused(), valid=Noise())
    assert sorted(each.name for each in tmp_path.rglob("*")) == (["mine", "notes.txt", "runs"] if there else [])
    # So that the next start may be another one.
    run(dataclasses.replace(TINY, steps=2, validate_every=2), workdir)
    assert (workdir / "config.json").is_file()


def test_a_refused_start_leaves_the_run_that_it_would_have_lengthened(tmp_path):
    run(TINY, tmp_path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir() if each.is_file()}
    longer = dataclasses.replace(TINY, steps=30)
    with pytest.raises(UsageError, match="Expected larger pictures"):
        loop.train(longer, tmp_path, source=Refused(), valid=Noise())
    with alone(tmp_path, "training"), pytest.raises(UsageError, match="Expected one training at a time"):
        run(longer, tmp_path)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir() if each.is_file()} == before
    # Control: a start that is not refused changes the run.
    run(longer, tmp_path)
    assert TrainConfig.load(tmp_path / "config.json") == longer


def test_a_refusal_after_the_first_step_leaves_what_there_is(tmp_path):
    with pytest.raises(UsageError, match="finite loss"):
        run(dataclasses.replace(TINY, log_every=100), tmp_path, poisoned_from=6)
    assert {"config.json", "log.jsonl", "checkpoints"} <= {each.name for each in tmp_path.iterdir()}


def test_a_run_says_how_much_it_trains_on(tmp_path, caplog):
    rng = np.random.default_rng(0)
    for folder, count in (("DIV2K_train_HR", 3), ("DIV2K_valid_HR", 1)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            picture = rng.integers(0, 256, (500, 400, 3), np.uint8)
            Image.fromarray(picture).save(tmp_path / folder / f"{number}.png")
    with caplog.at_level(logging.INFO, "zoo"):
        open_both(TrainConfig(model="fsrcnn", scale=2, data=str(tmp_path), valid=str(tmp_path)))
    lines = [each.getMessage() for each in caplog.records]
    assert f"Training on 3 pictures, 0.6 megapixels, of {tmp_path}" in lines
    assert f"Validation on 1 picture, 0.2 megapixels, of {tmp_path}" in lines
    assert any(f"{tmp_path} has its pictures in DIV2K_train_HR; LR images of" in line for line in lines)
    assert amount(zoo.data.sample(3, split="heldout")) == "1 picture, 0.3 megapixels, of sample/heldout"


def test_the_results_are_json(short_run):
    workdir, results = short_run
    record = json.loads((workdir / "results.json").read_text())
    assert record["verdict"] == results["verdict"] in (BETTER, WORSE, DIVERGED)
    assert record["last_psnr"] > 0 and record["preset"]["psnr"] > 0
