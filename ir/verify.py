"""The verifier: every rule that a graph must keep.

What a node alone must keep is checked once, as a node never changes: what a pass has left as it was costs no more than
a look. How the nodes of a graph go together is checked every time.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import NoReturn

from ir.dims import Poly, linear, symbols
from ir.errors import LenetcError, VerifyError
from ir.node import Graph, Node
from ir.types import TupleType, Type

_NONE: frozenset[str] = frozenset()
_PLAIN = frozenset((int, float, bool, str, type(None)))


def verify(graph: Graph, after: str = "") -> None:
    """Raise VerifyError where `graph` breaks a rule; `after` names the passes that ran."""
    context = f"graph {graph.name}" + (f" after {after}" if after else "")

    def fail(node: Node, why: str) -> NoReturn:
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
        if not seen.issuperset(node.inputs):
            fail(node, "is scheduled before its operand")
        needs = getattr(node, "needs", None)  # which a node that no op has built lacks
        if needs is None:
            needs = node.needs = _checked(node, fail, after)
        if not needs <= bound:
            fail(node, f"the symbols {sorted(needs - bound)} are not bound by any input's shape")
        seen.add(node)
    for kind, pairs in (("results", graph.results), ("updates", graph.updates)):
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            raise VerifyError(
                f"{context}: two {kind} have the same name: {sorted(k for k in keys if keys.count(k) > 1)}"
            )
    by_name = dict(zip(names, graph.inputs, strict=True))
    for name, node in graph.updates:
        state = by_name.get(name)
        if state is None or state.attrs["kind"] != "state":
            fail(node, f"updates {name!r}, which is not a state input")
        elif state.type != node.type:
            fail(node, f"updates {name!r}, which is {state.type}")
    for _, node in graph.results:
        if not isinstance(node.type, Type):
            fail(node, "is a result, but holds several values; pick one with get()")


def _checked(node: Node, fail: Callable[[Node, str], NoReturn], after: str) -> frozenset[str]:
    """The symbols that `node` needs, if it is by itself as it should be; it fails otherwise."""
    try:
        inferred = node.op.typed(node.inputs, node.attrs)
    except LenetcError as error:
        fail(node, f"its type rule fails: {error}")
    if inferred is not node.type and inferred != node.type:
        fail(node, f"its type rule gives {inferred}")
    needs: Set[str] = _NONE
    for t in node.type.items if isinstance(node.type, TupleType) else (node.type,):
        needs |= _symbols(t.shape)
    for attr in node.attrs.values():
        if type(attr) in _PLAIN:
            continue
        if isinstance(attr, Graph):
            verify(attr, after)
        needs |= _symbols(attr)
    return frozenset(needs)


def _symbols(value: object) -> Set[str]:
    """Names of the symbols in a dim, or in the dims of nested tuples and lists."""
    if isinstance(value, Poly):
        return symbols(value)
    if not isinstance(value, (tuple, list)):
        return _NONE
    for item in value:
        if type(item) is not int:
            break
    else:
        return _NONE
    return _NONE.union(*map(_symbols, value))
