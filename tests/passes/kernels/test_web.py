"""Graphs compiled for browsers: nothing that WebGPU has no kernel for, and the same values."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from ir import Graph, Node, ops
from ir.interpret import run
from ir.op import leaf
from ir.types import Type, bool_, f32, i32, i64
from passes.emit.model import to_onnx
from passes.kernels.web import PIECES, RULES
from passes.pipeline import run_pipeline
from passes.rewrite.driver import rewrite
from passes.target import Target
from tests.passes.lenet import inputs, train_step
from tests.passes.rewriting import Case, N, Rewrites, arg, check_rule, graph_of, only
from tests.samples import SAMPLES, Sample
from tests.support import graph_to, run_model

WEB = Target(operators="web")
LACKING = {"LogSoftmax", "IsNaN", "Or", "MaxUnpool"}
DOUBLES_AND_LONG = (onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64)
NAMES = (
    "log_softmax",
    "is_nan",
    "logical_or",
    "where",
    "sum",
    "equal",
    "relu",
    "gather",
    "scatter_add",
    "split",
)
CASES = [
    s for s in SAMPLES if s.op.name in (*NAMES, "max_pool2d_grad", "put_along_axis", "concat", "reduce_max")
]


X, K, J = arg("x", N, 3), arg("k", N, 3, dtype=i64), arg("j", N, 3, dtype=i32)
A, B, C = (arg(name, N, 3, dtype=bool_) for name in "abc")
PARTS = ops.split(arg("long", N, PIECES + 1), axis=1, sizes=(1,) * (PIECES + 1))
GROUPS = ops.split(PARTS.inputs[0], axis=1, sizes=(2,) * (PIECES // 2 + 1))


def narrow(x: Node) -> Node:
    return ops.cast(x, dtype=i32)


SHIFTED = X - ops.reduce_max(X, axes=(1,), keepdims=True)
RULE_CASES: dict[str, Rewrites] = {
    "drop_cast": [(narrow(ops.cast(J, dtype=i64)), J)],
    "in_32_bits": [
        (ops.equal(K, ops.iota(size=3)), ops.equal(narrow(K), ops.iota(size=3, dtype=i32))),
        (ops.reshape(K, shape=(N * 3,)), ops.cast(ops.reshape(narrow(K), shape=(N * 3,)), dtype=i64)),
        (ops.less(K, 7), ops.less(narrow(K), ops.scalar(7, i32))),
    ],
    "log_softmax_in_parts": [
        (
            ops.log_softmax(X, axis=1),
            SHIFTED - ops.log(ops.sum(ops.exp(SHIFTED), axes=(1,), keepdims=True)),
        )
    ],
    "unequal_to_itself": [(ops.is_nan(X), ops.logical_not(ops.equal(X, X)))],
    "or_by_and": [
        (
            ops.logical_or(A, B),
            ops.logical_not(ops.logical_and(ops.logical_not(A), ops.logical_not(B))),
        )
    ],
    "where_of_bools": [
        (
            ops.where(A, B, C),
            ops.logical_or(ops.logical_and(A, B), ops.logical_and(ops.logical_not(A), C)),
        )
    ],
    "split_in_groups": [
        (
            ops.get(PARTS, index=3),
            ops.get(ops.split(ops.get(GROUPS, index=1), axis=1, sizes=(1, 1)), index=1),
        )
    ],
}
REFUSED: dict[str, Case] = {
    "too large for 32 bits": ("in_32_bits", lambda: ops.equal(K, ops.scalar(1 << 40, i64))),
    "floats": ("where_of_bools", lambda: ops.where(A, X, X * 2.0)),
    "few parts": ("split_in_groups", lambda: ops.get(ops.split(X, axis=1, sizes=(1, 2)), index=1)),
}


def test_every_rule_has_a_case() -> None:
    assert {rule.__name__ for _, rule in RULES} == set(RULE_CASES)
    assert all("=>" in (rule.__doc__ or "") for _, rule in RULES)


@pytest.mark.parametrize("name", RULE_CASES)
def test_rule(name: str) -> None:
    check_rule(RULES, name, RULE_CASES[name])


@pytest.mark.parametrize("why", REFUSED)
def test_rule_refuses(why: str) -> None:
    name, build = REFUSED[why]
    before = graph_of(build())
    assert rewrite(before, only(RULES, name)) is before


def emitted(graph: Graph) -> onnx.ModelProto:
    return to_onnx(run_pipeline(graph, WEB)[-1].graph, target=WEB).model


def unfit(model: onnx.ModelProto) -> list[str]:
    """Nodes that WebGPU has no kernel for: their operators, or i64 and f64 where numbers are computed with."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    return [
        f"{node.name} ({node.op_type})"
        for node in inferred.node
        if node.op_type in LACKING
        or (node.op_type == "MaxPool" and len(node.output) > 1)
        or (node.op_type == "Split" and len(node.output) > PIECES)
        or (node.op_type != "Cast" and any(types.get(name) in DOUBLES_AND_LONG for name in node.input[:1]))
    ]


@pytest.mark.parametrize("sample", CASES, ids=[sample.id for sample in CASES])
def test_values(sample: Sample) -> None:
    graph, values = sample.graph(f32, 2), sample.values(f32, 2)
    named = {node.attrs["name"]: value for node, value in zip(graph.inputs, values, strict=True)}
    for got, want in zip(run_model(emitted(graph), named), run(graph, values), strict=True):
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_lenet_trains_on_kernels_of_webgpu() -> None:
    graph = train_step(batch=4)
    model = emitted(graph)
    assert unfit(model) == []
    values = inputs(graph, 4)
    named = {node.attrs["name"]: value for node, value in zip(graph.inputs, values, strict=True)}
    for got, want in zip(run_model(model, named), run(graph, values), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


def test_integers_have_32_bits() -> None:
    """Labels are narrowed once, when they come in; a number that does not fit leaves its operation alone."""
    scores, labels = leaf("x", Type(f32, (4, 5))), leaf("labels", Type(i64, (4,)))
    rows = ops.reshape(labels, shape=(4, 1))
    hot = ops.cast(ops.equal(rows, ops.iota(size=5)), dtype=f32)
    model = emitted(graph_to(ops.log_softmax(scores, axis=1) * hot, inputs=[scores, labels]))
    assert unfit(model) == []
    assert [node.op_type for node in model.graph.node].count("Cast") == 2
    far = ops.equal(labels, ops.scalar(1 << 40, i64))
    assert unfit(emitted(graph_to(far, inputs=[labels]))) == ["forward/equal (Equal)"]


@pytest.mark.parametrize("count", [PIECES, PIECES + 1, 3 * PIECES, PIECES * PIECES])
def test_parts_are_split_in_groups(count: int) -> None:
    x = leaf("x", Type(f32, (sum(range(1, count + 1)),)))
    parts = ops.split(x, axis=0, sizes=tuple(range(1, count + 1)))
    graph = graph_to(*(ops.get(parts, index=i) for i in range(count)), inputs=[x])
    model, value = emitted(graph), np.arange(x.shape[0], dtype=np.float32)
    assert unfit(model) == []
    for got, want in zip(run_model(model, {"x": value}), run(graph, [value]), strict=True):
        np.testing.assert_array_equal(got, want)
