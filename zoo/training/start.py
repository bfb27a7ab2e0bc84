"""Where the weights of a run come from: a preset or a file, else from scratch, as an interpolation or at random."""

from pathlib import Path

import keras
import numpy as np

from zoo import identities
from zoo.errors import UsageError
from zoo.layers import ResizeUpsampler, TransposedUpsampler, Upsampler, ZeroInterleavedUpsampler
from zoo.registry import create_model, load
from zoo.training.config import TrainConfig, assignments

# Correlation of neighbouring LR pixels in photographs; the least-squares fit hardly depends on it.
CORRELATION = 0.95
# What tanh lets through almost unbent: tanh(0.15) is 0.7% below 0.15.
TANH_GAIN = 0.3
MEAN_LEVEL = 0.45


def build_model(config: TrainConfig) -> keras.Model:
    """Builds the network of `config`, its weights as the initialisers leave them.

    Unless `config.upsampler` names another form, a deconvolution at the end is computed in LR space from the start.
    """
    options = {"channels": config.channels, **assignments(config.model_options, "model_options")}
    if config.upsampler != "auto":
        return create_model(config.model, config.scale, upsampler=config.upsampler, **options)
    model = create_model(config.model, config.scale, **options)
    if any(isinstance(layer, TransposedUpsampler | ZeroInterleavedUpsampler) for layer in model.layers):
        model = create_model(config.model, config.scale, upsampler="subpixel", **options)
    return model


def start_as_interpolation(model: keras.Model, scale: int, channels: int) -> None:
    """Makes the network compute bicubic interpolation, cut to the upsampler's window, before the first step.

    One path per colour channel leads through the layers: its centre taps are 1 and the other weights into it 0. The
    upsampler reads only those paths, with the least-squares fit of bicubic in its window (`fit_bicubic`); where a
    network upsamples first, its last convolution reads them with 1. All other weights stay as they are, so that the
    other channels have features to offer from the first step. Where a convolution is followed by tanh, the path
    carries 0.3·(x - 0.45), which tanh hardly bends, and the last layer undoes that.

    Args:
        model: a chain of convolutions with one upsampler; changed in place.
        scale: how many times larger its output is.
        channels: of its input and output.
    """
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | Upsampler)]
    if any(isinstance(layer, keras.layers.Add) for layer in model.layers):
        # A network that adds to a fixed interpolation starts as that when what it adds starts at 0.
        layers[-1].kernel.assign(np.zeros(layers[-1].kernel.shape))
        return
    bends = any(getattr(layer, "activation", None) is keras.activations.tanh for layer in layers) or any(
        getattr(layer, "activation", None) is keras.activations.tanh for layer in model.layers
    )
    gain, level = (TANH_GAIN, MEAN_LEVEL) if bends else (1.0, 0.0)
    *body, last = layers
    for index, layer in enumerate(body):
        kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
        centre = kernel.shape[0] // 2
        kernel[..., :channels] = 0
        kernel[centre, centre, :channels, :channels] = np.eye(channels) * (gain if index == 0 else 1)
        if index == 0:
            # Every feature of the first layer sees the picture around its mean level.
            bias[:] = -level * kernel.sum(axis=(0, 1, 2))
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)

    kernel = np.zeros(last.kernel.shape)
    if isinstance(last, Upsampler) and not isinstance(last, ResizeUpsampler):
        line = fit_bicubic(kernel.shape[0], scale)
        for channel in range(channels):
            kernel[:, :, channel, channel] = np.outer(line, line) / gain
    else:
        centre = kernel.shape[0] // 2
        kernel[centre, centre, :channels, :channels] = np.eye(channels) / gain
    last.kernel.assign(kernel)
    last.bias.assign(np.full(last.bias.shape, level))


def fit_bicubic(kernel_size: int, scale: int) -> np.ndarray:
    """Returns the (K,) transposed-convolution kernel whose phases come closest to bicubic with the LR pixels they see.

    Closest in the mean square over pictures whose pixels correlate as CORRELATION^distance; each phase sums to 1.
    The 2-D kernel is the outer product. Where the window holds all of bicubic's taps the fit is bicubic itself.
    """
    bicubic = identities.interpolation_weights("bicubic", scale)
    offset = identities.same_offset(kernel_size, scale)
    line = np.zeros(kernel_size)
    for phase in range(scale):
        quotient, first = divmod(phase + offset, scale)
        taps = np.arange(first, kernel_size, scale)
        seen = quotient - np.arange(len(taps))
        wanted = np.arange(-2, 3)
        covariance = CORRELATION ** np.abs(seen[:, None] - seen)
        target = CORRELATION ** np.abs(seen[:, None] - wanted) @ bicubic[:, phase]
        weights = np.linalg.solve(covariance, target)
        line[taps] = weights / weights.sum()
    return line


def load_weights(model: keras.Model, config: TrainConfig) -> str:
    """Fills `model` with the weights of `config.preset` or `config.weights`, and says what it did.

    Raises:
        UsageError: if the file is missing or holds another network.
    """
    if config.preset:
        source, name = load(config.preset), f"preset {config.preset}"
    else:
        path, name = Path(config.weights), f"weights {config.weights}"
        if not path.is_file():
            raise UsageError(f"Expected weights in a .keras or .weights.h5 file. Received: {config.weights}")
        if path.name.endswith(".weights.h5"):
            source = build_model(config)
            try:
                source.load_weights(path)
            except (ValueError, OSError, KeyError) as error:
                raise UsageError(f"Expected weights of {model.name} in {path}. Received: another network") from error
        else:
            try:
                source = keras.saving.load_model(path, compile=False)
            except (ValueError, OSError, TypeError) as error:
                raise UsageError(f"Expected a Keras model in {path}. Received: {error}") from error
    ours, theirs = [v.shape for v in model.variables], [v.shape for v in source.variables]
    if ours != theirs:
        raise UsageError(f"Expected the weights of {model.name} in {name}. Received: a network of other shapes")
    model.set_weights(source.get_weights())
    return name


def freeze_body(model: keras.Model) -> None:
    """Leaves only the upsampling layer trainable.

    Raises:
        UsageError: if the network has no upsampling layer with weights.
    """
    upsamplers = [layer for layer in model.layers if isinstance(layer, Upsampler)]
    if not upsamplers:
        raise UsageError(f"Expected a network with a trained upsampling layer for freeze_body. Received: {model.name}")
    for layer in model.layers:
        layer.trainable = layer in upsamplers
