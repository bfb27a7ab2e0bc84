"""The training loop: a run that is stopped, or whose files are damaged, goes on; what it keeps, and what it refuses."""

import dataclasses
import json
import logging
import os
import resource
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_cases import TINY, Killed, Noise, equal, run, state, stop_after

import zoo
from zoo.errors import UsageError
from zoo.files import alone, sha256
from zoo.training import TrainConfig, loop
from zoo.training.checkpoint import Checkpoints, environment
from zoo.training.optimizers import make_optimizer
from zoo.training.results import best
from zoo.training.workdir import note_environment

pytestmark = pytest.mark.usefixtures("shown_log")

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


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """The workdir of a small training, which no test changes."""
    workdir = tmp_path_factory.mktemp("whole")
    run(TINY, workdir)
    return workdir


@pytest.fixture(scope="module")
def killed_run(tmp_path_factory):
    """The workdir of the same run, dead after step 10, two steps after its last checkpoint."""
    workdir = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as monkeypatch:
        stop_after(monkeypatch, 10)
        with pytest.raises(Killed):
            run(TINY, workdir)
    return workdir


def test_a_killed_run_ends_with_the_same_bits_and_the_same_log(whole_run, killed_run, tmp_path):
    assert tf.train.latest_checkpoint(killed_run / "checkpoints").endswith("-8")
    shutil.copytree(killed_run, tmp_path, dirs_exist_ok=True)
    run(TINY, tmp_path)
    assert equal(state(whole_run), state(tmp_path))

    timing = ("steps_per_second", "data_wait")
    lines = [[json.loads(line) for line in (w / "log.jsonl").read_text().splitlines()] for w in (whole_run, tmp_path)]
    first, second = ([{k: v for k, v in line.items() if k not in timing} for line in log] for log in lines)
    assert first == second


@pytest.mark.parametrize("dropped", ["optimizer", pytest.param("average", marks=pytest.mark.slow)])
def test_a_run_that_loses_part_of_its_state_does_not_match(whole_run, killed_run, tmp_path, monkeypatch, dropped):
    shutil.copytree(killed_run, tmp_path, dirs_exist_ok=True)
    restore = loop.Checkpoints.restore

    def forgetful(checkpoints):
        step = restore(checkpoints)
        for value in getattr(checkpoints.manager.checkpoint, dropped):
            if value is not checkpoints.optimizer.iterations.value:
                value.assign(tf.zeros_like(value))
        return step

    monkeypatch.setattr(loop.Checkpoints, "restore", forgetful)
    run(TINY, tmp_path)
    assert not equal(state(whole_run), state(tmp_path))


@pytest.mark.slow
def test_another_seed_gives_other_weights(whole_run, tmp_path):
    run(dataclasses.replace(TINY, seed=4), tmp_path)
    assert not equal(state(whole_run), state(tmp_path))


def test_a_finished_run_is_left_as_it_is(whole_run):
    before = state(whole_run)
    results = run(TINY, whole_run)
    assert results["steps"] == TINY.steps
    assert equal(before, state(whole_run))


def test_the_model_file_holds_the_best_average(whole_run):
    best = json.loads((whole_run / "best.json").read_text())
    validated = [line for line in map(json.loads, (whole_run / "log.jsonl").read_text().splitlines()) if "psnr" in line]
    assert best["psnr"] == pytest.approx(max(line["psnr"] for line in validated), abs=1e-3)
    model = keras.saving.load_model(whole_run / "model.keras", compile=False)
    weights = loop.start.build_model(TINY)
    weights.load_weights(whole_run / "best.weights.h5")
    for saved, kept in zip(model.get_weights(), weights.get_weights(), strict=True):
        np.testing.assert_array_equal(saved, kept)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_last_average_is_kept_where_that_is_asked_for(tmp_path, keep):
    config = dataclasses.replace(TINY, preset="fsrcnn_s_x2", learning_rate=0.001, steps=4, validate_every=2, keep=keep)
    results = run(config, tmp_path)
    lines = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    validated = {line["step"]: line["psnr"] for line in lines if "psnr" in line}
    highest = max(validated, key=validated.__getitem__)
    assert sorted(validated) == [0, 2, 4] and highest != 4  # the rate is too high for a preset
    step = {"best": highest, "last": 4}[keep]
    assert results["best_step"] == step and best(tmp_path)["psnr"] == pytest.approx(validated[step], abs=1e-3)
    assert results["model"]["psnr"] == pytest.approx(validated[step], abs=1e-3)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_good_checkpoint(tmp_path):
    with pytest.raises(UsageError, match=r"finite loss; at step 8 .* checkpoint of step 4 is kept"):
        run(dataclasses.replace(TINY, log_every=100), tmp_path, poisoned_from=6)
    assert all(np.isfinite(value).all() for value in state(tmp_path).values())


