"""ONNX Runtime's training build, its on-device training API; ended with 1.19.2. It has SGD without momentum, and AdamW,
which without weight decay is Adam."""

from __future__ import annotations

import tempfile

import numpy as np
import onnx
import onnxruntime
from onnxruntime.training import artifacts, onnxblock
from onnxruntime.training.api import CheckpointState, Module, Optimizer

from benchmarks.workers.forward import build
from benchmarks.workers.protocol import ADAM_LR, BETAS, EPS, SGD_LR, Step, Task, Unsupported, serve


def as_in_pytorch(path: str) -> None:
    """Make AdamW divide as PyTorch does: as it is generated, it adds eps before the bias correction (mode 1)."""
    model = onnx.load(path)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "adam_mode":
                attribute.i = 0
    onnx.save(model, path)


def prepare(task: Task) -> Step:
    if task.optimizer == "sgd":
        raise Unsupported("its SGD has no momentum")
    model, parameters, buffers = build(task, plain=False, loss=False)
    if task.optimizer == "adam":
        optimizer_block = onnxblock.optim.AdamW(betas=BETAS, eps=EPS, weight_decay=0.0)
    else:
        optimizer_block = onnxblock.optim.SGD()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    with tempfile.TemporaryDirectory() as folder:
        artifacts.generate_artifacts(
            model,
            requires_grad=parameters,
            frozen_params=buffers,
            loss=artifacts.LossType.CrossEntropyLoss,
            optimizer=optimizer_block,
            artifact_directory=folder,
        )
        as_in_pytorch(folder + "/optimizer_model.onnx")
        state = CheckpointState.load_checkpoint(folder + "/checkpoint")
        module = Module(folder + "/training_model.onnx", state, session_options=options)
        optimizer = Optimizer(folder + "/optimizer_model.onnx", module)
    optimizer.set_learning_rate(ADAM_LR if task.optimizer == "adam" else SGD_LR)

    def step(x: np.ndarray, labels: np.ndarray) -> float:
        loss = module(x, labels)
        optimizer.step()
        module.lazy_reset_grad()
        return float(loss)

    return step


def versions() -> dict[str, str]:
    return {"onnxruntime-training": onnxruntime.__version__}


if __name__ == "__main__":
    serve(prepare, versions)
