"""The experiments at toy size: the networks' bookkeeping, the runs' records, going on, ending in time."""

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest

import zoo
from experiments import equal, networks, runs, space
from experiments.space import Unit
from zoo.complexity import count, receptive_field
from zoo.errors import UsageError
from zoo.training import start

ROOT = Path(__file__).parent.parent
RANDOM = np.random.default_rng(18)
KEYS = list(itertools.product(equal.REGIMES, equal.SPACES))


def network(space_name, regime, scale=3, widths=(4, 3, 5), **options):
    sides = equal.sides_of(space_name, regime, scale)
    return networks.in_space(scale, space=space_name, widths=widths, sides=sides, **options)


@pytest.mark.parametrize("budget", space.BUDGETS)
@pytest.mark.parametrize("scale", space.SCALES)
def test_multiplications_are_equal_within_two_percent(scale, budget):
    widths = equal.equal_widths(scale, budget)
    macs = {}
    for (regime, name), each in widths.items():
        macs[regime, name] = equal.multiplications(name, equal.sides_of(name, regime, scale), scale, each)
    assert max(macs.values()) <= 1.02 * min(macs.values())
    assert all(abs(each * 720 * 1280 / 1e9 / budget - 1) <= 0.27 for each in macs.values())
    # A few wide kernels in HR space come in steps that are too large to meet the others.
    assert set(KEYS) - set(widths) == ({("paper", "hr_deconvolution")} if (scale, budget) == (4, 0.5) else set())
    # Both regimes have the same network in LR space, which is why it is trained once.
    assert widths["paper", "lr"] == widths["practice", "lr"]
    # Control: one map more does not fit.
    name = "hr_bicubic"
    more = tuple(each + 1 for each in widths["practice", name])
    assert equal.multiplications(name, equal.SIDES, scale, more) > 1.05 * macs["practice", name]


@pytest.mark.parametrize("regime, name", KEYS)
@pytest.mark.parametrize("scale", [2, 3])
def test_multiplications_are_those_that_the_zoo_counts(regime, name, scale):
    counted = count(network(name, regime, scale, any_size=False))["macs"]
    wanted = 720 * 1280 * equal.multiplications(name, equal.sides_of(name, regime, scale), scale, (4, 3, 5))
    assert counted == pytest.approx(wanted, rel=1e-6)


def test_nothing_fits_a_budget_below_one_map():
    with pytest.raises(UsageError, match="Expected a budget"):
        equal.equal_widths(3, 0.00001)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_in_the_papers_regime_the_reach_is_that_of_lr_space(scale):
    reach = {name: receptive_field(network(name, "paper", scale, any_size=False)) for name in equal.SPACES}
    practice = {name: receptive_field(network(name, "practice", scale, any_size=False)) for name in equal.SPACES}
    assert reach["lr"] == practice["lr"] == 4
    # A pixel at the edge of its block sees one side less far: up to a block less one pixel more on the other.
    assert reach["below_x2"] == 4 + 1 and reach["below_x4"] == 4 + 3
    for name in ("hr_nearest", "hr_deconvolution"):
        assert 4 <= reach[name] <= 4 + 2
    # Control: with 3×3 kernels everywhere the spaces reach differently far.
    assert practice["hr_nearest"] <= 2 and practice["below_x2"] == 9 and practice["below_x4"] == 19


@pytest.mark.parametrize("name", equal.SPACES)
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_take_any_size_and_start_as_bicubic(name, channels):
    model = network(name, "practice", 3, channels=channels)
    lr = RANDOM.random((2, 9, 14, channels), np.float32)
    before = model(lr)
    assert before.shape == (2, 27, 42, channels)
    start.start_as_interpolation(model, 3, channels)
    bicubic = zoo.layers.FixedUpsampler("bicubic", 3)(lr)
    np.testing.assert_allclose(model(lr), bicubic, atol=1e-6)
    # Control: before that it was something else.
    assert np.abs(before - bicubic).max() > 1e-2


