"""The text form gives back the same object, and says what is wrong with a text."""

from __future__ import annotations

import ast
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ir import Graph, Node, ops, parse, to_text
from ir.dims import symbol
from ir.errors import LenetcError, ParseError
from ir.interpret import run
from ir.node import Where, building_at
from ir.op import leaf, literal, scalar
from ir.types import Type, bf16, bool_, f16, f32, f64, i32, i64, u8
from tests.support import graph_to, same

N = symbol("N")
X = leaf("x", Type(f32, (N, 3)))


def round_trip(graph: Graph) -> str:
    text = to_text(graph)
    ast.parse(text)
    assert parse(text) is graph, text
    assert to_text(parse(text)) == text
    return text


def test_a_training_step_as_it_is_printed() -> None:
    images = leaf("images", Type(f32, (N, 3)))
    labels = leaf("labels", Type(f32, (N, 2)))
    lr = leaf("lr", Type(f32, ()), "hyper")
    weight, bias = leaf("fc.weight", Type(f32, (3, 2)), "state"), leaf("0.bias", Type(f32, (2,)), "state")
    with building_at(Where("fc", "forward", "train.py", 3)):
        y = ops.relu(images @ weight + bias)
    with building_at(Where("", "backward")):
        error = y - labels
        gradient = ops.transpose(images, perm=(1, 0)) @ error
    with building_at(Where("fc", "update")):
        new = weight - gradient * (lr * 0.5)
    graph = Graph.make(
        "train_step",
        [images, labels, lr, weight, bias],
        [("error", error)],
        [("fc.weight", new), ("0.bias", bias * 1.0)],
    )
    assert round_trip(graph) == (
        "def train_step(images: f32[N,3], labels: f32[N,2], *, lr: f32):\n"
        "    fc.weight: f32[3,2] = state()\n"
        "    state['0.bias']: f32[2] = state()\n"
        "    v0: f32[N,2] = matmul(images, fc.weight)  # forward fc\n"
        "    v1: f32[N,2] = add(v0, state['0.bias'])  # forward fc\n"
        "    v2: f32[N,2] = relu(v1)  # forward fc\n"
        "    v3: f32[N,2] = sub(v2, labels)  # backward\n"
        "    v4: f32[3,N] = transpose(images, perm=(1, 0))  # backward\n"
        "    v5: f32[3,2] = matmul(v4, v3)  # backward\n"
        "    v6: f32 = mul(lr, 0.5)  # update fc\n"
        "    v7: f32[3,2] = mul(v5, v6)  # update fc\n"
        "    v8: f32[3,2] = sub(fc.weight, v7)  # update fc\n"
        "    v9: f32[2] = mul(state['0.bias'], 1.0)  # forward\n"
        "    return {'error': v3}, {'fc.weight': v8, '0.bias': v9}\n"
    )


def test_provenance_is_given_to_nodes_that_are_built_anew() -> None:
    text = (
        "def f(x: f32[3]):\n"
        "    v0: f32[3] = sin(x)  # update encoder.layers.0\n"
        "    v1: f32[3] = mul(v0, 0.123456)\n"
        "    return {'y': v1}, {}\n"
    )
    graph = parse(text)
    first, second = graph.operations()
    assert first.where == Where("encoder.layers.0", "update")
    assert second.where == Where("", "forward")


@pytest.mark.parametrize(
    "name", ["0.weight", "a.lambda", "a b", "é", "ﬁ.x", "it's", 'a"b', "a\\n\nb", "state", "v0", "f32", "N"]
)
def test_any_name_can_name_state(name: str) -> None:
    s = leaf(name, Type(f32, (N, 3)), "state")
    round_trip(Graph.make("f", [X, s], [(name, s + X)], [(name, X * s + 2.0)]))


@pytest.mark.parametrize(
    "name", ["state", "v0", "v1", "inputs", "f32", "inf", "nan", "N", "add", "const", "x__1"]
)
def test_names_that_mean_something_else_can_name_inputs(name: str) -> None:
    a = leaf(name, Type(f32, (N, 3)))
    node = ops.exp(ops.pad(a + X, low=(0, 0), high=(1, 0), value=-np.inf)) * 0.5
    round_trip(Graph.make("f", [a, X], [("y", node), ("z", a + literal(np.ones(3, np.float32)))]))


@pytest.mark.parametrize("name", ["", "a.b", "lambda", "0", "a b", "ﬁ"])
def test_names_that_cannot_name_inputs(name: str) -> None:
    for kind in ("input", "hyper"):
        with pytest.raises(ValueError, match="identifier"):
            leaf(name, Type(f32, ()), kind)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="identifier"):
        Graph.make(name, [X], [("y", X)])


def test_inputs_in_any_order_and_kind() -> None:
    lr, s = leaf("lr", Type(f32, ()), "hyper"), leaf("s", Type(f32, (3,)), "state")
    assert "inputs = [s, lr, x]" in round_trip(Graph.make("f", [s, lr, X], [("y", X + s * lr)]))
    assert "inputs" not in round_trip(Graph.make("f", [X, lr, s], [("y", X + s * lr)]))
    round_trip(Graph.make("f", [], [("y", scalar(1, f32))]))


