"""The verifier: every rule that a graph must keep, checked anew from the leaves."""

from __future__ import annotations

from ir.dims import Poly, linear, symbols
from ir.errors import LenetcError, VerifyError
from ir.node import Graph, Node
from ir.types import TupleType, Type


def verify(graph: Graph, after: str = "") -> None:
    """Raise VerifyError where `graph` breaks a rule; `after` names the passes that ran."""
    context = f"graph {graph.name}" + (f" after {after}" if after else "")

    def fail(node: Node, why: str) -> None:
        place = f" (at {node.where})" if str(node.where) else ""
        raise VerifyError(f"{context}: {node.op.name} -> {node.type}{place}: {why}")

    for node in graph.inputs:
        if node.op.name != "input":
            fail(node, "is among the graph's inputs, but is not a leaf")
    names = [node.attrs["name"] for node in graph.inputs]
    if len(set(names)) != len(names):
        raise VerifyError(
            f"{context}: two inputs have the same name: {sorted(n for n in names if names.count(n) > 1)}"
        )
    seen: set[Node] = set()
    bound = {solved[0] for node in graph.inputs for dim in node.shape if (solved := linear(dim))}
    known = set(graph.inputs)
    for node in graph.nodes():
        if node.op.name == "input" and node not in known:
            fail(node, f"reads the input {node.attrs['name']!r}, which is not among the graph's inputs")
        for operand in node.inputs:
            if operand not in seen:
                fail(node, "is scheduled before its operand")
        try:
            inferred = node.op.infer(*(x.type for x in node.inputs), **node.attrs)
        except LenetcError as error:
            fail(node, f"its type rule fails: {error}")
        if inferred != node.type:
            fail(node, f"its type rule gives {inferred}")
        types = node.type.items if isinstance(node.type, TupleType) else (node.type,)
        free = _symbols([*(t.shape for t in types), *node.attrs.values()]) - bound
        if free:
            fail(node, f"the symbols {sorted(free)} are not bound by any input's shape")
        for attr in node.attrs.values():
            if isinstance(attr, Graph):
                verify(attr, after)
        seen.add(node)
    for kind, pairs in (("results", graph.results), ("updates", graph.updates)):
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            raise VerifyError(
                f"{context}: two {kind} have the same name: {sorted(k for k in keys if keys.count(k) > 1)}"
            )
    for name, node in graph.updates:
        state = graph.input_named(name) if name in names else None
        if state is None or state.attrs["kind"] != "state":
            fail(node, f"updates {name!r}, which is not a state input")
        elif state.type != node.type:
            fail(node, f"updates {name!r}, which is {state.type}")
    for _, node in graph.results:
        if not isinstance(node.type, Type):
            fail(node, "is a result, but holds several values; pick one with get()")


def _symbols(value: object) -> set[str]:
    """Names of the symbols in a dim, or in the dims of nested tuples and lists."""
    if isinstance(value, Poly):
        return symbols(value)
    return {name for item in value for name in _symbols(item)} if isinstance(value, (tuple, list)) else set()
