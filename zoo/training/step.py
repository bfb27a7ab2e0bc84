"""One weight update: a compiled pure gradient per device, one reduction over all of them, then the optimizer."""

import keras
import tensorflow as tf

from zoo.training.config import TrainConfig

LOSSES = {
    "l1": lambda error: tf.abs(error),
    "charbonnier": lambda error: tf.sqrt(tf.square(error) + 1e-6),  # epsilon 1e-3, as in LapSRN (arXiv 1710.01992)
    "mse": lambda error: tf.square(error),
}


def make_gradient(model: keras.Model, config: TrainConfig, shave: int, replicas: int = 1, jit: bool = True):
    """Returns a function (weights, constants, lr, hr) → vector: the flat gradient, and the loss behind it.

    The weights come in as tensors, so that XLA sees a pure function and no device's variables: that is what
    lets one compiled function serve every replica. The vector holds everything that the replicas have to add up,
    so a step needs a single reduction. A replica's loss is its share of the mean over the global batch.
    """
    penalty = LOSSES[config.loss]

    @tf.function(jit_compile=jit)
    def gradient(weights, constants, lr, hr):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            sr, _ = model.stateless_call(weights, constants, lr, training=True)
            error = tf.cast(sr, tf.float32) - hr
            if shave:
                error = error[:, shave:-shave, shave:-shave]
            loss = tf.reduce_mean(penalty(error)) / replicas
        gradients = tape.gradient(loss, weights)
        return tf.concat([*(tf.reshape(g, [-1]) for g in gradients), [loss]], axis=0)

    return gradient


def make_total(model, config: TrainConfig, shave: int, strategy, jit: bool = True):
    """Returns a function (batch, asked) → vector: `make_gradient`'s and `asked`, added up over all replicas.

    It is the only thing that devices and machines exchange in a step. To be called inside a `tf.function`.
    """
    gradient = make_gradient(model, config, shave, strategy.num_replicas_in_sync, jit)

    def local(lr, hr, asked):
        weights = [tf.convert_to_tensor(v.value) for v in model.trainable_variables]
        constants = [tf.convert_to_tensor(v.value) for v in model.non_trainable_variables]
        return tf.concat([gradient(weights, constants, lr, hr), [asked]], axis=0)

    def total(batch, asked):
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(local, args=(*batch, asked)), axis=None)

    return total


def make_step(model, average, optimizer, config: TrainConfig, shave: int, strategy, jit: bool = True):
    """Returns a function (batch, asked=0) → (loss, norm of the gradient, asked), one update of `model` and `average`.

    `asked` is a float32 tensor that may differ between workers, and is their sum for each of them afterwards: how they
    agree to stop.

    Args:
        model: the network being trained, built under `strategy`.
        average: a clone of it that holds the exponential moving average of the weights.
        optimizer: built for the trainable variables of `model`.
        shave: HR pixels left out of the loss at each side.
        jit: whether XLA compiles the forward and backward pass.
    """
    total = make_total(model, config, shave, strategy, jit)
    shapes = [tuple(v.shape) for v in model.trainable_variables]
    sizes = [tf.TensorShape(shape).num_elements() for shape in shapes]

    @tf.function
    def step(batch, asked=0.0):
        *parts, loss, asked = tf.split(total(batch, asked), [*sizes, 1, 1])
        norm = tf.norm(tf.concat(parts, axis=0))
        # Early on the average looks back over a tenth of the steps only, not over all of them: the start is far away.
        steps = tf.cast(optimizer.iterations.value, tf.float32)
        rate = tf.maximum(1.0 - config.ema, 10.0 / (steps + 10.0))
        optimizer.apply([tf.reshape(part, shape) for part, shape in zip(parts, shapes)], model.trainable_variables)
        for mean, weight in zip(average.trainable_variables, model.trainable_variables):
            mean.assign(mean + rate * (tf.convert_to_tensor(weight.value) - mean))
        return loss[0], norm, asked[0]

    return step
