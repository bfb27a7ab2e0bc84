"""What a step minimises: the mean over all pixels of a penalty of the error, for any backend of Keras."""

from keras import ops

LOSSES = {
    "l1": lambda error: ops.abs(error),
    "charbonnier": lambda error: ops.sqrt(ops.square(error) + 1e-6),  # epsilon 1e-3, as in LapSRN (arXiv 1710.01992)
    "mse": lambda error: ops.square(error),
}


def mean_loss(name: str, sr_image, hr_image, shave: int):
    """The mean penalty, a float32 scalar.

    Args:
        name: one of LOSSES.
        sr_image, hr_image: (n, h, w, c) in [0, 1].
        shave: pixels at each side that are left out.
    """
    error = ops.cast(sr_image, "float32") - hr_image
    if shave:
        error = error[:, shave:-shave, shave:-shave]
    return ops.mean(LOSSES[name](error))


def average_rate(ema: float, steps):
    """How far the averaged weights go towards the present ones after `steps` updates.

    Early on the average looks back over a tenth of the steps only, not over all of them: the start is far away.
    """
    return ops.maximum(1.0 - ema, 10.0 / (ops.cast(steps, "float32") + 10.0))
