"""The two sides of the comparison. Each runs in a process of its own and trains the same LeNet on the same batches."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

Step = Callable[[np.ndarray[Any, Any], np.ndarray[Any, Any]], float | Any]
LR, MOMENTUM = 0.01, 0.9


def ours(weights: dict[str, np.ndarray[Any, Any]], optimizer: str) -> Step:
    """A compiled step: one call of ONNX Runtime."""
    import lenetc
    import lenetc.nn.functional as F
    from lenetc import optim
    from lenetc.lenet import LeNet

    net = LeNet()
    net.load_state_dict({name: lenetc.from_numpy(value) for name, value in weights.items()})
    update = (
        optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)
        if optimizer == "sgd"
        else optim.Adam(net.parameters(), lr=1e-3)
    )

    @lenetc.compile(device="cpu")
    def step(images: Any, labels: Any) -> Any:
        update.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        update.step()
        return loss

    return step


def pytorch(weights: dict[str, np.ndarray[Any, Any]], optimizer: str) -> Step:
    """The same network and step in PyTorch, eager."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class LeNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 6, 5)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * 5 * 5, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            x = torch.flatten(x, 1)
            return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))

    net = LeNet()
    net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    update = (
        torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)
        if optimizer == "sgd"
        else torch.optim.Adam(net.parameters(), lr=1e-3)
    )

    def step(images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> torch.Tensor:
        update.zero_grad()
        loss = F.cross_entropy(net(torch.from_numpy(images)), torch.from_numpy(labels))
        loss.backward()
        update.step()
        return loss.detach()

    return step


SIDES = {"lenetc": ours, "pytorch": pytorch}


def serve(side: str, optimizer: str, weights: dict[str, np.ndarray[Any, Any]], pipe: Connection) -> None:
    """Answer requests: ("losses", batch, n) with the first losses, ("time", batch, seconds) with µs a step (median)."""
    from lenetc.data import load_mnist, prepare

    digits = load_mnist()
    images, labels = prepare(digits.train_images), digits.train_labels
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order], labels[order]
    steps: dict[int, Step] = {}
    seen = 0

    def next_batch(size: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        # All digits in turn: a network that knows a few by heart has gradients so small that both crawl.
        nonlocal seen
        start = seen % (len(labels) - size + 1)
        seen += size
        return images[start : start + size], labels[start : start + size]

    while (request := pipe.recv()) is not None:
        kind, size, amount = request
        if kind == "losses":
            seen = 0
            step = steps[size] = SIDES[side](weights, optimizer)
            pipe.send([float(step(*next_batch(size))) for _ in range(amount)])
            continue
        step = steps[size]
        # The threads of the other side spin for a while after their last job.
        time.sleep(0.3)
        for _ in range(5):
            float(step(*next_batch(size)))
        times = []
        end = time.perf_counter() + amount
        while time.perf_counter() < end or len(times) < 5:
            data = next_batch(size)
            start = time.perf_counter()
            float(step(*data))
            times.append(time.perf_counter() - start)
        pipe.send(statistics.median(times) * 1e6)
