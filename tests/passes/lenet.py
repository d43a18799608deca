"""LeNet's whole training step, written in ops: what the passes are measured on."""

from __future__ import annotations

import numpy as np

from ir import Graph, Node, ops
from ir.dims import Dim, symbol
from ir.op import leaf
from ir.types import Array, Type, f32, i64
from passes.autodiff.driver import gradients

SHAPES: dict[str, tuple[int, ...]] = {
    "conv1.weight": (6, 1, 5, 5),
    "conv1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5),
    "conv2.bias": (16,),
    "fc1.weight": (120, 400),
    "fc1.bias": (120,),
    "fc2.weight": (84, 120),
    "fc2.bias": (84,),
    "fc3.weight": (10, 84),
    "fc3.bias": (10,),
}


N = symbol("N")


def train_step(batch: Dim = N, momentum: float = 0.9) -> Graph:
    """(images, labels, lr, state) -> loss and the new weights and momentum buffers."""
    images = leaf("images", Type(f32, (batch, 1, 32, 32)))
    labels = leaf("labels", Type(i64, (batch,)))
    lr = leaf("lr", Type(f32, ()), "hyper")
    weights = {name: leaf(name, Type(f32, shape), "state") for name, shape in SHAPES.items()}
    buffers = {name: leaf(f"{name}.momentum", Type(f32, shape), "state") for name, shape in SHAPES.items()}
    loss = _loss(images, labels, batch, weights)
    found = gradients([(loss, ops.scalar(1, f32))], list(weights.values()))
    updates: list[tuple[str, Node]] = []
    for (name, weight), gradient in zip(weights.items(), found, strict=True):
        assert gradient is not None
        moved = buffers[name] * momentum + gradient
        updates += [(name, weight - lr * moved), (f"{name}.momentum", moved)]
    return Graph.make(
        "train_step", (images, labels, lr, *weights.values(), *buffers.values()), [("loss", loss)], updates
    )


def _loss(images: Node, labels: Node, batch: Dim, w: dict[str, Node]) -> Node:
    x = images
    for layer in ("conv1", "conv2"):
        x = ops.relu(ops.conv2d(x, w[f"{layer}.weight"], w[f"{layer}.bias"]))
        x = ops.max_pool2d(x, kernel=(2, 2), stride=(2, 2))
    x = ops.reshape(x, shape=(batch, 400))
    for layer in ("fc1", "fc2", "fc3"):
        x = x @ ops.transpose(w[f"{layer}.weight"], perm=(1, 0)) + w[f"{layer}.bias"]
        x = ops.relu(x) if layer != "fc3" else x
    classes = ops.equal(ops.reshape(labels, shape=(batch, 1)), ops.iota(size=10))
    chosen = ops.cast(classes, dtype=f32) * ops.log_softmax(x, axis=1)
    return ops.sum(-chosen, axes=(0, 1)) / ops.cast(ops.dim(size=batch), dtype=f32)


def inputs(graph: Graph, batch: int, seed: int = 0) -> list[Array]:
    """Values for the inputs of `graph`; images have constant backgrounds, so that pooling meets ties."""
    rng = np.random.default_rng(seed)
    values: list[Array] = []
    for node in graph.inputs:
        name = node.attrs["name"]
        shape = tuple(int(d) if isinstance(d, int) else batch for d in node.shape)
        if name == "labels":
            values.append(rng.integers(0, 10, shape))
        elif name == "lr":
            values.append(np.asarray(0.05, np.float32))
        elif name == "images":
            values.append((rng.standard_normal(shape) * (rng.random(shape) < 0.2)).astype(np.float32))
        else:
            values.append((rng.standard_normal(shape) * 0.1).astype(np.float32))
    return values
