"""An ONNX file's graph, read with the package `onnx`: constants, users and shapes of values, and nodes replaced."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.files import existing_file

# DepthToSpace has its mode, and Resize says how it reads, from this version on.
LEAST_OPSET = 11


def package() -> Any:
    """The package `onnx`.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise UsageError(
            "Expected onnx for ONNX files (pip install 'subpixel-zoo[onnx]'). Received: no such package"
        ) from None
    return onnx


def read(path: Path) -> Any:
    """A file's model, with what lies in external files.

    Raises:
        UsageError: no file or valid ONNX model, an older opset, or an external file is missing or outside its folder.
    """
    onnx = package()
    from google.protobuf.message import DecodeError

    content = existing_file(path, "an .onnx file").read_bytes()
    try:
        model = onnx.load_model_from_string(content)
        onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"Expected a whole and valid ONNX file. Received: {str(path)!r}: {reason}") from error
    opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)
    if opset < LEAST_OPSET:
        raise UsageError(f"Expected an ONNX file of opset {LEAST_OPSET} or newer. Received: opset {opset}")
    return model


def packed(model: Any) -> bytes:
    """The model as one file's bytes.

    Raises:
        UsageError: it is over protobuf's 2 GB.
    """
    try:
        return model.SerializeToString()
    except Exception as error:  # protobuf's implementations raise errors of different kinds
        raise UsageError(f"Expected an ONNX model below 2 GB. Received: {error}") from error


# What ONNX's own operations are of.
DOMAINS = ("", "ai.onnx")


