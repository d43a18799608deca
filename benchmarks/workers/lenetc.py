"""lenetc: the whole step compiled, one call of ONNX Runtime."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import lenetc
import lenetc.nn.functional as F
from benchmarks.models import MODELS
from benchmarks.workers.protocol import ADAM_LR, BETAS, EPS, MOMENTUM, SGD_LR, Step, Task, serve
from lenetc import nn, optim


def prepare(task: Task) -> Step:
    lenetc.set_num_threads(task.threads)
    net = MODELS[task.model](nn)
    net.load_state_dict({name: lenetc.from_numpy(value) for name, value in task.weights.items()})
    optimizer: Any
    if task.optimizer == "adam":
        optimizer = optim.Adam(net.parameters(), lr=ADAM_LR, betas=BETAS, eps=EPS)
    else:
        momentum = MOMENTUM if task.optimizer == "sgd" else 0.0
        optimizer = optim.SGD(net.parameters(), lr=SGD_LR, momentum=momentum)

    @lenetc.compile(device="cpu")
    def step(x: lenetc.Tensor, labels: lenetc.Tensor) -> lenetc.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return lambda x, labels: step(x, labels).item()


def versions() -> dict[str, str]:
    runtimes = ("onnxruntime-gpu", "onnxruntime")
    found = {d.name: d.version for d in importlib.metadata.distributions() if d.name in runtimes}
    return {"lenetc": lenetc.__version__, **found}


if __name__ == "__main__":
    serve(prepare, versions)
