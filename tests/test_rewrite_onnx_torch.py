"""ONNX files from PyTorch's own two exporters, where PyTorch is installed (the extra `bench`)."""

import numpy as np
import onnx
import pytest

from zoo.graphs import onnx_graph
from zoo.rewrite import onnx_difference, onnx_file, onnx_transposed

torch = pytest.importorskip("torch")


def network():
    nn = torch.nn

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.wide = nn.ConvTranspose2d(3, 8, 4, 2, 1), nn.Conv2d(8, 12, 3, padding=1)
            self.nearest, self.last = nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x):
            x = nn.functional.pixel_shuffle(self.wide(torch.relu(self.up(x))), 2)
            return self.last(self.nearest(x))

    torch.manual_seed(0)
    return Network().eval()


def by_hand():
    class Shuffle(torch.nn.Module):
        def forward(self, x):
            n, c, h, w = x.shape
            return x.reshape(n, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)

    return torch.nn.Sequential(torch.nn.Conv2d(3, 12, 3, padding=1), Shuffle()).eval()


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize(("make", "moved"), [(network, 2), (by_hand, 1)])
def test_what_an_exporter_writes_moves(tmp_path, make, moved, dynamo):
    if dynamo:
        pytest.importorskip("onnxscript")
    path, model = tmp_path / "in.onnx", make()
    image = torch.rand(1, 3, 12, 17)
    torch.onnx.export(model, (image,), str(path), input_names=["x"], dynamo=dynamo)
    proto = onnx_graph.read(path)
    before = onnx_graph.packed(proto)
    rows = onnx_file.to_lr_space(proto)
    assert [row.action for row in rows] == ["moved"] * moved
    assert not {"ConvTranspose", "Resize"} & {node.op_type for node in proto.graph.node}
    onnx.checker.check_model(proto, full_check=True)
    for each in onnx_difference.differences(before, onnx_graph.packed(proto)):
        assert each.value <= each.allowed
    # And back: PyTorch itself is the truth.
    onnx_transposed.to_transposed(proto)
    assert "DepthToSpace" not in {node.op_type for node in proto.graph.node}
    import onnxruntime

    (received,) = onnxruntime.InferenceSession(onnx_graph.packed(proto)).run(None, {"x": image.numpy()})
    expected = model(image).detach().numpy()
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * np.ptp(expected))
