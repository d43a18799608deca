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


def ours(weights: dict[str, np.ndarray[Any, Any]], optimizer: str, threads: int) -> Step:
    """A compiled step: one call of ONNX Runtime."""
    import lenetc
    import lenetc.nn.functional as F
    from lenetc import optim
    from lenetc.lenet import LeNet

    net = LeNet()
    net.load_state_dict({name: lenetc.from_numpy(value) for name, value in weights.items()})
    update = optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM) if optimizer == "sgd" else optim.Adam(net.parameters(), lr=1e-3)

    @lenetc.compile(device="cpu")
    def step(images: Any, labels: Any) -> Any:
        update.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        update.step()
        return loss

    return step


def pytorch(weights: dict[str, np.ndarray[Any, Any]], optimizer: str, threads: int) -> Step:
    """The same network and step in PyTorch, eager."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.set_num_threads(threads)

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


def serve(side: str, optimizer: str, threads: int, weights: dict[str, np.ndarray[Any, Any]], pipe: Connection) -> None:
    """Answer requests: ("losses", batch, n) with the first losses, ("time", batch, seconds) with µs a step (median)."""
    from lenetc.data import load_mnist, prepare

    digits = load_mnist()
    images, labels = prepare(digits.train_images), digits.train_labels
    steps: dict[int, Step] = {}

    def batch_of(size: int, number: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        rows = (np.arange(size) + number * size) * 4093 % len(images)
        return images[rows], labels[rows]

    while (request := pipe.recv()) is not None:
        kind, size, amount = request
        if kind == "losses":
            step = steps[size] = SIDES[side](weights, optimizer, threads)
            pipe.send([float(step(*batch_of(size, i))) for i in range(amount)])
            continue
        step, data = steps[size], [batch_of(size, i) for i in range(8)]
        times = []
        end = time.perf_counter() + amount
        while time.perf_counter() < end or len(times) < 5:
            start = time.perf_counter()
            float(step(*data[len(times) % len(data)]))
            times.append(time.perf_counter() - start)
        pipe.send(statistics.median(times) * 1e6)
