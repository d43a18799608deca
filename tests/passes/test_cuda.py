"""Graphs compiled for CUDA: their values, which nodes the provider takes, and what can be captured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from ir import Graph, ops
from ir.dims import symbol
from ir.interpret import run
from ir.op import leaf
from ir.types import DType, Type, bf16, f16, f32, f64, i32, i64, u8
from passes.emit.cuda import KERNELS, misfits, obstacles
from passes.emit.model import to_onnx
from passes.kernels.constants import folded
from passes.pipeline import run_pipeline
from passes.strategies.cuda.costs import COSTS
from passes.strategies.table import TABLE
from passes.target import Target
from tests import fake_cuda
from tests.passes.lenet import inputs, train_step
from tests.samples import SAMPLES, Sample
from tests.support import graph_of, graph_to, run_model

CUDA = Target(device="cuda")
FLOATS = (f32, f16, bf16, f64)
# Made for the CPU alone, as tiles are; and what CUDA has no kernel for, nor anything that it could be computed with.
NOT_ON_CUDA = ("max_unpool2d", "max_pool2d_with_indices", "cond", "bitwise_and", "bitwise_or", "bitwise_xor")
CASES = [
    s for s in SAMPLES if s.op.name not in NOT_ON_CUDA and "lanes" not in s.op.name and "tile" not in s.attrs
]
HEAVY = [s for s in CASES if s.op.name in {strategy.op for strategy in TABLE}]
without_libraries = pytest.mark.skipif(bool(fake_cuda.missing()), reason=fake_cuda.missing())


def emitted(graph: Graph, target: Target = CUDA) -> onnx.ModelProto:
    return to_onnx(folded(run_pipeline(graph, target)[-1].graph)).model


def operators(graph: Graph, target: Target = CUDA) -> list[str]:
    return [node.op_type for node in emitted(graph, target).graph.node]


def conv(batch: int, size: int, channels: tuple[int, int], kernel: int, padding: int = 0) -> Graph:
    """A convolution with bias and a pool, and the gradients of all."""
    x = leaf("x", Type(f32, (batch, channels[0], size, size)))
    w = leaf("w", Type(f32, (channels[1], channels[0], kernel, kernel)))
    y = ops.conv2d(x, w, padding=(padding, padding))
    p = ops.max_pool2d(ops.relu(y), kernel=(2, 2), stride=(2, 2))
    g = ops.max_pool2d_grad(p, ops.relu(y), kernel=(2, 2), stride=(2, 2))
    how: dict[str, Any] = {"padding": (padding, padding)}
    dw = ops.conv2d_weight_grad(x, g, kernel=(kernel, kernel), **how)
    dx = ops.conv2d_input_grad(g, w, size=(size, size), **how)
    return graph_to(p, dw, dx, ops.sum(g, axes=(0, 2, 3)), inputs=[x, w])


def test_the_table_is_that_of_the_provider() -> None:
    if fake_cuda.missing():
        pytest.skip(fake_cuda.missing())
    registered = fake_cuda.run("kernels", 18)
    for operator, dtypes in KERNELS.items():
        assert set(registered.get(operator, ())) == dtypes, operator
    for absent in ("BitwiseXor", "BitShift", "Col2Im", "MaxUnpool"):
        assert absent not in registered and absent not in KERNELS


def write(folder: Path, graphs: Iterable[tuple[str, Graph]]) -> None:
    for name, graph in graphs:
        model = emitted(graph)
        assert not misfits(model), f"{name}: {[str(m) for m in misfits(model)]}"
        (folder / f"{name.replace('/', ' ')}.onnx").write_bytes(model.SerializeToString())


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_the_provider_takes_every_node_of_every_sample(dtype: DType, tmp_path: Path) -> None:
    write(tmp_path, ((f"{i} {s.op.name}", s.graph(dtype, 2)) for i, s in enumerate(CASES)))
    if fake_cuda.missing():
        pytest.skip(f"the table alone was asked: {fake_cuda.missing()}")
    left = fake_cuda.run("placement", str(tmp_path))
    assert len(left) == len(CASES)
    assert {name: nodes for name, nodes in left.items() if nodes} == {}


@pytest.mark.parametrize("sample", [s for s in CASES if s.op.name not in ("dim",)], ids=lambda s: s.id)
def test_values_are_those_of_the_interpreter(sample: Sample) -> None:
    graph, values = sample.graph(f32, 2), sample.values(f32, 2)
    feeds = {node.attrs["name"]: value for node, value in zip(graph.inputs, values, strict=True)}
    for got, want in zip(run_model(emitted(graph), feeds), run(graph, values), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sample", HEAVY, ids=lambda s: s.id)
def test_every_strategy_gives_the_same_values(sample: Sample) -> None:
    graph, values = sample.graph(f32, 2), sample.values(f32, 2)
    node = graph.outputs[0]
    feeds = {node.attrs["name"]: value for node, value in zip(graph.inputs, values, strict=True)}
    tried = [s for s in TABLE if s.op == node.op.name and not s.lacks(node, CUDA)]
    assert tried
    for strategy in tried:
        model = emitted(graph, Target(device="cuda", overrides=((strategy.op, strategy.name),)))
        assert not misfits(model), strategy.name
        # Additions of a ScatterND are lost where indices repeat.
        assert "ScatterND" not in {node.op_type for node in model.graph.node}, strategy.name
        np.testing.assert_allclose(
            run_model(model, feeds)[0], run(graph, values)[0], rtol=1e-4, atol=1e-5, err_msg=strategy.name
        )


def test_costs_are_those_of_strategies_that_cuda_has() -> None:
    possible = {
        (s.op, s.name)
        for sample in HEAVY
        for s in TABLE
        if s.op == sample.op.name and not s.lacks(sample.graph(f32, 2).outputs[0], CUDA)
    }
    assert set(COSTS) <= possible


@pytest.mark.parametrize("batch", [64, 8192])
def test_a_convolution_takes_few_kernels(batch: int) -> None:
    made = operators(conv(batch, 32, (3, 16), 3, padding=1))
    assert {"Conv", "ConvTranspose", "Gather", "MatMul", "MaxPool"} <= set(made)
    assert "Slice" not in made and len(made) < 40


def test_the_first_of_equal_maxima_gets_the_gradient() -> None:
    x = np.array([[[[1, 1, 0, 0], [1, 0, 0, 5], [2, 3, 7, 7], [3, 3, 7, 7], [9, 9, 9, 9]]]], np.float32)
    x = np.repeat(x, 2, axis=0)
    graph = graph_of(
        lambda g, x: ops.max_pool2d_grad(g, x, kernel=(2, 2), stride=(2, 2)),
        Type(f32, (2, 1, 2, 2)),
        Type(f32, (2, 1, 5, 4)),
    )
    g = np.arange(1, 9, dtype=np.float32).reshape(2, 1, 2, 2)
    names = operators(graph)
    assert "MatMul" in names and "MaxPool" in names
    np.testing.assert_array_equal(run_model(emitted(graph), {"x0": g, "x1": x})[0], run(graph, [g, x])[0])


def test_the_bias_gradient_is_summed_in_two_stages() -> None:
    graph = graph_of(lambda x: ops.sum(x, axes=(0, 2, 3)), Type(f32, (4, 3, 5, 5)))
    assert operators(graph).count("ReduceSum") == 2
    assert operators(graph, Target()).count("ReduceSum") == 1
    x = np.random.default_rng(0).standard_normal((4, 3, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(run_model(emitted(graph), {"x0": x})[0], x.sum((0, 2, 3)), rtol=1e-5)
    whole = graph_of(lambda x: ops.sum(x, axes=(0, 1)), Type(f32, (4, 3)))
    assert operators(whole).count("ReduceSum") == 1


@pytest.mark.parametrize("dtype", [u8, i32, i64], ids=str)
def test_integers_without_kernels_go_through_others(dtype: DType) -> None:
    def function(x: Any, y: Any) -> Any:
        padded = ops.pad(x, low=(1, 0), high=(0, 2), value=3.0)
        return (
            padded,
            ops.argmax(x, axis=1),
            ops.maximum(x, y),
            ops.mod(x, y),
            ops.less(x, y),
            ops.equal(x, y),
        )

    graph = graph_of(function, Type(dtype, (2, 3)), Type(dtype, (2, 3)))
    model = emitted(graph)
    assert not misfits(model)
    values = [np.array(v, dtype.numpy) for v in ([[7, 2, 7], [0, 9, 1]], [[3, 2, 9], [5, 4, 1]])]
    got = run_model(model, {"x0": values[0], "x1": values[1]})
    for a, b in zip(got, run(graph, values), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_lenet_can_be_captured_and_trains_as_on_the_cpu() -> None:
    graph = train_step(5)
    model = emitted(graph)
    assert obstacles(model) == []
    values = inputs(graph, 5)
    feeds = {node.attrs["name"]: value for node, value in zip(graph.inputs, values, strict=True)}
    got, want = run_model(model, feeds), run(graph, values)
    for (name, _), a, b in zip(graph.results + graph.updates, got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=name)


def test_what_keeps_a_model_from_being_captured_is_told() -> None:
    assert any("its size N differs from run to run" in line for line in obstacles(emitted(train_step())))
    x = leaf("x", Type(f32, (3, 2)))
    total, step = leaf("t", Type(f32, (2,))), leaf("s", Type(f32, (2,)))
    body = graph_to(total + step, inputs=[total, step])
    scanned = ops.get(
        ops.scan(leaf("t0", Type(f32, (2,))), x, body=body, carries=1, sequences=1, length=3), index=0
    )
    found = obstacles(emitted(graph_to(scanned)))
    assert len(found) == 1 and "(Scan): control flow is decided on the CPU" in found[0]


def hand_made(*nodes: Any, dtype: int = onnx.TensorProto.FLOAT) -> onnx.ModelProto:
    x, w = (helper.make_tensor_value_info(n, dtype, s) for n, s in (("x", [1, 2, 4, 4]), ("w", [2, 2, 3, 3])))
    y = helper.make_tensor_value_info("y", dtype, None)
    graph = helper.make_graph(nodes, "g", [x, w], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize(
    ("node", "dtype", "reason"),
    [
        (("MaxUnpool", ["x", "w"]), onnx.TensorProto.FLOAT, "has no kernel for it"),
        (("Log", ["x"]), onnx.TensorProto.BFLOAT16, "no kernel for bf16, only for f16, f32, f64"),
        (("ConvTranspose", ["x", "w"], {"pads": [0, 0, 1, 1]}), onnx.TensorProto.FLOAT, "pads that differ"),
        (("ConvTranspose", ["x", "w"], {"auto_pad": "SAME_UPPER"}), onnx.TensorProto.FLOAT, "auto_pad"),
    ],
)
def test_a_node_without_a_kernel_is_named(node: Any, dtype: int, reason: str) -> None:
    operator, operands, *attributes = node
    made = helper.make_node(operator, operands, ["y"], name="conv1/it", **(attributes or [{}])[0])
    (found,) = misfits(hand_made(made, dtype=dtype))
    assert found.node == "conv1/it" and found.operator == operator and reason in found.reason
    (line,) = obstacles(hand_made(made, dtype=dtype))
    assert "conv1/it" in line and "runs on the CPU" in line


def test_arithmetic_on_sizes_is_told_apart() -> None:
    n = symbol("N")
    graph = graph_of(lambda x: ops.broadcast_to(ops.dim(size=n * 3), shape=(n,)), Type(f32, (n, 2)))
    found = misfits(emitted(graph))
    assert found and all("computes with sizes" in misfit.reason for misfit in found)


def floats(*shape: int) -> Type:
    return Type(f32, shape)


TRANSFERS: dict[str, Graph] = {
    "split in unequal parts": graph_of(
        lambda x: tuple(ops.get(ops.split(x, axis=0, sizes=(3, 1, 2)), index=i) for i in range(3)),
        floats(6, 2),
    ),
    "split in many parts": graph_of(
        lambda x: tuple(ops.get(ops.split(x, axis=0, sizes=(2,) * 40), index=i) for i in range(40)),
        floats(80, 2),
    ),
    "concat of many": graph_of(lambda *xs: ops.concat(*xs, axis=0), *[floats(2, 3)] * 65),
    "matmul of one matrix by many": graph_of(ops.matmul, floats(3, 4), floats(5, 4, 2)),
    "matmul of batches that broadcast": graph_of(ops.matmul, floats(2, 5, 3, 4), floats(2, 1, 4, 2)),
}


@pytest.mark.parametrize("name", TRANSFERS)
def test_kernels_that_copy_from_the_host_are_told_and_not_used(name: str) -> None:
    graph = TRANSFERS[name]
    assert any("copies pointers from the host" in line for line in obstacles(to_onnx(graph).model))
    model = emitted(graph)
    assert obstacles(model) == []
    rng = np.random.default_rng(0)
    feeds = {
        node.attrs["name"]: rng.standard_normal([int(d) for d in node.shape]).astype(np.float32)
        for node in graph.inputs
    }
    for got, want in zip(run_model(model, feeds), run(graph, list(feeds.values())), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@without_libraries
def test_no_sample_copies_between_host_and_device(tmp_path: Path) -> None:
    """But for results that are constants, and what a loop has to decide on the host."""
    excepted = ("const", "iota", "dim", "scan")
    named = ((f"{i} {s.op.name}", s) for i, s in enumerate(CASES) if s.op.name not in excepted)
    graphs = [(name, s.graph(f32, 2)) for name, s in named]
    samples = [(name, g) for name, g in graphs if all(0 not in x.shape for x in (*g.inputs, *g.outputs))]
    write(tmp_path, (*samples, *TRANSFERS.items()))
    found = fake_cuda.run("copies", str(tmp_path))
    assert len(found) > 250
    assert {name: entries for name, entries in found.items() if entries} == {}
