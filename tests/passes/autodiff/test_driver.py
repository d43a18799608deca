"""The driver of differentiation, and the gradient of scan."""

from __future__ import annotations

import numpy as np
import pytest

from ir import Graph, Node, ops, parse, to_text, verify
from ir.dims import Dim, symbol
from ir.errors import LenetcError
from ir.interpret import run
from ir.node import Where, building_at, topological
from ir.op import leaf, literal, scalar
from ir.types import DType, Type, bf16, f16, f32, f64, i64
from passes.autodiff import driver as autodiff
from passes.autodiff.driver import gradients
from passes.autodiff.registry import CUSTOM, RULES, NoGradientError
from tests.support import check_gradients, check_runtime, gradient_graph, graph_of, graph_to

X = leaf("x", Type(f64, (2, 3)))
Y = leaf("y", Type(f64, (3,)))
ONES = literal(np.ones((2, 3)))


def test_what_does_not_matter_has_no_gradient() -> None:
    assert gradients([(ops.exp(X), ONES)], [Y]) == [None]
    assert gradients([(ops.sign(X) + ops.stop_gradient(X), ONES)], [X]) == [None]
    assert gradients([(ops.mul(X, ops.cast(ops.greater(X, 0.0), dtype=f64)), ONES)], [Y]) == [None]
    assert gradients([], [X]) == [None]


def test_an_output_is_its_own_gradient() -> None:
    assert gradients([(X, ONES)], [X]) == [ONES]
    middle = ops.exp(X)
    assert gradients([(middle, ONES)], [middle, X]) == [ONES, ONES * middle]


@pytest.mark.parametrize("axis", (0, 1))
def test_gradients_of_a_known_structure_are_those_that_would_be_found(axis: int) -> None:
    for i in range(3):
        x, y = (leaf(f"{name}_of_step_{i}", Type(f64, (3, 3))) for name in "xy")
        total = ops.sum(ops.exp(x) * 2.0 * y, axes=(axis,))
        pairs = [(total, literal(np.ones(3))), (ops.sum(total, axes=(0,)), scalar(1, f64))]
        wanted = [y, x, total, Y]
        found = gradients(pairs, wanted, again=True)
        assert all(a is b for a, b in zip(found, autodiff.gradients_of(pairs, wanted, {}), strict=True))
        assert found[1] is not None and found[3] is None


def test_who_asks_again_gets_the_nodes_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Node] = []
    exp = RULES[ops.exp]

    def counted(g: Node, out: Node, *rest: Node) -> object:
        asked.append(out)
        return exp(g, out, *rest)

    monkeypatch.setitem(RULES, ops.exp, counted)
    y = ops.exp(X) * 1.5
    first = gradients([(y, ONES)], [X, Y])
    assert gradients([(y, ONES)], [X, Y]) == first
    assert len(asked) == 1
    gradients([(y, ONES)], [X])  # of something else
    gradients([(y, ONES * 2.0)], [X, Y])
    assert len(asked) == 3
    kept = gradients([(y, ONES)], [X, Y])
    assert kept == first
    assert len(asked) == 4  # the last question is what is known
    del kept, first
    again = gradients([(y, ONES)], [X, Y])  # gone with its last reader
    assert again[0] is not None
    assert len(asked) == 5


def test_a_users_backward_function_runs_every_time() -> None:
    ran: list[Node] = []

    def backward(g: Node) -> list[Node | None]:
        ran.append(g)
        return [g * 2.0]

    CUSTOM["counted"] = backward
    try:
        y = ops.custom(X * 2.0, X, backward="counted")
        first, second = (gradients([(y, ONES)], [X]) for _ in range(2))
    finally:
        del CUSTOM["counted"]
    assert first == second
    assert len(ran) == 2


def test_users_are_summed() -> None:
    (found,) = gradients([(X + X * X, ONES), (X, ONES)], [X])
    assert found is not None
    (result,) = run(graph_to(found, inputs=[X]), [np.full((2, 3), 5.0)])
    np.testing.assert_array_equal(result, np.full((2, 3), 12.0))


def test_a_gradient_stops_at_what_is_differentiated_only_past_it() -> None:
    middle = ops.sin(X)
    found = gradients([(ops.exp(middle), ONES)], [middle])[0]
    assert found is not None
    assert not any(node.op is ops.cos for node in topological((), [found]))


