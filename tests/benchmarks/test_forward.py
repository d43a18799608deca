"""The ONNX models that some peers start from have the loss of the networks that they stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import lenetc
import lenetc.nn.functional as F
from benchmarks import workloads
from benchmarks.models import MODELS
from benchmarks.workers.forward import build
from benchmarks.workers.protocol import load
from lenetc import nn


@pytest.mark.parametrize("name", MODELS)
def test_same_loss(name: str, tmp_path: Path) -> None:
    workloads.write(name, tmp_path)
    task = load({"folder": str(tmp_path), "model": name, "optimizer": "sgd", "batch": 4, "threads": 1})
    model, parameters, buffers = build(task, plain=True, loss=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    onehot = np.eye(10, dtype=np.float32)[task.y[0]]
    (loss,) = session.run(None, {"x": task.x[0], "onehot": onehot})
    net = MODELS[name](nn)
    net.load_state_dict({key: lenetc.from_numpy(value) for key, value in task.weights.items()})
    expected = F.cross_entropy(net(lenetc.from_numpy(task.x[0])), lenetc.from_numpy(task.y[0]))
    assert float(loss) == pytest.approx(expected.item(), rel=1e-5)
    assert sorted(parameters) == sorted(key for key, _ in net.named_parameters())
    assert buffers == []


def test_running_statistics_are_buffers(tmp_path: Path) -> None:
    workloads.write("resnet20", tmp_path)
    task = load({"folder": str(tmp_path), "model": "resnet20", "optimizer": "sgd", "batch": 4, "threads": 1})
    _, parameters, buffers = build(task, plain=False, loss=False)
    net = MODELS["resnet20"](nn)
    assert sorted(parameters) == sorted(key for key, _ in net.named_parameters())
    assert sorted(buffers) == sorted(key for key in task.weights if "running_" in key)
