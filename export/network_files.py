"""The files of a network that is none for super-resolution, a record each format: how it is written, and run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from export import measure
from export.onnx import OPSET, exported_onnx, open_session
from export.options import Options
from export.tflite import convert, write_tflite
from zoo.data import Source, sample
from zoo.errors import UsageError
from zoo.files import whole_file
from zoo.graphs import tflite
from zoo.rewrite.graph import inputs_of
from zoo.rewrite.tflite_target import for_target

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


def _write_saved_model(model: keras.Model, path: Path, size: Size | None, options: Options) -> None:
    with whole_file(path) as unfinished:
        model.export(str(unfinished), format="tf_saved_model", verbose=False)


def _write_onnx(model: keras.Model, path: Path, size: Size | None, options: Options) -> None:
    signature = _signature(model, None, free=True)
    with whole_file(path) as unfinished:
        exported_onnx(
            model,
            lambda: model.export(
                str(unfinished), format="onnx", verbose=False, input_signature=signature, opset_version=OPSET
            ),
        )


def _write_tflite(model: keras.Model, path: Path, size: Size | None, options: Options, half: bool = False) -> None:
    write_tflite(model, path, size, half, _signature(model, size))
    _for_target(path, options)


def _for_target(path: Path, options: Options) -> None:
    """Changes a TFLite file into what the target wants, if one was named."""
    file = tflite.read(path)
    if options.target:
        for_target(file, options.record)
    if file.changed:
        with whole_file(path) as unfinished:
            unfinished.write_bytes(file.packed())


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
    _for_target(path, options)


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


Values = dict[str, np.ndarray]


def _run_saved_model(path: Path, values: Values) -> Values:
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    found = serve(**{name: tf.constant(value) for name, value in values.items()})
    return {name: value.numpy() for name, value in found.items()}


def _run_onnx(path: Path, values: Values) -> Values:
    session = open_session(path)
    found = session.run(None, {each.name: _named(each.name, values) for each in session.get_inputs()})
    return dict(zip((each.name for each in session.get_outputs()), found, strict=True))


def _named(name: str, values: dict[str, Any]) -> Any:
    """ONNX files may name an input `low` or `low:0`."""
    return values[name.partition(":")[0]]


def _run_tflite(path: Path, values: Values) -> Values:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path)).get_signature_runner()(**values)


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        suffix: what a file's name has after the model's; `{size}` stands for the height x width, if one is asked for.
        write: writes a network to a path; raises `UsageError` where the format does not have an operation.
        run: a file's outputs by its own names; raises ImportError where what runs it is not installed.
    """

    suffix: str
    write: Callable[[keras.Model, Path, Size | None, Options], None]
    run: Callable[[Path, Values], Values]

    @property
    def static(self) -> bool:
        """Whether a file is for one size."""
        return "{size}" in self.suffix

    def file_name(self, name: str, size: Size | None) -> str:
        """`unet_256x384_fp32.tflite` for a static file, `unet.onnx` for others."""
        return name + self.suffix.format(size="_" + "x".join(map(str, size)) if size else "")


FORMATS = {
    "saved_model": Format("_saved_model", _write_saved_model, _run_saved_model),
    "tflite_fp32": Format("{size}_fp32.tflite", _write_tflite, _run_tflite),
    "tflite_fp16": Format("{size}_fp16.tflite", partial(_write_tflite, half=True), _run_tflite),
    "tflite_int8": Format("{size}_int8.tflite", _write_int8, _run_tflite),
    "onnx": Format(".onnx", _write_onnx, _run_onnx),
}
