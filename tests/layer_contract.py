"""What holds for every layer that the zoo registers: the upsamplers, the shuffles, those of axes and of steps."""

import keras
import numpy as np
import oracle

HALVES = ("mixed_float16", "mixed_bfloat16")


def keeps_the_contract(layer, images, expected, folder) -> None:
    """Asserts what a layer owes whoever uses it.

    In float64 it gives an independent truth, of the shape that it says beforehand; it goes into a file and comes back,
    with its configuration, for other sizes too; under a policy of half precision it computes in that, with weights of
    full precision.

    Args:
        layer: float64, with weights if it has any.
        images: (N, …, C), N and all sides but the channels free for it.
        expected: computed by something else.
        folder: to write into.
    """
    received = layer(images)
    assert oracle.relative(received, expected) <= 1e-12
    assert tuple(layer.compute_output_shape(images.shape)) == tuple(received.shape) == expected.shape

    start = keras.Input((*[None] * (images.ndim - 2), images.shape[-1]), dtype="float64")
    model = keras.Model(start, layer(start))
    model.save(folder / "layer.keras")
    loaded = keras.models.load_model(folder / "layer.keras", safe_mode=True)
    for part in (images, images[:, :-1]):
        assert np.array_equal(loaded(part), layer(part))
    assert loaded.layers[-1].get_config() == layer.get_config()

    for policy in HALVES:
        half = type(layer).from_config({**layer.get_config(), "dtype": policy})
        half.build(images.shape)
        half.set_weights(layer.get_weights())
        assert all(weight.dtype == "float32" for weight in half.weights)
        rough = half(images.astype(np.float32))
        assert keras.backend.standardize_dtype(rough.dtype) == policy.removeprefix("mixed_")
        assert oracle.relative(keras.ops.cast(rough, "float32"), expected) <= 0.05
