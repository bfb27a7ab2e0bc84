"""How a network made anew is compared with its original: sizes, time, what differs from itself, whole numbers."""

import warnings

import keras
import pytest
from keras import layers, ops
from rewrite_cases import network

from benchmarks.networks import randomise
from zoo import rewrite
from zoo.errors import UsageError
from zoo.rewrite import difference
from zoo.rewrite.difference import largest_differences
from zoo.rewrite.same import check_same


def test_what_cannot_be_compared_is_said(monkeypatch):
    class Unseeded(layers.Layer):
        def call(self, x):
            return x + keras.random.normal(ops.shape(x))

    with pytest.warns(UserWarning, match="was not compared with the original: two calls of the original differ"):
        rewrite.to_lr_space(network(Unseeded()))

    monkeypatch.setattr(difference, "PATIENCE", 1.0)
    low, high = keras.Input((None, None, 3)), keras.Input((None, None, 2))
    x = layers.Concatenate()([layers.UpSampling2D(5)(layers.Conv2DTranspose(3, 4, 2, padding="same")(low)), high])
    with pytest.warns(UserWarning, match="no size that was tried fits") as caught:
        rewrite.to_lr_space(keras.Model([low, high], x))
    ours = [warning.filename for warning in caught if "no size" in str(warning.message)]
    assert ours == [__file__], "behind who called"


def test_a_size_at_which_the_original_differs_from_itself_is_passed_over():
    """As one that reads what was never written there; at the next size there is something to compare."""
    calls = []

    class Unsteady(layers.Layer):
        def call(self, x):
            calls.append(x.shape[1])
            return x + len(calls) * (x.shape[1] == 7)

    model = network(Unsteady(name="unsteady"))
    calls.clear()
    check_same(model, model)
    assert calls[:4] == [7, 7, 14, 14] and 6 in calls
    with pytest.raises(UsageError, match="first behind layer 'unsteady'"):
        check_same(network(Unsteady(name="unsteady")), network(layers.ReLU(name="unsteady")))


def test_nothing_finite_is_nothing_to_compare():
    model = network(layers.Lambda(lambda x: x / 0.0 - x / 0.0))
    with pytest.warns(UserWarning, match="no size that was tried fits"):
        check_same(model, model)


@pytest.mark.parametrize("steps", [None, 3])
def test_a_video_of_free_size_is_compared(steps):
    video = keras.Input((steps, None, None, 2))
    x = keras.layers.TimeDistributed(keras.layers.Conv2D(3, 3, strides=2, padding="same"))(video)
    x = keras.layers.TimeDistributed(keras.layers.Conv2DTranspose(2, 2, 2))(x)
    model = randomise(keras.Model(video, keras.layers.Add()([x, video])))
    sizes = largest_differences(model, model)
    assert set(sizes.values()) == {0.0} and len(sizes) == 2
    with warnings.catch_warnings(action="error", category=UserWarning):
        rewrite.to_lr_space(model)


def test_time_is_bounded():
    calls = []

    class Counted(layers.Layer):
        def call(self, x):
            calls.append(x.shape[1])
            return x

    model = network(Counted())
    # Two calls of the original at each size, then those of the other.
    for seconds, sizes in ((0.0, [7, 7, 7]), (60.0, [7, 7, 3, 3, 7, 3])):
        calls.clear()
        check_same(model, model, seconds=seconds)
        assert calls == sizes


def test_levels_and_classes():
    """Whole numbers that lie half-way are rounded either way; another function is not."""
    start = keras.Input((None, None, 3))
    x = layers.Conv2DTranspose(3, 4, 2, padding="same", activation="sigmoid")(start)
    model = keras.Model(start, ops.cast(ops.round(255 * x), "uint8"))
    rewrite.to_lr_space(model)
    other = keras.models.clone_model(model)
    with pytest.raises(UsageError, match="a difference of"):
        check_same(model, other)
