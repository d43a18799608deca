"""Formulas in place of what the runtime computes inexactly: the same values by the interpreter, and the right ones by
the runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ir import Graph, Node, ops
from ir.errors import ShapeError
from ir.interpret import run
from ir.op import leaf
from ir.types import Array, DType, Type, bool_, f16, f32, f64, i64
from ir.verify import verify
from passes.emit.cuda import misfits, obstacles
from passes.emit.model import to_onnx
from passes.kernels.exact import ON_CPU, TABLE, exact
from passes.pipeline import run_pipeline
from passes.target import Target
from tests.support import graph_to, run_model, run_onnx

X = leaf("x", Type(f32, (4, 6)))
POOL: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 2)}
PLACES = ops.literal(np.arange(24).reshape(4, 6) % 5)
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, 1.0, -1.0, 30.0, -30.0, 1e-37, -3.5)


def image(dtype: DType) -> Node:
    return leaf("x", Type(dtype, (2, 1, 4, 6)))


def pixels(dtype: DType) -> Node:
    return leaf("x", Type(dtype, (2, 3, 4, 6)))


def rows(dtype: DType) -> Node:
    return leaf("x", Type(dtype, (4, 6)))


BUILT: dict[str, Callable[[DType], tuple[Node, ...]]] = {
    **{
        name: lambda dtype, name=name: (rows(dtype), ops.OPS[name](rows(dtype)))
        for name in ("sigmoid", "softplus", "sign", "tanh", "sin", "cos", "erf")
    },
    "reduce_max": lambda dtype: (rows(dtype), ops.reduce_max(rows(dtype), axes=(1,))),
    "argmax": lambda dtype: (rows(dtype), ops.argmax(rows(dtype), axis=1)),
    "scatter": lambda dtype: (
        rows(dtype),
        *(ops.scatter(rows(dtype), PLACES, -rows(dtype), axis=1, reduction=way) for way in ("max", "min")),
    ),
    "argsort": lambda dtype: (
        rows(dtype),
        *(ops.argsort(rows(dtype), axis=1, count=n, descending=n < 6) for n in (6, 5, 2)),
    ),
    "log_softmax": lambda dtype: (rows(dtype), ops.log_softmax(rows(dtype), axis=1)),
    "softmax": lambda dtype: (
        pixels(dtype),
        *(form(pixels(dtype), axis=1) for form in (ops.softmax, ops.log_softmax)),
    ),
    "max_pool2d": lambda dtype: (image(dtype), ops.max_pool2d(image(dtype), **POOL)),
    "max_pool2d_with_indices": lambda dtype: (
        image(dtype),
        *(ops.get(ops.max_pool2d_with_indices(image(dtype), **POOL), index=i) for i in range(2)),
    ),
}


def arrays(shape: tuple[int, ...], dtype: DType) -> list[Array]:
    rng = np.random.default_rng(0)
    special = [rng.choice(SPECIAL, shape).astype(dtype.numpy) for _ in range(20)]
    return [*special, rng.standard_normal(shape).astype(dtype.numpy)]


def written_out(graph: Graph, device: str = "cpu") -> Graph:
    return exact(graph, Target(device), Counter())


def test_every_formula_has_a_graph() -> None:
    long_sums = {"sum", "cumsum", "matmul"}  # see test_long_sums
    assert {*BUILT, *long_sums} == {*TABLE, *ON_CPU}


@pytest.mark.parametrize("dtype", [f32, f64], ids=str)
@pytest.mark.parametrize("name", BUILT)
def test_values(name: str, dtype: DType) -> None:
    """The interpreter gives the same before and after, and the runtime too after."""
    x, *results = BUILT[name](dtype)
    graph = graph_to(*results, inputs=[x])
    after = written_out(graph)
    verify(after, "exact")
    rtol = 2e-6 if dtype is f32 else 1e-13
    for values in arrays(tuple(int(d) for d in x.shape), dtype):
        want = run(graph, [values])
        for found in (run(after, [values]), run_onnx(graph, [values])):
            for got, expected in zip(found, want, strict=True):
                assert got.dtype == expected.dtype
                np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-38 if dtype is f32 else 4e-16)


@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_halves_are_computed_in_f32(name: str) -> None:
    x, result = BUILT[name](f16)
    graph = graph_to(result, inputs=[x])
    values = np.linspace(-20, 20, 24, dtype=np.float16).reshape(4, 6)
    assert {node.dtype for node in written_out(graph).nodes() if node.op is ops.exp} == {f32}
    with np.errstate(under="ignore"):
        wide = np.exp(-np.logaddexp(0, -values.astype(np.float64)))
        want = wide if name == "sigmoid" else np.logaddexp(0, values.astype(np.float64))
    np.testing.assert_allclose(run_onnx(graph, [values])[0], want, rtol=1e-3, atol=6e-8)


@pytest.mark.parametrize("name", [*TABLE, "max_pool2d", "tanh", "log_softmax"])
def test_a_graph_written_out_once_is_left(name: str) -> None:
    x, *results = BUILT[name](f32)
    after = written_out(graph_to(*results, inputs=[x]))
    assert written_out(after) is after


def test_expected_formulas() -> None:
    """Both sides of the rules, in the public API."""
    t = ops.exp(-ops.abs(X))
    u = t + 1.0
    log = ops.log(u) - ((u - 1.0) - t) / u
    for node, want in (
        (ops.sigmoid(X), 1.0 / (ops.exp(-X) + 1.0)),
        (ops.softplus(X), ops.relu(X) + log),
        (ops.softplus(-X), ops.relu(-X) + log),
        (ops.tanh(X), ops.where(ops.less(ops.abs(X), 2.0**-12), X, ops.tanh(X))),
        (
            ops.reduce_max(X, axes=(0,)),
            ops.maximum(
                ops.reduce_max(X, axes=(0,)), ops.sum(ops.minimum(X, ops.scalar(-np.inf, f32)), axes=(0,))
            ),
        ),
    ):
        assert written_out(graph_to(node, inputs=[X])).outputs == (want,)


def test_the_tanh_of_programs_that_run_here_is_computed_in_f64() -> None:
    want = ops.cast(ops.tanh(ops.cast(X, dtype=f64)), dtype=f32)
    graph = graph_to(ops.tanh(X), inputs=[X])
    assert exact(graph, Target(operators="ort"), Counter()).outputs == (want,)


def test_what_is_right_is_left() -> None:
    whole = leaf("n", Type(i64, (4, 6)))
    for node in (
        ops.argmax(whole, axis=1),
        ops.argsort(whole, axis=1, count=6),
        ops.reduce_max(whole, axes=(1,)),
        ops.sign(whole),
        ops.log_softmax(X, axis=1),
        ops.softmax(X, axis=0),
        ops.sin(X),
        ops.erf(X),
    ):
        graph = graph_to(node, inputs=[X, whole])
        assert written_out(graph) is graph


def test_bodies_of_scans_are_written_out() -> None:
    c = leaf("c", Type(f32, (3,)))
    body = Graph.make("squeezed", (c,), [("c", ops.sigmoid(c))])
    start = leaf("start", Type(f32, (3,)))
    run_of_three = ops.scan(start, body=body, carries=1, sequences=0, length=3)
    after = written_out(graph_to(ops.get(run_of_three, index=0), inputs=[start]))
    (scan,) = (node for node in after.nodes() if node.op is ops.scan)
    assert "sigmoid" not in {node.op.name for node in scan.attrs["body"].nodes()}


@pytest.mark.parametrize("name", BUILT)
def test_nothing_is_left_to_the_cpu_on_cuda(name: str) -> None:
    if name == "max_pool2d_with_indices":
        pytest.skip("made for the CPU")
    x, *results = BUILT[name](f32)
    model = to_onnx(run_pipeline(graph_to(*results, inputs=[x]), Target(device="cuda"))[-1].graph).model
    assert misfits(model) == [] and obstacles(model) == []


def test_a_pool_of_finite_numbers_is_one_kernel() -> None:
    """What is slower is in the other branch."""
    x, result = BUILT["max_pool2d"](f32)
    lowered = run_pipeline(graph_to(result, inputs=[x]), Target(overrides=(("max_pool2d", "max_pool"),)))[-1]
    model = to_onnx(lowered.graph).model
    (choice,) = (node for node in model.graph.node if node.op_type == "If")
    branches = {a.name: [node.op_type for node in a.g.node] for a in choice.attribute}
    assert branches["then_branch"] == ["MaxPool"] and branches["else_branch"].count("MaxPool") == 3
    values = np.full((2, 1, 4, 6), 3e38, np.float32)  # whose sum is infinite
    (got,) = run_model(model, {"x": values})
    np.testing.assert_array_equal(got, values[:, :, ::2, ::2])


@pytest.mark.parametrize("name", ["max_pool2d", "max_pool2d_with_indices"])
def test_what_a_sum_tells_of_the_numbers_of_a_pool(name: str) -> None:
    """One number in otherwise equal ones, whatever it makes of their sum."""
    x, *results = BUILT[name](f32)
    graph = graph_to(*results, inputs=[x])
    is_above = graph_to(next(n for n in written_out(graph).nodes() if n.op is ops.cond).inputs[0], inputs=[x])
    session = to_onnx(run_pipeline(graph, Target(operators="ort"))[-1].graph).model
    for rest in (1.0, 3e38, -3e38, np.inf, -np.inf):
        for one in (1.0, np.nan, np.inf, -np.inf):
            values = np.full((2, 1, 4, 6), rest, np.float32)
            values[0, 0, 1, 3] = one
            if np.isnan(values).any() or np.isneginf(values).any():
                assert not run_onnx(is_above, [values])[0]
            for got, want in zip(run_model(session, {"x": values}), run(graph, [values]), strict=True):
                np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("condition", [True, False])
def test_a_choice_between_two_graphs(condition: bool) -> None:
    c, other = leaf("c", Type(bool_, ())), leaf("o", Type(f32, (4, 5)))
    same = Graph.make("same", (X,), [("y", -X)])
    graph = graph_to(
        ops.get(ops.cond(c, X, then=same, otherwise=Graph.make("as_is", (X,), [("y", X)])), index=0),
        inputs=[c, X],
    )
    values = np.ones((4, 6), np.float32)
    for found in (
        run(graph, [np.asarray(condition), values]),
        run_onnx(graph, [np.asarray(condition), values]),
    ):
        np.testing.assert_array_equal(found[0], -values if condition else values)
    for operands, branches, message in (
        ((X, X), (same, same), "the condition must be one bool"),
        ((c, other), (same, same), "takes .f32.4,6.., but is given .f32.4,5.."),
        ((c, X), (same, Graph.make("wide", (X,), [("y", ops.cast(X, dtype=f64))])), "but wide .f64.4,6.."),
    ):
        with pytest.raises(ShapeError, match=message):
            ops.cond(*operands, then=branches[0], otherwise=branches[1])