class OnnxGraph:
    """The main graph of a model, to look at and to change in place."""

    def __init__(self, model: Any):
        self._onnx = package()
        self.graph = model.graph
        self._opsets = model.opset_import
        self._functions = [node for function in model.functions for node in function.node]
        inferred = self._onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        self._infos = {info.name: info for info in (*inferred.value_info, *inferred.input, *inferred.output)}
        given = {each.name for each in self.graph.input}
        # A default of an input may be another number in each run.
        self._initializers = {each.name: each for each in self.graph.initializer if each.name not in given}
        self._makers = {name: node for node in self.graph.node for name in node.output if name}
        self._names = {*self._infos, *self._makers, *self._initializers, *given}
        # A name of a subgraph may stand for nothing else outside of it.
        self._names |= {name for node in self.hidden() for name in (*node.input, *node.output)}

    def hidden(self) -> Iterator[Any]:
        """The nodes of subgraphs (If, Loop, Scan) and of the model's own functions."""
        yield from self._functions
        for node in self.graph.node:
            yield from _inside(node)

    def constant(self, name: str) -> np.ndarray | None:
        """The value of an initializer or Constant node, also under another name; None where it is computed or given."""
        if name in self._initializers:
            return self._onnx.numpy_helper.to_array(self._initializers[name])
        maker = self._makers.get(name)
        if maker is not None and maker.op_type == "Constant" and maker.attribute[0].name == "value":
            return self._onnx.numpy_helper.to_array(maker.attribute[0].t)
        # As exporters of PyTorch name weights that several layers share.
        return self.constant(maker.input[0]) if maker is not None and maker.op_type == "Identity" else None

    def constant_node(self, node: Any) -> bool:
        """Whether a node gives a constant, by itself or under another name."""
        return node.op_type == "Constant" or node.op_type == "Identity" and self.constant(node.input[0]) is not None

    def maker(self, name: str, kind: str, shared: bool = False) -> Any | None:
        """The node of this kind that computes a value which, unless it may be `shared`, one input uses and no more."""
        node = self._makers.get(name)
        if node is None or node.op_type != kind or node.domain not in DOMAINS:
            return None
        return node if shared or self._uses()[name] == 1 else None

    def between(self, source: str, result: str) -> list[Any] | None:
        """The nodes, in order, that compute a value of another and of constants; None where they need more."""
        wanted, found = {result}, []
        for node in reversed(self.graph.node):
            if wanted & set(node.output):
                found.append(node)
                wanted = wanted - set(node.output) | {name for name in node.input if name and name != source}
        return found[::-1] if wanted <= set(self._initializers) else None

    def computed(self, nodes: list[Any], source: str, values: np.ndarray, result: str) -> np.ndarray:
        """What such nodes compute, in onnx's own evaluator."""
        from onnx.reference import ReferenceEvaluator

        make, names = self._onnx.helper, {name for node in nodes for name in node.input}
        given = make.make_tensor_value_info(source, make.np_dtype_to_tensor_dtype(values.dtype), values.shape)
        held = [self._initializers[name] for name in self._initializers if name in names]
        graph = make.make_graph(nodes, "part", [given], [make.make_empty_tensor_value_info(result)], held)
        model = make.make_model(graph, opset_imports=self._opsets)
        (received,) = list(ReferenceEvaluator(model).run(None, {source: values}))
        return np.asarray(received)

    def readers(self, name: str) -> list[Any] | None:
        """The nodes of the main graph that read a value; None where something else does too."""
        nodes = [node for node in self.graph.node if name in node.input]
        return nodes if sum(list(node.input).count(name) for node in nodes) == self._uses()[name] else None

    def dtype(self, name: str) -> np.dtype | None:
        """The type of a value's numbers; None where it is not known."""
        info = self._infos.get(name)
        number = info.type.tensor_type.elem_type if info is not None else 0
        return np.dtype(self._onnx.helper.tensor_dtype_to_np_dtype(number)) if number else None

    def shape(self, name: str) -> list[int | None]:
        """A value's sides, None where they are free; empty where nothing is known."""
        info = self._infos.get(name)
        if info is None:
            constant = self.constant(name)
            return [] if constant is None else list(constant.shape)
        return [side.dim_value if side.HasField("dim_value") else None for side in info.type.tensor_type.shape.dim]

    def attributes(self, node: Any) -> dict[str, Any]:
        """A node's attributes by name; strings as str."""
        values = {each.name: self._onnx.helper.get_attribute_value(each) for each in node.attribute}
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}

    def name(self, wanted: str) -> str:
        """A name that no value has yet."""
        name, number = wanted, 1
        while name in self._names:
            name, number = f"{wanted}_{number}", number + 1
        self._names.add(name)
        return name

    def add_constant(self, wanted: str, value: np.ndarray) -> str:
        """Adds an initializer; returns its name."""
        name = self.name(wanted)
        self.graph.initializer.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def drop_unused(self, nodes: list[Any]) -> None:
        """Removes nodes whose results nothing reads any more; a reader comes before what it reads."""
        for node in nodes:
            there = any(node is each for each in self.graph.node)
            if there and not any(self._uses()[name] for name in node.output):
                self.replace([node], [])

    def replace(self, nodes: list[Any], new: Iterable[Any]) -> None:
        """Puts new nodes where the last of some stood; what only those used goes with them."""
        place = next(number for number, each in enumerate(self.graph.node) if each is nodes[-1])
        for number, each in enumerate(new):
            self.graph.node.insert(place + number, each)
        gone = list(dict.fromkeys(name for node in nodes for name in node.input if name))
        for node in nodes:
            self.graph.node.remove(node)
        uses = self._uses()
        while gone:
            name = gone.pop()
            if uses[name]:
                continue
            if name in self._initializers:
                self.graph.initializer.remove(self._initializers.pop(name))
                continue
            maker = next((node for node in self.graph.node if name in node.output), None)
            if maker is not None and (self.constant_node(maker) or self._of_constants(maker)):
                self.graph.node.remove(maker)
                uses.subtract(maker.input)
                gone += maker.input
        made = {name for node in self.graph.node for name in node.output}
        for info in [each for each in self.graph.value_info if each.name in self._makers and each.name not in made]:
            self.graph.value_info.remove(info)
        self._makers = {name: node for node in self.graph.node for name in node.output if name}

    def _of_constants(self, node: Any) -> bool:
        """Whether a node makes numbers of stored integers."""
        return node.op_type == "DequantizeLinear" and all(
            self.constant(name) is not None for name in node.input if name
        )

    def _uses(self) -> Counter:
        nodes = [*self.graph.node, *(inner for node in self.graph.node for inner in _inside(node))]
        return Counter([name for node in nodes for name in node.input] + [each.name for each in self.graph.output])


def _inside(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            for inner in graph.node:
                yield inner
                yield from _inside(inner)
