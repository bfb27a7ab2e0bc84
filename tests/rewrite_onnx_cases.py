"""ONNX models that the tests make, random weights in them."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

rng = np.random.default_rng(3)


def model(nodes, constants, shape=(2, 4, 7, 10), opset=17, outputs=("y",)):
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in outputs]
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", values, results, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def weights(*shape):
    return rng.normal(size=shape).astype(np.float32)


def deconvolution(kernel=(4, 4), outputs=3, group=1, bias=True, shape=(2, 4, 7, 10), opset=17, **options):
    constants = {"w": weights(4, outputs // group, *kernel)} | ({"b": weights(outputs)} if bias else {})
    node = helper.make_node("ConvTranspose", ["x", *constants], ["y"], name="up", group=group, **options)
    return model([node], constants, shape, opset)


def values(proto, image):
    """What onnx's own evaluator computes."""
    return ReferenceEvaluator(proto).run(None, {"x": image})[0]


def kinds(proto):
    return [node.op_type for node in proto.graph.node]
