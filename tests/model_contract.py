"""What holds for every model of the zoo, whatever its weights: each is written down once more in NumPy here."""

import numpy as np
import oracle

import zoo

ACTIVATIONS = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}


def keeps_the_contract(model, name, form, scale, images, folder) -> None:
    """Asserts what a model owes whoever uses it: its ends, its function by an independent truth, its file.

    Args:
        model: of the architecture `name` and the form `form` of its upsampler, by `scale`.
        images: (N, h, w, channels) float32.
        folder: to write into.
    """
    channels = images.shape[-1]
    assert model.input_shape == (None, None, None, channels)
    assert model.input_dtype == "float32"
    assert zoo.models.scale_of(model) == scale
    sr_images = model(images)
    assert sr_images.shape == (len(images), scale * images.shape[1], scale * images.shape[2], channels)
    assert oracle.relative(sr_images, forward_by_oracle(model, name, form, images, scale)) <= 1e-5
    model.save(folder / "model.keras")
    assert np.array_equal(zoo.open_model(str(folder / "model.keras"))(images), sr_images)


def upsample_by_oracle(images, form, layer, scale):
    if form in ("nearest", "bilinear", "bicubic"):
        return oracle.interpolate(images, form, scale, "mirror" if form == "bicubic" else "replicate")
    kernel, bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    if form == "resize":
        return oracle.convolve(oracle.nearest(images, scale), kernel, bias)
    return oracle.scatter(images, kernel, scale, bias)


def forward_by_oracle(model, name, form, images, scale):
    """The network written down once more: NumPy, float64, weights by layer name."""

    def conv(x, layer):
        # A separable convolution has a kernel of its own for each map, and the one of all maps behind it.
        *depthwise, kernel, bias = (np.asarray(w, np.float64) for w in model.get_layer(layer).get_weights())
        for own in depthwise:
            each = [oracle.convolve(x[..., [number]], own[:, :, [number]]) for number in range(x.shape[-1])]
            x = np.concatenate(each, axis=-1)
        return oracle.convolve(x, kernel, bias)

    names = [layer.name for layer in model.layers]
    x = images.astype(np.float64)
    if name.startswith("fsrcnn"):
        depth = sum(layer.startswith("map_") and not layer.endswith("prelu") for layer in names)
        for layer in ("feature", "shrink", *(f"map_{i + 1}" for i in range(depth)), "expand"):
            x = conv(x, layer)
            slope = np.asarray(model.get_layer(f"{layer}_prelu").get_weights()[0], np.float64)
            x = np.where(x > 0, x, slope * x)
    elif name.startswith("gecko"):
        results = []
        for layer in ("feature", *sorted(each for each in names if each.startswith("map_") and "prelu" not in each)):
            x = conv(x, layer)
            slope = np.asarray(model.get_layer(f"{layer}_prelu").get_weights()[0], np.float64)
            x = np.where(x > 0, x, slope * x)
            results.append(x)
        x = results[0] + results[-1]
        if "expand" in names:
            x = conv(x, "expand")
            x = np.where(x > 0, x, np.asarray(model.get_layer("expand_prelu").get_weights()[0], np.float64) * x)
    elif name.startswith("espcn"):
        activation = ACTIVATIONS[model.get_layer("feature").activation.__name__]
        x = activation(conv(x - 0.5 if name == "espcn_residual" else x, "feature"))
        x = activation(conv(x, "mapping"))
    else:
        x = upsample_by_oracle(x, form, model.get_layer("upsampler"), scale)
        for layer in ("patches", "mapping"):
            x = np.maximum(conv(x, layer), 0)
        return conv(x, "reconstruction")
    if "reconstruction" in names:
        x = conv(x, "reconstruction")
    x = upsample_by_oracle(x, form, model.get_layer("upsampler"), scale)
    return x + oracle.interpolate(images, "bicubic", scale, "mirror") if name == "espcn_residual" else x
