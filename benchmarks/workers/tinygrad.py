"""tinygrad: the whole step in one TinyJit, on its CPU device.

It calls clang for every kernel. The clang inside of Zig, which is a Python package, will do, so that nothing has to be
installed on the machine.
"""

from __future__ import annotations

import importlib.metadata
import os
import stat
import tempfile
from pathlib import Path

import numpy as np
import ziglang

from benchmarks.workers.protocol import ADAM_LR, BETAS, EPS, MOMENTUM, SGD_LR, Step, Task, serve

# Zig takes clang's options, but names a machine without an operating system in its own way.
CLANG = """#!/bin/sh
for argument do
  shift
  case "$argument" in --target=*-none-unknown-elf) argument="${{argument%-none-unknown-elf}}-freestanding-none" ;; esac
  set -- "$@" "$argument"
done
exec '{zig}' cc -g0 "$@"
"""


def install_clang(folder: Path) -> None:
    path = folder / "clang"
    path.write_text(CLANG.format(zig=Path(ziglang.__file__).parent / "zig"))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    os.environ["DEV"], os.environ["CC"] = "CPU", str(path)
    os.environ["CACHEDB"] = str(folder / "cache.db")  # or compile time would depend on what ran before
    os.environ["ZIG_GLOBAL_CACHE_DIR"] = os.environ["ZIG_LOCAL_CACHE_DIR"] = str(folder)


def prepare(task: Task) -> Step:
    from tinygrad import Context, Tensor, TinyJit, nn

    p = {name: Tensor(value).realize() for name, value in task.weights.items() if "num_batches" not in name}
    trained = [value for name, value in p.items() if "running_" not in name]
    if task.optimizer == "adam":
        optimizer = nn.optim.Adam(trained, lr=ADAM_LR, b1=BETAS[0], b2=BETAS[1], eps=EPS)
    else:
        optimizer = nn.optim.SGD(trained, lr=SGD_LR, momentum=MOMENTUM if task.optimizer == "sgd" else 0.0)
    forward = {"lenet": lenet, "mlp": mlp, "resnet20": resnet20}[task.model]

    @TinyJit
    def train(x: Tensor, labels: Tensor) -> Tensor:
        with Context(TRAINING=1):
            optimizer.zero_grad()
            loss = forward(p, x).sparse_categorical_crossentropy(labels).backward()
            return loss.realize(*optimizer.schedule_step(), *(v for k, v in p.items() if "running_" in k))

    def step(x: np.ndarray, labels: np.ndarray) -> float:
        return train(Tensor(x).realize(), Tensor(labels).realize()).item()

    return step


def linear(x, p, name):
    return x.linear(p[name + ".weight"].transpose(), p[name + ".bias"])


def lenet(p, x):
    for name in ("conv1", "conv2"):
        x = x.conv2d(p[name + ".weight"], p[name + ".bias"]).relu().max_pool2d((2, 2))
    x = linear(x.flatten(1), p, "fc1").relu()
    return linear(linear(x, p, "fc2").relu(), p, "fc3")


def mlp(p, x):
    return linear(linear(linear(x, p, "fc1").relu(), p, "fc2").relu(), p, "fc3")


def resnet20(p, x):
    def normalize(x, name):
        mean = x.mean((0, 2, 3))
        variance = (x - mean.reshape(1, -1, 1, 1)).square().mean((0, 2, 3))
        count = x.numel() // x.shape[1]
        for key, value in (("mean", mean), ("var", variance * count / (count - 1))):
            running = p[f"{name}.running_{key}"]
            running.assign(0.9 * running + 0.1 * value.detach())
        return x.batchnorm(p[name + ".weight"], p[name + ".bias"], mean, (variance + 1e-5).rsqrt())

    def block(x, name, stride):
        y = x.conv2d(p[name + ".conv1.weight"], stride=stride, padding=1)
        y = normalize(y, name + ".bn1").relu().conv2d(p[name + ".conv2.weight"], padding=1)
        y = normalize(y, name + ".bn2")
        if stride > 1:
            new = (y.shape[1] - x.shape[1]) // 2
            x = x[:, :, ::2, ::2].pad((None, (new, new), None, None))
        return (y + x).relu()

    x = normalize(x.conv2d(p["conv1.weight"], padding=1), "bn1").relu()
    for stage in (1, 2, 3):
        for i in range(3):
            x = block(x, f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1)
    return linear(x.mean((2, 3)), p, "fc")


def versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("tinygrad", "ziglang")}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        install_clang(Path(cache))
        serve(prepare, versions)