def test_a_workdir_of_another_run_is_refused_with_the_difference(whole_run):
    with pytest.raises(UsageError, match="learning_rate: 0.01 instead of 0.001; ema: 0.9 instead of 0.999"):
        run(dataclasses.replace(TINY, learning_rate=0.01, ema=0.9), whole_run)
    assert TrainConfig.load(whole_run / "config.json") == TINY


def test_another_jit_setting_goes_on_with_a_warning(killed_run, tmp_path, caplog):
    shutil.copytree(killed_run, tmp_path, dirs_exist_ok=True)
    note_environment(tmp_path, environment(dataclasses.replace(TINY, log_every=3), "on"))
    assert "jit is 'on' and was 'off' when this run started" in caplog.text
    assert "threads" not in caplog.text


def test_a_checkpoint_of_another_network_is_refused(whole_run, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for file in (whole_run / "checkpoints").iterdir():
        (tmp_path / "checkpoints" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(UsageError, match="checkpoint of this network"):
        run(dataclasses.replace(TINY, model_options="s=7"), tmp_path)


@pytest.mark.slow
def test_an_unreadable_checkpoint_gives_way_to_the_one_before(whole_run, killed_run, tmp_path, caplog):
    shutil.copytree(killed_run, tmp_path, dirs_exist_ok=True)
    data = tmp_path / "checkpoints" / "ckpt-8.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    run(TINY, tmp_path)
    assert "going back" in caplog.text
    assert equal(state(whole_run), state(tmp_path))


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    model = zoo.create_model("fsrcnn_s", 2)
    optimizer = make_optimizer(TINY, model.trainable_variables)
    checkpoints = Checkpoints(tmp_path, model, keras.models.clone_model(model), optimizer)
    checkpoints.save()
    model.layers[-1].kernel.assign_add(model.layers[-1].kernel + 1)
    optimizer.iterations.assign(5)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # what is left on the disk
    try:
        with pytest.raises(OSError, match="File too large"):
            checkpoints.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "step 0" in checkpoints.kept() or "no checkpoint" in checkpoints.kept()
    again = Checkpoints(tmp_path, model, keras.models.clone_model(model), optimizer)
    assert again.restore() == 0
    checkpoints.save()
    assert Checkpoints(tmp_path, model, keras.models.clone_model(model), optimizer).restore() == 0


def test_a_patch_that_the_border_fills_is_refused(tmp_path):
    with pytest.raises(UsageError, match="Expected lr_size above 10.*Received: lr_size=10"):
        run(dataclasses.replace(TINY, lr_size=10, loss_shave=-1), tmp_path)


@pytest.mark.slow
def test_mixed_precision_trains_float32_weights_and_leaves_a_float32_network(tmp_path):
    config = dataclasses.replace(TINY, precision="mixed_bfloat16")
    assert {layer.compute_dtype for layer in loop.start.build_model(config).layers} >= {"bfloat16"}
    run(config, tmp_path / "mixed")
    run(TINY, tmp_path / "exact")
    model = keras.models.load_model(tmp_path / "mixed" / "model.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert {v.dtype for v in model.variables} == {"float32"}
    mixed, exact = (
        np.array([line["loss"] for line in map(json.loads, (tmp_path / name / "log.jsonl").open()) if "loss" in line])
        for name in ("mixed", "exact")
    )
    # bfloat16 keeps 8 bits: the losses differ, but not by much.
    np.testing.assert_allclose(mixed, exact, rtol=0.05)
    assert not np.array_equal(mixed, exact)


@pytest.mark.slow
def test_a_run_with_flat_and_small_pictures_among_the_validation_ends_whole(tmp_path):
    class Mixed(Noise):
        def pictures(self):
            black, tiny = np.zeros((30, 22, 1), np.uint8), np.arange(14 * 14, dtype=np.uint8).reshape(14, 14, 1)
            return [("black", black[::2, ::2], black), *super().pictures(), ("tiny", tiny[::2, ::2], tiny)]

    results = loop.train(dataclasses.replace(TINY, steps=2), tmp_path, source=Noise(), valid=Mixed())
    assert list(results["left_out"]) == ["black", "tiny"] and len(results["pictures"]) == 2
    assert {"model.keras", "curve.png", "comparison.png"} <= {path.name for path in tmp_path.iterdir()}
    for path in tmp_path.glob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)


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
