"""One contract for every model and every form of its upsampler."""

import inspect

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from model_contract import forward_by_oracle, keeps_the_contract

import zoo
from zoo import layers
from zoo.errors import UsageError

CASES = [(name, form) for name in zoo.list_models() for form in layers.FORMS]
SIZES = [(1, 3), (3, 2)]
# In the default tier every model and every form meets both sizes; all of them with one another in the slow one.
CONTRACTS = [
    pytest.param(name, form, *size, marks=() if (row + column) % 2 == place else pytest.mark.slow)
    for row, name in enumerate(zoo.list_models())
    for column, form in enumerate(layers.FORMS)
    for place, size in enumerate(SIZES)
]
# A form's precision does not depend on the model, nor a model's on the form.
PRECISIONS = [(name, form) for name, form in CASES if name == "fsrcnn_s" or form == "subpixel"]
# Weights without biases and slopes, as the papers count them (SRCNN: section 3; FSRCNN: table 1; ESPCN at ×2/×3/×4).
PUBLISHED = [
    ("srcnn", 3, {}, 8032),
    ("srcnn", 2, {"kernels": (9, 3, 5)}, 24416),
    ("srcnn", 4, {"kernels": (9, 5, 5)}, 57184),
    ("fsrcnn", 3, {}, 12464),
    ("fsrcnn_s", 2, {}, 3937),
    ("espcn", 2, {}, 21184),
    ("espcn", 3, {}, 22624),
    ("espcn", 4, {}, 24640),
]


def sequential_weights(model, amplitude=0.05):
    """Weights without a random generator: every one different, none zero, the same on every platform."""
    values, count = [], 0
    for weight in model.get_weights():
        index = np.arange(count, count + weight.size)
        values.append((amplitude * np.sin(1.0 + 0.7 * index)).reshape(weight.shape).astype(weight.dtype))
        count += weight.size
    model.set_weights(values)
    return model


def test_a_gecko_that_expands_keeps_the_contract(tmp_path):
    model = sequential_weights(zoo.create_model("gecko_s", 3, channels=3, depth=2, expand=10))
    images = np.random.default_rng(1).random((2, 9, 7, 3), dtype=np.float32)
    keeps_the_contract(model, "gecko_s", "subpixel", 3, images, tmp_path)
    assert model.get_layer("expand").kernel.shape == (1, 1, 8, 10)


def test_a_separable_gecko_keeps_the_contract(tmp_path):
    model = sequential_weights(zoo.create_model("gecko", 3, channels=3, maps=7, depth=3, separable=True), 0.3)
    images = np.random.default_rng(1).random((2, 9, 7, 3), dtype=np.float32)
    keeps_the_contract(model, "gecko", "subpixel", 3, images, tmp_path)
    # A multiplication for each weight of a kernel at each LR pixel: 3·3·3·7 + 3·(3·3·7 + 7·7) + 3·3·7·27.
    kernels = sum(weight.size for weight in model.get_weights() if weight.ndim == 4)
    assert kernels == 2226 and zoo.complexity.count(model, 30, 60)["macs"] == kernels * 10 * 20


@pytest.mark.parametrize("name, form, channels, scale", CONTRACTS)
def test_contract(name, form, channels, scale, tmp_path):
    model = sequential_weights(zoo.create_model(name, scale, channels=channels, upsampler=form))
    images = np.random.default_rng(0).random((2, 7, 9, channels), dtype=np.float32)
    keeps_the_contract(model, name, form, scale, images, tmp_path)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(images) - 0.3))
    for weight, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert gradient is not None and np.abs(gradient).max() > 0, weight.path


@pytest.mark.parametrize("name", ("espcn", "fsrcnn"))
def test_the_oracle_can_disagree(name):
    model = sequential_weights(zoo.create_model(name, 3))
    images = np.random.default_rng(0).random((2, 7, 9, 1), dtype=np.float32)
    expected = forward_by_oracle(model, name, "transposed", images, 3)
    kernel, bias = model.get_layer("upsampler").get_weights()
    kernel[[4, 5]] = kernel[[5, 4]]
    model.get_layer("upsampler").set_weights([kernel, bias])
    assert oracle.relative(model(images), expected) > 1e-3