def test_broadcasting_is_undone_in_one_place() -> None:
    scalar_leaf, column = leaf("s", Type(f64, ())), leaf("c", Type(f64, (2, 1)))
    for operand in (Y, scalar_leaf, column, leaf("one", Type(f64, (1, 1, 1)))):
        (found,) = gradients(
            [(out := X * operand, ops.broadcast_to(scalar(1, f64), shape=out.shape))], [operand]
        )
        assert found is not None and found.type == operand.type


def test_broadcasting_to_a_symbolic_batch_is_undone() -> None:
    n = symbol("N")
    x = leaf("x", Type(f64, (n, 3)))
    (found,) = gradients([(x + Y, ops.broadcast_to(scalar(1, f64), shape=(n, 3)))], [Y])
    assert found is not None
    np.testing.assert_array_equal(
        run(graph_to(found, inputs=[x, Y]), [np.zeros((5, 3)), np.zeros(3)])[0], [5, 5, 5]
    )


def test_gradients_carry_the_place_of_their_forward_node() -> None:
    with building_at(Where("conv1", "forward", "train.py", 7)):
        y = ops.tanh(X * 1.75)
    (found,) = gradients([(y, leaf("ct_place", X.ty))], [X])
    assert found is not None
    assert found.where == Where("conv1", "backward", "train.py", 7)


def test_an_op_without_a_rule_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(autodiff.RULES, ops.tanh)
    with building_at(Where("act", "forward", "net.py", 3)):
        y = ops.tanh(X * 1.25)
    with pytest.raises(NoGradientError, match=r"tanh has no gradient rule.*\n.*act, net\.py:3"):
        gradients([(y, ONES)], [X])


@pytest.mark.parametrize(("low", "high"), [(f32, f64), (f16, f32), (bf16, f32)])
def test_a_cast_sends_its_gradient_back_in_the_dtype_of_its_operand(low: DType, high: DType) -> None:
    x = leaf("x", Type(low, (3,)))
    (found,) = gradients([(ops.cast(x, dtype=high), leaf("ct", Type(high, (3,))))], [x])
    assert found is not None and found.type == x.type
    (found,) = gradients([(ops.cast(Y, dtype=i64), literal(np.ones(3, np.int64)))], [Y])
    assert found is None


def test_a_long_chain_needs_no_recursion() -> None:
    node: Node = Y
    for _ in range(5_000):
        node = ops.sin(node)
    (found,) = gradients([(node, leaf("ct", Y.ty))], [Y])
    assert found is not None


def test_relu_pays_nothing_at_zero_and_maximum_half_to_each() -> None:
    x = leaf("v", Type(f64, (3,)))
    ones = literal(np.ones(3))
    zero = np.array([-1.0, 0.0, 1.0])
    (found,) = gradients([(ops.relu(x), ones)], [x])
    np.testing.assert_array_equal(run(graph_to(found, inputs=[x]), [zero])[0], [0, 0, 1])  # type: ignore[arg-type]
    (found,) = gradients([(ops.maximum(x, 0.0), ones)], [x])
    np.testing.assert_array_equal(run(graph_to(found, inputs=[x]), [zero])[0], [0, 0.5, 1])  # type: ignore[arg-type]


def test_powers_of_zero_and_of_negative_numbers() -> None:
    x, y = leaf("v", Type(f64, (3,))), leaf("p", Type(f64, (3,)))
    made = gradients([(ops.pow(x, y), literal(np.ones(3)))], [x, y])
    dx, dy = run(graph_to(*made, inputs=[x, y]), [np.array([0.0, 0.0, -2.0]), np.array([2.0, 1.0, 3.0])])  # type: ignore[arg-type]
    np.testing.assert_array_equal(dx, [0, 1, 12])
    np.testing.assert_array_equal(dy[:2], [0, 0])


# -- custom --------------------------------------------------------------------------------------------------
def test_custom_sends_its_gradient_to_its_inputs_through_the_registered_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(CUSTOM, "triple", lambda g: (g * 3.0, None))
    z = leaf("z", Type(f64, (2, 3)))
    value = ops.custom(ops.stop_gradient(X * Y), X, z, backward="triple")
    dx, dz = gradients([(value, ONES)], [X, z])
    assert dx is ONES * 3.0
    assert dz is None


