"""Weights and biases of an ONNX file, plain or quantized behind a DequantizeLinear: their values out, others in."""

import numpy as np

from zoo.graphs.onnx_graph import OnnxGraph
from zoo.rewrite.onnx_steps import Steps
from zoo.rewrite.tflite_constants import Stays


class Constant:
    """A constant of a node.

    Args:
        graph: that holds it.
        name: of the value that the node reads.
        axis: of the output channels, which scales may belong to.

    Attributes:
        values: floats as the file holds them, or integers less their zero points.
        quantized: whether they are integers.

    Raises:
        Stays: the graph computes it, or quantizes it along another axis.
    """

    def __init__(self, graph: OnnxGraph, name: str, axis: int = 0):
        widened = graph.maker(name, "DequantizeLinear", shared=True)
        names = [name] if widened is None else list(widened.input)
        held = [graph.constant(each) if each else None for each in names]
        if held[0] is None or (widened is not None and held[1] is None):
            raise Stays("its weights or bias are computed or given in each run")
        self.dtype = held[0].dtype
        self.quantized = widened is not None
        if not self.quantized:
            self.values = held[0]
            return
        options = graph.attributes(widened)
        self._scales = np.asarray(held[1])
        zeros = held[2] if len(held) > 2 and held[2] is not None else np.zeros(self._scales.shape, self.dtype)
        self._zeros = np.asarray(zeros)
        given = options.get("axis", 1)
        if options.get("block_size") or (self._scales.size > 1 and given % held[0].ndim != axis):
            raise Stays("its weights have scales that do not belong to output channels")
        shape = [-1 if place == axis else 1 for place in range(held[0].ndim)]
        self.values = held[0].astype(np.int64) - self._zeros.astype(np.int64).reshape(shape)

    @property
    def per_channel(self) -> bool:
        """Whether each output channel has a scale of its own."""
        return self.quantized and self._scales.size > 1

    def again(self, steps: Steps, what: str, values: np.ndarray, channels: np.ndarray) -> str:
        """The name of other values in the same form; what widens them is put before the steps.

        Args:
            values: their first axis is that of the output channels.
            channels: for each of those, which output channel's scale it has, of those so far.
        """
        if not self.quantized:
            return steps.constant(what, np.ascontiguousarray(values).astype(self.dtype))
        scales, zeros = self._scales, self._zeros
        if scales.size > 1:
            scales, zeros = scales.reshape(-1)[channels], zeros.reshape(-1)[channels]
        shape = (-1, *[1] * (values.ndim - 1)) if scales.size > 1 else ()
        held = (values + zeros.astype(np.int64).reshape(shape)).astype(self.dtype)
        names = [
            steps.constant(f"{what}_{part}", each) for part, each in (("q", held), ("scale", scales), ("zero", zeros))
        ]
        # Older operation sets have no axis, and a single scale needs none.
        return steps.beside("DequantizeLinear", *names, **({"axis": 0} if scales.size > 1 else {}))
