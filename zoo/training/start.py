"""Where the weights of a run come from: a preset or a file, else from scratch, as an interpolation or at random."""

import dataclasses
import itertools
import warnings
from pathlib import Path

import h5py
import keras
import numpy as np

from zoo import identities
from zoo.complexity import receptive_field
from zoo.errors import UsageError
from zoo.files import existing_file
from zoo.keras_file import check_finite
from zoo.layers import EXACT, ResizeUpsampler, TransposedUpsampler, Upsampler, ZeroInterleavedUpsampler
from zoo.models import scale_of
from zoo.registry import create_model, load, open_model
from zoo.training.config import TrainConfig, assignments
from zoo.training.deepening import check_same, new_layers, pass_on
from zoo.training.fit import fit_upsampler
from zoo.training.input import patch_options

# Correlation of neighbouring LR pixels in photographs; the least-squares fit hardly depends on it.
CORRELATION = 0.95
# What tanh lets through almost unbent: tanh(0.15) is 0.7% below 0.15.
TANH_GAIN = 0.3
MEAN_LEVEL = 0.45
# The layers with weights on the picture's way.
_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.SeparableConv2D, Upsampler)
# Enough for the regression: some hundred pixels of each of 16 patches, against 1,400 unknowns at most.
FITTED_BATCHES = 10