@pytest.mark.parametrize("name, scale, options, weights", PUBLISHED)
def test_published_weight_counts(name, scale, options, weights):
    model = zoo.create_model(name, scale, **options)
    assert sum(int(np.prod(w.shape)) for w in model.weights if w.path.endswith("kernel")) == weights


def test_espcn_parameters():
    # With one bias per output channel, not per phase.
    assert zoo.create_model("espcn", 4).count_params() == 24737


@pytest.mark.parametrize("name, form", PRECISIONS)
def test_mixed_precision_gives_float32(name, form):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = zoo.create_model(name, 2, upsampler=form)
    finally:
        keras.config.set_dtype_policy(before)
    sr = model(np.random.default_rng(0).random((1, 5, 6, 1), dtype=np.float32))
    assert sr.dtype == tf.float32
    assert any(layer.compute_dtype == "bfloat16" for layer in model.layers)


def test_weights_move_between_forms_as_they_are():
    for name in ("espcn", "fsrcnn", "gecko", "srcnn"):
        models = [zoo.create_model(name, 2, upsampler=form) for form in ("transposed", "zero_interleaved", "subpixel")]
        images = np.random.default_rng(0).random((2, 6, 5, 1), dtype=np.float32)
        first = models[0](images)
        for other in models[1:]:
            other.set_weights(models[0].get_weights())
            assert oracle.relative(other(images), first) <= 1e-5


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: zoo.create_model("edsr", 2), "one of espcn, espcn_residual, fsrcnn, fsrcnn_s, gecko, gecko_s, srcnn"),
        (lambda: zoo.create_model("espcn", 2, d=3), "option of espcn to be one of scale, channels, activation"),
        (lambda: zoo.create_model("srcnn", 2, kernels=9), "Expected options that srcnn takes. Received: "),
        (lambda: zoo.create_model("espcn", 1), "scale to be an integer of at least 2"),
        (lambda: zoo.create_model("espcn", 2, channels=4), "channels to be 1"),
        (lambda: zoo.create_model("espcn", 2, activation="tahn"), "options that espcn takes. Received: .*tahn"),
        (lambda: zoo.create_model("espcn", 2, upsampler="deconvolution"), "upsampler to be one of transposed"),
        (lambda: zoo.create_model("srcnn", 2, kernels=(9, 2, 5)), "three odd sides"),
        (lambda: zoo.load("espcn_x9"), "Expected the preset to be one of"),
        (lambda: zoo.load("fsrcnn"), "Received: 'fsrcnn', the name of fsrcnn_x2, fsrcnn_x3, fsrcnn_x4"),
        (lambda: zoo.card("gecko_rgb"), "Received: 'gecko_rgb', the name of gecko_rgb_x"),
        (lambda: zoo.open_model("nowhere.keras"), "which is not there"),
    ],
)
def test_refusals(make, sentence):
    with pytest.raises(UsageError, match=sentence):
        make()


def test_every_model_takes_the_same_first_arguments():
    for name in zoo.list_models():
        build = getattr(zoo.models, name)
        parameters = list(inspect.signature(build).parameters)
        assert parameters[:2] == ["scale", "channels"] and "upsampler" in parameters, name


