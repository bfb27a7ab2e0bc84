"""One weight update: a compiled pure gradient per device, one reduction over all of them, then the optimizer."""

import time

import keras
import tensorflow as tf

from zoo.training.config import TrainConfig
from zoo.training.cores import sizes
from zoo.training.losses import average_rate, mean_loss


def make_gradient(
    model: keras.Model, config: TrainConfig, shave: int, replicas: int = 1, jit: bool = True, parts: int = 1
):
    """Returns a function (weights, constants, lr, hr) → vector: the flat gradient, and the loss behind it.

    The weights come in as tensors, so that XLA sees a pure function and no device's variables: that is what
    lets one compiled function serve every replica. The vector holds everything that the replicas have to add up,
    so a step needs a single reduction. A replica's loss is its share of the mean over the global batch.

    With `parts` the batch is cut into so many, which do not wait for one another: `zoo.training.cores` says why.
    """

    @tf.function(jit_compile=jit)
    def part(weights, constants, lr, hr, share):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            sr, _ = model.stateless_call(weights, constants, lr, training=True)
            loss = mean_loss(config.loss, sr, hr, shave) * share
        gradients = tape.gradient(loss, weights)
        return tf.concat([*(tf.reshape(g, [-1]) for g in gradients), [loss]], axis=0)

    @tf.function
    def gradient(weights, constants, lr, hr):
        batch = lr.shape[0]
        counts = sizes(batch, min(parts, batch))
        pairs = zip(tf.split(lr, counts), tf.split(hr, counts))
        return tf.add_n(
            [part(weights, constants, *pair, count / batch / replicas) for pair, count in zip(pairs, counts)]
        )

    return gradient


def make_total(model, config: TrainConfig, shave: int, strategy, jit: bool = True, parts: int = 1):
    """Returns a function (batch, asked) → vector: `make_gradient`'s and `asked`, added up over all replicas.

    It is the only thing that devices and machines exchange in a step. To be called inside a `tf.function`.
    """
    gradient = make_gradient(model, config, shave, strategy.num_replicas_in_sync, jit, parts)

    def local(lr, hr, asked):
        weights = [tf.convert_to_tensor(v.value) for v in model.trainable_variables]
        constants = [tf.convert_to_tensor(v.value) for v in model.non_trainable_variables]
        return tf.concat([gradient(weights, constants, lr, hr), [asked]], axis=0)

    def total(batch, asked):
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(local, args=(*batch, asked)), axis=None)

    return total


def clock():
    """Seconds, in a graph. `tf.timestamp` would do, but for its refusal under `enable_op_determinism`."""
    return tf.numpy_function(time.perf_counter, [], tf.float64)


def make_step(model, average, optimizer, config: TrainConfig, shave: int, strategy, jit: bool = True, parts: int = 1):
    """Returns a function (batch, batches, asked=0) → (the next batch, (loss, norm of the gradient, waited, asked)).

    It is one update of `model` and `average`. Meanwhile the next batch is drawn from `batches`, an iterator, in the
    same graph, so that nothing waits for the way through Python; `waited` are the seconds for which the gradient was
    there and the next batch was not yet.

    `asked` is a float32 tensor that may differ between workers, and is their sum for each of them afterwards: how they
    agree to stop.

    Args:
        model: the network being trained, built under `strategy`.
        average: a clone of it that holds the exponential moving average of the weights.
        optimizer: built for the trainable variables of `model`.
        shave: HR pixels left out of the loss at each side.
        jit: whether XLA compiles the forward and backward pass.
        parts: into how many a replica's share of the batch is cut, for as many cores.
    """
    total = make_total(model, config, shave, strategy, jit, parts)
    shapes = [tuple(v.shape) for v in model.trainable_variables]
    counts = [tf.TensorShape(shape).num_elements() for shape in shapes]

    @tf.function
    def step(batch, batches, asked=0.0):
        *gradients, loss, asked = tf.split(total(batch, asked), [*counts, 1, 1])
        with tf.control_dependencies(gradients):
            computed = clock()
        coming = next(batches)
        with tf.control_dependencies([computed, *tf.nest.flatten(coming, expand_composites=True)]):
            waited = clock() - computed
        norm = tf.norm(tf.concat(gradients, axis=0))
        rate = average_rate(config.ema, optimizer.iterations.value)
        optimizer.apply(
            [tf.reshape(gradient, shape) for gradient, shape in zip(gradients, shapes)], model.trainable_variables
        )
        for mean, weight in zip(average.trainable_variables, model.trainable_variables):
            mean.assign(mean + rate * (tf.convert_to_tensor(weight.value) - mean))
        return coming, (loss[0], norm, waited, asked[0])

    return step
