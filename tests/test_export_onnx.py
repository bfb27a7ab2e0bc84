"""The ONNX files compute what the model does, in onnxruntime and in OpenCV's dnn."""

import numpy as np
import pytest

import zoo
from export import export_model
from export.prepare import prepare

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'subpixel-zoo[onnx]'")
pytest.importorskip("tf2onnx", reason="tf2onnx is not installed: pip install 'subpixel-zoo[onnx]'")


@pytest.fixture(scope="module", params=[("fsrcnn_s", 3, None), ("espcn", 2, "rgb")], ids=lambda case: case[0])
def written(request, tmp_path_factory):
    """The prepared model and its ONNX file."""
    name, scale, color = request.param
    folder = tmp_path_factory.mktemp("onnx")
    model = zoo.create_model(name, scale)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(scale=0.08, size=weight.shape) for weight in model.get_weights()])
    report = export_model(model, folder, formats=["onnx"], color=color, check=False)
    return prepare(model, color), folder / report["files"][0]["name"]


def test_in_onnxruntime_at_any_batch_and_size(written):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    model, path = written
    session = onnxruntime.InferenceSession(str(path))
    assert [entry.name for entry in (*session.get_inputs(), *session.get_outputs())] == ["lr_image", "sr_image"]
    for shape in ((2, 13, 17), (1, 24, 9)):
        image = np.random.default_rng(1).random((*shape, model.input_shape[-1]), dtype=np.float32)
        (received,) = session.run(None, {"lr_image": image.transpose(0, 3, 1, 2)})
        assert np.abs(received.transpose(0, 2, 3, 1) - model(image)).max() <= 1e-5


def test_in_opencv(written):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    model, path = written
    network = cv2.dnn.readNetFromONNX(str(path))
    image = np.random.default_rng(1).random((1, 13, 17, model.input_shape[-1]), dtype=np.float32)
    network.setInput(np.ascontiguousarray(image.transpose(0, 3, 1, 2)))
    assert np.abs(network.forward().transpose(0, 2, 3, 1) - model(image)).max() <= 1e-5


def test_prelu_is_one_operation(written):
    _, path = written
    kinds = [node.op_type for node in onnx.load(str(path)).graph.node]
    if "fsrcnn" in path.name:
        assert kinds.count("PRelu") == 4 and not {"Neg", "Mul", "Add"} & set(kinds)
    assert "DepthToSpace" in kinds and "ConvTranspose" not in kinds
