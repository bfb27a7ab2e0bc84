"""One update: the gradient against finite differences, what the loss leaves out, shares of a batch, the average."""

import dataclasses
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.errors import UsageError
from zoo.training import TrainConfig
from zoo.training.optimizers import LearningRate, layer_factors, make_optimizer
from zoo.training.step import make_gradient, make_step

CONFIG = TrainConfig(model="espcn", scale=2, jit="off", warmup=0, ema=0.9, steps=100)
RANDOM = np.random.default_rng(0)
LR = RANDOM.uniform(size=(4, 9, 11, 3)).astype(np.float32)
HR = RANDOM.uniform(size=(4, 18, 22, 3)).astype(np.float32)


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    return zoo.create_model("espcn", 2, channels=3)


def gradient(model, config=CONFIG, shave=0, replicas=1, lr=LR, hr=HR, jit=False, parts=1):
    weights = [tf.convert_to_tensor(v.value) for v in model.trainable_variables]
    compute = make_gradient(model, config, shave, replicas, jit, parts)
    return compute(weights, [], tf.constant(lr), tf.constant(hr)).numpy()


def loss_by_numpy(sr, hr, kind, shave):
    error = (sr.astype(np.float64) - hr)[:, shave : hr.shape[1] - shave, shave : hr.shape[2] - shave]
    return {
        "l1": np.abs(error).mean(),
        "mse": (error**2).mean(),
        "charbonnier": np.sqrt(error**2 + 1e-6).mean(),
    }[kind]


@pytest.mark.parametrize("kind", ["l1", "mse", "charbonnier"])
@pytest.mark.parametrize("shave", [0, 3])
def test_the_loss(model, kind, shave):
    vector = gradient(model, dataclasses.replace(CONFIG, loss=kind), shave)
    assert vector[-1] == pytest.approx(loss_by_numpy(model(LR).numpy(), HR, kind, shave), rel=1e-5)


def test_the_gradient_is_that_of_finite_differences(model):
    vector = gradient(model, dataclasses.replace(CONFIG, loss="mse"), shave=2)
    values = model.get_weights()
    first = 0
    for index, value in enumerate(values):
        place = np.unravel_index(np.abs(vector[first : first + value.size]).argmax(), value.shape)
        losses = []
        for change in (1e-2, -1e-2):
            changed = [v.copy() for v in values]
            changed[index][place] += change
            model.set_weights(changed)
            losses.append(loss_by_numpy(model(LR).numpy(), HR, "mse", 2))
        expected = (losses[0] - losses[1]) / 2e-2
        received = vector[first + np.ravel_multi_index(place, value.shape)]
        assert received == pytest.approx(expected, rel=0.02, abs=1e-5), index
        first += value.size
    assert first == len(vector) - 1


def test_what_lies_in_the_border_does_not_reach_the_weights(model):
    shave = 4
    other = HR.copy()
    other[:, :shave] = other[:, -shave:] = other[:, :, :shave] = other[:, :, -shave:] = 0.5
    np.testing.assert_array_equal(gradient(model, shave=shave), gradient(model, shave=shave, hr=other))
    assert not np.array_equal(gradient(model, shave=shave - 1), gradient(model, shave=shave - 1, hr=other))


@pytest.mark.parametrize("workers", [2, 4])
def test_the_shares_of_the_workers_add_up_to_the_gradient_of_the_batch(model, workers):
    share = len(LR) // workers
    total = sum(
        gradient(model, replicas=workers, lr=LR[i : i + share], hr=HR[i : i + share]) for i in range(0, 4, share)
    )
    whole = gradient(model)
    assert np.abs(total - whole).max() <= 1e-6 * np.abs(whole).max()


@pytest.mark.slow
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("parts", [2, 3, 4, 7])
def test_the_parts_of_the_cores_add_up_to_the_gradient_of_the_batch(model, parts, jit):
    whole, summed = (gradient(model, replicas=3, shave=2, jit=jit, parts=each) for each in (1, parts))
    assert np.abs(summed - whole).max() <= 1e-6 * np.abs(whole).max()