@pytest.mark.parametrize("name, block", [("below_x2", 2), ("below_x4", 4)])
def test_below_lr_space_the_last_row_and_column_are_repeated(name, block):
    free, plain = (network(name, "practice", 2, any_size=each) for each in (True, False))
    plain.set_weights(free.get_weights())
    lr = RANDOM.random((2, 7, 10, 1), np.float32)
    whole = np.pad(lr, [(0, 0), (0, -7 % block), (0, -10 % block), (0, 0)], mode="edge")
    np.testing.assert_allclose(free(whole), plain(whole), atol=1e-6)
    inside = (slice(None), slice(10), slice(16))  # bicubic mirrors what the repeated pixels change beside the edge
    np.testing.assert_allclose(free(lr)[inside], plain(whole)[inside], atol=1e-6)
    # Control: zeros instead change what is beside them.
    zeros = np.pad(lr, [(0, 0), (0, -7 % block), (0, -10 % block), (0, 0)])
    assert np.abs(free(lr)[:, :14, :20] - plain(zeros)[:, :14, :20]).max() > 1e-3


def test_networks_are_known_only_where_they_are_asked_for():
    with networks.known():
        assert zoo.create_model("in_space", 2, space="below_x2").output_shape == (None, None, None, 1)
    assert "in_space" not in zoo.list_models()
    with pytest.raises(UsageError, match="Expected space to be one of"):
        networks.in_space(2, space="hr_lanczos")


def test_the_order_of_the_grid():
    grid = list(map(str, space.corners((3, 2, 4), (0.5, 2.0, 8.0), equal.REGIMES, equal.SPACES)))
    assert grid[:2] == ["x3_0.5_practice_lr", "x3_0.5_practice_hr_bicubic"]
    assert len(grid) == len(set(grid)) == 9 * 13
    assert all(each.startswith(("x3_0.5", "x3_2")) for each in grid[:26])
    assert not any("paper_lr" in each for each in grid)


def touch(path):
    path.touch()


def fail(path):
    raise UsageError("Expected something else")


def test_work_goes_on_where_it_was_and_says_what_is_not_done(tmp_path, capsys):
    first, second, bad = (tmp_path / name for name in ("first", "second", "bad"))
    work = [
        Unit("second", lambda: (touch, second), second.is_file, first.is_file),
        Unit("first", lambda: (touch, first), first.is_file),
        Unit("bad", lambda: (fail, bad), bad.is_file),
        Unit("after bad", lambda: (touch, bad), bad.is_file, bad.is_file),
    ]
    assert space.work_off(work, 1, deadline_s=0) == ["second", "first", "bad", "after bad"]
    assert not list(tmp_path.iterdir())
    assert space.work_off(work, 1, float("inf")) == ["bad: Expected something else", "after bad"]
    assert [line.split("s  ")[1] for line in capsys.readouterr().out.splitlines()] == ["first", "second", "bad FAILED"]
    assert space.work_off(work[:2], 1, float("inf")) == [] and not capsys.readouterr().out


@pytest.mark.parametrize("best, wanted", [(0.01, False), (0.001, True)])
def test_a_lower_rate_is_tried_where_the_lowest_is_the_best(tmp_path, monkeypatch, best, wanted):
    setting, tried = mock.Mock(output=tmp_path, workdir=tmp_path), []
    corner = runs.Corner("lr", "practice", 2, 8.0)

    def search(setting, corner, rate):
        assert runs.best_rate(setting, corner) is None or rate == 3e-4
        tried.append(rate)
        found = {"psnr": 30.0 + (rate == best) + 2 * (rate == 3e-4)}
        runs.search_record(setting, corner, rate).write_text(json.dumps(found))

    monkeypatch.setattr(runs, "search", search)
    work = space.searches(setting, corner)
    assert not runs.searched(setting, corner)
    assert space.work_off(work[:2], 1, float("inf")) == [] and runs.best_rate(setting, corner) is None
    *_, training = space.units(setting, [corner], (0,), (2, 8.0), "train")
    assert space.work_off(work[:3], 1, float("inf")) == [] and training.ready() != wanted
    assert space.work_off(work, 1, float("inf")) == [] and runs.searched(setting, corner) and training.ready()
    assert tried == [1e-3, 3e-3, 1e-2, *[3e-4] * wanted]
    assert runs.best_rate(setting, corner) == (3e-4 if wanted else best)


