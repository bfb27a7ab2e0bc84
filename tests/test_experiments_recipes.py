"""The experiments on training that compare networks once a seed: teachers and students, averages of runs."""

import json

import keras
import numpy as np
import pytest

from benchmarks import recipes
from experiments import average, distil
from zoo.registry import create_model

RANDOM = np.random.default_rng(3)


def network(seed):
    keras.utils.set_random_seed(seed)
    return create_model("gecko", 2, channels=3, maps=4, depth=1, upsampler="subpixel")


def test_a_self_ensemble_has_every_symmetry_and_the_network_has_not():
    model = network(1)
    run = distil.self_ensemble(model)
    image = RANDOM.uniform(-1, 2, (2, 8, 11, 3)).astype("float32")
    flipped, turned = image[:, :, ::-1], np.rot90(image, 1, (1, 2))
    whole = np.asarray(run(image))
    assert whole.shape == (2, 16, 22, 3)
    size = np.abs(whole).max()
    assert np.abs(np.asarray(run(flipped)) - whole[:, :, ::-1]).max() < 1e-5 * size
    assert np.abs(np.asarray(run(turned)) - np.rot90(whole, 1, (1, 2))).max() < 1e-5 * size
    assert np.abs(np.asarray(model(flipped)) - np.asarray(model(image))[:, :, ::-1]).max() > 1e-2 * size


def test_the_self_ensemble_of_a_network_with_the_symmetries_is_the_network():
    nearest = lambda images, training: np.repeat(np.repeat(images, 2, 1), 2, 2)  # noqa: E731
    image = RANDOM.random((1, 5, 7, 1), np.float32)
    np.testing.assert_allclose(distil.self_ensemble(nearest)(image), nearest(image, False), rtol=0, atol=1e-6)


def test_the_average_is_that_of_every_weight():
    networks, into = [network(seed) for seed in (1, 2, 3)], network(4)
    average.average(networks, into)
    for values in zip(into.get_weights(), *(each.get_weights() for each in networks), strict=True):
        np.testing.assert_allclose(values[0], np.mean(values[1:], axis=0), rtol=0, atol=1e-6)


def test_a_table_has_a_row_for_each_network_and_the_mean_of_its_seeds(tmp_path):
    assert recipes.seeds_section(tmp_path, "Distillation", "trains; PSNR of") == ""
    for seed in (0, 1):
        rows = {"the teacher": [[4, 29.0 + seed], [8, 30.0]], "on the originals": [[4, 28.0]]}
        (tmp_path / f"seed{seed}.json").write_text(json.dumps({"rows": rows}))
    *head, teacher, student = recipes.seeds_section(tmp_path, "Distillation", "trains; PSNR of").splitlines()
    assert teacher == "| the teacher | 29.50 | 30.00 |" and student == "| on the originals | 28.00 |  |"
    assert "PSNR of the mean of 2 seeds." in head[2]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", [distil, average])
def test_the_command_trains_each_network_once(experiment, tmp_path, capsys):
    flags = ["--steps=4", "--seeds=1", f"--output={tmp_path}"]
    experiment.main(flags)
    (path,) = tmp_path.iterdir()
    rows = json.loads(path.read_text())["rows"]
    figures = [dB for each in rows.values() for _, dB in each]
    # No two are the same network.
    assert len(rows) > 3 and len(set(figures)) == len(figures) and 3 < min(figures) < max(figures) < 40
    before = path.stat().st_mtime_ns
    experiment.main(flags)
    assert path.stat().st_mtime_ns == before and capsys.readouterr().out.count("seed 0, ") == 2 * len(rows)
