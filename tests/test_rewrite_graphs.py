"""What surrounds an upsampling: graphs of every kind, names, training, files."""

import dataclasses

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from keras import layers
from rewrite_cases import F64, compare

import zoo.layers
from benchmarks.networks import randomise
from zoo import rewrite
from zoo.errors import UsageError
from zoo.rewrite import find, lr_space
from zoo.rewrite.tracing import graphs_of

UP = {"strides": 2, "padding": "same", **F64}


def image(channels=3, **options):
    return keras.Input((None, None, channels), dtype="float64", **options)


def values(channels=3, height=5, width=7, seed=3):
    return np.random.default_rng(seed).normal(size=(2, height, width, channels))


def chain(*steps, channels=3):
    start = x = image(channels)
    for step in steps:
        x = step(x)
    return randomise(keras.Model(start, x))


def left_over(model):
    kinds = (layers.Conv2DTranspose, layers.UpSampling2D)
    return [layer.name for layer in model._flatten_layers() if isinstance(layer, kinds)]


def test_shared_layers_stay_shared():
    one, other = image(name="one"), image(name="other")
    up, conv = layers.Conv2DTranspose(4, 3, **UP), layers.Conv2D(2, 3, padding="same", **F64)
    enlarge = layers.UpSampling2D(2, **F64)
    outputs = [conv(enlarge(up(one))), conv(enlarge(up(other)))]
    model = randomise(keras.Model([one, other], outputs))
    rewritten = compare(model, [values(), values(seed=4)])
    # One transposed convolution and one convolution, each with a kernel and a bias, however often they are called.
    assert len(rewritten.weights) == 4 and not left_over(rewritten)


