"""Weights and biases of a TFLite file, in whatever form it holds them: their values out, others in the same form in."""

import copy

import numpy as np

from zoo.graphs.tflite import Graph, Operation, Tensor, schema


class Stays(Exception):
    """An operation that has no exact form in LR space; the sentence says why."""


class Constant:
    """A constant, plain or quantized, or a narrow one behind a DEQUANTIZE.

    Args:
        graph: that holds it.
        tensor: as an operation reads it; its first axis is the one that scales belong to.

    Raises:
        Stays: the graph computes it, or holds it in a form that NumPy has no type for.
    """

    def __init__(self, graph: Graph, tensor: Tensor):
        producer = graph.producer(tensor)
        self._widened = producer if producer is not None and producer.name == "DEQUANTIZE" else None
        self._held = tensor if self._widened is None else self._widened.inputs[0]
        try:
            self.values: np.ndarray = self._held.values
        except ValueError as error:
            raise Stays(f"its constant {tensor.name} ({self._held}) is computed, sparse or of 4 bits") from error
        quantization = self._held.raw.quantization
        self.scales = _array(quantization.scale if quantization else None)
        self.zero_points = _array(quantization.zeroPoint if quantization else None)
        if len(self.scales) > 1 and quantization.quantizedDimension != 0 or (quantization and quantization.details):
            raise Stays(f"its constant {tensor.name} has scales that do not belong to output channels")

    @property
    def zeros(self) -> np.ndarray:
        """What stands for zero: one number, or one for each output channel."""
        return self.zero_points if len(self.zero_points) else np.zeros(1, np.int64)

    @property
    def rounds_image(self) -> bool:
        """Whether the constant is of integers with one scale that are read as they are."""
        return self._widened is None and self.values.dtype.kind in "iu" and len(self.scales) < 2

    def again(self, name: str, values: np.ndarray, channels: np.ndarray) -> tuple[Tensor, list[Operation]]:
        """Other values in the same form, and the operations that make the tensor out of what the file holds.

        Args:
            values: as the file will hold them.
            channels: for each of their first axis, which output channel's scale it has, of those so far.
        """
        fits = self._held.dtype != "float16" or np.array_equal(np.asarray(values).astype(np.float16), values)
        if self._widened is not None and not fits:
            # Sums of half-precision numbers have more digits than those have.
            return Tensor(name, np.shape(values), self._widened.outputs[0].dtype, np.asarray(values)), []
        held = Tensor(name, np.shape(values), self._held.dtype, np.asarray(values))
        held.raw.quantization = _of_channels(self._held.raw.quantization, channels)
        if self._widened is None:
            return held, []
        widened = Tensor(f"{name}/widened", np.shape(values), self._widened.outputs[0].dtype)
        step = Operation("DEQUANTIZE", [held], [widened], copy.copy(self._widened.options), self._widened.version)
        return widened, [step]


def _of_channels(quantization, channels: np.ndarray):
    """The schema's quantization of a constant that has some of the output channels, in some order."""
    if quantization is None:
        return None
    scales, zero_points = _array(quantization.scale), _array(quantization.zeroPoint)
    if len(scales) > 1:
        scales, zero_points = scales[channels], zero_points[channels]
    return schema.QuantizationParametersT(scale=scales.astype(np.float32), zeroPoint=zero_points.astype(np.int64))


def no_bias(name: str, image: Tensor, weights: Tensor, channels: int) -> Tensor:
    """A bias of zeros, in the form that goes with an image and weights."""
    if image.dtype == "float32":
        return Tensor(name, (channels,), "float32", np.zeros(channels))
    bias = Tensor(name, (channels,), "int32", np.zeros(channels))
    scales = _array(image.raw.quantization.scale) * _array(weights.raw.quantization.scale)
    bias.raw.quantization = schema.QuantizationParametersT(
        scale=scales.astype(np.float32), zeroPoint=np.zeros(len(scales), np.int64)
    )
    return bias


def _array(numbers) -> np.ndarray:
    return np.asarray([] if numbers is None else numbers)
