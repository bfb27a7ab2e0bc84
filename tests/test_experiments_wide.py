"""Convolutions trained as more weights than they need: the kernel that they make, and what the experiment records."""

import json

import keras
import numpy as np
import pytest

from benchmarks import recipes
from experiments import wide
from zoo.identities import collapse
from zoo.registry import create_model


def networks(form, channels):
    """A plain network and its twin in a form, whose weights were then moved."""
    rng = np.random.default_rng(5)
    plain = create_model("gecko", 2, channels=channels, maps=4, depth=2, upsampler="subpixel")
    for weight in plain.trainable_variables:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    twin = wide.in_form(plain, form)
    image = rng.uniform(-1, 2, (2, 9, 12, channels)).astype("float32")
    start = [np.asarray(model(image)) for model in (plain, twin)]
    for weight in twin.trainable_variables:
        weight.assign(np.asarray(weight) + rng.normal(0, 0.1, weight.shape))
    return plain, twin, image, start


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["wide", "branches"])
def test_a_form_starts_as_the_plain_network_and_is_collapsed_into_it(form, channels):
    plain, twin, image, (before, start) = networks(form, channels)
    assert np.abs(start - before).max() < 1e-5 * np.abs(before).max()
    assert twin.count_params() > plain.count_params()
    learned = np.asarray(twin(image))
    assert np.abs(learned - start).max() > 1e-2 * np.abs(start).max()
    wide.collapse(twin, plain)
    assert np.abs(np.asarray(plain(image)) - learned).max() < 1e-5 * np.abs(learned).max()


@pytest.mark.parametrize("side, maps, filters", [(3, 4, 4), (5, 1, 4), (3, 2, 3)])
def test_the_kernel_is_what_the_identities_say(side, maps, filters):
    options = {"padding": "same", "data_format": "channels_last"}
    for form in ("wide", "branches"):
        layer = wide.Linear(filters, side, form=form, **options)
        layer.build((None, None, None, maps))
        first, second = (np.asarray(each, np.float64) for each in (layer.first, layer.second))
        beside = collapse.same(second[None, None])
        if form == "wide":
            expected = collapse.in_a_row(collapse.same(first), beside).convolution.kernel
        else:
            branches = [collapse.same(first), beside, *([collapse.skip(maps)] if maps == filters else [])]
            expected = collapse.side_by_side(*branches).kernel
        np.testing.assert_allclose(np.asarray(layer.collapsed()), expected, rtol=0, atol=1e-6)
        # Saved and loaded it is of the same form.
        assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer)).form == form


def test_the_page_has_a_row_for_each_way_and_the_mean_of_its_seeds(tmp_path):
    assert recipes.wide_section(tmp_path) == ""
    for form, trained in (("wide", 45041), ("plain", 11073)):
        for seed in (0, 1):
            run = {"form": form, "optimizer": "soap", "learning_rate": 0.01, "seed": seed, "trained": trained}
            (tmp_path / f"{form}{seed}.json").write_text(json.dumps(run | {"psnr": [[0, 28.0], [9, 29.0 + seed]]}))
    *_, plain, made_wide = recipes.wide_section(tmp_path).splitlines()
    assert plain == "| soap | 0.01 | plain | 11,073 | 28.00 | 29.50 |" and made_wide.startswith(
        "| soap | 0.01 | wide |"
    )


@pytest.mark.slow
def test_the_command_trains_each_way_once(tmp_path):
    flags = ["--steps=3", "--seeds=1", f"--output={tmp_path}"]
    wide.main(flags)
    found = {path: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert len(found) == 2 * 2 * len(wide.FORMS) and all(run["difference"] < 1e-5 for run in found.values())
    assert [mark for mark, _ in next(iter(found.values()))["psnr"]] == [0, 1, 3]
    starts = {round(run["psnr"][0][1], 3) for run in found.values()}
    assert len(starts) == 1, "one function at the start"
    before = {path: path.stat().st_mtime_ns for path in found}
    wide.main(flags)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
