"""PyTorch, eager, or with --compile by torch.compile.

Compiled are, as PyTorch's documentation has it, the forward pass with the loss (and with it its backward pass), and
the optimizer's step, each for its static shapes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

import torch
from torch import nn

from benchmarks.models import MODELS
from benchmarks.workers.protocol import ADAM_LR, BETAS, EPS, MOMENTUM, SGD_LR, Step, Task, serve

COMPILED = "--compile" in sys.argv


def prepare(task: Task) -> Step:
    torch.set_num_threads(task.threads)
    net = MODELS[task.model](nn)
    net.load_state_dict({name: torch.from_numpy(value) for name, value in task.weights.items()})
    optimizer: Any
    if task.optimizer == "adam":
        optimizer = torch.optim.Adam(net.parameters(), lr=ADAM_LR, betas=BETAS, eps=EPS)
    else:
        momentum = MOMENTUM if task.optimizer == "sgd" else 0.0
        optimizer = torch.optim.SGD(net.parameters(), lr=SGD_LR, momentum=momentum)

    def loss_of(x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(net(x), labels)

    update = optimizer.step
    if COMPILED:
        loss_of = torch.compile(loss_of, dynamic=False)
        update = torch.compile(optimizer.step, dynamic=False)

    def step(x: Any, labels: Any) -> float:
        optimizer.zero_grad()
        loss = loss_of(torch.from_numpy(x), torch.from_numpy(labels))
        loss.backward()
        update()
        return loss.item()

    return step


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:  # or compile time would depend on what ran before
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        serve(prepare, versions)
