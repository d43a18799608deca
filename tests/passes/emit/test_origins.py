"""Origins: which of our nodes each kernel of the runtime was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from ir import Graph, Node, ops
from ir.node import Where, building_at
from ir.op import leaf
from ir.types import Type, f32
from passes.emit.model import Emitted, to_onnx
from passes.emit.origins import Origin, origins

X = leaf("x", Type(f32, (4, 8)))
W = leaf("fc.weight", Type(f32, (8, 8)), "state")
B = leaf("fc.bias", Type(f32, (8,)), "state")
FC = Where("fc", "forward", "net.py", 3)
TOP = Where("", "forward", "net.py", 9)


def optimized(emitted: Emitted, folder: Path) -> bytes:
    """The model as the runtime rewrites it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(
        emitted.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return (folder / "optimized.onnx").read_bytes()


def found(graph: Graph, folder: Path) -> dict[str, Origin]:
    emitted = to_onnx(graph)
    assert set(emitted.places) == {node.name for node in nodes(emitted.model.graph)}
    return origins(emitted, optimized(emitted, folder))


def nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [*graph.node, *(node for body in inner for node in nodes(body))]


def linear(x: Node) -> Node:
    with building_at(FC):
        return ops.gemm(x, W, B)


def test_a_kernel_that_nothing_was_done_to_is_itself(tmp_path: Path) -> None:
    with building_at(TOP):
        y = ops.tanh(X)
    assert found(Graph.make("f", [X], [("y", y)]), tmp_path) == {
        "forward/tanh": Origin(("forward/tanh",), TOP)
    }


def test_a_fused_kernel_is_all_that_it_was_made_from_and_where_the_heaviest_is(tmp_path: Path) -> None:
    y = linear(X)
    with building_at(TOP):
        y = ops.relu(y)
    ((name, origin),) = found(Graph.make("f", [X, W, B], [("y", y)]), tmp_path).items()
    assert name not in ("fc/gemm", "forward/relu")
    assert origin == Origin(("fc/gemm", "forward/relu"), FC)


def test_slices_that_become_one_split(tmp_path: Path) -> None:
    with building_at(TOP):
        product = ops.tanh(X)
        parts = [ops.slice(product, starts=(i, 0), stops=(i + 1, 8), steps=(1, 1)) for i in range(4)]
        y = ops.maximum(ops.maximum(parts[0], parts[1]), ops.maximum(parts[2], parts[3]))
    kernels = found(Graph.make("f", [X], [("y", y)]), tmp_path)
    (split,) = (origin for origin in kernels.values() if len(origin.made_from) > 1)
    assert sorted(split.made_from) == [f"forward/slice{n}" for n in ("", "_1", "_2", "_3")]
    assert split.where == TOP
    assert sorted(name for origin in kernels.values() for name in origin.made_from) == sorted(
        ["forward/tanh", *split.made_from, *(f"forward/maximum{n}" for n in ("", "_1", "_2"))]
    )


def test_a_fusion_whose_name_says_nothing(tmp_path: Path) -> None:
    """The runtime makes one Gelu of five nodes, and names it by itself."""
    with building_at(Where("act", "forward", "net.py", 4)):
        y = X * 0.5 * (ops.erf(X / np.float32(np.sqrt(2)).item()) + 1.0)
    kernels = found(Graph.make("f", [X], [("y", y)]), tmp_path)
    (origin,) = (origin for origin in kernels.values() if len(origin.made_from) > 1)
    assert any("erf" in name for name in origin.made_from)
    assert origin.where is not None and origin.where.module == "act"


def test_a_scan_body_is_inside_its_scan(tmp_path: Path) -> None:
    carry, step = leaf("carry", Type(f32, (4, 8))), leaf("step", Type(f32, (4, 8)))
    w, b = leaf("w", W.ty), leaf("b", B.ty)
    with building_at(FC):
        y = ops.relu(ops.gemm(carry + step, w, b))
    body = Graph.make("body", [carry, step, w, b], [("carry", y)])
    xs = leaf("xs", Type(f32, (3, 4, 8)))
    with building_at(TOP):
        run = ops.scan(X, xs, W, B, body=body, carries=1, sequences=1, length=3)
        y = ops.get(run, index=0)
    kernels = found(Graph.make("f", [X, xs, W, B], [("y", y)]), tmp_path)
    (scan,) = (name for name, origin in kernels.items() if not origin.inside)
    assert kernels[scan].made_from == (scan,)
    inside = [origin for origin in kernels.values() if origin.inside]
    assert {origin.inside for origin in inside} == {scan}
    assert {origin.where for origin in inside} == {FC}
    assert sorted(name for origin in inside for name in origin.made_from) == ["fc/add", "fc/gemm", "fc/relu"]


def test_copies_are_at_the_place_of_what_they_copy(tmp_path: Path) -> None:
    with building_at(FC):
        y = ops.sqrt(X)
    kernels = found(Graph.make("f", [X], [("a", y), ("b", y), ("c", X)]), tmp_path)
    assert kernels["b/copy"] == Origin(("b/copy",), FC)
    assert kernels["c/copy"].where == X.where


def test_what_the_runtime_adds_has_no_origin() -> None:
    emitted = to_onnx(Graph.make("f", [X], [("y", ops.exp(X))]))
    changed = onnx.ModelProto.FromString(emitted.model.SerializeToString())
    changed.graph.node[0].input[0] = "moved"
    changed.graph.node.insert(0, onnx.helper.make_node("MemcpyFromHost", ["x"], ["moved"], name="Memcpy"))
    kernels = origins(emitted, changed.SerializeToString())
    assert kernels["Memcpy"] == Origin()
    assert kernels["forward/exp"].made_from == ("forward/exp",)
