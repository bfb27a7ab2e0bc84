"""A row of convolutions as an ONNX file, by the package `onnx` alone."""

from typing import Any

import numpy as np

from zoo.graphs import onnx_graph
from zoo.graphs.operations import Convolution

# Old enough for whatever reads ONNX today; DepthToSpace has its mode in it.
OPSET, IR_VERSION = 17, 8
_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "prelu": "PRelu"}


def write(layers: list[Convolution], scale: int) -> bytes:
    """The file's bytes: `lr_image` (1, C, H, W) → `sr_image` (1, C, scale·H, scale·W), float32, H and W free.

    Args:
        layers: as `zoo.graphs.rows.read` returns them; the last one's maps are shuffled.
        scale: of the shuffle.

    Raises:
        UsageError: `onnx` is not installed.
    """
    onnx = onnx_graph.package()
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    nodes: list[Any] = []
    constants: list[Any] = []

    def add(kind: str, *arrays: np.ndarray, **attributes) -> None:
        inputs = [nodes[-1].output[0] if nodes else "lr_image"]
        for array in arrays:
            inputs.append(f"constant{len(constants)}")
            values = np.ascontiguousarray(array, np.float32)
            constants.append(onnx.numpy_helper.from_array(values, inputs[-1]))
        nodes.append(helper.make_node(kind, inputs, [f"maps{len(nodes)}"], **attributes))

    results: list[str] = []
    for layer in layers:
        kernel, bias, activation, slopes, added = layer
        by_map = {"group": len(bias)} if layer.depthwise else {}
        axes = (2, 3, 0, 1) if layer.depthwise else (3, 2, 0, 1)
        add("Conv", kernel.transpose(axes), bias, pads=[len(kernel) // 2] * 4, **by_map)
        if activation != "linear":
            add(_ACTIVATIONS[activation], *([] if slopes is None else [slopes[:, None, None]]))
        if added is not None:
            add("Add")
            nodes[-1].input.append(results[added])
        results.append(nodes[-1].output[0])
    # As TensorFlow's: a pixel's channels lie together.
    add("DepthToSpace", blocksize=scale, mode="DCR")
    nodes[-1].output[0] = "sr_image"
    channels = layers[0].kernel.shape[2]
    graph = helper.make_graph(
        nodes,
        "row",
        [helper.make_tensor_value_info("lr_image", float32, [1, channels, "H", "W"])],
        [helper.make_tensor_value_info("sr_image", float32, [1, channels, "sr_H", "sr_W"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return onnx_graph.packed(model)
