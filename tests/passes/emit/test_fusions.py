"""What the runtime would fuse, fused in the file: the kernels that it would have chosen, and the same numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from ir import Node, ops
from ir.node import Graph
from ir.types import f64
from lenetc.runtime import Session, to_device, to_numpy
from passes.emit.model import Emitted, to_onnx
from tests.passes.rewriting import Expression, arg, graph_of

X, W, BIAS = arg("x", 2, 16, 5, 5), arg("w", 16, 16, 3, 3), arg("bias", 16)
Z = arg("z", 2, 16, 5, 5)
A, B, C = arg("a", 3, 4), arg("b", 4, 5), arg("c", 3, 5)
Q, K = arg("q", 2, 3, 4), arg("k", 2, 5, 4)
IN_LANES = ops.from_lanes(ops.to_lanes(arg("i", 1, 16, 2, 2), lanes=16), lanes=16)


def conv(x: Node = X, *bias: Node) -> Node:
    return ops.conv2d(x, W, *bias, stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1)


def turned(x: Node, *perm: int) -> Node:
    return ops.transpose(x, perm=perm)


def loop(x: Node) -> Node:
    """What `x` becomes in two steps of relu(conv(x)) * 2: a body that has something to fuse."""
    carry = arg("carry", *x.shape)
    body = Graph.make("body", [carry, W], [("carry", ops.relu(conv(carry)) * 2.0)])
    return ops.get(ops.scan(x, W, body=body, carries=1, sequences=0, length=2), index=0)


FUSED = ("FusedConv", "FusedGemm", "FusedMatMul")
NUMPY = {"tensor(float)": np.float32, "tensor(double)": np.float64}
# With how many of these kernels each comes to. Convolutions are fused here beside images in lanes.
CASES: dict[str, tuple[Callable[[], Expression], dict[str, int]]] = {
    "conv, relu": (lambda: ops.relu(conv(X, BIAS)), {"FusedConv": 1}),
    "conv, tanh": (lambda: ops.tanh(conv()), {"FusedConv": 1}),
    "conv that is read twice": (lambda: (ops.relu(y := conv()), y * 2.0), {}),
    "conv that is a result": (lambda: (ops.relu(y := conv()), y), {}),
    "conv, sum": (lambda: Z + conv(X, BIAS), {"FusedConv": 1}),
    "conv without bias, sum": (lambda: ops.relu(Z + conv()), {}),
    "conv, sum of two": (lambda: ops.relu(conv(X, BIAS) + conv(Z, BIAS)), {"FusedConv": 1}),
    "conv, sum, relu": (lambda: ops.relu(conv(X, BIAS) + Z), {"FusedConv": 1}),
    "conv, relu, sum": (lambda: ops.relu(conv()) + Z, {"FusedConv": 1}),
    "conv, sum that is read twice": (
        lambda: (ops.relu(y := conv(X, BIAS) + Z), y * 2.0),
        {"FusedConv": 1},
    ),
    "conv, another shape": (lambda: conv(X, BIAS) + arg("z", 16, 1, 1), {}),
    "conv twice": (lambda: (y := conv(X, BIAS)) + y, {}),
    "two convs in a row": (lambda: ops.relu(conv(ops.relu(conv()))), {"FusedConv": 2}),
    "conv in a body": (lambda: loop(X), {"FusedConv": 1}),
    "gemm, relu": (lambda: ops.relu(ops.gemm(A, B, C, beta=0.5)), {"FusedGemm": 1}),
    "gemm, softplus": (lambda: ops.softplus(ops.gemm(A, B, C)), {"FusedGemm": 1}),
    "gemm, exp": (lambda: ops.exp(ops.gemm(A, B, C)), {}),
    "gemm, doubles": (lambda: ops.relu(ops.gemm(*(ops.cast(x, dtype=f64) for x in (A, B, C)))), {}),
    "matmul, transposed": (lambda: Q @ turned(K, 0, 2, 1), {"FusedMatMul": 1, "Transpose": 0}),
    "transposed, matmul": (
        lambda: turned(Q, 0, 2, 1) @ arg("y", 2, 3, 4),
        {"FusedMatMul": 1, "Transpose": 0},
    ),
    "both transposed": (lambda: turned(B, 1, 0) @ turned(A, 1, 0), {"FusedMatMul": 1, "Transpose": 0}),
    "one transpose for two": (
        lambda: (Q @ (k := turned(K, 0, 2, 1)), arg("y", 2, 3, 4) @ k),
        {"FusedMatMul": 2, "Transpose": 0},
    ),
    "a transpose read elsewhere": (
        lambda: (Q @ (k := turned(K, 0, 2, 1)), k * 2.0),
        {"FusedMatMul": 1, "Transpose": 1},
    ),
    "a transpose that is a result": (lambda: (Q @ (k := turned(K, 0, 2, 1)), k), {"Transpose": 1}),
    "another transpose": (lambda: turned(Q, 2, 0, 1) @ arg("y", 4, 3, 6), {"Transpose": 1}),
}
LEFT = {
    "no conv in lanes": lambda: ops.relu(conv()),
    "axes of the batch": lambda: turned(Q, 1, 0, 2) @ arg("y", 3, 4, 6),
    "the whole turned": lambda: turned(Q, 1, 2, 0) @ arg("y", 3, 2, 6),
    "transposed, cast": lambda: A @ ops.cast(turned(arg("d", 5, 4, dtype=f64), 1, 0), dtype=A.dtype),
}


def emitted(build: Callable[[], Expression], in_lanes: bool) -> Emitted:
    found = build()
    results = found if isinstance(found, tuple) else (found,)
    return to_onnx(graph_of((*results, IN_LANES) if in_lanes else results))


def loaded(file: bytes, is_fused: bool, folder: Path) -> tuple[Counter[str], list[np.ndarray]]:
    """The operators of a model as the runtime has it in the end, and its results."""
    session = Session(file, "cpu", {}, 1, is_fused, folder)
    rng = np.random.default_rng(0)
    inputs, outputs = session.signature()
    feeds = {
        name: to_device(rng.standard_normal(shape).astype(NUMPY[kind]), "cpu")
        for name, (kind, shape) in inputs.items()
    }
    values = [to_numpy(value) for value in session.run(feeds, list(outputs))]
    graph = onnx.load_from_string(session.end_profiling()[1]).graph
    bodies = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return Counter(node.op_type for one in (graph, *bodies) for node in one.node), values


@pytest.mark.parametrize("name", CASES)
def test_fused_as_the_runtime_does(name: str, tmp_path: Path) -> None:
    build, wanted = CASES[name]
    model = emitted(build, in_lanes="conv" in name)
    before = model.model.SerializeToString()
    file, is_fused = model.to_file("cpu")
    assert is_fused and model.model.SerializeToString() == before
    theirs, values = loaded(before, False, tmp_path / "theirs")
    ours, same = loaded(file, True, tmp_path / "ours")
    assert ours == theirs
    assert {kind: ours[kind] for kind in (*FUSED, *wanted)} == {**dict.fromkeys(FUSED, 0), **wanted}
    for x, y in zip(values, same, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_to_the_runtime(name: str) -> None:
    model = emitted(LEFT[name], in_lanes=False)
    assert model.to_file("cpu") == (model.model.SerializeToString(), False)


def test_on_cuda_the_runtime_fuses() -> None:
    model = emitted(CASES["gemm, relu"][0], in_lanes=False)
    assert model.to_file("cuda") == (model.model.SerializeToString(), False)