def test_results_that_are_inputs_and_constants_and_twice_the_same() -> None:
    y = X * 2.0
    round_trip(
        Graph.make("f", [X], [("a", X), ("b", y), ("c", y), ("d", scalar(2, f32)), ("e", literal([1, 2]))])
    )
    round_trip(Graph.make("f", [X], []))


@settings(deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_any_constant(array: np.ndarray) -> None:  # type: ignore[type-arg]
    node = literal(array)
    graph = parse(round_trip(graph_to(node)))
    assert same(graph.outputs[0].attrs["value"].array, array)


@given(st.sampled_from([f16, f32, f64, bf16]), st.floats(allow_nan=True, width=16))
def test_any_number_beside_an_operand(dtype, value: float) -> None:  # type: ignore[no-untyped-def]
    x = leaf("x", Type(dtype, (2,)))
    round_trip(graph_to(x * value, x - value, ops.maximum(scalar(value, dtype), x)))


@pytest.mark.parametrize("value", [0.1, 1e-30, 3e38, -0.0, 16777216.0, 1 / 3])
def test_numbers_have_the_digits_of_their_dtype(value: float) -> None:
    text = round_trip(graph_to(leaf("x", Type(f32, ())) * value))
    assert f"mul(x, {np.float32(value)!s})" in text


def test_negative_zero_is_another_constant() -> None:
    assert scalar(0.0, f32) is not scalar(-0.0, f32)
    assert "mul(x, -0.0)" in round_trip(graph_to(leaf("x", Type(f32, ())) * -0.0))


@pytest.mark.parametrize("bits", [0x7FC00000, 0xFFC00000, 0x7F800001])
def test_nan_keeps_its_bits(bits: int) -> None:
    array = np.array([bits], np.uint32).view(np.float32)
    graph = parse(round_trip(graph_to(literal(array))))
    assert same(graph.outputs[0].attrs["value"].array, array)


def test_long_constants() -> None:
    for array in (np.arange(65.0), np.zeros((3, 0)), np.ones((5, 40), bool), np.arange(300).reshape(3, 100)):
        round_trip(graph_to(literal(array)))


def test_numbers_take_the_dtype_of_the_operand_beside_them() -> None:
    """A scalar stands bare only where its dtype is that of all operands."""
    index, matrix = leaf("i", Type(i64, (2,))), literal(np.arange(4))
    body_c, body_i = leaf("c", Type(f32, ())), leaf("j", Type(i64, ()))
    body = Graph.make("body", [body_c, body_i], [("c", body_c + ops.cast(body_i, dtype=f32))])
    scanned = ops.scan(scalar(0.5, f32), matrix, body=body, carries=1, sequences=1, length=4)
    mixed = ops.where(ops.greater(X, 0.75), X, scalar(0.25, f32))
    text = round_trip(
        graph_to(
            index + 1,
            ops.get(scanned, index=0),
            mixed,
            ops.gather(literal(np.ones(3)), scalar(2, i32), axis=0),
        )
    )
    assert "greater(x, 0.75)" in text
    assert "add(i, 1)" in text
    assert "const(0.25)" in text


def test_attributes() -> None:
    x = leaf("x", Type(f32, (4,)))
    for value in (np.inf, -np.inf, np.nan, -1.5, 0.0):
        round_trip(graph_to(ops.pad(x, low=(1,), high=(0,), value=value)))
    assert "axes=(0,)" in round_trip(graph_to(ops.sum(x, axes=(0,))))
    assert "axes=()" in round_trip(graph_to(ops.sum(x, axes=())))
    assert "dtype=bf16" in round_trip(graph_to(ops.cast(x, dtype=bf16)))
    assert ops.sum(x, axes=(np.int64(0),)) is ops.sum(x, axes=(0,)), "attributes have one form"
    assert "shape=(N*3 - 3,)" in round_trip(
        graph_to(
            ops.reshape(ops.slice(X, starts=(0, 0), stops=(N - 1, 3), steps=(1, 1)), shape=(3 * (N - 1),))
        )
    )


@pytest.mark.parametrize("dtype", [f32, f64, f16, bf16, i64, i32, u8, bool_])
def test_dtypes(dtype) -> None:  # type: ignore[no-untyped-def]
    round_trip(graph_to(leaf("x", Type(dtype, (N, 2))), leaf("s", Type(dtype, ()))))


def counting(name: str, step: float) -> Graph:
    c = leaf("c", Type(f32, ()))
    return Graph.make(name, [c], [("c", c + step)])


def looped(start: Node, body: Graph) -> Node:
    return ops.get(ops.scan(start, body=body, carries=1, sequences=0, length=2), index=0)


def test_bodies_of_one_name() -> None:
    start = leaf("c", Type(f32, ()))
    first, second = counting("count", 1.0), counting("count", 2.0)
    c = leaf("c", Type(f32, ()))
    outer = Graph.make("count", [c], [("c", looped(looped(c, first), second))])
    graph = Graph.make("count", [start], [("y", looped(looped(looped(start, first), second), outer))])
    text = round_trip(graph)
    assert text.count("def ") == 4
    assert run(parse(text), [np.float32(0)])[0] == 2 * (1 + 2) + 2 * 2 * (1 + 2)


def test_a_body_whose_name_ends_like_the_printed_ones() -> None:
    for name in ("count__0", "count__0__1", "f__0", "f"):
        round_trip(
            Graph.make(
                "f",
                [leaf("c", Type(f32, ()))],
                [("y", looped(leaf("c", Type(f32, ())), counting(name, 1.0)))],
            )
        )


def test_a_body_used_twice_is_printed_once() -> None:
    start = leaf("c", Type(f32, ()))
    assert (
        round_trip(graph_to(looped(looped(start, counting("b", 1.0)), counting("b", 1.0)))).count("def ") == 2
    )


@given(st.integers(0, 10_000))
def test_an_explicit_order(seed: int) -> None:
    rng = random.Random(seed)
    x = leaf("x", Type(f32, (2,)))
    nodes = [x]
    for i in range(12):
        nodes.append(rng.choice(nodes) + rng.choice(nodes) * rng.choice([float(i), 0.5, 3.0]))
    natural = graph_to(*nodes[-3:])
    waiting, order = set(natural.operations()), []
    while waiting:  # a random order that respects the operands
        ready = [n for n in natural.operations() if n in waiting and not waiting & set(n.inputs)]
        order.append(rng.choice(ready))
        waiting.remove(order[-1])
    graph = natural.with_outputs(natural.outputs, order=order)
    assert graph.operations() == tuple(order)
    round_trip(graph)


def test_an_order_drops_what_nothing_reads() -> None:
    y, dead = ops.sin(X), ops.cos(X)
    assert Graph.make("f", [X], [("y", y)], order=[X, dead, y]) is Graph.make("f", [X], [("y", y)])


def test_a_long_chain_needs_no_recursion() -> None:
    node = X
    for _ in range(5_000):
        node = ops.sin(node)
    round_trip(graph_to(node))


WRONG = [
    ("def f(:\n", "line 1: not valid Python"),
    ("", "holds no graph"),
    ("x = 1\n", "line 1: expected a function"),
    ("def f(x):\n    return {}, {}\n", "line 1: the argument x has no type"),
    ("def f(x: f33):\n    return {}, {}\n", "line 1: not a type: 'f33'"),
    ("def f(x: f32[N/2]):\n    return {}, {}\n", "line 1: not a dim: 'N / 2'"),
    ("def f(x: f32):\n    pass\n", "line 2: not a line of the IR: 'pass'"),
    ("def f(x: f32):\n    v0: f32 = sin(x)\n", "line 1: f has no return"),
    ("def f(x: f32):\n    v0: f32 = sine(x)\n    return {}, {}\n", "line 2: there is no op 'sine'"),
    ("def f(x: f32):\n    v0: f32 = sin(y)\n    return {}, {}\n", "line 2: y is not defined above"),
    ("def f(x: f32):\n    v0: f64 = sin(x)\n    return {}, {}\n", "line 2: v0 is declared f64, but is f32"),
    (
        "def f(x: f32[2], y: f32[3]):\n    v0: f32[2] = add(x, y)\n    return {}, {}\n",
        r"line 2: add: shapes \[2\] and \[3\]",
    ),
    (
        "def f(x: f32):\n    v0: f32 = sin(x, axis=1)\n    return {}, {}\n",
        "line 2: sin takes the attributes none",
    ),
    ("def f(x: f32):\n    v0: f32 = sin()\n    return {}, {}\n", "line 2: sin takes 1 operands, not 0"),
    ("def f(x: f32[3]):\n    v0: f32 = sum(x)\n    return {}, {}\n", "line 2: sum takes the attributes axes"),
    (
        "def f(x: f32):\n    v0: f32 = get(x, index=0)\n    return {}, {}\n",
        "line 2: get: there is no result 0 of f32",
    ),
    ("def f():\n    v0: f32[2] = const([1.0])\n    return {}, {}\n", "line 2: cannot reshape"),
    ("def f():\n    v0: f32[2] = const(hex='zz')\n    return {}, {}\n", "line 2: non-hexadecimal"),
    (
        "def f():\n    v0: f32[N] = const([1.0])\n    return {}, {}\n",
        "line 2: a constant has a dtype and a fixed shape",
    ),
    ("def f():\n    v0: f32 = const()\n    return {}, {}\n", "line 2: const takes"),
    ("def f(x: f32):\n    a[0]: f32 = state()\n    return {}, {}\n", "line 2: not a name"),
    ("def f(x: f32):\n    return {'y': z}, {}\n", "line 2: z is not defined above"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message) as caught:
        parse(text)
    assert isinstance(caught.value, LenetcError)
