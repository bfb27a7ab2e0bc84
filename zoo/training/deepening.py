"""A network with more layers that starts as a trained one: the new layers pass their maps on."""

import keras
import numpy as np

from zoo.errors import UsageError


def new_layers(trained: keras.Model, model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of `model` with weights that `trained` lacks, where it lacks none of those of `trained`."""
    ours = {layer.name: layer for layer in model.layers if layer.weights}
    theirs = {layer.name for layer in trained.layers if layer.weights}
    return [layer for name, layer in ours.items() if name not in theirs] if theirs <= set(ours) else []


def start_deeper(trained: keras.Model, model: keras.Model, name: str) -> None:
    """Makes `model` compute what `trained` does, a new convolution or PReLU giving out what it takes in.

    That is Net2DeeperNet (Chen, Goodfellow and Shlens, arXiv 1511.05641, section 2.3): a kernel of 1 at its centre from
    each map to itself, and a slope of 1, from which all of them can go on to learn.

    Args:
        trained: a network with some of the layers of `model`, alike by name.
        model: the deeper network, at the same scale.
        name: of the weights, for messages.
    Raises:
        UsageError: a layer of both has another shape, a new one cannot pass its maps on, or what comes out differs.
    """
    new = new_layers(trained, model)
    for layer in model.layers:
        if layer in new:
            layer.set_weights(_passing_on(layer, name))
        elif layer.weights:
            theirs = trained.get_layer(layer.name)
            _check_shapes(theirs, layer, name)
            layer.set_weights(theirs.get_weights())
    height_and_width = (9, 13)
    image = np.random.default_rng(0).random((1, *height_and_width, model.input_shape[-1]), np.float32)
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
    square = isinstance(layer, keras.layers.Conv2D) and layer.groups == 1 and shapes[0][2] == shapes[0][3]
    if not square or not all(side % 2 for side in shapes[0][:2]):
        raise UsageError(
            f"Expected {name} to have the variables of the network that is trained, or all but those of convolutions "
            f"of odd kernels from as many maps to as many. Received: none for {layer.name}"
        )
    kernel = np.zeros(shapes[0], np.float32)
    kernel[shapes[0][0] // 2, shapes[0][1] // 2] = np.eye(shapes[0][2])
    return [kernel, *(np.zeros(shape, np.float32) for shape in shapes[1:])]


def _check_shapes(theirs: keras.layers.Layer, ours: keras.layers.Layer, name: str) -> None:
    shapes = [[tuple(variable.shape) for variable in layer.weights] for layer in (theirs, ours)]
    if shapes[0] != shapes[1]:
        raise UsageError(
            f"Expected {name} to have the weights {shapes[1]} in {ours.name}, as the network that is trained; "
            f"--model, --channels, --model_options make it. Received: {shapes[0]}"
        )
