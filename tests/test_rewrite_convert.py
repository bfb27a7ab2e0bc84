"""The zoo's own models: form to form with the same weights, and into LR space."""

import itertools

import keras
import numpy as np
import oracle
import pytest

import zoo
from benchmarks.networks import randomise
from zoo import rewrite
from zoo.errors import UsageError
from zoo.layers import EXACT, ResizeUpsampler, SubpixelUpsampler

pytestmark = pytest.mark.usefixtures("float64")


def pictures(channels):
    return np.random.default_rng(1).uniform(size=(2, 5, 7, channels))


@pytest.mark.parametrize("start, end", itertools.permutations(EXACT, 2))
def test_between_the_exact_forms(start, end):
    for name, scale, channels in (("fsrcnn_s", 2, 3), ("espcn", 3, 1)):
        model = randomise(zoo.create_model(name, scale=scale, channels=channels, upsampler=start))
        converted = rewrite.convert(model, end)
        assert type(converted.get_layer("upsampler")) is zoo.layers.LEARNED[end]
        assert oracle.relative(converted(pictures(channels)), model(pictures(channels))) <= 1e-12
        for one, other in zip(converted.get_weights(), model.get_weights(), strict=True):
            assert np.array_equal(one, other)
        assert converted.name == model.name and converted.output_names == model.output_names


@pytest.mark.parametrize("end", EXACT)
@pytest.mark.parametrize("side, scale", ((3, 2), (4, 2), (4, 3), (1, 2), (5, 3)))
def test_from_resize(end, side, scale):
    start = keras.Input((None, None, 3))
    model = randomise(keras.Model(start, ResizeUpsampler(2, side, scale, name="upsampler")(start)))
    converted = rewrite.convert(model, end)
    assert oracle.relative(converted(pictures(3)), model(pictures(3))) <= 1e-12
    assert oracle.relative(rewrite.to_lr_space(model)(pictures(3)), model(pictures(3))) <= 1e-12
    kernel = converted.get_layer("upsampler").kernel.shape[0]
    assert kernel == side + scale - (side % 2)


def test_converting_to_itself_copies():
    model = randomise(zoo.create_model("fsrcnn_s", scale=2, upsampler="resize"))
    converted = rewrite.convert(model, "resize")
    assert converted is not model and oracle.relative(converted(pictures(1)), model(pictures(1))) == 0


def test_refused_by_name():
    subpixel = zoo.create_model("espcn", scale=2)
    for form, words in (("resize", "tied"), ("bicubic", "no weights"), ("pixelshuffle", "one of transposed")):
        with pytest.raises(UsageError, match=words):
            rewrite.convert(subpixel, form)
    with pytest.raises(UsageError, match="which has none"):
        rewrite.convert(zoo.create_model("srcnn", scale=2), "subpixel")


@pytest.mark.parametrize("upsampler", (*EXACT, "resize", "nearest", "bilinear", "bicubic"))
def test_zoo_models_into_lr_space(upsampler):
    for name, scale in (("fsrcnn_s", 3), ("srcnn", 2)):
        model = randomise(zoo.create_model(name, scale=scale, upsampler=upsampler))
        rewritten, explanation = rewrite.rewritten(model, check=False)
        row = explanation.rows[0]
        assert oracle.relative(rewritten(pictures(1)), model(pictures(1))) <= 1e-12
        fixed = upsampler in ("bilinear", "bicubic", "subpixel") or (upsampler == "nearest" and name == "fsrcnn_s")
        assert row.action == ("already in LR space" if fixed else "moved")
        if upsampler in EXACT:
            assert isinstance(rewritten.get_layer("upsampler"), SubpixelUpsampler)