def build_model(config: TrainConfig) -> keras.Model:
    """Builds the network of `config`, its weights as the initialisers leave them, its layers in `config.precision`.

    Unless `config.upsampler` names another form, a deconvolution at the end is computed in LR space from the start.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.precision if config.precision != "float32" else before)
    try:
        options = {"channels": config.channels, **assignments(config.model_options, "model_options")}
        if config.upsampler != "auto":
            return create_model(config.model, config.scale, upsampler=config.upsampler, **options)
        model = create_model(config.model, config.scale, **options)
        if any(isinstance(layer, TransposedUpsampler | ZeroInterleavedUpsampler) for layer in model.layers):
            model = create_model(config.model, config.scale, upsampler="subpixel", **options)
        return model
    finally:
        keras.config.set_dtype_policy(before)


def build_average(config: TrainConfig) -> keras.Model:
    """Builds the network that holds the averaged weights: in float32, whatever the precision of the training."""
    average = build_model(dataclasses.replace(config, precision="float32"))
    if config.freeze_body:
        freeze_body(average)
    return average


def start_as_interpolation(model: keras.Model, scale: int, channels: int) -> None:
    """Makes the network compute bicubic interpolation, cut to the upsampler's window, before the first step.

    One path per colour channel leads through the layers: its centre taps are 1 and the other weights into it 0. The
    upsampler reads only those paths, with the least-squares fit of bicubic in its window (`fit_bicubic`); where a
    network upsamples first, its last convolution reads them with 1. All other weights stay as they are, so that the
    other channels have features to offer from the first step. Where a layer is followed by tanh, the paths carry
    0.3·(x - 0.45), which tanh hardly bends, and the last layer undoes that. A network that adds to a fixed
    interpolation starts with nothing to add; one that adds to its first maps has the paths in those alone.

    Args:
        model: a chain of convolutions with one upsampler and at most one sum; changed in place.
        scale: how many times larger its output is.
        channels: of its input and output.

    Raises:
        UsageError: a layer has fewer maps than there are channels, or an activation that changes the picture.
    """
    *body, last = [layer for layer in model.layers if isinstance(layer, _CONVOLUTIONS)]
    sums = [model.layers.index(layer) for layer in model.layers if isinstance(layer, keras.layers.Add)]
    if sums and sums[-1] > model.layers.index(last):
        last.kernel.assign(np.zeros(last.kernel.shape))
        return
    for layer in body:
        if layer.bias.shape[0] < channels:
            raise UsageError(
                f"Expected start=random, or layers of at least {channels} maps, which the picture's channels pass "
                f"through. Received: {layer.name} with {layer.bias.shape[0]}"
            )
    # What is added to the first maps has the picture from them.
    added = [layer for layer in body if sums and model.layers.index(layer) < sums[-1]][-1:]
    activations = {layer.activation for layer in body if getattr(layer, "activation", None)}
    for activation in activations - {keras.activations.tanh}:
        values = np.linspace(0, 1, 9, dtype=np.float32)
        if np.abs(np.asarray(activation(values)) - values).max() > 1e-6:
            raise UsageError(
                "Expected start=random, or activations that pass 0 to 1 on as they are, or tanh, for a start as an "
                f"interpolation. Received: {activation.__name__}"
            )
    gain, level = (TANH_GAIN, MEAN_LEVEL) if keras.activations.tanh in activations else (1.0, 0.0)
    for index, layer in enumerate(body):
        *depthwise, kernel, bias = (np.array(each) for each in layer.get_weights())
        paths = _path(layer, scale, len(kernel)) * (gain if index == 0 else 1)
        for each in depthwise:
            each[..., :channels, 0] = _path(layer, scale, len(each))[..., None]
        if isinstance(layer, Upsampler):
            kernel[:] = 0  # a first layer with as many maps as colours
        kernel[..., :channels] = 0
        for channel in range(0 if layer in added else channels):
            kernel[..., channel, channel] = paths
        if index == 0:
            # Every feature of the first layer sees the picture around its mean level.
            bias[:] = -level * kernel.sum(axis=(0, 1, 2))
        layer.set_weights([*depthwise, kernel, bias])
    kernel = np.zeros(last.kernel.shape)
    for channel in range(channels):
        kernel[..., channel, channel] = _path(last, scale, len(kernel)) / gain
    last.kernel.assign(kernel)
    last.bias.assign(np.full(last.bias.shape, level))


def _path(layer, scale: int, side: int) -> np.ndarray:
    """The (side, side) weights with which a layer passes a map on: enlarged by an upsampler, else as it is."""
    if isinstance(layer, Upsampler) and not isinstance(layer, ResizeUpsampler):
        line = fit_bicubic(side, scale)
    else:
        line = np.eye(side)[(side - 1) // 2]
    return np.outer(line, line)


def fit_bicubic(kernel_size: int, scale: int) -> np.ndarray:
    """Returns the (K,) transposed-convolution kernel whose phases come closest to bicubic with the LR pixels they see.

    Closest in the mean square over pictures whose pixels correlate as CORRELATION^distance; each phase sums to 1.
    The 2-D kernel is the outer product. Where the window holds all of bicubic's taps the fit is bicubic itself.
    """
    bicubic = identities.interpolation_weights("bicubic", scale)
    lr, phases, _ = identities.taps(kernel_size, scale)
    line = np.zeros(kernel_size)
    for phase in range(scale):
        taps = np.flatnonzero(phases == phase)
        seen = lr[taps]
        wanted = np.arange(-2, 3)
        covariance = CORRELATION ** np.abs(seen[:, None] - seen)
        target = CORRELATION ** np.abs(seen[:, None] - wanted) @ bicubic[:, phase]
        weights = np.linalg.solve(covariance, target)
        line[taps] = weights / weights.sum()
    return line


def initial_weights(model: keras.Model, config: TrainConfig, source, shave: int) -> str:
    """Gives a model the weights it starts from where there is no checkpoint, and says which.

    Args:
        model: as `build_model` leaves it; changed in place.
        source: the training pictures; read only where the upsampling layer is fitted to another scale.
        shave: HR pixels that zero padding spoils at each side.
    """
    said = _weights_of(model, config, source, shave)
    # Wherever they came from: no validation is of a network outside its constraints.
    for variable in model.trainable_variables:
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))
    return said


def _weights_of(model: keras.Model, config: TrainConfig, source, shave: int) -> str:
    if config.preset or config.weights:
        trained = load_trained(config)
        name = f"the preset {config.preset}" if config.preset else f"the weights {config.weights}"
        check_activations(trained, model, name)
        if scale_of(trained) == config.scale:
            new = new_layers(trained, model)
            pass_on(new, name)
            added = {id(variable) for layer in new for variable in layer.variables}
            copy_weights(trained.variables, [each for each in model.variables if id(each) not in added], name)
            if not new:
                return name
            # In bfloat16 the layers that both have differ by more than new ones may.
            in_float32 = build_average(config)
            in_float32.set_weights(model.get_weights())
            check_same(trained, in_float32, new, name)
            return f"{name}, {len(new)} new layers passing their maps on"
        copy_weights(_body_variables(trained), _body_variables(model), name)
        if not _upsamplers(model):
            return f"{name}, at another scale"
        patches = source.patches(16, config.lr_size, seed=config.seed, **patch_options(config))
        fit_upsampler(model, itertools.islice(patches, FITTED_BATCHES), shave)
        return f"the body of {name}, the upsampler fitted to scale {config.scale}"
    if config.start == "interpolation":
        start_as_interpolation(model, config.scale, config.channels)
        return "scratch, as an interpolation"
    return "scratch, at random"


def load_trained(config: TrainConfig) -> keras.Model:
    """Opens the network of `config.preset`, or of the file `config.weights`.

    Raises:
        UsageError: if the file is missing or holds another network.
    """
    if config.preset:
        return load(config.preset)
    path = existing_file(config.weights, "weights in a .keras or .weights.h5 file")
    if path.suffix == ".keras":
        return open_model(str(path))
    # A weights file knows its layers by their class, so the upsampler's form has to be the one it was saved with.
    for form in (config.upsampler, *EXACT):
        model = build_model(dataclasses.replace(config, upsampler=form))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.load_weights(path)
                whole = _stored(path) == len(model.variables)
        # h5py has errors of many kinds for a damaged file.
        except Exception:
            continue
        if not whole:
            continue
        check_finite(model, path.name)
        return model
    raise UsageError(f"Expected weights of {model.name} in {path}. Received: another network's, or a damaged file")


def _stored(path: Path) -> int:
    """How many variables a weights file holds: Keras reads those that the network has and passes over the others."""
    found: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return len(found)


def check_activations(trained: keras.Model, model: keras.Model, name: str) -> None:
    """Sees that weights come to a network that computes the same with them.

    Raises:
        UsageError: a layer of both has another activation.
    """
    theirs = {layer.name: layer.get_config()["activation"] for layer in trained.layers if hasattr(layer, "activation")}
    for layer in model.layers:
        ours = layer.get_config()["activation"] if hasattr(layer, "activation") else None
        other = theirs.get(layer.name, ours)
        if other != ours:
            raise UsageError(
                f"Expected {name} to have the activations of the network that is trained; --model_options makes it. "
                f"Received: {other} in place of {ours} in {layer.name}"
            )


def copy_weights(theirs: list, ours: list, name: str) -> None:
    """Copies variables one by one.

    Raises:
        UsageError: if they do not have the same shapes.
    """
    shapes = [[tuple(v.shape) for v in each] for each in (theirs, ours)]
    if shapes[0] != shapes[1]:
        other = next((f"{v.path} of {a} in place of {b}" for v, a, b in zip(theirs, *shapes) if a != b), "others")
        raise UsageError(
            f"Expected {name} to have the {len(ours)} variables of the network that is trained; --model, --channels, "
            f"--model_options make it. Received: {len(theirs)}, {other}"
        )
    for target, value in zip(ours, theirs):
        target.assign(value)


def _upsamplers(model: keras.Model) -> list[Upsampler]:
    return [layer for layer in model.layers if isinstance(layer, Upsampler)]


def _body_variables(model: keras.Model) -> list:
    return [v for layer in model.layers if not isinstance(layer, Upsampler) for v in layer.variables]


def freeze_body(model: keras.Model) -> None:
    """Leaves only the upsampling layer trainable.

    Raises:
        UsageError: if the network has no upsampling layer with weights.
    """
    upsamplers = _upsamplers(model)
    if not upsamplers:
        raise UsageError(f"Expected a network with a trained upsampling layer for freeze_body. Received: {model.name}")
    for layer in model.layers:
        layer.trainable = layer in upsamplers


def loss_shave(config: TrainConfig, model: keras.Model) -> int:
    """Returns the HR pixels left out of the loss at each side of a patch.

    Raises:
        UsageError: if nothing would be left.
    """
    shave = config.loss_shave if config.loss_shave >= 0 else config.scale * receptive_field(model)
    if 2 * shave >= config.scale * config.lr_size:
        raise UsageError(
            f"Expected lr_size above {2 * shave // config.scale}, as {shave} HR pixels at each side "
            f"are left out of the loss. Received: lr_size={config.lr_size}"
        )
    return shave
