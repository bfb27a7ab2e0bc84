"""TFLite files as engines; needs neither Keras nor TensorFlow."""

import functools
import hashlib
import json
from collections import OrderedDict
from typing import Any

import numpy as np

from zoo.engines.engine import Engine, Unfit
from zoo.errors import UsageError
from zoo.graphs import rows, tflite
from zoo.graphs.operations import Convolution
from zoo.machine import available_threads
from zoo.reach import Unbounded, tflite_file

# The name under which a TFLite file may carry {"scale", "channels", "radius"} as JSON, and "step" where it is not 1.
METADATA = "subpixel_zoo"
_PROBE = (24, 36)


class TFLiteEngine(Engine):
    """A TFLite file through XNNPACK, which computes a pixel alike wherever in a window it lies.

    Args:
        content: a file's bytes: one input (1, H, W, 1 or 3) and one output (1, scale·H, scale·W, as many), float32 or
            quantised to 8 bits; H and W free or fixed.
        name: what to call it.
        threads: default as many as the process may use.
        radius: the receptive field's radius, LR px. Default: what the file's metadata says, else what its graph shows.
        unbounded: why the radius is not known, where that is settled already: the file is not asked.
        any_size: a file of one size is resized to every picture, which not every operation allows.
        step: where tiles may begin, if the radius is given; see `Engine`.

    Raises:
        UsageError: no TFLite file, or one of another kind.
    """

    def __init__(
        self,
        content: bytes,
        name: str,
        threads: int | None = None,
        radius: int | None = None,
        unbounded: str = "",
        any_size: bool = False,
        step: int = 1,
    ):
        self.content, self.threads = content, threads or available_threads()
        try:
            self._file = _File(content, name, self.threads, any_size)
            scale = self._file.scale()
            if radius is None and not unbounded:
                radius, step, unbounded = self._file.reach(scale)
        except UsageError:
            raise
        # Numbers that point nowhere, names that are no text: a damaged file fails in any way.
        except Exception as error:
            raise _refused(name, f"{type(error).__name__}: {_first_line(error)}") from error
        channels, size = self._file.channels, self._file.size
        super().__init__(name, scale, channels, radius, unbounded, size, step=step, kind="TFLite")

    @property
    def file(self) -> tflite.File:
        """What the file consists of."""
        return self._file.parsed

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        return self._file.run(lr_image)

    def fingerprint(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def row_of(engine: TFLiteEngine) -> list[Convolution]:
    """The convolutions of a file that is a row of them and a shuffle by the network's scale.

    Raises:
        Unfit: it is something else.
    """
    try:
        layers, scale = rows.read(engine.file)
    except rows.NoRow as error:
        raise Unfit(f"no row of convolutions: {error}") from error
    if scale != engine.scale:
        raise Unfit(f"a shuffle by {scale} in a network of scale {engine.scale}")
    return layers


class _File:
    """A file in its interpreters: `size` is the only one that it takes, None where any."""

    def __init__(self, content: bytes, name: str, threads: int, any_size: bool):
        self.content, self.name, self.threads = content, name, threads
        # One interpreter for each of the last two sizes: a change of size costs about as much as a run.
        self._interpreters: OrderedDict[tuple[int, int], Any] = OrderedDict()
        interpreter = self._interpreter()
        self._input, self._output = self._ends(interpreter)
        _, height, width, self.channels = (int(side) for side in self._input["shape_signature"])
        self._free = height < 0
        self.size = None if self._free or any_size else (height, width)
        self._interpreters[self.size or _PROBE] = self._sized(interpreter, *(self.size or _PROBE))

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        height, width, _ = lr_image.shape
        interpreter = self._interpreters.get((height, width))
        if interpreter is None:
            spare = self._interpreters.popitem(last=False)[1] if len(self._interpreters) > 1 else self._interpreter()
            interpreter = self._interpreters[height, width] = self._sized(spare, height, width)
        self._interpreters.move_to_end((height, width))
        try:
            interpreter.set_tensor(self._input["index"], _quantise(lr_image[None], self._input))
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise self._refused(f"at {height}×{width}: {_first_line(error)}") from error
        return _dequantise(interpreter.get_tensor(self._output["index"])[0], self._output)

    def _interpreter(self):
        from ai_edge_litert.interpreter import Interpreter

        try:
            return Interpreter(model_content=self.content, num_threads=self.threads)
        except (ValueError, RuntimeError) as error:
            raise self._refused(_first_line(error)) from error

    def _sized(self, interpreter, height: int, width: int):
        try:
            if self.size is None:
                shape = [1, height, width, self.channels]
                interpreter.resize_tensor_input(self._input["index"], shape, strict=self._free)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise self._refused(_first_line(error)) from error
        return interpreter

    def _ends(self, interpreter) -> tuple[dict, dict]:
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise self._refused(f"{len(inputs)} inputs and {len(outputs)} outputs")
        for end, detail in (("input", inputs[0]), ("output", outputs[0])):
            signature = [int(side) for side in detail["shape_signature"]]
            if len(signature) != 4 or signature[0] not in (1, -1) or signature[3] not in (1, 3):
                raise self._refused(f"{end} shape {signature}")
            if (signature[1] < 0) != (signature[2] < 0):
                raise self._refused(f"{end} shape {signature}, with only one side free")
            quantised = detail["dtype"] in (np.int8, np.uint8) and detail["quantization"][0] > 0
            if detail["dtype"] != np.float32 and not quantised:
                raise self._refused(f"{end} of type {np.dtype(detail['dtype']).name} without quantisation")
        return inputs[0], outputs[0]

    @functools.cached_property
    def parsed(self) -> tflite.File:
        return tflite.parse(self.content, self.name)

    def scale(self) -> int:
        height, width = self.size or _PROBE
        if self.size is None:
            shape = self.run(np.zeros((height, width, self.channels), np.float32)).shape
        else:
            shape = tuple(int(side) for side in self._output["shape_signature"][1:])
        scale = shape[0] // height
        if scale < 2 or shape != (scale * height, scale * width, self.channels):
            raise self._refused(f"({height}, {width}, {self.channels}) → {shape}")
        return scale

    def reach(self, scale: int) -> tuple[int | None, int, str]:
        """The receptive field's radius and step, LR px; None and the reason where there is no bound."""
        stored = self.parsed.metadata(METADATA)
        if stored is not None:
            try:
                known = {key: int(value) for key, value in json.loads(stored).items()}
                fits = (known["scale"], known["channels"]) == (scale, self.channels) and known["radius"] >= 0
                fits = fits and known.get("step", 1) >= 1
            except (ValueError, KeyError, TypeError, AttributeError):
                fits = False
            if not fits:
                raise self._refused(f"scale {scale}, {self.channels} channels, and metadata {stored[:80]!r}")
            return known["radius"], known.get("step", 1), ""
        try:
            return *tflite_file.reach(self.parsed), ""
        except Unbounded as error:
            return None, 1, str(error)

    def _refused(self, received: str) -> UsageError:
        return _refused(self.name, received)


def _refused(name: str, received: str) -> UsageError:
    return UsageError(
        "Expected a TFLite file with one input (1, H, W, C) and one output (1, scale·H, scale·W, C), C 1 or 3, "
        f"scale at least 2, float32 or 8-bit. Received: {name}: {received}"
    )


def _quantise(values: np.ndarray, detail: dict) -> np.ndarray:
    if detail["dtype"] == np.float32:
        return np.ascontiguousarray(values, np.float32)
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(detail["dtype"])


def _dequantise(values: np.ndarray, detail: dict) -> np.ndarray:
    if detail["dtype"] == np.float32:
        return values
    scale, zero = detail["quantization"]
    return (values.astype(np.float32) - zero) * np.float32(scale)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
