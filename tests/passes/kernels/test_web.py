"""Graphs compiled for browsers: nothing that WebGPU has no kernel for, and the same values."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from ir import Graph, ops
from ir.interpret import run
from ir.op import leaf
from ir.types import Type, f32, i64
from passes.emit.model import to_onnx
from passes.kernels.web import PIECES
from passes.pipeline import run_pipeline
from passes.target import Target
from tests.passes.lenet import inputs, train_step
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
