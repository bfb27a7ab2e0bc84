"""What is left as it is, or becomes less than it might, is named with its reason; the table of what was done."""

import keras
import oracle
import pytest
from keras import layers
from rewrite_cases import F64, compare, made_of, values

from benchmarks.networks import randomise
from zoo import rewrite


def stays():
    """(layers after the input, the one that is named, words of the reason)."""

    class Mine(layers.Conv2DTranspose):
        pass

    first = {"data_format": "channels_first"}
    return [
        ([layers.Conv2DTranspose(2, 3, strides=2, name="up", **first)], "channels_first"),
        ([layers.UpSampling2D(2, name="up", **first)], "channels_first"),
        ([Mine(2, 3, strides=2, name="up")], "a subclass"),
        ([layers.UpSampling2D((2, 1), interpolation="bilinear", name="up")], "size 2×1 differ per axis"),
        ([layers.UpSampling2D(2, interpolation="lanczos3", name="up")], "lanczos3"),
        ([layers.Resizing(9, 11, name="up")], "fixed size"),
        ([layers.TimeDistributed(layers.Conv2DTranspose(2, 3, strides=2, name="inner"), name="up")], "'inner' inside"),
    ]


@pytest.mark.parametrize("case", range(7))
def test_what_stays_is_named_with_its_reason(case):
    steps, words = stays()[case]
    shape = (None, 4, 5, 3) if isinstance(steps[0], layers.TimeDistributed) else (4, 5, 3)
    start = x = keras.Input(shape)
    for step in steps:
        x = step(x)
    model = randomise(keras.Model(start, x))
    (row,) = rewrite.explain(model).rows
    assert row.layer == "up" and row.action == "stays" and words in row.note
    rewritten = rewrite.to_lr_space(model)
    assert type(rewritten.get_layer("up")) is type(steps[0])
    # TensorFlow computes channels_first on GPUs only.
    if getattr(steps[0], "data_format", None) != "channels_first" and len(shape) == 3:
        images = values(4, 5, 3).astype("float32")
        assert oracle.relative(rewritten(images), model(images)) == 0


def between():
    reflect = lambda x: keras.ops.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")  # noqa: E731
    return {
        "separable": ([layers.SeparableConv2D(2, 3, strides=2, name="next", **F64)], "SeparableConv2D"),
        "reflection": ([reflect, layers.Conv2D(2, 3, **F64)], "(Pad)"),
        "stride": ([layers.Conv2D(2, 3, strides=2, name="next", **F64)], "strides (2, 2)"),
        "groups": ([layers.Conv2D(3, 3, groups=3, name="next", **F64)], "3 groups"),
        "dropout": ([layers.Dropout(0.5, name="next", **F64), layers.Conv2D(2, 3, **F64)], "Dropout"),
        "prelu": ([layers.PReLU(name="next", shared_axes=[1], **F64), layers.Conv2D(2, 3, **F64)], "PReLU"),
    }


@pytest.mark.parametrize("case", between())
def test_an_enlargement_without_its_convolution(case):
    """It becomes copies and a shuffle (the GPU delegate refuses what UpSampling2D turns into), and says why no more."""
    steps, words = between()[case]
    model = made_of(layers.UpSampling2D(2, name="up", **F64), *steps, shape=(4, 6, 3))
    (row,) = rewrite.explain(model).rows
    assert row.action == "swapped" and row.becomes == "FixedUpsampler nearest" and words in row.note
    compare(model, values(4, 6, 3))


def test_the_explanation_prints_as_a_table():
    start = keras.Input((None, None, 56))
    table = str(
        rewrite.explain(keras.Model(start, layers.Conv2DTranspose(1, 9, strides=2, padding="same", name="up")(start)))
    )
    for text in ("up", "Conv2DTranspose 9×9", "Conv2D 5×5", "4,536 [18,144]", "5,600", "19 of 100", "4,537", "5,604"):
        assert text in table, table


def blockers():
    bn = lambda: layers.BatchNormalization(name="bn", **F64)  # noqa: E731
    relu = lambda: layers.ReLU(name="relu", **F64)  # noqa: E731
    return {
        "behind what is per channel": (
            [bn(), relu(), layers.SeparableConv2D(2, 3, strides=2, name="last", **F64)],
            "'last'",
            "'bn'",
        ),
        "only pointwise layers": ([bn(), relu()], "no convolution after it", "'bn'"),
    }


@pytest.mark.parametrize("case", blockers())
def test_the_real_blocker_is_named(case):
    steps, words, not_these = blockers()[case]
    model = made_of(layers.UpSampling2D(2, name="up", **F64), *steps, shape=(None, None, 3))
    row = rewrite.explain(model).rows[0]
    assert row.layer == "up" and words in row.note and not_these not in row.note


@pytest.mark.parametrize("columns", (80, 120))
def test_an_explanation_fits_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    x = start = keras.Input((None, None, 3), dtype="float64")
    for number in range(3):
        x = layers.Conv2DTranspose(64, 9, 3, padding="same", name=f"a_rather_long_name_of_a_layer_{number}", **F64)(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="interpolated", **F64)(x)
    explanation = rewrite.explain(keras.Model(start, layers.UpSampling2D(2, **F64)(x), name="decoder"))
    assert max(map(len, str(explanation).splitlines())) <= columns
    for words in ("3 of 5 moved, 1 swapped, 1 stays", "wrong", "right", "faster", "GPU delegate"):
        assert words in str(explanation), words
    assert repr(explanation) == "<Explanation of decoder: 3 of 5 moved, 1 swapped, 1 stays>"


def test_in_a_notebook_the_table_is_text_too(monkeypatch):
    start = keras.Input((None, None, 3))
    explanation = rewrite.explain(keras.Model(start, layers.UpSampling2D(2, name="enlarged")(start)))
    notebook = type("ZMQInteractiveShell", (), {})
    monkeypatch.setattr("builtins.get_ipython", notebook, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "enlarged" in str(explanation) and "\x1b" not in str(explanation)