def test_calls_that_differ_in_one_structural_zero_of_many_are_told_apart():
    """1,024 places: printed, NumPy leaves all but the first and last of them out."""
    layer = layers.Conv2DTranspose(1, 32, strides=4, padding="same", **F64)
    model = keras.Model(start := image(1), layer(start))
    (graph,) = graphs_of(model)
    moved = find.transposed_convolution(graph.nodes[-1])
    (term,) = moved.terms
    used = term.lr.used.copy()
    assert used.size > 1000
    used[tuple(side // 2 for side in used.shape)] = 0
    other = dataclasses.replace(moved, terms=[dataclasses.replace(term, lr=term.lr._replace(used=used))])
    assert str(used) == str(term.lr.used)
    assert moved.signature == moved.signature and moved.signature != other.signature


def test_one_rewriting_gives_model_and_explanation(monkeypatch):
    model = chain(layers.Conv2DTranspose(2, 4, **UP), layers.UpSampling2D(2, interpolation="lanczos3", **F64))
    made, rebuild = [], lr_space.Rebuild.model
    monkeypatch.setattr(lr_space.Rebuild, "model", lambda *args: made.append(args) or rebuild(*args))
    both = rewrite.rewritten(model)
    assert len(made) == 1
    assert str(both.explanation) == str(rewrite.explain(model))
    assert oracle.relative(both.model(values()), rewrite.to_lr_space(model)(values())) == 0
    assert [row.action for row in both.explanation.rows] == ["moved", "stays"]


def test_a_shared_convolution_is_not_torn_apart():
    start = image(4)
    conv = layers.Conv2D(4, 3, padding="same", name="shared", **F64)
    model = randomise(keras.Model(start, conv(layers.UpSampling2D(2, **F64)(conv(start)))))
    rewritten = compare(model, values(4))
    assert len(rewritten.weights) == 2
    (row,) = rewrite.explain(model).rows
    assert "shares its weights with a call that cannot move" in row.note


def test_nested_models():
    decoder = keras.Sequential(
        [image(3), layers.Conv2DTranspose(3, 4, name="up", **UP), layers.ReLU(**F64)], name="decoder"
    )
    both = keras.Model(
        start := image(3), {"a": decoder(decoder(start)), "b": layers.Conv2D(1, 1, **F64)(start)}, name="both"
    )
    outer = keras.Model(first := image(3), [both(first)["a"], first])
    rewritten = compare(randomise(outer), values())
    # The decoder that was called twice is one model still, and a Sequential one.
    inner = rewritten.get_layer("both").get_layer("decoder")
    assert isinstance(inner, keras.Sequential) and len(inner._inbound_nodes) >= 2 and not left_over(rewritten)
    (row,) = rewrite.explain(outer).rows
    assert row.layer == "both/decoder/up"


def test_inputs_and_outputs_by_name():
    inputs = {"low": image(3, name="low"), "high": image(2, name="high")}
    up = layers.Conv2DTranspose(2, 5, name="up", **UP)(inputs["low"])
    total = up * 2.0 + keras.ops.tanh(inputs["high"])  # operations of the graph that are no layers
    model = randomise(keras.Model(inputs, {"total": total, "up": up}))
    rewritten = compare(model, {"low": values(), "high": values(2, 10, 14)})
    assert rewritten.output_names == model.output_names
    # The name stands for the tensor that it stood for.
    part = keras.Model(rewritten.inputs, rewritten.get_layer("up").output)
    expected = model({"low": values(), "high": values(2, 10, 14)})["up"]
    assert oracle.relative(part([values(2, 10, 14), values()]), expected) <= 1e-12


def test_an_enlargement_that_is_also_an_output_stays_one():
    start = image(3)
    large = layers.UpSampling2D(2, name="large", **F64)(start)
    model = randomise(keras.Model(start, [large, layers.Conv2D(2, 3, padding="same", **F64)(large)]))
    rewritten = compare(model, values())
    assert [type(rewritten.get_layer("large")), left_over(rewritten)] == [zoo.layers.FixedUpsampler, []]
    assert [row.action for row in rewrite.explain(model).rows] == ["swapped", "moved"]


@pytest.mark.parametrize("is_inner", [False, True])
def test_a_sequential_that_is_no_row_any_more_becomes_a_plain_model_and_that_is_said(is_inner):
    """The depthwise part in LR space reads its maps several times."""
    steps = [layers.UpSampling2D(2, **F64), layers.SeparableConv2D(4, 3, padding="same", name="last", **F64)]
    model = keras.Sequential([image(3), *([keras.Sequential(steps, name="head")] if is_inner else steps)], name="net")
    rewritten = compare(randomise(model), values())
    assert not left_over(rewritten) and isinstance(rewritten, keras.Sequential) == is_inner
    (lost,) = rewrite.explain(model).lost
    assert lost == ("'head' (Sequential)" if is_inner else "'net' (Sequential)")


def test_sequential_and_classes():
    model = keras.Sequential([image(3), layers.UpSampling2D(2, **F64), layers.Conv2D(2, 3, name="last", **F64)])
    rewritten = compare(randomise(model), values())
    assert isinstance(rewritten, keras.Sequential) and rewritten.layers[-1].name == "last"

    class WithOwnStep(keras.Model):
        """A functional model with a training step of its own."""

    start = image(3)
    assert isinstance(compare(WithOwnStep(start, layers.Conv2DTranspose(2, 4, **UP)(start)), values()), WithOwnStep)

    class Built(keras.Model):
        """A model that makes its own graph, so that its class cannot be called with one."""

        def __init__(self):
            start = image(3)
            super().__init__(start, layers.Conv2DTranspose(2, 4, **UP)(start))

    assert not left_over(compare(Built(), values()))


def test_training_goes_on():
    """Frozen layers stay frozen, every weight of the others has a gradient, and a step lowers the loss."""
    frozen = layers.Conv2DTranspose(4, 3, strides=2, padding="same", trainable=False, name="frozen")
    start = keras.Input((None, None, 3))
    x = layers.UpSampling2D(2)(layers.Dropout(0.2)(layers.BatchNormalization()(frozen(start))))
    model = randomise(keras.Model(start, layers.Conv2D(2, 3, padding="same", activation="tanh", name="free")(x)))
    rewritten = rewrite.to_lr_space(model)
    assert not rewritten.get_layer("frozen_lr").trainable_weights and rewritten.get_layer("free_lr").trainable_weights
    images, target = values().astype("float32"), np.zeros((2, 20, 28, 2), "float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(rewritten(images, training=True) - target))
    gradients = tape.gradient(loss, rewritten.trainable_variables)
    assert all(float(tf.norm(gradient)) > 0 for gradient in gradients)
    rewritten.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True, jit_compile=False)
    history = rewritten.fit(images, target, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_files(tmp_path):
    """`.keras` in safe mode, SavedModel, and TFLite with builtin operations only."""
    start = keras.Input((None, None, 3))
    x = layers.Conv2DTranspose(4, 4, strides=2, padding="same", activation="softmax")(start)
    model = randomise(keras.Model(start, layers.Conv2D(2, 3, padding="same")(layers.UpSampling2D(2)(x))))
    rewritten = rewrite.to_lr_space(model)
    images = values().astype("float32")
    expected = model(images)
    assert oracle.relative(rewritten(images), expected) <= 1e-5
    rewritten.save(tmp_path / "model.keras")
    assert oracle.relative(keras.models.load_model(tmp_path / "model.keras")(images), expected) <= 1e-5
    rewritten.export(tmp_path / "saved", verbose=False)
    assert oracle.relative(tf.saved_model.load(tmp_path / "saved").serve(images), expected) <= 1e-5


def test_mixed_precision_and_float32():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        start = keras.Input((None, None, 3))
        x = layers.UpSampling2D(2)(layers.Conv2DTranspose(4, 3, strides=3, padding="same", activation="relu")(start))
        model = randomise(keras.Model(start, layers.Conv2D(2, 3, padding="same", dtype="float32")(x)))
    finally:
        keras.config.set_dtype_policy(policy)
    rewritten = rewrite.to_lr_space(model)
    images = values().astype("float32")
    assert rewritten(images).dtype == "float32" and rewritten.layers[1].dtype_policy.name == "mixed_float16"
    assert oracle.relative(rewritten(images), model(images)) <= 1e-2


def test_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    for model in (Subclassed(), keras.Sequential([layers.Conv2DTranspose(1, 3, strides=2)])):
        with pytest.raises(UsageError, match="Expected a functional Keras model"):
            rewrite.to_lr_space(model)
    for other in ("decoder.keras", None):
        with pytest.raises(
            UsageError, match=rf"Expected a Keras model; `zoo rewrite .* takes files. Received: {other!r}"
        ):
            rewrite.to_lr_space(other)
    with pytest.raises(UsageError, match="border"):
        rewrite.to_lr_space(chain(layers.ReLU(**F64)), border="nearly")


def test_a_lambda_layer_is_carried_over():
    """Old networks have them; its function is at hand, though Keras would not load it from a file."""
    double = layers.Lambda(lambda x, by: x * by, arguments={"by": 2.0}, name="double", **F64)
    model = chain(layers.Conv2DTranspose(2, 3, **UP), double)
    assert compare(model, values()).get_layer("double") is not double


def test_a_model_without_upsampling_is_copied():
    model = chain(layers.Conv2D(2, 3, **F64), layers.ReLU(**F64))
    rewritten = compare(model, values(), tolerance=0)
    assert rewritten is not model and rewrite.explain(model).rows == []
    assert "no upsampling found" in str(rewrite.explain(model))
