"""SOAP against a NumPy transcript of its algorithm, and what it is for: badly scaled directions."""

import keras
import numpy as np
import tensorflow as tf

from zoo.training.soap import SOAP


def run(optimizer, start, gradient, steps):
    weight = keras.Variable(start, dtype="float64")
    optimizer.build([weight])
    step = tf.function(lambda value: optimizer.apply([value], [weight]))
    for _ in range(steps):
        step(tf.constant(gradient(weight.numpy())))
    return weight.numpy()


def transcript(start, gradient, steps, rate, b1=0.95, b2=0.95, epsilon=1e-8, refresh=10):
    """Arrays and loops: Adam in the bases that orthogonal iteration on the two covariances gives."""
    weight = start.copy()
    rows, columns = weight.shape
    mean, square = np.zeros_like(weight), np.zeros_like(weight)
    left, right, q, p = np.zeros((rows, rows)), np.zeros((columns, columns)), np.eye(rows), np.eye(columns)
    for step in range(1, steps + 1):
        g = gradient(weight)
        mean = b1 * mean + (1 - b1) * g
        left, right = b2 * left + (1 - b2) * g @ g.T, b2 * right + (1 - b2) * g.T @ g
        square = b2 * square + (1 - b2) * (q.T @ g @ p) ** 2
        turned = (q.T @ mean @ p) / (1 - b1**step)
        weight = weight - rate * q @ (turned / (np.sqrt(square / (1 - b2**step)) + epsilon)) @ p.T
        if (step - 1) % refresh == 1:
            q = np.linalg.qr((left + 1e-12 * np.eye(rows)) @ q)[0]
            p = np.linalg.qr((right + 1e-12 * np.eye(columns)) @ p)[0]
    return weight


def quadratic(scales, turn):
    """Gradient of a quadratic in a matrix whose axes are turned away from the coordinates."""
    return lambda weight: turn @ (scales * (turn.T @ weight))


def problem():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    scales = np.logspace(0, -4, 6)[:, None] * np.ones((1, 4))
    return quadratic(scales, turn), rng.normal(size=(6, 4))


def test_matrix_follows_the_algorithm():
    gradient, start = problem()
    received = run(SOAP(1e-2, refresh=3), start, gradient, 12)
    expected = transcript(start, gradient, 12, 1e-2, refresh=3)
    # Keras hands the learning rate over in float32, which is where the two part.
    assert np.abs(received - expected).max() <= 1e-8
    # Control: another refresh is another path.
    assert np.abs(received - transcript(start, gradient, 12, 1e-2, refresh=5)).max() > 1e-5


def test_vectors_get_adam():
    start = np.linspace(-1, 1, 5)

    def gradient(weight):
        return 3 * weight + 0.1

    adam = keras.optimizers.Adam(1e-2, beta_1=0.9, beta_2=0.99, epsilon=1e-12)
    received = run(SOAP(1e-2, beta_1=0.9, beta_2=0.99, epsilon=1e-12), start, gradient, 20)
    assert np.abs(received - run(adam, start, gradient, 20)).max() <= 1e-6


def test_a_depthwise_kernel_is_a_matrix_of_taps_and_maps():
    gradient, start = problem()
    expected = run(SOAP(1e-2, refresh=3), start, gradient, 12)

    def own(kernel):
        return gradient(kernel.reshape(start.shape)).reshape(kernel.shape)

    received = run(SOAP(1e-2, refresh=3), start.reshape(2, 3, 4, 1), own, 12)
    assert np.array_equal(received.reshape(start.shape), expected)
    # Control: Adam, which a column of its weights would get, goes elsewhere.
    column = run(SOAP(1e-2, refresh=3), start.ravel(), lambda weight: own(weight.reshape(start.shape)).ravel(), 12)
    assert np.abs(column - expected.ravel()).max() > 1e-5


def test_turned_valleys_hold_it_back_less_than_adam():
    gradient, start = problem()

    def height(weight):
        return 0.5 * float(np.sum(weight * gradient(weight)))

    schedule = keras.optimizers.schedules.CosineDecay(3e-2, 400)
    soap = height(run(SOAP(schedule), start, gradient, 400))
    adam = height(run(keras.optimizers.Adam(schedule, beta_1=0.95, beta_2=0.95), start, gradient, 400))
    assert soap < 0.5 * adam < 0.05 * height(start)


def test_a_checkpoint_holds_its_whole_state(tmp_path):
    gradient, start = problem()
    whole = run(SOAP(1e-2, refresh=3), start, gradient, 11)

    def halves(keep):
        weight, optimizer = keras.Variable(start, dtype="float64"), SOAP(1e-2, refresh=3)
        optimizer.build([weight])
        for _ in range(5):
            optimizer.apply([tf.constant(gradient(weight.numpy()))], [weight])
        path = tf.train.Checkpoint(weight=weight.value, optimizer=optimizer).write(str(tmp_path / "state"))
        weight, optimizer = keras.Variable(start * 0, dtype="float64"), SOAP(1e-2, refresh=3)
        optimizer.build([weight])
        parts = {"weight": weight.value, **({"optimizer": optimizer} if keep else {})}
        tf.train.Checkpoint(**parts).read(path).expect_partial()
        for _ in range(6):
            optimizer.apply([tf.constant(gradient(weight.numpy()))], [weight])
        return weight.numpy()

    assert np.array_equal(halves(True), whole)
    assert not np.array_equal(halves(False), whole)
