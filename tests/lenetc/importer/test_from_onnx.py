"""`from_onnx`: a file's network as a module that computes what ONNX Runtime computes, trains and is exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

import lenetc
import lenetc.nn.functional as F
from ir.types import Array


@pytest.fixture
def model() -> onnx.ModelProto:
    """A convolution, a pool and a linear layer over the rows, with the shape arithmetic of PyTorch's exporter."""
    rng = np.random.default_rng(0)
    weights = {
        "conv.weight": rng.standard_normal((4, 1, 3, 3)) * 0.3,
        "conv.bias": rng.standard_normal(4),
        "fc.weight": rng.standard_normal((3, 64)) * 0.1,
        "fc.bias": rng.standard_normal(3),
    }
    initializers = [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()]
    initializers += [
        numpy_helper.from_array(np.array(v, np.int64), n)
        for n, v in (("zero", 0), ("rest", [-1]), ("first", [0]))
    ]
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight", "conv.bias"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0),
        helper.make_node("Unsqueeze", ["batch", "first"], ["batch1"]),
        helper.make_node("Concat", ["batch1", "rest"], ["rows"], axis=0),
        helper.make_node("Reshape", ["p", "rows"], ["flat"]),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], transB=1),
    ]
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 1, 8, 8])
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "net", [image], [logits], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def runtimes(model: onnx.ModelProto, image: Array) -> Array:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"image": image})[0])


def test_an_imported_network_computes_trains_and_is_exported(model: onnx.ModelProto, tmp_path: Path) -> None:
    net = lenetc.from_onnx(model)
    assert list(net.state_dict()) == ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]
    rng = np.random.default_rng(1)
    image, label = rng.standard_normal((6, 1, 8, 8)).astype(np.float32), rng.integers(0, 3, 6)
    np.testing.assert_allclose(net(image).detach().numpy(), runtimes(model, image), rtol=1e-5, atol=1e-6)

    optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)

    @lenetc.compile
    def step(image: lenetc.Tensor, label: lenetc.Tensor) -> lenetc.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(image), label)
        loss.backward()
        optimizer.step()
        return loss

    step.lower(image, label).export(tmp_path, infer=net)
    exported = lenetc.load(tmp_path)
    for size in (6, 4, 1):
        mine = float(step(image[:size], label[:size]).detach())
        np.testing.assert_allclose(exported(image=image[:size], label=label[:size])["loss"], mine, rtol=1e-5)
