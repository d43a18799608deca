"""What the interpreter asks of its inputs, and values of references worth pinning down."""

from __future__ import annotations

import numpy as np
import pytest

from ir import Graph, ops
from ir.dims import symbol
from ir.errors import DTypeError, ShapeError, VerifyError
from ir.interpret import run
from ir.op import leaf, literal, scalar
from ir.types import Type, bf16, f32, f64, i32, i64, u8
from tests.support import graph_of, graph_to

N = symbol("N")
X, Y = leaf("x", Type(f32, (N, 3))), leaf("y", Type(f32, (N * 2 + 1,)))
GRAPH = Graph.make(
    "f", [Y, X], [("sum", ops.sum(X, axes=(0, 1)) + ops.sum(Y, axes=(0,))), ("n", ops.dim(size=N))]
)


def zeros(*shape: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.zeros(shape, np.float32)


def test_inputs_by_position_and_by_name() -> None:
    assert run(GRAPH, [zeros(5), zeros(2, 3)])[1] == 2
    assert run(GRAPH, {"x": zeros(1, 3), "y": zeros(3)})[1] == 1


def test_a_size_is_worked_out_whatever_the_order_of_the_inputs() -> None:
    graph = Graph.make(
        "f", [leaf("a", Type(f32, (N + 1,))), leaf("b", Type(f32, (N * N,))), X], [("n", ops.dim(size=N))]
    )
    assert run(graph, [zeros(3), zeros(4), zeros(2, 3)])[0] == 2


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([zeros(5)], ShapeError, "takes 2 inputs, but was given 1"),
        ({"x": zeros(2, 3)}, ShapeError, "was not given the inputs y"),
        ([zeros(5), zeros(2, 3, 1)], ShapeError, r"input x is f32\[N,3\], but was given shape \[2, 3, 1\]"),
        (
            [zeros(5), zeros(2, 4)],
            ShapeError,
            r"x is f32\[N,3\], but was given shape \[2, 4\] \(the inputs say N=2\)",
        ),
        ([zeros(5), zeros(3, 3)], ShapeError, r"given shape \[3, 3\] \(the inputs say N=2\)"),
        ([zeros(6), zeros(2, 3)], ShapeError, r"y is f32\[N\*2 \+ 1\], but was given shape \[6\]"),
        ([zeros(5), np.zeros((2, 3))], DTypeError, r"x is f32\[N,3\], but was given an array of float64"),
    ],
)
def test_inputs_that_do_not_fit(inputs: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(GRAPH, inputs)  # type: ignore[arg-type]


def test_a_reference_that_breaks_its_type_rule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_to(ops.neg(leaf("v", Type(f32, (3,)))))
    monkeypatch.setattr(ops.neg, "reference", lambda x: x[:2])
    with pytest.raises(VerifyError, match=r"reference of neg gave shape \(2,\), its type rule f32\[3\]"):
        run(graph, [zeros(3)])


def value(node, *inputs):  # type: ignore[no-untyped-def]
    return run(graph_to(node), inputs)[0].tolist()


def test_integer_division_and_remainder() -> None:
    a, b = np.array([7, -7, 7, -7, 2**62 + 1]), np.array([2, 2, -2, -2, 1])
    assert value(ops.div(literal(a), literal(b))) == [3, -3, -3, 3, 2**62 + 1]
    assert value(ops.mod(literal(a), literal(b))) == [1, 1, -1, -1, 0]


def test_bf16_is_f32_rounded_to_nearest_even() -> None:
    x = np.array([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -3.0, np.inf, np.nan], np.float32)
    made = run(graph_to(ops.cast(literal(x), dtype=bf16)), [])[0]
    np.testing.assert_array_equal(made, np.array([1, 1 + 2**-6, 1 + 2**-7, -3, np.inf, np.nan], np.float32))


def test_sigmoid_and_softmax_do_not_overflow() -> None:
    x = literal(np.array([[-1e4, 0.0, 1e4]]))
    assert value(ops.sigmoid(x)) == [[0, 0.5, 1]]
    assert value(ops.softmax(x, axis=1)) == [[0, 0, 1]]
    assert value(ops.log_softmax(x, axis=1)) == [[-2e4, -1e4, 0]]


def test_ties_of_max_pooling_go_to_the_first_in_row_major_order() -> None:
    x = literal(np.ones((1, 1, 2, 4)))
    g = literal(np.array([[[[5.0, 7.0]]]]))
    pooled = ops.max_pool2d_grad(g, x, kernel=(2, 2), stride=(2, 2))
    assert value(pooled) == [[[[5, 0, 7, 0], [0, 0, 0, 0]]]]


def test_scatter_adds_what_meets() -> None:
    x = literal(np.array([1.0, 2.0, 4.0]))
    assert value(ops.scatter_add(x, literal(np.array([2, 0, 2])), axis=0, size=4)) == [2, 0, 5, 0]
    assert value(ops.put_along_axis(x, literal(np.array([2, 0, 2])), axis=0, size=4)) == [2, 0, 5, 0]


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_walks_either_way_and_stacks_in_place(reverse: bool) -> None:
    c, x = leaf("c", Type(i64, ())), leaf("x", Type(i64, ()))
    body = Graph.make("body", [c, x], [("c", c * 10 + x), ("y", c)])
    made = ops.scan(
        scalar(0, i64),
        literal(np.array([1, 2, 3])),
        body=body,
        carries=1,
        sequences=1,
        length=3,
        reverse=reverse,
    )
    assert value(ops.get(made, index=0)) == (321 if reverse else 123)
    assert value(ops.get(made, index=1)) == ([32, 3, 0] if reverse else [0, 1, 12])


@pytest.mark.parametrize("dtype", [f32, f64, i32, i64, u8])
def test_dtypes_stay(dtype) -> None:  # type: ignore[no-untyped-def]
    graph = graph_of(lambda x, y: (x + y, x * 2, ops.maximum(x, y)), *[Type(dtype, (3,))] * 2)
    for result in run(graph, [np.ones(3, dtype.numpy)] * 2):
        assert result.dtype == dtype.numpy


def test_a_long_chain_needs_no_recursion() -> None:
    node = leaf("v", Type(f64, ()))
    for _ in range(5_000):
        node = node + 1.0
    assert run(graph_to(node), [np.float64(0)])[0] == 5_000
