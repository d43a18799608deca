"""The order of nodes in the file of a large model: as good as the graph's own to whoever runs it, and quick to load."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from ir import Graph, ops
from ir.op import leaf
from ir.types import Type, f32
from passes.emit import order
from passes.emit.model import to_onnx

X = leaf("x", Type(f32, (3,)))


def two_ways(length: int) -> Graph:
    """A chain up and another down it, which reads what the first has left, and a scan that reads both from outside."""
    up = [X]
    for i in range(length):
        up.append(ops.tanh(up[-1]) * (1.0 + i / length))
    down = up[-1]
    for x in reversed(up):
        down = down * (1.0 - x * x)
    c = leaf("c", Type(f32, (3,)))
    rest = [leaf("a", Type(f32, (3,))), leaf("b", Type(f32, (3,)))]
    body = Graph.make("body", [c, *rest], [("c", c * rest[0] + rest[1])])
    run = ops.scan(X, up[length // 2], down, body=body, carries=1, sequences=0, length=2)
    return Graph.make("f", [X], [("y", down), ("z", ops.get(run, index=0))])


def values(file: bytes) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, {"x": np.asarray([0.5, -1.0, 2.0], np.float32)})
    return found


def test_a_small_model_keeps_the_order_of_its_graph() -> None:
    emitted = to_onnx(two_ways(50))
    assert emitted.to_file("cpu") == (emitted.model.SerializeToString(), True)


def test_a_large_model_has_few_nodes_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "_MUCH", 10_000)
    emitted = to_onnx(two_ways(400))
    assert order.waiting(emitted.model.graph.node) > 200_000  # four times as many for twice the length
    file, _ = emitted.to_file("cpu")
    other = onnx.load_from_string(file)
    assert order.waiting(other.graph.node) < 20 * len(other.graph.node)
    assert sorted(node.name for node in other.graph.node) == sorted(
        node.name for node in emitted.model.graph.node
    )
    onnx.checker.check_model(other)  # that nodes come after what they read, too
    for before, after in zip(values(emitted.model.SerializeToString()), values(file), strict=True):
        np.testing.assert_array_equal(before, after)


def test_bodies_read_what_comes_before_them() -> None:
    emitted = to_onnx(two_ways(5))
    nodes = emitted.model.graph.node
    (scan,) = (i for i, node in enumerate(nodes) if node.op_type == "Scan")
    reads = order.producers(nodes)
    read = {value for i in reads[scan] for value in nodes[i].output}
    inside = {
        value
        for proto in nodes[scan].attribute
        if proto.HasField("g")
        for node in proto.g.node
        for value in node.input
    }
    assert read & inside
    place = {i: k for k, i in enumerate(order.as_they_can_run(reads))}
    assert all(place[j] < place[i] for i, made in enumerate(reads) for j in made)
