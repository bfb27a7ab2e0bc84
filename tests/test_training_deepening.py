"""A deeper network starts as the trained one it goes on from, or is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.errors import UsageError
from zoo.training import TrainConfig, start
from zoo.training.deepening import check_same, new_layers, pass_on

RANDOM = np.random.default_rng(5)


def saved(path, name="gecko_s", scale=2, **options):
    """A network with random weights, slopes and biases too, so that nothing is an identity by chance."""
    model = zoo.create_model(name, scale, **options)
    model.set_weights([RANDOM.normal(scale=0.2, size=each.shape) for each in model.get_weights()])
    model.save(path)
    return model


@pytest.mark.parametrize(
    "scale, channels, options",
    [(2, 1, "depth=5"), (3, 3, "depth=4,maps=5"), (2, 1, "depth=2"), (2, 1, "depth=4,separable=True")],
)
def test_a_deeper_network_starts_as_the_trained_one(tmp_path, scale, channels, options):
    given = {"maps": 5 if "maps" in options else 8, "depth": 2, "separable": "separable" in options}
    theirs = saved(tmp_path / "m.keras", scale=scale, channels=channels, **given)
    config = TrainConfig(
        model="gecko_s", scale=scale, channels=channels, model_options=options, weights=str(tmp_path / "m.keras")
    )
    ours = start.build_model(config)
    said = start.initial_weights(ours, config, None, 0)
    more = ours.count_params() > theirs.count_params()
    assert said.endswith("new layers passing their maps on") == more
    image = RANDOM.normal(size=(2, 11, 7, channels)).astype(np.float32)
    np.testing.assert_allclose(ours(image), theirs(image), rtol=0, atol=1e-5)


@pytest.mark.parametrize("freeze_body", [False, True])
def test_a_deeper_network_trains_in_bfloat16_too(tmp_path, freeze_body):
    theirs = saved(tmp_path / "m.keras", depth=2)
    config = TrainConfig(
        model="gecko_s", scale=2, model_options="depth=4", weights=str(tmp_path / "m.keras"),
        precision="mixed_bfloat16", freeze_body=freeze_body,
    )  # fmt: skip
    ours = start.build_model(config)
    if freeze_body:
        start.freeze_body(ours)
    assert start.initial_weights(ours, config, None, 0).endswith("new layers passing their maps on")
    image = RANDOM.normal(size=(2, 11, 7, 1)).astype(np.float32)
    average = start.build_average(config)
    average.set_weights(ours.get_weights())
    np.testing.assert_allclose(average(image), theirs(image), rtol=0, atol=1e-5)
    # Control: in bfloat16 the same weights are further away than check_same lets pass.
    assert np.abs(keras.ops.cast(ours(image), "float32") - theirs(image)).max() > 1e-3


def test_every_new_weight_can_be_learned(tmp_path):
    """Slopes of 1 and kernels with a gradient everywhere: a new layer is not a dead one."""
    saved(tmp_path / "m.keras", depth=1)
    config = TrainConfig(model="gecko_s", scale=2, model_options="depth=3", weights=str(tmp_path / "m.keras"))
    model = start.build_model(config)
    start.initial_weights(model, config, None, 0)
    image = RANDOM.normal(size=(1, 16, 16, 1)).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(image) - RANDOM.random((1, 32, 32, 1))) ** 2)
    new = [variable for variable in model.trainable_variables if variable.path.startswith(("map_2", "map_3"))]
    assert len(new) == 6
    gradients = tape.gradient(loss, [variable.value for variable in new])
    for variable, gradient in zip(new, gradients, strict=True):
        # A map that is positive everywhere says nothing about its slope.
        assert np.mean(gradient.numpy() != 0) >= (0.25 if "prelu" in variable.path else 1), variable.path


def test_a_new_layer_that_cannot_pass_its_maps_on_is_refused(tmp_path):
    inputs = keras.Input((None, None, 1))
    keras.Model(inputs, zoo.layers.SubpixelUpsampler(1, 3, 2, name="upsampler")(inputs)).save(tmp_path / "short.keras")
    config = TrainConfig(model="espcn", scale=2, weights=str(tmp_path / "short.keras"))
    with pytest.raises(UsageError, match="from as many maps to as many. Received: none for feature"):
        start.initial_weights(start.build_model(config), config, None, 0)


def test_a_network_of_other_widths_is_refused(tmp_path):
    saved(tmp_path / "m.keras", maps=4, depth=1)
    config = TrainConfig(model="gecko_s", scale=2, model_options="depth=3", weights=str(tmp_path / "m.keras"))
    with pytest.raises(UsageError, match="--model_options make it. Received: .*1, 4"):
        start.initial_weights(start.build_model(config), config, None, 0)


def test_one_that_would_start_as_another_function_is_refused(tmp_path):
    """The new convolution passes its maps on, and a ReLU behind it does not: there the trained one is linear."""
    inputs = keras.Input((None, None, 1))
    first = keras.layers.Conv2D(4, 3, padding="same", name="first")
    last = zoo.layers.SubpixelUpsampler(1, 3, 2, name="upsampler")
    trained = keras.Model(inputs, last(first(inputs)))
    between = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="between")
    ours = [keras.layers.Conv2D(4, 3, padding="same", name="first"), between]
    deeper = keras.Model(inputs, zoo.layers.SubpixelUpsampler(1, 3, 2, name="upsampler")(ours[1](ours[0](inputs))))
    for layer in (first, last):
        deeper.get_layer(layer.name).set_weights(layer.get_weights())
    new = new_layers(trained, deeper)
    pass_on(new, "m")
    with pytest.raises(UsageError, match="Expected between beside m to pass their maps on, .* Received: outputs up to"):
        check_same(trained, deeper, new, "m")
