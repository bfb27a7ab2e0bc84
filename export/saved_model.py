"""The SavedModel: any batch and size, one signature in float and one that takes and gives uint8 images."""

from pathlib import Path

import keras
import tensorflow as tf

from zoo.files import whole_file


def write_saved_model(model: keras.Model, path: Path) -> None:
    """Writes a SavedModel folder.

    Signatures, input `lr_image`, output `sr_image`, N, H and W free:
        serving_default: float32 (N, H, W, C) in [0, 1] → float32 (N, scale·H, scale·W, C), as the model gives it.
        upscale_uint8: uint8 (N, H, W, C) → uint8 (N, scale·H, scale·W, C), rounded and clipped.
    """
    channels = model.input_shape[-1]

    def upscale(lr_image):
        return {"sr_image": model(lr_image, training=False)}

    def upscale_uint8(lr_image):
        sr_image = model(tf.cast(lr_image, tf.float32) / 255, training=False)
        return {"sr_image": tf.cast(tf.round(tf.clip_by_value(sr_image, 0.0, 1.0) * 255), tf.uint8)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, function, dtype in (
        ("serving_default", upscale, tf.float32),
        ("upscale_uint8", upscale_uint8, tf.uint8),
    ):
        spec = tf.TensorSpec((None, None, None, channels), dtype, name="lr_image")
        archive.add_endpoint(name, function, input_signature=[spec])
    with whole_file(path) as unfinished:
        archive.write_out(str(unfinished), verbose=False)


def open_saved_model(path: Path):
    """A written model as a function (h, w, C) float32 → (scale·h, scale·w, C)."""
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    # The signature does not keep what it was loaded from.
    serve.owner = loaded
    return lambda image: serve(lr_image=tf.constant(image[None]))["sr_image"].numpy()[0]
