"""export_gradient: a vector-Jacobian product as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lenetc
from lenetc import nn
from lenetc.compiler.structure import ArgumentError


def run(path: Path, feeds: dict[str, Any]) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert {value.name for value in session.get_inputs()} == feeds.keys()
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def test_of_a_module(tmp_path: Path):
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    (path,) = lenetc.export_gradient(net, tmp_path / "g.onnx", lenetc.ones(5, 4))
    rng = np.random.default_rng(0)
    x, vector = rng.standard_normal((7, 4), np.float32), rng.standard_normal((7, 2), np.float32)
    weights = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    found = run(path, {"input": x, "output.grad": vector, **weights})
    leaf = lenetc.tensor(x, requires_grad=True)
    out = net(leaf)
    out.backward(lenetc.from_numpy(vector))
    np.testing.assert_allclose(found["output"], out.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(found["input.grad"], leaf.grad.numpy(), rtol=1e-5, atol=1e-7)
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(found[f"{name}.grad"], parameter.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_of_a_loss_needs_no_vector_and_of_several_results_takes_one_each(tmp_path: Path):
    def loss(x: Any, y: Any) -> Any:
        return ((x - y) ** 2).sum()

    lenetc.export_gradient(loss, tmp_path / "loss.onnx", lenetc.ones(3), lenetc.zeros(3))
    x, y = np.float32([1, 2, 3]), np.float32([0, 0, 1])
    found = run(tmp_path / "loss.onnx", {"x": x, "y": y})
    np.testing.assert_allclose(found["x.grad"], 2 * (x - y))
    np.testing.assert_allclose(found["y.grad"], -2 * (x - y))

    def several(a: Any, i: Any) -> dict[str, Any]:
        return {"product": a * a, "picked": a[i], "place": a.argmax()}

    lenetc.export_gradient(several, tmp_path / "s.onnx", lenetc.ones(4), lenetc.tensor([1, 3]), static=True)
    a = np.float32([1, 2, 3, 4])
    feeds = {"a": a, "i": np.int64([2, 2]), "product.grad": a, "picked.grad": np.float32([10, 20])}
    found = run(tmp_path / "s.onnx", feeds)
    np.testing.assert_allclose(found["a.grad"], 2 * a * a + np.float32([0, 0, 30, 0]))
    assert found["place"] == 3


def test_labels_that_the_function_computes_are_no_result(tmp_path: Path):
    net = nn.Linear(4, 3)

    def loss(x: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(net(x), y + 1)

    x, y = np.eye(3, 4, dtype=np.float32), np.int64([0, 1, 1])
    lenetc.export_gradient(loss, tmp_path / "g.onnx", lenetc.from_numpy(x), lenetc.from_numpy(y))
    weights = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    found = run(tmp_path / "g.onnx", {"x": x, "y": y, **weights})
    loss(lenetc.from_numpy(x), lenetc.from_numpy(y)).backward()
    assert found.keys() == {"output", "x.grad", "weight.grad", "bias.grad", "valid"}
    np.testing.assert_allclose(found["weight.grad"], net.weight.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_nothing_to_differentiate(tmp_path: Path):
    with pytest.raises(ArgumentError, match="nothing to differentiate"):
        lenetc.export_gradient(lambda x: x.argmax(), tmp_path / "g.onnx", lenetc.ones(3))
    assert not list(tmp_path.iterdir())


def test_labels_out_of_range_are_told(tmp_path: Path):
    lenetc.export_gradient(
        nn.functional.cross_entropy, tmp_path / "g.onnx", lenetc.ones(3, 4), lenetc.tensor([0, 1, 3])
    )
    scores = np.ones((2, 4), np.float32)
    for labels, valid in (([0, 3], True), ([0, 4], False), ([-1, 0], False), ([-100, 0], True)):
        found = run(tmp_path / "g.onnx", {"input": scores, "target": np.int64(labels)})
        assert found["valid"] == valid
