"""The one driver of rewrite rules.

A rule is a small named function from a node to its replacement, or None where it does not match; its
docstring is the rule. The driver rebuilds a graph bottom-up and applies rules until none fires. Because
nodes are hash-consed, what a rewrite leaves unused is gone and what it makes equal is shared.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from ir.errors import LenetcError
from ir.node import Graph, Node, building_at
from ir.op import OPS

Rule = Callable[[Node], "Node | None"]
log = logging.getLogger("lenetc.rewrite")
_LIMIT = 100  # rewrites of one node in a row; a rule set that undoes itself would go on for ever


class RewriteError(LenetcError):
    """A rule changed a type, or a rule set does not come to rest."""


def rewrite(graph: Graph, rules: Iterable[tuple[str, Rule]], fired: Counter[str] | None = None) -> Graph:
    """`graph` with `rules`, pairs (op name, rule), applied to a fixpoint; bodies of scans too.

    fired: counts the rules that fired, by name. Raises RewriteError where a rule changes a node's type.
    """
    table: dict[str, list[Rule]] = {}
    for name, rule in rules:
        table.setdefault(name, []).append(rule)
    bodies: dict[Graph, Graph] = {}
    new: dict[Node, Node] = {}

    def settle(node: Node) -> Node:
        """Apply rules at `node`, whose operands are settled; what a rule builds is settled first."""
        for _ in range(_LIMIT):
            if node in new:
                return new[node]
            for rule in table.get(node.op.name, ()):
                with building_at(node.where):
                    found = rule(node)
                if found is not None and found is not node:
                    break
            else:
                return node
            if found.type != node.type:
                raise RewriteError(f"{rule.__name__} turned {node} into {found}").at(str(node.where))
            log.debug("%s at %s", rule.__name__, node)
            if fired is not None:
                fired[rule.__name__] += 1
            node = visit(found)
        raise RewriteError(f"the rules for {node.op.name} do not come to rest").at(str(node.where))

    def visit(root: Node) -> Node:
        """The settled form of `root` and of all below it, without recursion over long chains."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node in new:
                stack.pop()
                continue
            waiting = [x for x in node.inputs if x not in new]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            rebuilt = _rebuilt(node, tuple(new[x] for x in node.inputs), attrs_of(node))
            settled = settle(rebuilt)
            new[node] = new[settled] = settled
        return new[root]

    def attrs_of(node: Node) -> dict[str, object]:
        for value in node.attrs.values():
            if isinstance(value, Graph) and value not in bodies:
                bodies[value] = rewrite(value, [(n, r) for n, rs in table.items() for r in rs], fired)
        return {k: bodies[v] if isinstance(v, Graph) else v for k, v in node.attrs.items()}

    for node in graph.inputs:
        new[node] = node
    for node in graph.nodes():
        visit(node)
    return graph.with_outputs(new[node] for node in graph.outputs)


def _rebuilt(node: Node, inputs: tuple[Node, ...], attrs: dict[str, object]) -> Node:
    if inputs == node.inputs and attrs == dict(node.attrs):
        return node
    with building_at(node.where):
        return OPS[node.op.name](*inputs, **attrs)


def substitute(
    name: str,
    results: Sequence[tuple[str, Node]],
    leaves: Mapping[Node, Node],
    updates: Sequence[tuple[str, Node]] = (),
) -> Graph:
    """The graph of `results` and `updates` with the nodes that are keys of `leaves` replaced by their values,
    which become the graph's inputs in that order. Provenance is that of the nodes given."""
    new = dict(leaves)
    stack = [node for _, node in (*updates[::-1], *results[::-1])]
    while stack:
        node = stack[-1]
        waiting = [x for x in node.inputs if x not in new] if node not in new else []
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        if node not in new:
            rebuilt = _rebuilt(node, tuple(new[x] for x in node.inputs), dict(node.attrs))
            rebuilt.where = node.where  # an equal node of an earlier trace may remember another line
            new[node] = rebuilt
    pairs = [tuple((key, new[node]) for key, node in part) for part in (results, updates)]
    return Graph.make(name, leaves.values(), *pairs)
