"""A small network and its training, for errors to be made in; and where their lines are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import lenetc
from lenetc import nn, optim
from lenetc.nn import functional as F

NET = __file__
IMAGES = np.random.default_rng(0).normal(size=(4, 1, 12, 12)).astype(np.float32)
LABELS = np.array([0, 1, 2, 1])


class Net(nn.Module):
    """[N,1,12,12] -> [N,3], small, with a nested part."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3)
        self.features = nn.Sequential(nn.ReLU(), nn.Conv2d(2, 3, 3))
        self.fc = nn.Linear(3 * 4 * 4, 3)

    def forward(self, x: Any) -> Any:
        x = self.conv1(x)  # conv1 line
        x = self.features(x)  # features line
        x = F.max_pool2d(x, 2)
        return self.fc(lenetc.flatten(x, 1))  # fc line


class Training:
    """A network in training, after one step, with momentum; `step` is compiled or not."""

    def __init__(self, compiled: bool) -> None:
        lenetc.manual_seed(0)
        net = self.net = Net()
        optimizer = self.optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

        def step(images: Any, labels: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(lenetc.as_tensor(images)), lenetc.as_tensor(labels))  # loss line
            loss.backward()
            optimizer.step()
            return loss

        self.compiled = compiled
        self.step: Callable[..., Any] = lenetc.compile(step) if compiled else step
        self.step(IMAGES, LABELS)
        self.before = self.state()

    def state(self) -> list[bytes]:
        momentum = [e["momentum_buffer"] for e in self.optimizer.state.values()]
        tensors = [*self.net.state_dict().values(), *momentum]
        return [t.detach().numpy().tobytes() for t in tensors]

    def assert_unchanged(self) -> None:
        """Nothing is lost: the state is as it was, and training goes on."""
        assert self.state() == self.before
        assert np.isfinite(self.step(IMAGES, LABELS).item())
        assert self.state() != self.before
        for parameter in self.net.parameters():
            assert parameter.requires_grad


def line_with(mark: str, file: str) -> str:
    """`file:line` of the first line of `file` that ends with the comment `mark`."""
    lines = Path(file).read_text().splitlines()
    return f"{file}:{next(i for i, text in enumerate(lines, 1) if text.endswith(f'# {mark}'))}"
