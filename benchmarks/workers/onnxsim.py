"""onnxsim: `compile_training_loop` of a forward model with its loss.

It has no rule for the cross-entropy operators, nor for batch normalization in training mode; both are given to it as
formulas over operators that it has rules for.
"""

from __future__ import annotations

import importlib.metadata

import numpy as np
from onnxsim.compile_training import compile_training_loop

from benchmarks.workers.forward import build
from benchmarks.workers.protocol import ADAM_LR, SGD_LR, Step, Task, Unsupported, serve


def prepare(task: Task) -> Step:
    if task.optimizer == "plain-sgd":
        raise Unsupported("its SGD has momentum 0.9")
    model, parameters, _ = build(task, plain=True, loss=True)
    name, rate = ("adam", ADAM_LR) if task.optimizer == "adam" else ("sgd_momentum", SGD_LR)
    loop = compile_training_loop(model, "out", parameters, optimizer=name)
    eye = np.eye(10, dtype=np.float32)

    def step(x: np.ndarray, labels: np.ndarray) -> float:
        return loop({"x": x, "onehot": eye[labels]}, rate)

    return step


def versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("onnxsim", "onnxruntime")}


if __name__ == "__main__":
    serve(prepare, versions)