def test_compiled_and_plain_gradients_agree(model):
    plain, compiled = gradient(model), gradient(model, jit=True)
    assert np.abs(plain - compiled).max() <= 1e-5 * np.abs(plain).max()


def taken(model, config, count):
    """Takes steps; returns the average's weights and the model's after each."""
    average = keras.models.clone_model(model)
    average.set_weights(model.get_weights())
    optimizer = make_optimizer(config, model.trainable_variables)
    step = make_step(model, average, optimizer, config, 2, tf.distribute.get_strategy(), jit=False)
    history = []
    batches = iter(tf.data.Dataset.from_tensors((LR, HR)).repeat())
    batch = next(batches)
    for _ in range(count):
        batch, (loss, norm, *_) = step(batch, batches)
        history.append(model.get_weights())
    return average.get_weights(), history, float(loss), float(norm)


def test_the_average_forgets_the_start_and_then_decays(model):
    average, history, _, _ = taken(model, CONFIG, 15)
    expected = None
    for count, weights in enumerate(history):
        rate = max(1 - CONFIG.ema, 10 / (count + 10))
        if expected is None:
            expected = [np.zeros_like(w, np.float64) for w in weights]
        expected = [e + rate * (w - e) for e, w in zip(expected, weights)]
    for received, wanted in zip(average, expected, strict=True):
        np.testing.assert_allclose(received, wanted, rtol=1e-4, atol=1e-6)
    assert not np.allclose(average[0], history[-1][0], rtol=1e-3)


@pytest.mark.parametrize("pause, least, most", [(0.0, 0.0, 0.2), (0.4, 0.2, 0.5)])
def test_a_step_reports_how_long_it_waited_for_the_next_batch(model, pause, least, most):
    def draw(_):
        time.sleep(pause)
        return LR, HR

    data = tf.data.Dataset.range(4).map(lambda number: tf.numpy_function(draw, [number], (tf.float32, tf.float32)))
    batches = iter(data.map(lambda lr, hr: (tf.ensure_shape(lr, LR.shape), tf.ensure_shape(hr, HR.shape))))
    optimizer = make_optimizer(CONFIG, model.trainable_variables)
    step = make_step(model, keras.models.clone_model(model), optimizer, CONFIG, 2, tf.distribute.get_strategy(), False)
    batch = next(batches)
    for _ in range(3):
        batch, (_, _, waited, _) = step(batch, batches)
    assert least <= float(waited) <= most


def test_what_the_input_raises_ends_the_step(model):
    def draw(number):
        if number == 1:
            raise ValueError("a damaged picture")
        return LR, HR

    data = tf.data.Dataset.range(4).map(lambda number: tf.numpy_function(draw, [number], (tf.float32, tf.float32)))
    batches = iter(data.map(lambda lr, hr: (tf.ensure_shape(lr, LR.shape), tf.ensure_shape(hr, HR.shape))))
    optimizer = make_optimizer(CONFIG, model.trainable_variables)
    step = make_step(model, keras.models.clone_model(model), optimizer, CONFIG, 2, tf.distribute.get_strategy(), False)
    with pytest.raises(tf.errors.OpError, match="a damaged picture"):
        step(next(batches), batches)


def test_a_step_reports_the_loss_and_the_norm_before_it(model):
    vector = gradient(model, shave=2)
    _, _, loss, norm = taken(model, CONFIG, 1)
    assert loss == pytest.approx(vector[-1], rel=1e-5)
    assert norm == pytest.approx(np.linalg.norm(vector[:-1]), rel=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("adamw", marks=pytest.mark.slow), "sgd"])
