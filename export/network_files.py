"""The files of a network that is none for super-resolution: written in one format, and run on what it reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from export import measure
from export.onnx import OPSET, exported_onnx
from export.options import Options
from export.tflite import convert, write_tflite
from zoo.data import Source, sample
from zoo.errors import UsageError
from zoo.files import whole_file
from zoo.graphs import tflite
from zoo.rewrite.graph import inputs_of
from zoo.rewrite.tflite_target import for_target

# Each, and whether its files are for one size.
FORMATS = {"saved_model": False, "tflite_fp32": True, "tflite_fp16": True, "tflite_int8": True, "onnx": False}
# What int8 is fitted to; the scale of a source is for super-resolution, of which the HR pictures alone are taken.
PICTURES, SCALE = 24, 2
Size = tuple[int, int]


def is_picture(tensor) -> bool:
    """Whether a tensor is a batch of maps."""
    return len(tensor.shape) == 4


def reads_a_photograph(model: keras.Model) -> bool:
    """Whether a network has one input, of pictures in luma or RGB."""
    tensors = model.inputs
    return len(tensors) == 1 and is_picture(tensors[0]) and tensors[0].shape[3] in (1, 3) and _floats(tensors[0])


def _floats(tensor) -> bool:
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))


def names(model: keras.Model) -> list[str]:
    """Of the inputs, as Keras' own exports name them: by their layers."""
    return [tensor._keras_history.operation.name for tensor in model.inputs]


def _shape(tensor, size: Size | None) -> tuple[int, ...]:
    """Of a batch of one."""
    sides = tuple(tensor.shape[1:])
    if size and is_picture(tensor):
        sides = (*(own or wanted for own, wanted in zip(sides[:2], size, strict=True)), sides[2])
    return (tensor.shape[0] or 1, *sides)


def inputs(model: keras.Model, size: Size | None) -> dict[str, np.ndarray]:
    """An input by each input's name: a photograph where that is what the network reads, noise in [0, 1) elsewhere.

    Zeros and ones for types other than floats.
    """
    if reads_a_photograph(model):
        shape = _shape(model.inputs[0], size)
        photograph = measure.photographs(shape[3], (shape[1], shape[2]))[0]
        return {names(model)[0]: np.repeat(photograph[None], shape[0], axis=0)}
    rng, found = np.random.default_rng(0), {}
    for name, tensor in zip(names(model), model.inputs, strict=True):
        values = rng.random(_shape(tensor, size))
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        found[name] = values.astype("float32") if _floats(tensor) else (values > 0.5).astype(dtype)
    return found


def write(model: keras.Model, output: Path, name: str, size: Size | None, options: Options) -> Path:
    """A file in a format; returns its path.

    Raises:
        UsageError: an operation that the format does not have.
    """
    if name == "saved_model":
        path = output / f"{model.name}_saved_model"
        with whole_file(path) as unfinished:
            model.export(str(unfinished), format="tf_saved_model", verbose=False)
        return path
    if name == "onnx":
        path = output / f"{model.name}.onnx"
        with whole_file(path) as unfinished:
            exported_onnx(
                model,
                lambda: model.export(
                    str(unfinished),
                    format="onnx",
                    verbose=False,
                    input_signature=_signature(model, None, free=True),
                    opset_version=OPSET,
                ),
            )
        return path
    sides = "x".join(map(str, size)) + "_" if size else ""
    path = output / f"{model.name}_{sides}{name.removeprefix('tflite_')}.tflite"
    if name == "tflite_int8":
        _write_int8(model, path, size, options)
    else:
        write_tflite(model, path, size, name == "tflite_fp16", _signature(model, size))
    file = tflite.read(path)
    if options.target:
        for_target(file, options.record)
    if file.changed:
        with whole_file(path) as unfinished:
            unfinished.write_bytes(file.packed())
    return path


def _signature(model: keras.Model, size: Size | None, free: bool = False):
    """What a converter is told of the inputs, structured as the network takes them.

    Args:
        free: leaves what the network leaves free, the batch too.
    """
    specs = [
        tf.TensorSpec(
            tensor.shape if free else _shape(tensor, size), keras.backend.standardize_dtype(tensor.dtype), name=name
        )
        for name, tensor in zip(names(model), model.inputs, strict=True)
    ]
    return [keras.tree.pack_sequence_as(inputs_of(model), specs)]


def _write_int8(model: keras.Model, path: Path, size: Size | None, options: Options) -> None:
    """Weights and activations in 8 bits, calibrated by the converter; takes and gives floats."""
    batch, height, width, channels = _shape(model.inputs[0], size)
    source = options.calibration or sample(SCALE, channels)

    def pictures() -> Iterator[list[np.ndarray]]:
        for picture in _crops(source, (height, width)):
            yield [np.repeat(picture[None], batch, axis=0)]

    with whole_file(path) as unfinished:
        convert(
            model,
            unfinished,
            size,
            _signature(model, size),
            optimizations=[tf.lite.Optimize.DEFAULT],
            representative_dataset=pictures,
            target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
        )


def _crops(source: Source, size: Size) -> Iterator[np.ndarray]:
    """Parts of the pictures in turn, (h, w, C) float32 in [0, 1], at random places; smaller ones are mirrored."""
    pictures, rng = [hr_image for _, _, hr_image in source.pictures()], np.random.default_rng(0)
    if not pictures:
        raise UsageError(f"Expected pictures to fit int8 to. Received: none in {source.name}")
    for number in range(PICTURES):
        picture = pictures[number % len(pictures)]
        missing = [(0, max(0, wanted - given)) for wanted, given in zip(size, picture.shape)]
        picture = np.pad(picture, [*missing, (0, 0)], mode="symmetric")
        top, left = (rng.integers(given - wanted + 1) for wanted, given in zip(size, picture.shape))
        yield picture[top : top + size[0], left : left + size[1]].astype(np.float32) / 255


def run(path: Path, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A file's outputs by its own names.

    Raises:
        ImportError: what runs the format is not installed.
    """
    if path.is_dir():
        serve = tf.saved_model.load(str(path)).signatures["serving_default"]
        found = serve(**{name: tf.constant(value) for name, value in values.items()})
        return {name: value.numpy() for name, value in found.items()}
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        found = session.run(None, {each.name: _named(each.name, values) for each in session.get_inputs()})
        return dict(zip((each.name for each in session.get_outputs()), found, strict=True))
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path)).get_signature_runner()(**values)


def _named(name: str, values: dict[str, Any]) -> Any:
    """ONNX files may name an input `low` or `low:0`."""
    return values[name.partition(":")[0]]
