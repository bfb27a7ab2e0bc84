"""The ONNX file, for onnxruntime, OpenCV's dnn and whatever else reads it: any batch and size, channels first."""

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from zoo.errors import UsageError
from zoo.files import whole_file

# DepthToSpace with its mode is in it, and OpenCV 4 and 5 read it.
OPSET = 17


def write_onnx(model: keras.Model, path: Path) -> None:
    """Writes an ONNX file with the input `lr_image` and the output `sr_image`, float32 in NCHW, N, H and W free.

    Raises:
        UsageError: tf2onnx is not installed, or knows no ONNX for an operation of the model.
    """
    onnx, tf2onnx = _packages()
    spec = tf.TensorSpec((None, None, None, model.input_shape[-1]), tf.float32, name="lr_image")

    @tf.function(input_signature=[spec])
    def upscale(lr_image):
        return model(lr_image, training=False)

    output = upscale.get_concrete_function().structured_outputs.name
    proto, _ = exported_onnx(
        model,
        lambda: tf2onnx.convert.from_function(
            upscale,
            input_signature=[spec],
            opset=OPSET,
            inputs_as_nchw=["lr_image:0"],
            outputs_as_nchw=[output],
        ),
    )
    _fuse_prelu(proto.graph, onnx)
    _rename(proto.graph, proto.graph.output[0].name, "sr_image")
    for value, names in ((proto.graph.input[0], "N H W"), (proto.graph.output[0], "N sr_H sr_W")):
        sides = value.type.tensor_type.shape.dim
        for side, name in zip((sides[0], sides[2], sides[3]), names.split(), strict=True):
            side.dim_param = name
    onnx.checker.check_model(proto)
    with whole_file(path) as unfinished:
        onnx.save(proto, str(unfinished))


def _packages() -> tuple[Any, Any]:
    try:
        import onnx
        import tf2onnx
    except ImportError:
        raise UsageError(
            "Expected tf2onnx for the format onnx (pip install 'subpixel-zoo[onnx]'). Received: no such package"
        ) from None
    return onnx, tf2onnx


def exported_onnx(model: keras.Model, convert: Callable[[], Any]) -> Any:
    """What a conversion by tf2onnx returns.

    Raises:
        UsageError: tf2onnx is not installed, or knows no ONNX for an operation of the model.
    """
    _packages()
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        return convert()
    except ValueError as error:
        raise UsageError(f"Expected a model that ONNX can express. Received: {model.name}: {error}") from error


def open_session(path: Path):
    """A file in onnxruntime, which keeps its remarks on what it makes simpler to itself."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def open_onnx(path: Path):
    """A written file in onnxruntime as a function (h, w, C) float32 → (scale·h, scale·w, C)."""
    session = open_session(path)
    return lambda image: session.run(None, {"lr_image": image.transpose(2, 0, 1)[None]})[0][0].transpose(1, 2, 0)


def _rename(graph, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new
    graph.output[0].name = new


class _Prelu(NamedTuple):
    """A PReLU in five operations: relu(x) + slopes · relu(-x), of which the sum is not among them here.

    Attributes:
        image, slopes: the names of x and of the constant.
    """

    image: str
    slopes: str
    positive: Any
    flipped: Any
    negative: Any
    scaled: Any

    @property
    def nodes(self) -> tuple:
        return self.positive, self.flipped, self.negative, self.scaled


def _spelt_out(add: Any, made_by: dict[str, Any], constants: dict[str, Any]) -> _Prelu | None:
    """The PReLU whose sum an Add is; None where it is another's."""

    def maker(node: Any, kind: str) -> Any:
        """The operation of this kind that makes one of a node's inputs."""
        makers = (made_by.get(name) for name in (node.input if node is not None else ()))
        return next((each for each in makers if each is not None and each.op_type == kind), None)

    positive, scaled = maker(add, "Relu"), maker(add, "Mul")
    negative = maker(scaled, "Relu")
    flipped = maker(negative, "Neg")
    if positive is None or flipped is None or flipped.input[0] != positive.input[0]:
        return None
    slopes = next((name for name in scaled.input if name in constants), None)
    return None if slopes is None else _Prelu(positive.input[0], slopes, positive, flipped, negative, scaled)


def _fuse_prelu(graph, onnx) -> None:
    """relu(x) + slopes · relu(-x), five passes over the image, becomes PRelu(x, -slopes), one."""
    made_by = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input)
    for add in [node for node in graph.node if node.op_type == "Add"]:
        found = _spelt_out(add, made_by, constants)
        if found is None or any(uses[node.output[0]] != 1 for node in found.nodes):
            continue
        slopes = f"{add.name}_slopes"
        graph.initializer.append(
            onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(constants[found.slopes]), slopes)
        )
        prelu = onnx.helper.make_node("PRelu", [found.image, slopes], list(add.output), name=f"{add.name}_prelu")
        graph.node.insert(list(graph.node).index(add), prelu)
        for node in (add, *found.nodes):
            graph.node.remove(node)