def test_a_layer_moves_by_its_own_rate(model, optimizer):
    before = model.get_weights()
    config = dataclasses.replace(
        CONFIG, optimizer=optimizer, learning_rate=1e-3, lr_multipliers="upsampler=0.1,feature=0", schedule="constant"
    )
    reference = zoo.create_model("espcn", 2, channels=3)
    reference.set_weights(before)
    _, (plain,), _, _ = taken(reference, dataclasses.replace(config, lr_multipliers=""), 1)
    _, (slow,), _, _ = taken(model, config, 1)
    factors = [0, 0, 1, 1, 0.1, 0.1]
    for start, full, part, factor in zip(before, plain, slow, factors, strict=True):
        assert np.abs(full - start).max() > 0
        np.testing.assert_allclose(part - start, factor * (full - start), atol=2e-7)


def test_a_layer_decays_by_its_own_rate():
    """Against Keras' AdamW, one for each layer."""
    names, factors = ("feature", "map", "upsampler"), (0.0, 0.25, 1.0)
    multipliers = ",".join(f"{name}={factor}" for name, factor in zip(names, factors))
    config = dataclasses.replace(
        CONFIG, optimizer="adamw", weight_decay=3.0, learning_rate=1e-2, lr_multipliers=multipliers, schedule="constant"
    )
    values = [RANDOM.normal(size=(3, 5)).astype(np.float32) for _ in names]
    steps = [[RANDOM.normal(size=(3, 5)).astype(np.float32) for _ in names] for _ in range(4)]

    def moved(optimizer, variables, gradients):
        optimizer.build(variables)
        for each in gradients:
            optimizer.apply([tf.constant(gradient) for gradient in each], variables)
        return [variable.numpy() for variable in variables]

    variables = [keras.Variable(value, name=name) for name, value in zip(names, values)]
    received = moved(make_optimizer(config, variables), variables, steps)
    np.testing.assert_array_equal(received[0], values[0])
    for index, factor in enumerate(factors):
        gradients = [each[index : index + 1] for each in steps]
        for decay, close in ((3.0, True), (0.0, factor == 0)):
            alone = keras.optimizers.AdamW(1e-2 * factor, weight_decay=decay)
            (expected,) = moved(alone, [keras.Variable(values[index])], gradients)
            # Control: without its decay a layer comes to be elsewhere.
            assert np.allclose(received[index], expected, rtol=0, atol=1e-6) == close, (factor, decay)


def test_clipping_bounds_the_step(model):
    before = model.get_weights()
    config = dataclasses.replace(CONFIG, optimizer="sgd", learning_rate=1.0, clip_norm=1e-3, schedule="constant")
    _, (after,), _, norm = taken(model, config, 1)
    moved = np.sqrt(sum(np.sum(np.square(a - b, dtype=np.float64)) for a, b in zip(after, before)))
    assert norm > 0.01 and moved == pytest.approx(1e-3, rel=1e-3)


def test_a_multiplier_for_no_layer_is_refused():
    with pytest.raises(UsageError, match="lr_multipliers, one of feature, upsampler. Received: 'last'"):
        layer_factors({"last": 0.1}, ["feature/kernel", "feature/bias", "upsampler/kernel"])
    assert layer_factors({"up": 0.5, "upsampler/bias": 2.0}, ["upsampler/kernel", "upsampler/bias"]) == [0.5, 2.0]


@pytest.mark.parametrize(
    "values, expected",
    [
        ({"schedule": "constant", "warmup": 10}, {0: 0.1, 4: 0.5, 9: 1, 50: 1}),
        ({"schedule": "step", "decay_every": 20, "decay_rate": 0.5, "warmup": 0}, {0: 1, 19: 1, 20: 0.5, 45: 0.25}),
        ({"schedule": "cosine", "warmup": 20, "final_rate": 0.2}, {19: 1, 20: 1, 60: 0.6, 100: 0.2, 500: 0.2}),
    ],
    ids=["constant", "step", "cosine"],
)
def test_the_learning_rate(values, expected):
    rate = LearningRate(dataclasses.replace(CONFIG, learning_rate=2.0, steps=100, **values))
    for step, share in expected.items():
        assert float(rate(tf.constant(step))) == pytest.approx(2.0 * share, rel=1e-5), step
