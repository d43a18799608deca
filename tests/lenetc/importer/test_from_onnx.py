"""`from_onnx`: a file's network as a module that computes what ONNX Runtime computes, trains and is exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

import lenetc
import lenetc.nn.functional as F
from ir.types import Array


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
