"""The networks that the benchmarks time compute in lenetc what the same source text computes in PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from benchmarks import workloads
from benchmarks.models import MODELS
from benchmarks.workers.protocol import load
from lenetc import nn, optim

torch = pytest.importorskip("torch")

INPUTS = {"lenet": (1, 32, 32), "mlp": (784,), "resnet20": (3, 32, 32)}
PARAMETERS = {"lenet": 61_706, "mlp": 669_706, "resnet20": 269_722}


@pytest.mark.parametrize("name", MODELS)
def test_three_training_steps(name: str) -> None:
    torch.manual_seed(0)
    theirs, ours = MODELS[name](torch.nn), MODELS[name](nn)
    assert sum(p.numel() for p in theirs.parameters()) == PARAMETERS[name]
    ours.load_state_dict(
        {key: lenetc.from_numpy(value.numpy().copy()) for key, value in theirs.state_dict().items()}
    )
    their_update = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9)
    our_update = optim.SGD(ours.parameters(), lr=0.01, momentum=0.9)

    @lenetc.compile(device="cpu")
    def step(x: lenetc.Tensor, labels: lenetc.Tensor) -> lenetc.Tensor:
        our_update.zero_grad()
        loss = F.cross_entropy(ours(x), labels)
        loss.backward()
        our_update.step()
        return loss

    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((8, *INPUTS[name]), dtype=np.float32), rng.integers(0, 10, 8)
    for _ in range(3):
        their_update.zero_grad()
        expected = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(labels))
        expected.backward()
        their_update.step()
        assert step(x, labels).item() == pytest.approx(expected.item(), rel=1e-5)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "plain-sgd", "adam"])
def test_workers_compute_the_same_losses(optimizer: str, tmp_path: Path) -> None:
    """What the benchmark times of lenetc is what it times of PyTorch."""
    workloads.write("mlp", tmp_path)
    request = {"folder": str(tmp_path), "model": "mlp", "optimizer": optimizer, "batch": 4, "threads": 1}
    from benchmarks.workers import lenetc as ours
    from benchmarks.workers import pytorch as theirs

    before = torch.get_num_threads()
    try:
        steps = [worker.prepare(load(request)) for worker in (ours, theirs)]
    finally:
        torch.set_num_threads(before)
    task = load(request)
    for x, labels in zip(task.x[:5], task.y[:5], strict=True):
        mine, expected = (step(x, labels) for step in steps)
        assert mine == pytest.approx(expected, rel=1e-5)
