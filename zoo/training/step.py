"""One weight update: a compiled pure gradient per device, one reduction over all of them, then the optimizer."""

import keras
import tensorflow as tf

from zoo.training.config import TrainConfig

LOSSES = {
    "l1": lambda error: tf.abs(error),
    "charbonnier": lambda error: tf.sqrt(tf.square(error) + 1e-6),  # epsilon 1e-3, as in LapSRN (arXiv 1710.01992)
    "mse": lambda error: tf.square(error),
}


def make_gradient(model: keras.Model, config: TrainConfig, shave: int, replicas: int = 1):
    """Returns a function (weights, constants, lr, hr) → vector: the flat gradient, and the loss behind it.

    The weights come in as tensors, so that XLA sees a pure function and no device's variables: that is what
    lets one compiled function serve every replica. The vector holds everything that the replicas have to add up,
    so a step needs a single reduction. A replica's loss is its share of the mean over the global batch.
    """
    penalty = LOSSES[config.loss]

    @tf.function(jit_compile=config.jit)
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


def make_step(model, average, optimizer, config: TrainConfig, shave: int, strategy):
    """Returns a function batch → (loss, norm of the gradient) that updates `model` and its running `average`.

    Args:
        model: the network being trained, built under `strategy`.
        average: a clone of it that holds the exponential moving average of the weights.
        optimizer: built for the trainable variables of `model`.
        shave: HR pixels left out of the loss at each side.
    """
    gradient = make_gradient(model, config, shave, strategy.num_replicas_in_sync)
    shapes = [tuple(v.shape) for v in model.trainable_variables]
    sizes = [tf.TensorShape(shape).num_elements() for shape in shapes]

    def local_gradient(lr, hr):
        weights = [tf.convert_to_tensor(v.value) for v in model.trainable_variables]
        constants = [tf.convert_to_tensor(v.value) for v in model.non_trainable_variables]
        return gradient(weights, constants, lr, hr)

    @tf.function
    def step(batch):
        total = strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(local_gradient, args=batch), axis=None)
        *parts, loss = tf.split(total, [*sizes, 1])
        norm = tf.norm(total[:-1])
        # Early on the average looks back over a tenth of the steps only, not over all of them: the start is far away.
        steps = tf.cast(optimizer.iterations.value, tf.float32)
        rate = tf.maximum(1.0 - config.ema, 10.0 / (steps + 10.0))
        optimizer.apply([tf.reshape(part, shape) for part, shape in zip(parts, shapes)], model.trainable_variables)
        for mean, weight in zip(average.trainable_variables, model.trainable_variables):
            mean.assign(mean + rate * (tf.convert_to_tensor(weight.value) - mean))
        return loss[0], norm

    return step