def test_custom_says_what_its_function_should_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CUSTOM, "short", lambda g: ())
    with pytest.raises(LenetcError, match="gave 0 gradients for 1 inputs"):
        gradients([(ops.custom(X, X, backward="short"), ONES)], [X])
    with pytest.raises(NoGradientError, match="'unknown'"):
        gradients([(ops.custom(X, X, backward="unknown"), ONES)], [X])


def test_custom_can_be_differentiated_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backward function that is itself a function of the input."""
    x = leaf("v", Type(f64, (3,)))
    monkeypatch.setitem(CUSTOM, "cube", lambda g: (g * x * x * 3.0,))
    (first,) = gradients(
        [(ops.custom(ops.stop_gradient(x * x * x), x, backward="cube"), literal(np.ones(3)))], [x]
    )
    assert first is not None
    (second,) = gradients([(first, literal(np.ones(3)))], [x])
    np.testing.assert_allclose(run(graph_to(second, inputs=[x]), [np.array([1.0, 2, 3])])[0], [6, 12, 18])  # type: ignore[arg-type]


# -- scan ----------------------------------------------------------------------------------------------------
def recurrent(dtype: DType, batch: Dim) -> Graph:
    """An Elman cell: h' = tanh(x @ w + h @ u), item h' * h, and a counter that no gradient passes."""
    count, h = leaf("count", Type(i64, ())), leaf("h", Type(dtype, (batch, 2)))
    x, w, u = (
        leaf("x", Type(dtype, (batch, 3))),
        leaf("w", Type(dtype, (3, 2))),
        leaf("u", Type(dtype, (2, 2))),
    )
    new = ops.tanh(x @ w + h @ u)
    return Graph.make("cell", (count, h, x, w, u), [("count", count + 1), ("h", new), ("y", new * h)])


def unrolled(steps: int, *operands: Node) -> tuple[Node, Node]:
    """What a scan of `recurrent` computes, written out: the last h, and the sum of the items."""
    h, xs, w, u = operands
    total: Node | None = None
    for t in range(steps):
        row = ops.slice(xs, starts=(t, 0, 0), stops=(t + 1, *xs.shape[1:]), steps=(1, 1, 1))
        new = ops.tanh(ops.reshape(row, shape=xs.shape[1:]) @ w + h @ u)
        total = new * h if total is None else total + new * h
        h = new
    assert total is not None
    return h, total


def scanned(batch: Dim, length: Dim, *operands: Node, reverse: bool = False) -> tuple[Node, Node]:
    h, xs, w, u = operands
    made = ops.scan(
        *(ops.scalar(0, i64), h, xs, w, u),
        **{
            "body": recurrent(h.dtype, batch),
            "carries": 2,
            "sequences": 1,
            "length": length,
            "reverse": reverse,
        },
    )
    return ops.get(made, index=1), ops.sum(ops.get(made, index=2), axes=(0,))


def operands(dtype: DType, batch: Dim, length: Dim) -> tuple[Type, ...]:
    shapes: tuple[tuple[Dim, ...], ...] = ((batch, 2), (length, batch, 3), (3, 2), (2, 2))
    return tuple(Type(dtype, shape) for shape in shapes)


def arrays(dtype: DType, batch: int, length: int) -> list[np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(5)
    return [rng.standard_normal(t.shape).astype(dtype.numpy) for t in operands(dtype, batch, length)]  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [1, 4])
def test_gradients_of_a_scan_are_those_of_the_unrolled_loop(length: int) -> None:
    types = operands(f64, 3, length)
    loop = gradient_graph(graph_of(lambda *x: scanned(3, length, *x), *types))[0]
    line = gradient_graph(graph_of(lambda *x: unrolled(length, *x), *types))[0]
    verify(loop)
    rng = np.random.default_rng(0)
    given = [*arrays(f64, 3, length), *(rng.standard_normal((3, 2)) for _ in range(2))]
    for a, b in zip(run(loop, given), run(line, given), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_of_a_scan_to_third_order(reverse: bool) -> None:
    graph = graph_of(lambda *x: scanned(2, 3, *x, reverse=reverse), *operands(f64, 2, 3))
    check_gradients(graph, arrays(f64, 2, 3), order=3)


def test_a_scan_with_symbolic_batch_and_length_runs_with_its_gradients() -> None:
    n, length = symbol("N"), symbol("L")
    graph = graph_of(lambda *x: scanned(n, length, *x), *operands(f32, n, length))
    first = gradient_graph(graph)[0]
    second = gradient_graph(first)[0]
    for made in (first, second):
        verify(made)
        assert parse(to_text(made)) is made
    rng = np.random.default_rng(1)
    for batch, steps in ((1, 4), (3, 2)):
        given = [*arrays(f32, batch, steps), *(rng.standard_normal((batch, 2), np.float32) for _ in range(2))]
        check_runtime(first, given)
        given += [rng.standard_normal(value.shape, np.float32) for value in run(first, given)]
        check_runtime(second, given)


def test_an_unused_result_of_a_scan_gets_no_gradient_and_costs_none() -> None:
    def last(*x: Node) -> Node:
        return scanned(2, 3, *x)[0]

    def items(*x: Node) -> Node:
        return scanned(2, 3, *x)[1]

    for function in (last, items):
        check_gradients(graph_of(function, *operands(f64, 2, 3)), arrays(f64, 2, 3), order=2)
    made = gradient_graph(graph_of(last, *operands(f64, 2, 3)))[0]
    back = next(n for n in made.nodes() if n.op is ops.scan and n.attrs["body"].name == "cell_grad")
    assert back.attrs["sequences"] == 1, "only the derivative of tanh is read; no gradient comes in"


def test_operands_that_no_gradient_reaches() -> None:
    """Integer operands and a carry that only a stopped gradient leaves get None."""
    c, x, i = leaf("c", Type(f64, (3,))), leaf("x", Type(f64, (3,))), leaf("i", Type(i64, ()))
    body = Graph.make(
        "stop", (c, x, i), [("c", c + 1.0), ("y", x * ops.stop_gradient(c) * ops.cast(i, dtype=f64))]
    )
    start, xs, index = leaf("start", c.ty), leaf("xs", Type(f64, (4, 3))), leaf("index", Type(i64, (4,)))
    made = ops.scan(start, xs, index, body=body, carries=1, sequences=2, length=4)
    ys = ops.get(made, index=1)
    dstart, dxs, dindex = gradients([(ys, leaf("ct", ys.ty))], [start, xs, index])
    assert dstart is None and dindex is None
    assert dxs is not None and dxs.type == xs.type


def nested(*x: Node) -> tuple[Node, ...]:
    """For each row of xs: three steps of c -> sin(c * w) + row; the outer carry sums the squares."""
    start, xs, w = x
    c, v = leaf("c", start.ty), leaf("w", w.ty)
    row = leaf("row", Type(f64, (2,)))
    inner = Graph.make("inner", (c, row, v), [("c", ops.sin(c * v) + row)])
    stepped = ops.get(ops.scan(c, row, v, body=inner, carries=1, sequences=0, length=3), index=0)
    outer = Graph.make("outer", (c, row, v), [("c", stepped * stepped + c), ("y", stepped)])
    made = ops.scan(start, xs, w, body=outer, carries=1, sequences=1, length=3)
    return ops.get(made, index=0), ops.get(made, index=1)


def test_a_scan_in_a_scan() -> None:
    types = [Type(f64, shape) for shape in ((2,), (3, 2), (2,))]
    graph = graph_of(nested, *types)
    rng = np.random.default_rng(2)
    given = [rng.standard_normal(t.shape) * 0.5 for t in types]  # type: ignore[arg-type]
    check_gradients(graph, given, order=2)
    made = gradient_graph(graph)[0]
    assert parse(to_text(made)) is made
    check_runtime(made, [*given, rng.standard_normal(2), rng.standard_normal((3, 2))])


def test_carries_that_feed_each_other() -> None:
    """A gradient that enters by one carry reaches another only after a step."""

    def swap(*x: Node) -> Node:
        a, b = leaf("a", Type(f64, (2,))), leaf("b", Type(f64, (2,)))
        body = Graph.make("swap", (a, b), [("a", ops.sin(b)), ("b", a * 2.0)])
        made = ops.scan(*x, body=body, carries=2, sequences=0, length=5)
        return ops.get(made, index=0)

    graph = graph_of(swap, Type(f64, (2,)), Type(f64, (2,)))
    check_gradients(graph, [np.array([0.3, 0.7]), np.array([-0.2, 0.4])], order=2)
