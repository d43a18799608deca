"""Each rule of the verifier, with a graph that breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from ir import Graph, Node, ops, verify
from ir.dims import symbol
from ir.errors import VerifyError
from ir.node import Where, building_at
from ir.op import Op, leaf, scalar
from ir.types import Type, f32, f64

N, M = symbol("N"), symbol("M")
X = leaf("x", Type(f32, (N, 3)))
S = leaf("s", Type(f32, (3,)), "state")


def broken(graph: Graph, message: str) -> None:
    with pytest.raises(VerifyError, match=message):
        verify(graph, "tracing -> simplify")


def test_a_good_graph_passes() -> None:
    verify(Graph.make("f", [X, S], [("y", X + S), ("x", X)], [("s", S * 2.0)]))


def test_the_message_names_the_graph_the_passes_and_the_place() -> None:
    with building_at(Where("fc", "forward", "net.py", 3)):
        y = ops.tanh(X * 7.5)
    with pytest.raises(
        VerifyError, match=r"graph f after simplify: input -> f32\[N,3\]: reads the input 'x'"
    ):
        verify(Graph.make("f", [], [("y", y)]), "simplify")
    broken(
        Graph.make("f", [X], [("y", X)], [("x", y)]), r"tanh -> f32\[N,3\] \(at fc, net.py:3\): updates 'x'"
    )


def test_input_names_differ() -> None:
    other = leaf("x", Type(f32, ()))
    broken(Graph.make("f", [X, other], [("y", X * other)]), r"two inputs have the same name: \['x', 'x'\]")


def test_inputs_are_leaves() -> None:
    broken(Graph.make("f", [X + X], [("y", (X + X) * 2.0)]), "not a leaf")


def test_leaves_are_inputs() -> None:
    broken(Graph.make("f", [X], [("y", X + S)]), "reads the input 's'")


def test_operands_come_first() -> None:
    y = ops.sin(X)
    z = ops.cos(y)
    broken(Graph.make("f", [X], [("z", z)], order=[z, y]), "scheduled before its operand")
    broken(Graph.make("f", [X], [("z", z)], order=[z]), "scheduled before its operand")


def _forged(node: Node, **changes: object) -> Node:
    """A node that no op would build."""
    forged = Node()
    for slot in ("op", "inputs", "attrs", "type", "where"):
        setattr(forged, slot, changes.get(slot, getattr(node, slot)))
    return forged


def test_types_are_those_of_the_rules() -> None:
    lying = _forged(X + X, type=Type(f64, (N, 3)))
    broken(Graph.make("f", [X], [("y", lying)]), r"its type rule gives f32\[N,3\]")
    wrong = _forged(X + X, inputs=(X, leaf("t", Type(f32, (2, 7)))))
    broken(Graph.make("f", list(wrong.inputs), [("y", wrong)]), "its type rule fails: add: shapes")


def test_symbols_are_told_by_an_input() -> None:
    for node in (
        ops.broadcast_to(scalar(1, f32), shape=(M,)),
        ops.dim(size=M),
        ops.sum(ops.iota(size=M * 2), axes=(0,)),
        ops.slice(leaf("l", Type(f32, (N * M,))), starts=(M,), stops=(N * M,), steps=(1,)),
    ):
        leaves = [X, *(n for n in node.inputs if n.op is ops.input)]
        broken(Graph.make("f", leaves, [("y", node)]), r"symbols \['M'\] are not bound")
    told = leaf("told", Type(f32, (M * 2 + 1,)))
    verify(Graph.make("f", [told], [("y", ops.dim(size=M))]))
    not_told = leaf("told", Type(f32, (M * M,)))
    broken(Graph.make("f", [not_told], [("y", ops.dim(size=M))]), r"\['M'\]")


def test_bodies_are_verified() -> None:
    c = leaf("c", Type(f32, ()))
    body = Graph.make("inner", [c], [("c", c + leaf("outside", Type(f32, ())))])
    made = ops.scan(scalar(0, f32), body=body, carries=1, sequences=0, length=2)
    broken(Graph.make("f", [], [("y", ops.get(made, index=0))]), "graph inner .*reads the input 'outside'")


def test_output_names_differ() -> None:
    broken(Graph.make("f", [X], [("y", X), ("y", X * 2.0)]), r"two results have the same name: \['y', 'y'\]")
    broken(Graph.make("f", [S], [], [("s", S), ("s", S * 2.0)]), "two updates have the same name")


def test_updates_are_of_state_and_of_its_type() -> None:
    broken(Graph.make("f", [X, S], [], [("t", S)]), "updates 't', which is not a state input")
    broken(Graph.make("f", [X, S], [], [("x", X)]), "updates 'x', which is not a state input")
    broken(Graph.make("f", [X, S], [], [("s", X + S)]), r"updates 's', which is f32\[3\]")


def test_results_are_single_values() -> None:
    c = leaf("c", Type(f32, ()))
    body = Graph.make("body", [c], [("c", c + 1.0)])
    made = ops.scan(c, body=body, carries=1, sequences=0, length=2)
    broken(Graph.make("f", [c], [("y", made)]), r"pick one with get\(\)")


def test_a_long_chain_needs_no_recursion() -> None:
    node: Node = X
    for _ in range(5_000):
        node = ops.sin(node)
    verify(Graph.make("f", [X], [("y", node)]))


def test_a_node_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """How the nodes of a graph go together is checked for each graph."""
    asked: list[str] = []
    typed = Op.typed

    def counted(self: Op, *how: Any) -> Any:
        asked.append(self.name)
        return typed(self, *how)

    monkeypatch.setattr(Op, "typed", counted)
    y = ops.sin(ops.cos(X * 12.5))
    verify(Graph.make("f", [X], [("y", y)]))
    asked.clear()
    verify(Graph.make("g", [X], [("y", y)]))
    assert not asked
    broken(Graph.make("h", [], [("y", y)]), "reads the input 'x'")
    fixed = leaf("fixed", Type(f32, (3,)))
    size = ops.broadcast_to(fixed, shape=(N, 3))
    verify(Graph.make("f", [X, fixed], [("y", size)]))
    broken(Graph.make("f", [fixed], [("y", size)]), r"the symbols \['N'\] are not bound")
