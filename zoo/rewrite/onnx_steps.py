"""Nodes of an ONNX graph, made one after another."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from zoo.graphs.onnx_graph import OnnxGraph, package

_END = np.iinfo(np.int64).max


class Steps:
    """Nodes one after another from a value on; new names begin with that of the node that they replace.

    Attributes:
        nodes: so far.
        last: the name of the value that the last of them gives.
    """

    def __init__(self, graph: OnnxGraph, name: str, first: str):
        self.nodes: list[Any] = []
        self.last = first
        self._graph, self._name = graph, name

    def add(self, kind: str, *constants: str, **options: Any) -> None:
        """A node that reads the last value and constants."""
        self.last = self.beside(kind, self.last, *constants, **options)

    def beside(self, kind: str, *names: str, **options: Any) -> str:
        """A node that reads what is named; returns the name of its result."""
        result = self._graph.name(f"{self._name}_{kind}")
        self.nodes.append(package().helper.make_node(kind, list(names), [result], name=result, **options))
        return result

    def constant(self, what: str, value: np.ndarray) -> str:
        """The name of a new constant."""
        return self._graph.add_constant(f"{self._name}_{what}", value)

    def crop(self, cuts: Iterable[tuple[int, int]]) -> None:
        """Cuts rows and columns (before, after)."""
        cuts = list(cuts)
        if not any(map(any, cuts)):
            return
        ends = [-end if end else _END for _, end in cuts]
        numbers = {"starts": [start for start, _ in cuts], "ends": ends, "axes": range(2, 2 + len(cuts))}
        self.add("Slice", *(self.constant(key, np.asarray(side, np.int64)) for key, side in numbers.items()))

    def shuffle_by_transpose(self, scales: tuple[int, ...], outputs: int, sides: list[int | None]) -> None:
        """A shuffle by one Transpose, the phases of each map behind one another: (N, O·s·t, H, W) → (N, O, H·s, W·t).

        Args:
            scales: of the map's axes behind the channels, one or two; at most five axes are transposed.
            sides: of the map along them; None where they are free, which then are computed.
        """
        axes = range(len(scales))
        phases = [axis for axis in axes if scales[axis] > 1]
        # (maps, phases, places) → (maps, then of each axis places and phases).
        places = {axis: 1 + len(phases) + axis for axis in axes}
        order = [0]
        for axis in axes:
            order += [places[axis], *([1 + phases.index(axis)] if axis in phases else [])]
        apart, joined = [-1, *(scales[axis] for axis in phases)], [-1, outputs]
        if None in sides:
            known = self.beside("Shape", self.last)
            numbers = [self.constant("places", np.asarray([each])) for each in (2, 2 + len(scales))]
            known = self.beside("Slice", known, *numbers)
            grown = self.beside("Mul", known, self.constant("scales", np.asarray(scales)))
            ends = [(apart, known), (joined, grown)]
            shapes = [
                self.beside("Concat", self.constant("shape", np.asarray(first)), rest, axis=0) for first, rest in ends
            ]
        else:
            whole = [[*apart, *sides], [*joined, *(side * scale for side, scale in zip(sides, scales) if side)]]
            shapes = [self.constant("shape", np.asarray(each)) for each in whole]
        self.add("Reshape", shapes[0])
        self.add("Transpose", perm=order)
        self.add("Reshape", shapes[1])

    def replace(self, nodes: list[Any]) -> None:
        """Puts these nodes in the place of others, whose last result is theirs."""
        self.nodes[-1].output[0] = nodes[-1].output[0]
        self._graph.replace(nodes, self.nodes)
