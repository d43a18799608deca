"""Nodes and graphs are interned; what a node is does not depend on where it came from."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest

from ir import Graph, Node, ops
from ir.dims import symbol
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Literal, Where, building_at, topological, users
from ir.op import leaf, literal, op, scalar
from ir.types import Type, bf16, bool_, dtype_of, f16, f32, f64, i64, normalize_axis, u8

X = leaf("x", Type(f32, (2, 3)))


def test_the_same_node_is_the_same_object() -> None:
    assert X + X is ops.add(X, X)
    assert X * 2.0 is ops.mul(X, scalar(2, f32))
    assert leaf("x", Type(f32, (2, 3))) is X
    assert leaf("x", Type(f32, (2, 3)), "state") is not X
    assert leaf("x", Type(f64, (2, 3))) is not X
    assert literal(np.ones(3)) is literal(np.ones(3))
    assert literal(np.ones(3)) is not literal(np.ones((3, 1)))
    assert literal(np.ones(3)) is not literal(np.ones(3, np.float32))
    assert ops.sum(X, axes=(0,)) is ops.sum(X, axes=(0,), keepdims=False)


def test_provenance_does_not_make_another_node() -> None:
    with building_at(Where("a")):
        y = ops.erf(X)
    with building_at(Where("b")):
        assert ops.erf(X) is y
    assert y.where.module == "a"
    assert str(Where("conv1", "forward", "train.py", 3)) == "conv1, train.py:3"


def test_nodes_and_graphs_go_when_nobody_holds_them() -> None:
    import ir.node

    gc.collect()
    before, graphs = len(ir.node.interned_nodes), len(ir.node.interned_graphs)
    graph = Graph.make("gone", [X], [("y", ops.tanh(X * 1.0625))])
    assert len(ir.node.interned_nodes) == before + 3
    del graph
    gc.collect()
    assert (len(ir.node.interned_nodes), len(ir.node.interned_graphs)) == (before, graphs)


def test_a_long_chain_goes_without_recursion() -> None:
    node: Node = X
    for _ in range(200 * sys.getrecursionlimit()):
        node = ops.sin(node)
    del node


def test_numbers_take_the_dtype_of_the_node_beside_them() -> None:
    assert (X * 2).type == X.type
    assert (1 - X).type == X.type
    assert (leaf("h", Type(bf16, (2,))) * 0.5).dtype is bf16
    assert (leaf("i", Type(i64, (2,))) + 2.0).dtype is i64
    for dtype, value in (
        (i64, 0.5),
        (u8, 300),
        (u8, -1),
        (bool_, 0.5),
        (i64, float("inf")),
        (i64, float("nan")),
    ):
        with pytest.raises(DTypeError, match="does not fit"):
            scalar(value, dtype)


@pytest.mark.parametrize("operand", [None, "a", [1.0], np.ones(2)])
def test_operands_are_nodes_or_numbers(operand: object) -> None:
    with pytest.raises(TypeError, match="a node or a number"):
        ops.add(X, operand)  # type: ignore[arg-type]


def test_calls_that_do_not_fit_the_record() -> None:
    with pytest.raises(TypeError, match="needs at least one node"):
        ops.add(1.0, 2.0)
    with pytest.raises(TypeError, match="add takes 2 operands, not 3"):
        ops.add(X, X, X)
    with pytest.raises(TypeError, match="sum takes the attributes axes, keepdims"):
        ops.sum(X)
    with pytest.raises(TypeError, match="sum takes the attributes axes, keepdims"):
        ops.sum(X, axes=(0,), dim=1)
    with pytest.raises(TypeError, match="tuples"):
        ops.sum(X, axes=[0])
    with pytest.raises(ValueError, match="add exists already"):
        op(infer=lambda x: x, name="add")(lambda x: x)


def test_type_errors_say_where_once() -> None:
    with building_at(Where("fc1", "forward", "net.py", 12)), pytest.raises(ShapeError) as caught:
        X + leaf("y", Type(f32, (2, 4)))
    message = str(caught.value)
    assert "[2, 3] and [2, 4]" in message
    assert message.count("at fc1, net.py:12") == 1
    assert str(caught.value.at("elsewhere")) == message


Y, INDEX, B, IMAGE = (
    leaf("y", Type(f32, (4,))),
    leaf("i", Type(i64, (2,))),
    leaf("b", Type(bool_, (2, 3))),
    leaf("im", Type(f32, (1, 2, 5, 5))),
)
D, W = leaf("d", Type(f64, (2, 3))), leaf("w", Type(f32, (4, 2, 3, 3)))
N = symbol("N")
REFUSED = [
    (lambda: X + D, DTypeError, r"f32\[2,3\] and f64\[2,3\] have different dtypes"),
    (lambda: ops.exp(INDEX), DTypeError, "exp: dtype i64"),
    (lambda: ops.logical_not(X), DTypeError, "logical_not: dtype f32"),
    (lambda: ops.mod(X, X), DTypeError, "mod"),
    (lambda: ops.where(X, X, X), DTypeError, "condition must be bool"),
    (lambda: ops.matmul(X, X), ShapeError, r"f32\[2,3\] and f32\[2,3\] do not multiply"),
    (lambda: ops.matmul(X, Y), ShapeError, "do not multiply"),
    (lambda: ops.matmul(INDEX, INDEX), DTypeError, "matmul"),
    (lambda: ops.reshape(X, shape=(4, 2)), ShapeError, r"6 elements, shape \[4, 2\] has 8"),
    (lambda: ops.reshape(X, shape=(-2, -3)), ShapeError, "negative"),
    (lambda: ops.transpose(X, perm=(0, 0)), ShapeError, "not a permutation"),
    (lambda: ops.broadcast_to(X, shape=(2, 4)), ShapeError, "broadcast"),
    (lambda: ops.broadcast_to(X, shape=(3,)), ShapeError, "broadcast"),
    (lambda: ops.slice(X, starts=(0,), stops=(1,), steps=(1,)), ShapeError, "each of the 2 axes"),
    (lambda: ops.slice(X, starts=(0, 0), stops=(2, 4), steps=(1, 1)), ShapeError, "0:4:1 is outside"),
    (lambda: ops.slice(X, starts=(1, 0), stops=(0, 3), steps=(1, 1)), ShapeError, "1:0:1 is outside"),
    (lambda: ops.slice(X, starts=(0, 0), stops=(2, 3), steps=(0, 1)), ShapeError, "0:2:0 is outside"),
    (lambda: ops.reverse(X, axes=(2,)), ShapeError, "axes of"),
    (lambda: ops.pad(X, low=(0,), high=(0,)), ShapeError, "each of the 2 axes"),
    (lambda: ops.pad(X, low=(-1, 0), high=(0, 0)), ShapeError, "use slice"),
    (lambda: ops.concat(X, Y, axis=0), ShapeError, "differ outside axis 0"),
    (lambda: ops.concat(X, D, axis=0), DTypeError, "different dtypes"),
    (lambda: ops.concat(X, axis=2), ShapeError, "axes of"),
    (lambda: ops.gather(X, Y, axis=0), DTypeError, "indices must be integers"),
    (lambda: ops.gather(X, INDEX, axis=-1), ShapeError, "axes of"),
    (lambda: ops.scatter_add(X, INDEX, axis=1, size=4), ShapeError, "one slice for each"),
    (lambda: ops.scatter_add(X, INDEX, axis=2, size=4), ShapeError, "has no 1 axes from axis 2"),
    (lambda: ops.take_along_axis(X, INDEX, axis=0), ShapeError, "differ outside axis"),
    (lambda: ops.put_along_axis(X, INDEX, axis=0, size=4), ShapeError, "same shape"),
    (lambda: ops.sum(X, axes=(0, 0)), ShapeError, "distinct axes"),
    (lambda: ops.sum(B, axes=(0,)), DTypeError, "cast bool"),
    (lambda: ops.reduce_max(B, axes=(0,)), DTypeError, "cast bool"),
    (lambda: ops.reduce_max(leaf("e", Type(f32, (2, 0))), axes=(1,)), ShapeError, "no largest"),
    (lambda: ops.argmax(leaf("e", Type(f32, (2, 0))), axis=1), ShapeError, "no largest"),
    (lambda: ops.softmax(X, axis=2), ShapeError, "axes of"),
    (lambda: ops.conv2d(IMAGE, X), ShapeError, "weight must have 4 dimensions"),
    (lambda: ops.conv2d(X, W), ShapeError, "input must have 4 dimensions"),
    (lambda: ops.conv2d(IMAGE, W, groups=2), ShapeError, "expects an input with 4 channels"),
    (lambda: ops.conv2d(IMAGE, W, X), ShapeError, r"needs shape \[4\]"),
    (lambda: ops.conv2d(IMAGE, W, leaf("db", Type(f64, (4,)))), DTypeError, "different dtypes"),
    (lambda: ops.conv2d(IMAGE, W, dilation=(3, 1)), ShapeError, r"window of 7x3 .* does not fit"),
    (lambda: ops.conv2d_input_grad(IMAGE, W, size=(9, 9)), ShapeError, "is not the output shape|channels"),
    (lambda: ops.conv2d_weight_grad(IMAGE, IMAGE, kernel=(2, 2)), ShapeError, "is not the output shape"),
    (lambda: ops.max_pool2d(INDEX, kernel=(2, 2), stride=(2, 2)), DTypeError, "floating point"),
    (lambda: ops.max_pool2d(IMAGE, kernel=(2, 2), stride=(2, 2), padding=(2, 0)), ShapeError, "at most half"),
    (
        lambda: ops.max_pool2d_grad(IMAGE, IMAGE, kernel=(2, 2), stride=(2, 2)),
        ShapeError,
        "not the pooled shape",
    ),
    (lambda: ops.max_pool2d_pick(W, IMAGE, kernel=(2, 2), stride=(2, 2)), ShapeError, "same type"),
    (
        lambda: ops.avg_pool2d_grad(IMAGE, size=(5, 5), kernel=(2, 2), stride=(2, 2)),
        ShapeError,
        "not the pooled shape",
    ),
    (lambda: ops.get(X, index=0), ShapeError, "no result 0"),
    (
        lambda: leaf("n", Type(f32, (N, 2))) + leaf("m", Type(f32, (symbol("M"), 2))),
        ShapeError,
        "sizes N and M",
    ),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_type_rules_refuse_and_say_why(number: int) -> None:
    build, error, message = REFUSED[number]
    with pytest.raises(error, match=message):
        build()


def _body(*results: tuple[str, Node]) -> Graph:
    return Graph.make("body", [leaf("c", Type(f32, ())), leaf("x", Type(f32, (3,)))], results)


C = leaf("c", Type(f32, ()))
SCANS = [
    (
        [C, X],
        _body(("c", C)),
        {"carries": 1, "sequences": 1, "length": 3},
        r"sequence f32\[2,3\] does not have the length 3",
    ),
    ([C, X], _body(("c", C)), {"carries": 1, "sequences": 1, "length": 0}, "at least 1"),
    (
        [C, D],
        _body(("c", C)),
        {"carries": 1, "sequences": 1, "length": 2},
        r"takes \(f32, f32\[3\]\), but is given \(f32, f64\[3\]\)",
    ),
    ([C, X], _body(("c", C + X)), {"carries": 1, "sequences": 1, "length": 2}, "must return its carries"),
    ([C, X], _body(), {"carries": 1, "sequences": 1, "length": 2}, "do not make 1 carries"),
    (
        [C],
        _body(("c", C)),
        {"carries": 1, "sequences": 1, "length": 2},
        "do not make 1 carries and 1 sequences",
    ),
    ([C, C], _body(("c", C)), {"carries": 1, "sequences": 1, "length": 2}, "a scalar has none"),
]


@pytest.mark.parametrize("number", range(len(SCANS)))
def test_scans_refuse_and_say_why(number: int) -> None:
    operands, body, attrs, message = SCANS[number]
    with pytest.raises(LenetcError, match=message):
        ops.scan(*operands, body=body, **attrs)  # type: ignore[arg-type]


def test_a_literal_does_not_change_with_the_array_it_was_made_of() -> None:
    array = np.zeros(3)
    node = literal(array)
    array += 1
    np.testing.assert_array_equal(node.attrs["value"].array, np.zeros(3))
    array -= 1
    assert literal(array) is node
    with pytest.raises(ValueError, match="read-only"):
        node.attrs["value"].array[0] = 1
    assert Literal(np.zeros(3)) != Literal(-np.zeros(3))


def test_walks() -> None:
    a = ops.sin(X)
    b = ops.cos(a) * a
    graph = Graph.make("f", [X], [("b", b)])
    assert list(topological((), [b])) == [X, a, ops.cos(a), b]
    assert users(graph)[a] == [ops.cos(a), b]
    assert users(graph)[b] == []
    assert graph.operations() == (a, ops.cos(a), b)
    assert graph.input_named("x") is X
    with pytest.raises(KeyError, match="no input named 'y'"):
        graph.input_named("y")


def test_types() -> None:
    assert str(Type(f32, (N, 400))) == "f32[N,400]"
    assert str(Type(f16, ())) == "f16"
    assert Type(f32, (N, 400)).size == N * 400
    assert not Type(f32, (N,)).is_static
    assert normalize_axis(-1, 3, "f") == 2
    with pytest.raises(IndexError, match="axis 3 is out of range for rank 3"):
        normalize_axis(3, 3, "f")
    with pytest.raises(TypeError, match="complex"):
        dtype_of(np.ones(2, np.complex64))
