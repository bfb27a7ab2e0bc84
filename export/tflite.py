"""TFLite files: fp32, fp16 weights, dynamic size. Builtin operations only."""

import json
import re
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from zoo.engines.tflite import METADATA
from zoo.errors import UsageError
from zoo.files import whole_file
from zoo.graphs import tflite
from zoo.models import scale_of
from zoo.program import quiet
from zoo.reach import keras_model
from zoo.rewrite.blocks import for_cpu


def write_tflite(
    model: keras.Model, path: Path, size: tuple[int, int] | None, half: bool = False, signature: list | None = None
) -> None:
    """Writes a float TFLite file with batch 1.

    Args:
        model: as `export.prepare.prepare` returns it.
        path: the file; it ends with `.tflite`.
        size: LR height and width in px; None leaves them free, for CPUs (GPU delegates take static shapes only).
        half: weights stored as float16; they are widened when the file is loaded.
        signature: what is known of the inputs, of a network of several; default: one picture of this size.
    Raises:
        UsageError: the model needs operations that TFLite does not have; the sentence names them and their layers.
    """
    options = {"optimizations": [tf.lite.Optimize.DEFAULT]} if half else {}
    supported = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    if half:
        supported["supported_types"] = [tf.float16]
    with whole_file(path) as unfinished:
        convert(model, unfinished, size, signature, target_spec=supported, **options)


def write_dynamic(model: keras.Model, path: Path) -> None:
    """Writes a float32 TFLite file for every size, its convolutions aligned with a CPU's vectors (`for_cpu`).

    The file carries the radius as metadata: of the block that an aligned convolution reads, a pixel needs a part, which
    the graph does not tell. A model whose radius is not known stays as it is.

    Args and errors: those of `write_tflite`.
    """
    try:
        radius, step = keras_model.reach(model)
    except UsageError:
        write_tflite(model, path, None)
        return
    with whole_file(path) as unfinished:
        write_tflite(for_cpu(model), unfinished, None)
        known = {"scale": scale_of(model), "channels": model.input_shape[-1], "radius": radius}
        known |= {"step": step} if step > 1 else {}
        file = tflite.read(unfinished)
        file.set_metadata(METADATA, json.dumps(known).encode())
        unfinished.write_bytes(file.packed())


def convert(
    model: keras.Model, path: Path, size: tuple[int, int] | None, signature: list | None = None, **options
) -> None:
    """Runs the converter on the model at one size; `options` are the converter's attributes."""
    height, width = size or (None, None)
    if signature is None:
        signature = [tf.TensorSpec((1, height, width, model.input_shape[-1]), tf.float32, name="lr_image")]
    try:
        with quiet():  # the converter's own notes, written past Python
            model.export(str(path), format="litert", verbose=False, input_signature=signature, **options)
    except ConverterError as error:
        raise UsageError(_explain(model, str(error))) from error


def _explain(model: keras.Model, message: str) -> str:
    """One sentence out of the converter's pages: which operations, in which layers."""
    names = {layer.name for layer in model._flatten_layers(include_self=False)}
    found = []
    for operation, place in re.findall(r'fused\["(\w+):", "([^"@]+)@', message):
        # Keras numbers the scopes of a layer that is called again: big_1 is the layer big.
        scopes = [scope if scope in names else re.sub(r"_\d+$", "", scope) for scope in place.split("/")]
        layer = next((scope for scope in reversed(scopes) if scope in names), None)
        text = f"{operation} in the layer {layer!r}" if layer else operation
        if layer or operation not in ("StatefulPartitionedCall", "PartitionedCall"):
            found.append(text)
    if not found:
        lines = [line for line in message.splitlines() if line.strip()]
        return f"Expected a model that TFLite's builtin operations can compute. Received: {lines[-1] if lines else '?'}"
    return f"Expected builtin TFLite operations only. Received: {', '.join(dict.fromkeys(found))}"


def open_tflite(path: Path):
    """A written file in LiteRT as a function (h, w, C) float32 → (scale·h, scale·w, C), of any size where it can."""
    from zoo.engines.tflite import TFLiteEngine
    from zoo.evaluate import open_network

    try:
        return open_network(str(path)).run
    except UsageError:
        # A RESHAPE to fixed sides, as a target's shuffle is spelt, holds the file to its own size.
        return TFLiteEngine(path.read_bytes(), path.name, unbounded="it gets whole pictures").run
