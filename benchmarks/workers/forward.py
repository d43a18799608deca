"""The networks of benchmarks.models as ONNX models, for the peers that start from one: f32, static shapes, weights as
initializers under PyTorch's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from benchmarks.workers.protocol import Task

OPSET = 15


class Graph:
    """Nodes as they are added; a value is its name."""

    def __init__(self, task: Task, plain: bool) -> None:
        self.task, self.plain = task, plain
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.buffers: list[str] = []

    def __call__(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output."""
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def weight(self, name: str) -> str:
        if all(known.name != name for known in self.initializers):
            self.initializers.append(numpy_helper.from_array(self.task.weights[name], name))
        return name

    def constant(self, value: Any) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def conv(self, x: str, name: str, stride: int = 1, padding: int = 0) -> str:
        inputs = [x, self.weight(name + ".weight")]
        if name + ".bias" in self.task.weights:
            inputs.append(self.weight(name + ".bias"))
        side = self.task.weights[name + ".weight"].shape[-1]
        return self("Conv", *inputs, kernel_shape=[side] * 2, strides=[stride] * 2, pads=[padding] * 4)

    def linear(self, x: str, name: str) -> str:
        return self("Gemm", x, self.weight(name + ".weight"), self.weight(name + ".bias"), transB=1)

    def flatten(self, x: str, size: int) -> str:
        return self("Reshape", x, self.constant(np.array([self.task.batch, size], np.int64)))

    def normalize(self, x: str, name: str) -> str:
        """Batch normalization in training mode; plain: by its formula, without running statistics.

        ONNX's running variance is not the unbiased one that PyTorch keeps; the loss does not depend on it.
        """
        if not self.plain:
            names = [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
            outputs = [f"{name}.out", f"{name}.mean.next", f"{name}.var.next"]
            self.buffers += names[2:]
            inputs = [x, *(self.weight(n) for n in names)]
            how = {"epsilon": 1e-5, "momentum": 0.9, "training_mode": 1}
            self.nodes.append(helper.make_node("BatchNormalization", inputs, outputs, name=name, **how))
            return outputs[0]
        centred = self("Sub", x, self("ReduceMean", x, axes=[0, 2, 3], keepdims=1))
        variance = self("ReduceMean", self("Mul", centred, centred), axes=[0, 2, 3], keepdims=1)
        deviation = self("Sqrt", self("Add", variance, self.constant(np.float32(1e-5))))
        channels = self.constant(np.array([1, -1, 1, 1], np.int64))
        scale, shift = (
            self("Reshape", self.weight(f"{name}.{part}"), channels) for part in ("weight", "bias")
        )
        return self("Add", self("Mul", self("Div", centred, deviation), scale), shift)


def lenet(g: Graph, x: str) -> str:
    for name in ("conv1", "conv2"):
        x = g("MaxPool", g("Relu", g.conv(x, name)), kernel_shape=[2, 2], strides=[2, 2])
    x = g("Relu", g.linear(g.flatten(x, 400), "fc1"))
    return g.linear(g("Relu", g.linear(x, "fc2")), "fc3")


def mlp(g: Graph, x: str) -> str:
    return g.linear(g("Relu", g.linear(g("Relu", g.linear(x, "fc1")), "fc2")), "fc3")


def resnet20(g: Graph, x: str) -> str:
    def block(x: str, name: str, inputs: int, channels: int, side: int) -> str:
        y = g.conv(x, name + ".conv1", channels // inputs, 1)
        y = g("Relu", g.normalize(y, name + ".bn1"))
        y = g.normalize(g.conv(y, name + ".conv2", 1, 1), name + ".bn2")
        if channels > inputs:
            ends, new = np.array([2 * side, 2 * side], np.int64), (channels - inputs) // 2
            axes, steps = np.array([2, 3], np.int64), np.array([2, 2], np.int64)
            bounds = [g.constant(v) for v in (np.zeros(2, np.int64), ends, axes, steps)]
            x = g("Slice", x, *bounds)
            x = g("Pad", x, g.constant(np.array([0, new, 0, 0, 0, new, 0, 0], np.int64)))
        return g("Relu", g("Add", y, x))

    x = g("Relu", g.normalize(g.conv(x, "conv1", 1, 1), "bn1"))
    for stage, (inputs, channels, side) in enumerate([(16, 16, 32), (16, 32, 16), (32, 64, 8)], 1):
        for i in range(3):
            x = block(x, f"layer{stage}.{i}", channels if i else inputs, channels, side)
    return g.linear(g.flatten(g("ReduceMean", x, axes=[2, 3], keepdims=1), 64), "fc")


NETWORKS: dict[str, Callable[[Graph, str], str]] = {"lenet": lenet, "mlp": mlp, "resnet20": resnet20}


def build(task: Task, plain: bool, loss: bool) -> tuple[ModelProto, list[str], list[str]]:
    """A model x -> scores, or (x, onehot) -> cross-entropy as a formula; the names of its parameters, and of its
    buffers. plain: without operators that act on running statistics, see `Graph.normalize`."""
    g = Graph(task, plain)
    out = NETWORKS[task.model](g, "x")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, task.shape())]
    shape: list[int] = [task.batch, 10]
    if loss:
        inputs.append(helper.make_tensor_value_info("onehot", TensorProto.FLOAT, shape))
        logs = g("Mul", g("Log", g("Softmax", out, axis=1)), "onehot")
        picked = g("ReduceSum", logs, g.constant(np.array([0, 1], np.int64)), keepdims=0)
        out, shape = g("Mul", picked, g.constant(np.float32(-1 / task.batch))), []
    g.nodes[-1].output[0] = "out"
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(g.nodes, task.model, inputs, outputs, g.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    names = [weight.name for weight in g.initializers if weight.name in task.weights]
    return model, [name for name in names if name not in g.buffers], g.buffers