def test_a_scale_is_seen_however_the_result_is_named():
    image = keras.Input((None, None, 1))
    large = layers.DepthToSpace(2)(keras.layers.Conv2D(4, 3, padding="same")(image))
    assert zoo.models.scale_of(keras.Model([image], [large])) == 2
    with pytest.raises(UsageError, match="scale·H"):
        zoo.models.scale_of(keras.Model(image, [large, large]))
    with pytest.raises(UsageError, match="scale·H"):
        zoo.models.scale_of(keras.Model(image, {"a": large, "b": image}))

    class Subclass(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(UsageError, match="Received: unknown"):
        zoo.models.scale_of(Subclass())


def test_a_scale_is_seen_of_a_network_that_halves_the_picture_several_times():
    image = x = keras.Input((None, None, 1))
    kept = []
    for _ in range(4):
        kept.append(x)
        x = keras.layers.Conv2D(1, 3, strides=2, padding="same")(x)
    for before in reversed(kept):
        x = keras.layers.Add()([before, keras.layers.UpSampling2D()(x)])
    deep = keras.Model(image, keras.layers.UpSampling2D(3)(x))
    assert zoo.models.scale_of(deep) == 3
    # At the size tried first its sums do not fit.
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        deep(np.zeros((1, 24, 36, 1), np.float32))


def test_no_scale_is_seen_in_other_functions():
    inputs = keras.Input((None, None, 1))
    with pytest.raises(UsageError, match="scale·H"):
        zoo.models.scale_of(keras.Model(inputs, keras.layers.Conv2D(3, 3)(inputs)))


def test_the_models_do_not_depend_on_where_keras_has_the_channels(tmp_path):
    images = np.random.default_rng(0).random((2, 9, 7, 1), dtype=np.float32)
    results = {}
    for place in ("channels_last", "channels_first"):
        keras.config.set_image_data_format(place)
        try:
            for name in zoo.list_models():
                model = sequential_weights(zoo.create_model(name, 3))
                results[place, name] = model.to_json(), np.asarray(model(images))
            results[place, "preset"] = zoo.load("fsrcnn_x3").to_json(), np.asarray(zoo.load("fsrcnn_x3")(images))
            # Control: a layer that does not say it takes Keras' word.
            assert keras.layers.Conv2D(1, 3).data_format == place
        finally:
            keras.config.set_image_data_format("channels_last")
    for name in (*zoo.list_models(), "preset"):
        (last, expected), (first, received) = (results[place, name] for place in ("channels_last", "channels_first"))
        assert first == last and np.array_equal(received, expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("espcn", {"scale": 3, "channels": 3, "kernel_size": 9}),
        ("fsrcnn", {"scale": 2, "d": 8, "s": 4, "m": 2}),
        ("gecko", {"scale": 2, "maps": 4, "depth": 2, "expand": 6}),
        ("srcnn", {"scale": 2, "channels": 3}),
    ],
)
def test_numpys_integers_are_integers(name, options, tmp_path):
    numpys = {key: np.int64(value) for key, value in options.items()}
    if name == "srcnn":
        numpys["kernels"] = np.array([9, 1, 5])
    model = zoo.create_model(name, **numpys)
    assert model.to_json() == zoo.create_model(name, **options).to_json()
    model.save(tmp_path / "model.keras")
    assert zoo.open_model(str(tmp_path / "model.keras")).count_params() == model.count_params()


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("fsrcnn", {"m": -1}, "Expected m to be an integer of at least 0. Received: m=-1"),
        ("fsrcnn", {"d": 0}, "Expected d to be an integer of at least 1. Received: d=0"),
        ("fsrcnn", {"s": 1.5}, "Expected s to be an integer of at least 1. Received: s=1.5"),
        ("gecko", {"depth": -1}, "Expected depth to be an integer of at least 0. Received: depth=-1"),
        ("gecko", {"expand": 0.5}, "Expected expand to be an integer of at least 0. Received: expand=0.5"),
        *(
            (name, {"kernel_size": 0}, "Expected kernel_size to be an integer of at least 1. Received: kernel_size=0")
            for name in ("espcn", "espcn_residual", "gecko", "srcnn")
        ),
        ("espcn", {"channels": np.int64(2)}, "Expected channels to be 1 (luma) or 3 (RGB). Received: 2"),
        ("srcnn", {"kernels": (9, 2, 5)}, "Expected kernels to be three odd sides, as (9, 1, 5). Received: (9, 2, 5)"),
    ],
)
def test_a_size_that_is_none_is_one_sentence(name, options, sentence):
    with pytest.raises(UsageError) as error:
        zoo.create_model(name, 3, **options)
    assert str(error.value) == sentence
