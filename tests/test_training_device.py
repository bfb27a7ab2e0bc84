"""The engine for accelerators against the other one, where there is no TensorFlow (`make test-all` sets that up)."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from PIL import Image
from training_cases import ended

import zoo.data
from zoo.data.jpeg import jpeg
from zoo.data.records import write_records
from zoo.errors import UsageError
from zoo.training import TrainConfig, loop, start, train
from zoo.training.snapshots import KEPT
from zoo.training.step import make_gradient

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-jax" / "bin" / "python"
TINY = TrainConfig(
    engine="device", model="gecko_s", scale=2, steps=60, batch=4, lr_size=12, warmup=5, seed=3, optimizer="soap",
    learning_rate=3e-3, loss="mse", ema=0.9, checkpoint_every=10, validate_every=30, log_every=10,
)  # fmt: skip
RANDOM = np.random.default_rng(6)


def environment(**more) -> dict:
    if not PYTHON.exists():
        pytest.skip("no environment with JAX; make test-all makes it")
    return {"KERAS_BACKEND": "jax", "PATH": "/usr/bin:/bin", "HOME": "/nowhere", "PYTHONPATH": str(ROOT), **more}


def run_case(case: str, folder: Path, config: TrainConfig | None = None) -> None:
    if config:
        (folder / "case.json").write_text(json.dumps(dataclasses.asdict(config)))
        write_records(zoo.data.sample(2), folder / "records")
    command = [str(PYTHON), str(ROOT / "tests" / "device_cases.py"), case, str(folder)]
    process = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=400)
    assert process.returncode == 0, process.stderr


def command(workdir: Path, config: TrainConfig, **flags) -> list[str]:
    values = {**dataclasses.asdict(config), "data": "sample", **flags}
    given = [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in values.items()]
    return [str(PYTHON), str(ROOT / "train.py"), f"--workdir={workdir}", *given]


def orientations(image):
    return [np.rot90(each, turns) for each in (image, image[:, ::-1]) for turns in range(4)]


def find(lr_patch, hr_patch, pictures, scale):
    """All (picture, orientation) in which both patches lie at the same place: brute force over every corner."""
    found = set()
    side = len(lr_patch)
    for number, (_, lr, hr) in enumerate(pictures):
        for orientation, (low, high) in enumerate(zip(orientations(lr_patch), orientations(hr_patch))):
            for y in range(lr.shape[0] - side + 1):
                for x in range(lr.shape[1] - side + 1):
                    if np.array_equal(lr[y : y + side, x : x + side], low):
                        rows, columns = (slice(scale * at, scale * (at + side)) for at in (y, x))
                        if np.array_equal(hr[rows, columns], high):
                            found.add((number, orientation))
    return found


@pytest.mark.slow
def test_patches_drawn_on_the_device_are_aligned_crops_in_all_orientations(tmp_path):
    (tmp_path / "pictures").mkdir()
    for number, shape in enumerate(((37, 61, 3), (58, 40, 3))):
        Image.fromarray(RANDOM.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / "pictures" / f"{number}.png")
    run_case("patches", tmp_path)
    drawn = np.load(tmp_path / "patches.npz")
    for scale, channels in ((2, 1), (3, 3)):
        pictures = list(zoo.data.from_folder(tmp_path / "pictures", scale, channels).pictures())

        def of(name, scale=scale):
            pairs = zip(drawn[f"{name}_lr_{scale}"], drawn[f"{name}_hr_{scale}"])
            return [tuple(np.round(image * 255).astype(np.uint8) for image in pair) for pair in pairs]

        places = [find(*pair, pictures, scale) for pair in of("turned")]
        assert all(len(each) == 1 for each in places)
        seen = set().union(*places)
        assert {orientation for _, orientation in seen} == set(range(8))
        assert {picture for picture, _ in seen} == {0, 1}
        assert all({orientation for _, orientation in find(*pair, pictures, scale)} == {0} for pair in of("plain"))
        np.testing.assert_array_equal(drawn[f"turned_hr_{scale}"], drawn[f"again_hr_{scale}"])
        assert not np.array_equal(drawn[f"turned_hr_{scale}"][:16], drawn[f"other_hr_{scale}"])
        assert not np.array_equal(drawn[f"turned_hr_{scale}"][:16], drawn[f"turned_hr_{scale}"][16:32])
        # Control: an LR patch beside the HR patch of another is nowhere.
        lr, hr = of("turned")[0][0], of("turned")[1][1]
        assert not find(lr, hr, pictures, scale)
    # Degraded, the same patches: HR as it was, most of LR changed, each compressed as TensorFlow computes it.
    np.testing.assert_array_equal(drawn["degraded_hr"], drawn["turned_hr_2"])
    changed = np.abs(drawn["degraded_lr"] - drawn["turned_lr_2"]).max(axis=(1, 2, 3)) > 1e-6
    assert 0.5 < changed.mean() < 1
    expected = np.asarray(jpeg(drawn["turned_lr_2"], np.linspace(20, 95, 48, dtype=np.float32)))
    # A coefficient on the line between two steps may be rounded either way.
    assert np.mean(np.abs(drawn["compressed"] - expected) > 1e-6) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("model, loss, shave", [("gecko_s", "mse", 0), ("espcn", "l1", 3)])
def test_the_gradient_is_that_of_the_other_engine(tmp_path, model, loss, shave):
    network = start.build_model(dataclasses.replace(TINY, model=model))
    network.set_weights([RANDOM.normal(scale=0.2, size=w.shape) for w in network.get_weights()])
    network.save(tmp_path / "start.keras")
    config = dataclasses.replace(TINY, model=model, loss=loss, loss_shave=shave, weights=str(tmp_path / "start.keras"))
    lr = RANDOM.random((5, 12, 12, 1), np.float32)
    hr = RANDOM.random((5, 24, 24, 1), np.float32)
    np.savez(tmp_path / "batch.npz", lr=lr, hr=hr)
    run_case("gradient", tmp_path, config)
    received = np.load(tmp_path / "gradient.npz")
    weights = [tf.convert_to_tensor(v.value) for v in network.trainable_variables]
    expected = make_gradient(network, config, shave, jit=False)(weights, [], lr, hr).numpy()
    flat = np.concatenate([np.ravel(received[f"arr_{index + 1}"]) for index in range(len(weights))])
    assert oracle.relative(flat, expected[:-1]) <= 1e-5
    assert float(received["arr_0"]) == pytest.approx(expected[-1], rel=1e-5)
    # Control: another batch has another gradient.
    other = make_gradient(network, config, shave, jit=False)(weights, [], lr[::-1] * 0.9, hr).numpy()
    assert oracle.relative(flat, other[:-1]) > 1e-2


@dataclasses.dataclass
class Recorded:
    """The batches of the device, as a source of the other engine."""

    lr: np.ndarray
    hr: np.ndarray
    name, scale, channels = "recorded", 2, 1

    def patches(self, batch, lr_size, seed, start_step=0, shard=(0, 1)):
        return tf.data.Dataset.from_tensor_slices((self.lr, self.hr)).skip(start_step).repeat()


@pytest.mark.slow
def test_both_engines_come_to_the_same_figure_on_the_same_batches(tmp_path):
    keras.utils.set_random_seed(1)
    network = start.build_model(TINY)
    start.start_as_interpolation(network, 2, 1)
    network.save(tmp_path / "start.keras")
    config = dataclasses.replace(TINY, steps=200, ema=0.98, weights=str(tmp_path / "start.keras"))
    run_case("drawn", tmp_path, config)
    ours = json.loads((tmp_path / "results.json").read_text())
    batches = np.load(tmp_path / "batches.npz")
    theirs = loop.train(
        dataclasses.replace(config, engine="tensorflow", jit="off"), tmp_path / "other",
        source=Recorded(batches["lr"], batches["hr"]), valid=zoo.data.sample(2, split="heldout"),
    )  # fmt: skip
    assert ours["model"]["psnr"] == pytest.approx(theirs["model"]["psnr"], abs=0.02)
    # Control: it is training that was compared. The start is bicubic, cut to a window.
    assert ours["model"]["psnr"] > ours["bicubic"]["psnr"] + 0.3
    # The networks are far closer to each other than to where both started.
    lr = next(zoo.data.sample(2, split="heldout").pictures())[1][None] / np.float32(255)
    same, other = (keras.models.load_model(tmp_path / folder / "model.keras")(lr) for folder in ("run", "other"))
    assert oracle.relative(same, other) < 0.2 * oracle.relative(same, network(lr))


@pytest.mark.slow
def test_the_upsampler_is_fitted_to_another_scale_as_in_the_other_engine(tmp_path):
    options = {"model": "gecko_s", "model_options": "depth=1"}
    theirs = start.build_model(TrainConfig(scale=3, **options))
    start.start_as_interpolation(theirs, 3, 1)
    theirs.save(tmp_path / "scale_3.keras")
    config = dataclasses.replace(TINY, weights=str(tmp_path / "scale_3.keras"), min_detail=2.0, batch=16, **options)
    run_case("fitted", tmp_path, config)
    with np.load(tmp_path / "fitted.npz") as file:
        weights = [file[f"arr_{index}"] for index in range(len(file.files))]
    ours, other = start.build_model(config), start.build_model(config)
    lr = next(zoo.data.sample(2, split="heldout").pictures())[1][None] / np.float32(255)
    unfitted = ours(lr)
    ours.set_weights(weights)
    start.initial_weights(other, config, zoo.data.sample(2), 0)
    # Each engine draws its own patches.
    assert np.abs(ours(lr) - other(lr)).mean() < 0.005
    # Control: the weights of the initialisers are none of a fit.
    assert np.abs(unfitted - other(lr)).mean() > 0.1


def wait_for(path: Path, process, seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_run_and_a_stopped_one_end_with_the_same_bits(tmp_path):
    flags = {"export": False}
    whole = subprocess.run(
        command(tmp_path / "whole", TINY, **flags), env=environment(), capture_output=True, text=True, timeout=400
    )
    assert ended(whole, tmp_path / "whole"), whole.stderr
    assert "several times slower than tensorflow" in whole.stderr
    killed = tmp_path / "killed"
    for ending in (signal.SIGKILL, signal.SIGINT):
        process = subprocess.Popen(
            command(killed, TINY, **flags), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait_for(killed / "checkpoints" / ("000000010.npz" if ending == signal.SIGKILL else "000000030.npz"), process)
        process.send_signal(ending)
        _, said = process.communicate(timeout=200)
        if ending == signal.SIGINT:
            assert process.returncode == 130 and "The same command goes on from there" in said
    process = subprocess.run(
        command(killed, TINY, **flags), env=environment(), capture_output=True, text=True, timeout=400
    )
    assert ended(process, killed) and "Going on from the checkpoint" in process.stderr
    for folder in (killed, tmp_path / "whole"):
        assert len(list((folder / "checkpoints").iterdir())) == KEPT
        steps = [line["step"] for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines())]
        assert steps == sorted(steps) and steps[-1] == TINY.steps
    ours, theirs = (np.load(folder / "checkpoints" / "000000060.npz") for folder in (killed, tmp_path / "whole"))
    assert sorted(ours.files) == sorted(theirs.files)
    for name in ours.files:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    # Control: it is not the same array all along.
    earlier = np.load(tmp_path / "whole" / "checkpoints" / "000000050.npz")
    assert not np.array_equal(earlier["average/0"], theirs["average/0"])


@pytest.mark.slow
def test_a_lengthened_run_logs_validates_and_saves_where_others_do(tmp_path):
    """It ended at step 15, between two of the steps at which something is due: every 10 here, and every 30."""
    run_case("lengthened", tmp_path, TINY)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "loss" in line] == [10, 15, 20, 30, 40]
    assert [line["step"] for line in log if "psnr" in line] == [0, 15, 30, 40]
    saved = sorted(int(path.stem) for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert saved == [20, 30, 40]
    # From step 20 on by the program of a run that was never lengthened.
    assert json.loads((tmp_path / "taken.json").read_text()) == [10, 5, 5, 10, 10]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_frozen_body_stays_what_it_was_through_a_stop(tmp_path, precision):
    network = start.build_model(TINY)
    network.set_weights([RANDOM.normal(scale=0.1, size=w.shape) for w in network.get_weights()])
    network.save(tmp_path / "start.keras")
    config = dataclasses.replace(
        TINY, steps=20, weights=str(tmp_path / "start.keras"), freeze_body=True, precision=precision
    )
    run_case("frozen", tmp_path, config)
    whole, again = (keras.models.load_model(tmp_path / folder / "model.keras") for folder in ("whole", "run"))
    for layer, before in zip(whole.layers, network.layers):
        kept = all(np.array_equal(*pair) for pair in zip(layer.get_weights(), before.get_weights()))
        assert kept == (layer.name != "upsampler"), layer.name
    for ours, theirs in zip(again.get_weights(), whole.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    assert {layer.compute_dtype for layer in whole.layers} == {"float32"}


@pytest.mark.slow
def test_a_layer_decays_by_its_own_rate(tmp_path):
    config = dataclasses.replace(
        TINY, optimizer="adamw", weight_decay=3.0, learning_rate=1e-2, warmup=0, schedule="constant",
        lr_multipliers="feature=0,map=0.25",
    )  # fmt: skip
    given = {name: RANDOM.normal(size=(3, 5)).astype(np.float32) for name in ("feature", "map", "upsampler")}
    np.savez(tmp_path / "given.npz", **given)
    run_case("decayed", tmp_path, config)
    with np.load(tmp_path / "decayed.npz") as received:
        np.testing.assert_array_equal(received["feature"], given["feature"])
        for name, factor in (("map", 0.25), ("upsampler", 1.0)):
            # The gradient is the weight itself, and Adam's first step is as long as the rate.
            expected = given[name] - factor * 1e-2 * (3 * given[name] + np.sign(given[name]))
            np.testing.assert_allclose(received[name], expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_seeds_that_share_the_device_come_to_what_each_comes_to_alone(tmp_path):
    run_case("seeds", tmp_path, dataclasses.replace(TINY, steps=40))
    first, second, alone = json.loads((tmp_path / "results.json").read_text())
    assert second["model"]["psnr"] == pytest.approx(alone["model"]["psnr"], abs=0.01)
    assert first["model"]["psnr"] != second["model"]["psnr"]
    assert {path.name for path in (tmp_path / "together").iterdir()} == {"seed_4", "seed_5"}
    # Killed between the two checkpoints of the last step, they go on and come to the same bits.
    for seed in ("seed_4", "seed_5"):
        killed, whole = (tmp_path / run / seed for run in ("killed", "together"))
        ours, theirs = (np.load(folder / "checkpoints" / "000000040.npz") for folder in (killed, whole))
        for name in theirs.files:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
        steps = [json.loads(line)["step"] for line in (killed / "log.jsonl").read_text().splitlines()]
        assert steps == sorted(steps) and steps.count(40) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags, variables, sentence",
    [
        ({"optimizer": "sgd", "learning_rate": 1e30}, {}, "Expected a finite loss"),
        ({"strategy": "mirrored"}, {}, "Expected --engine=tensorflow with --strategy"),
        ({}, {"KERAS_BACKEND": "torch"}, "Expected KERAS_BACKEND=jax for engine=device"),
        ({"engine": "tensorflow"}, {}, "Expected tensorflow to be installed for engine=tensorflow"),
    ],
)
def test_refusals_of_the_command(tmp_path, flags, variables, sentence):
    process = subprocess.run(
        command(tmp_path, TINY, **flags), env=environment(**variables), capture_output=True, text=True, timeout=200
    )
    assert process.returncode == 2 and sentence in process.stderr and "Traceback" not in process.stderr


def test_the_engine_wants_its_backend(tmp_path):
    with pytest.raises(UsageError, match="for engine=device"):
        train(TINY, tmp_path)


def test_the_other_engine_refuses_the_backend_of_this_one(tmp_path):
    process = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), f"--workdir={tmp_path}"],
        env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert process.returncode == 2 and "Traceback" not in process.stderr
    assert "Expected KERAS_BACKEND=tensorflow for engine=tensorflow" in process.stderr