def test_refusals(tmp_path, capsys):
    for flags, sentence in [
        (["--spaces=hr_lanczos"], "Expected space to be one of"),
        (["--regimes=theory"], "Expected regime to be one of"),
        (["--scales=5"], "Expected scale to be one of"),
        (["--budgets=much"], "Expected numbers joined with commas"),
        (["--lr_size=30"], "Expected lr_size to be a multiple of 4"),
        (["--search_at=3"], "Expected search_at as scale,budget"),
    ]:
        assert space.main([*flags, f"--output={tmp_path}", f"--workdir={tmp_path}"]) == 2
        assert sentence in capsys.readouterr().err
    (tmp_path / "x3_0.5_practice_lr_seed0.json").write_text('{"steps": 7}')
    assert space.main([f"--output={tmp_path}", f"--workdir={tmp_path}"]) == 2
    assert "Expected records of 4000 steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    "ends, rates",
    [
        ({1e-2: (29.0, 29.2)}, [1e-2]),
        ({1e-2: (29.0, 28.6), 3e-3: (28.9, 28.8)}, [1e-2, 3e-3]),
        # Below the lowest rate there is none: what falls apart there stays.
        (
            {1e-2: (29.0, 28.6), 3e-3: (28.9, 28.1), 1e-3: (28.7, 28.0), 3e-4: (28.5, 28.0)},
            [1e-2, 3e-3, 1e-3, 3e-4],
        ),
    ],
)
def test_where_a_seed_falls_apart_all_are_trained_at_the_next_lower_rate(tmp_path, monkeypatch, ends, rates):
    corner, tried = runs.Corner("lr", "practice", 3, 0.5), []
    setting = mock.Mock(workdir=tmp_path, output=tmp_path / "records", steps=10)
    setting.output.mkdir()
    # What told of weights that are put aside.
    (setting.output / f"{corner}_seed0.json").write_text("{}")

    def trained(setting, corner, seeds, rate, steps, name):
        tried.append(rate)
        for seed, psnr in zip(seeds, ends[rate]):
            folder = tmp_path / name / f"seed_{seed}"
            folder.mkdir(parents=True)
            result = {"model": {"psnr": psnr}, "config": {"learning_rate": rate}}
            (folder / "results.json").write_text(json.dumps(result))
            (folder / "config.json").write_text(json.dumps(result["config"]))

    monkeypatch.setattr(runs, "train_at", trained)
    runs.train(setting, corner, (0, 1), 1e-2)
    assert tried == rates and runs.settled(tmp_path / str(corner), (0, 1))
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"records", str(corner), *(f"{corner}_rate{rate:g}" for rate in rates[:-1])}
    assert runs.record(setting, corner, 0).is_file() == (len(rates) == 1)
    assert not runs.settled(tmp_path / str(corner), (0, 1, 2))
    # Killed in between, it goes on with the rate that it was at.
    shutil.rmtree(tmp_path / str(corner))
    tried.clear()
    runs.train(setting, corner, (0, 1), 1e-2)
    assert tried == rates[-1:]


def test_seeds_at_two_rates_are_refused(tmp_path):
    corner, setting = runs.Corner("lr", "practice", 3, 0.5), mock.Mock(workdir=tmp_path)
    folder = tmp_path / str(corner) / "seed_1"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"learning_rate": 0.001}')
    with pytest.raises(UsageError, match="learning rate 0.0003 in .* or no such folder. Received: seed_1 at 0.001"):
        runs.train(setting, corner, (0, 1), 3e-4)


TOY = [
    "--scales=2", "--budgets=0.5", "--regimes=practice", "--search_at=2,0.5", "--steps=30", "--search_steps=10",
    "--batch=2", "--lr_size=8",
]  # fmt: skip


