"""A network with more layers that starts as a trained one: the new layers pass their maps on."""

import keras
import numpy as np

from zoo.errors import UsageError


def new_layers(trained: keras.Model, model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of `model` with weights that `trained` lacks, where it lacks none of those of `trained`."""
    ours = {layer.name: layer for layer in model.layers if layer.weights}
    theirs = {layer.name for layer in trained.layers if layer.weights}
    return [layer for name, layer in ours.items() if name not in theirs] if theirs <= set(ours) else []


def pass_on(new: list[keras.layers.Layer], name: str) -> None:
    """Makes layers give out what they take in: a kernel of 1 at its centre from each map to itself, a slope of 1.

    That is Net2DeeperNet (Chen, Goodfellow and Shlens, arXiv 1511.05641, section 2.3); all of them can go on to learn.

    Args:
        new: convolutions and PReLUs.
        name: of the weights that the other layers have, for messages.
    Raises:
        UsageError: a layer cannot pass its maps on.
    """
    for layer in new:
        layer.set_weights(_passing_on(layer, name))


def check_same(trained: keras.Model, model: keras.Model, new: list[keras.layers.Layer], name: str) -> None:
    """Sees that a network with `new` layers beside those of `trained` computes the same.

    Raises:
        UsageError: what comes out differs.
    """
    image = np.random.default_rng(0).random((1, 9, 13, model.input_shape[-1]), np.float32)
    expected, received = (np.asarray(keras.ops.convert_to_numpy(each(image))) for each in (trained, model))
    difference = float(np.abs(expected - received).max())
    if not difference <= 1e-4 * max(1.0, float(np.abs(expected).max())):
        names = ", ".join(layer.name for layer in new)
        raise UsageError(
            f"Expected {names} beside {name} to pass their maps on, so that the network starts as it was. "
            f"Received: outputs up to {difference:.3g} away"
        )


def _passing_on(layer: keras.layers.Layer, name: str) -> list[np.ndarray]:
    shapes = [tuple(variable.shape) for variable in layer.weights]
    if isinstance(layer, keras.layers.PReLU):
        return [np.ones(shapes[0], np.float32)]
    separable = isinstance(layer, keras.layers.SeparableConv2D)
    plain = separable or isinstance(layer, keras.layers.Conv2D) and layer.groups == 1
    # A separable one has a depthwise kernel before the one of all maps.
    *_, mixing = kernels = shapes[: 1 + separable]
    if not plain or mixing[2] != mixing[3] or not all(side % 2 for kernel in kernels for side in kernel[:2]):
        raise UsageError(
            f"Expected {name} to have the variables of the network that is trained, or all but those of convolutions "
            f"of odd kernels from as many maps to as many. Received: none for {layer.name}"
        )
    weights = [np.zeros(shape, np.float32) for shape in shapes]
    for kernel in weights[: len(kernels)]:
        rows, columns, inputs, outputs = kernel.shape
        kernel[rows // 2, columns // 2] = np.eye(inputs) if outputs == inputs else 1
    return weights
