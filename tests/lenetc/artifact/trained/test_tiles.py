"""A file whose batch is symbolic and is gone through in tiles, against the step that it was exported from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import lenetc
import lenetc.nn.functional as F
from lenetc import nn, optim
from lenetc.compiler.function import CompiledFunction
from lenetc.tensors.tensor import Tensor
from passes.tiling import division

TILE = 16
SIZES = (1, TILE - 1, TILE, TILE + 1, 2 * TILE, 3 * TILE, 3 * TILE + 2)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(3 * 4 * 4, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv(images)), 2)
        scores: Tensor = self.fc(self.drop(x.flatten(1)))
        return scores


def loops(folder: Path, file: str) -> int:
    return [node.op_type for node in onnx.load(folder / file).graph.node].count("Loop")


@pytest.mark.parametrize("options", [{}, {"opset": 17}, {"operators": "ort"}], ids=str)
def test_any_number_of_samples(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer than a tile, whole tiles, and what is left over: losses, scores, masks and state are those of the step."""
    lenetc.manual_seed(0)
    net = Net()
    optimizer = optim.Adam(net.parameters(), lr=0.01)

    def step(images: Tensor, labels: Tensor) -> Any:
        optimizer.zero_grad()
        scores = net(images)
        loss = F.cross_entropy(scores, labels)
        loss.backward()
        optimizer.step()
        return {"loss": loss, "scores": scores, "right": (scores.argmax(1) == labels).sum()}

    rng = np.random.default_rng(0)
    batches = [(rng.standard_normal((n, 1, 8, 8), np.float32), rng.integers(0, 5, n)) for n in SIZES]
    batches[3][1][:2] = -100  # ignored: a tile does not know how many of the batch count
    compiled = CompiledFunction(step, "cpu")
    with monkeypatch.context() as small:
        small.setattr(division, "_SMALLEST", TILE)
        small.setattr(division, "_SHARED_TILE_BYTES", 0)
        compiled.lower(*batches[-1]).export(tmp_path, infer=net, **options)
    assert {file: loops(tmp_path, f"{file}.onnx") for file in ("train", "grad", "apply", "eval")} == {
        **{"train": 1, "grad": 1},
        **{"apply": 0, "eval": 0},
    }
    loaded = lenetc.load(tmp_path)
    for number, (images, labels) in enumerate(batches):
        expected = compiled(images, labels)
        if number % 2:
            found, gradients = loaded.gradients(images=images, labels=labels)
            loaded.apply(gradients)
        else:
            found = loaded(images=images, labels=labels)
        for name, value in expected.items():
            np.testing.assert_allclose(
                found[name], value.detach().numpy(), rtol=1e-4, atol=1e-5, err_msg=name
            )
    images, labels = (np.stack([part] * 2) for part in batches[-1])
    wanted = [compiled(*batches[-1])["loss"].item() for _ in range(2)]
    np.testing.assert_allclose(loaded.scan(images=images, labels=labels)["loss"], wanted, rtol=1e-4)
    for name, value in net.state_dict().items():
        np.testing.assert_allclose(loaded.state[name], value.numpy(), rtol=1e-3, atol=1e-5, err_msg=name)
