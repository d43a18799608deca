"""Trainings on digits written once and run by either framework: hand in lenetc or torch.

Weights come from NumPy by name and shape, so that both start alike and neither is needed by the other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from benchmarks import models
from ir.types import Array
from lenetc.data import batches, load_mnist, prepare

STEPS = 50
BATCH = 32


def digits(steps: int = STEPS, batch: int = BATCH) -> Iterator[tuple[Array, Array]]:
    """The first batches of the embedded digits, always the same: f32[B,1,32,32], i64[B]."""
    return islice(batches(*_digits(), batch, seed=0, epoch=0), steps)


@functools.cache
def _digits() -> tuple[Array, Array]:
    data = load_mnist()
    return prepare(data.train_images[: STEPS * BATCH]), data.train_labels[: STEPS * BATCH]


def lenet(torch: Any) -> Any:
    """The tutorial's network."""
    return models.lenet(torch.nn)


def normalized(torch: Any, dropout: float = 0.0) -> Any:
    """Normalization with running statistics, dropout, average pooling, log-probabilities."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2), nn.Dropout(dropout),
        nn.Conv2d(6, 12, 3, padding=1), nn.BatchNorm2d(12), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(108, 10), nn.LogSoftmax(dim=1),
    )  # fmt: skip


@dataclass(frozen=True)
class Training:
    """A network, its loss, its optimizer and (perhaps) a schedule that both frameworks can build."""

    net: Callable[[Any], Any]
    loss: str
    optimizer: str
    options: dict[str, Any]
    schedule: Callable[[Any, Any], Any] | None = None


def _one_cycle(torch: Any, optimizer: Any) -> Any:
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=STEPS)


TRAININGS = {
    "sgd": Training(lenet, "cross_entropy", "SGD", {"lr": 0.02, "momentum": 0.9}),
    "adam": Training(lenet, "cross_entropy", "Adam", {"lr": 0.001}),
    "adamw": Training(lenet, "cross_entropy", "AdamW", {"lr": 0.001, "amsgrad": True, "weight_decay": 0.05}),
    "rmsprop": Training(lenet, "cross_entropy", "RMSprop", {"lr": 0.0005}),
    "one_cycle": Training(lenet, "cross_entropy", "SGD", {"lr": 0.02, "momentum": 0.9}, _one_cycle),
    "normalized": Training(normalized, "nll_loss", "SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
}


def start(net: Any, torch: Any) -> None:
    """Give `net` weights made from its parameters' shapes: uniform in ±1/√fan_in, as PyTorch's own are.

    Adam and RMSprop divide a gradient by its own size, so that one which is nothing but rounding moves its
    weight as far as any other; and where two pixels nearly tie, rounding decides which one max-pooling takes.
    From most seeds PyTorch in f32 leaves PyTorch in f64 by more than 1e-4 of the loss within 50 steps; from
    this one it stays within 1.2e-6 for every optimizer here, so that the comparison says something.
    """
    rng = np.random.default_rng(0)
    state = {}
    for name, value in net.state_dict().items():
        shape = tuple(value.shape)
        if name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            continue
        limit = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
        state[name] = torch.from_numpy(rng.uniform(-limit, limit, shape).astype(np.float32))
    net.load_state_dict(state, strict=False)


@dataclass
class Run:
    """A training under way. `step` is not compiled yet."""

    net: Any
    optimizer: Any
    schedule: Any
    step: Callable[[Any, Any], Any]


def prepared(training: Training, torch: Any) -> Run:
    """`training` at its start, in the framework given."""
    net = training.net(torch)
    start(net, torch)
    optimizer = getattr(torch.optim, training.optimizer)(net.parameters(), **training.options)
    schedule = training.schedule(torch, optimizer) if training.schedule else None
    criterion = getattr(torch.nn.functional, training.loss)

    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return Run(net, optimizer, schedule, step)


def losses(run: Run, step: Callable[[Any, Any], Any], steps: int = STEPS) -> list[float]:
    """The loss of each step."""
    found = []
    for images, labels in digits(steps):
        found.append(float(step(images, labels).item()))
        if run.schedule is not None:
            run.schedule.step()
    return found