@pytest.mark.slow
def test_the_command_at_toy_size(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runs, "LEARNING_RATES", (1e-3, 2e-3))
    monkeypatch.setattr(runs, "LOWER_RATE", 5e-4)
    flags = [
        *TOY, "--spaces=hr_deconvolution,below_x2", "--seeds=0,1", "--sets=sample",
        f"--output={tmp_path / 'records'}", f"--workdir={tmp_path / 'work'}",
    ]  # fmt: skip
    assert space.main([*flags, "--parts=train"]) == 0
    assert not list((tmp_path / "records").glob("x2*"))
    assert space.main([*flags, "--parts=measure"]) == 0
    paths = sorted((tmp_path / "records").glob("x2*"))
    tried = {path.stem for path in (tmp_path / "records").glob("search_*")}
    assert len(paths) == 4 and len([name for name in tried if not name.endswith("_rate0.0005")]) == 4
    found = [runs.read(path) for path in paths]
    for each in found:
        assert each["scale"] == 2 and each["budget"] == 0.5 and each["regime"] == "practice" and each["steps"] == 30
        assert each["learning_rate"] in (runs.LOWER_RATE, *runs.LEARNING_RATES) and 20 < each["psnr"] < 50
        assert each["sets"]["sample"] == each["psnr"] and 0 < each["loss"] < 1 and 0 < each["loss_held_out"] < 1
        for name in ("seed", "parameters", "activation_bytes", "receptive_field", "device", "seconds"):
            assert each[name] is not None, name
    assert {each["space"] for each in found} == {"hr_deconvolution", "below_x2"}
    assert max(each["macs"] for each in found) <= 1.02 * min(each["macs"] for each in found)
    # Runs differ, though so few steps may leave one at its start, which is then the best; and what is measured is the
    # network that was trained: the record says what `zoo.evaluate` says.
    assert len({each["psnr"] for each in found}) >= 2
    model = keras.models.load_model(tmp_path / "work" / "x2_0.5_practice_below_x2" / "seed_1" / "model.keras")
    pictures = [(name, hr[..., 0]) for name, _, hr in zoo.data.sample(2, split="heldout").pictures()]
    evaluated = zoo.evaluate.mean(zoo.evaluate.evaluate(model, pictures, 2)).psnr
    record = json.loads((tmp_path / "records" / "x2_0.5_practice_below_x2_seed1.json").read_text())
    assert record["psnr"] == pytest.approx(evaluated, abs=1e-3)
    # Again: nothing is left to do, and nothing is written.
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()}
    capsys.readouterr()
    assert space.main(flags) == 0 and not capsys.readouterr().out
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not say which cores are used")
def test_processes_at_once_have_cores_of_their_own():
    cores = os.sched_getaffinity(0)
    for jobs in (2, 3, len(cores) + 1):
        shares = space.shares(jobs)
        assert len(shares) == jobs and set().union(*shares) == cores and sum(map(len, shares)) == len(cores)
    shares = space.shares(2)
    with space.processes(2) as pool:
        found = [pool.submit(os.sched_getaffinity, 0).result() for _ in range(4)]
    assert all(each in [share or cores for share in shares] for each in found)
    # Control: one process alone has all, and this one keeps them.
    assert space.shares(1) == [cores] and os.sched_getaffinity(0) == cores


@pytest.mark.slow
def test_runs_on_the_other_engine_are_measured_here(tmp_path):
    python = ROOT / ".venv-jax" / "bin" / "python"
    if not python.exists():
        pytest.skip("no environment with JAX; make test-all makes it")
    flags = [
        *TOY,
        "--spaces=below_x2",
        "--seeds=1",
        f"--output={tmp_path / 'records'}",
        f"--workdir={tmp_path / 'work'}",
    ]
    process = subprocess.run(
        [str(python), "-m", "experiments.space", *flags, "--engine=device", "--parts=train", "--jobs=2"],
        env={"KERAS_BACKEND": "jax", "PATH": "/usr/bin:/bin", "HOME": "/nowhere", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert space.main([*flags, "--parts=measure"]) == 0
    (record,) = (runs.read(path) for path in (tmp_path / "records").glob("x2*"))
    assert record["seed"] == 1 and "jax" in record["environment"]
    # What was measured there, on the same picture: the file holds that network.
    assert record["psnr"] == pytest.approx(record["psnr_tuning"], abs=0.02)
