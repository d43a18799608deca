"""The rewrite driver: small named rules, run to a fixpoint over a graph.

A rule is a function (node) -> replacement or None, with `before => after` as its docstring; its name is what
debug output prints. The driver rebuilds a graph bottom-up and applies rules until none fires. Because
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
_LIMIT = 100  # rewrites of one node in a row; rules that undo each other would go on for ever
_readers: list[Counter[Node]] = []  # for each rewrite in progress, how many operands and outputs read a node


class RewriteError(LenetcError):
    """A rule changed a type, or a rule set does not come to rest."""


def used_once(node: Node) -> bool:
    """Whether the node that a rule looks at is the only reader of its operand `node`.

    What is read elsewhere as well stays alive, so merging it into one of its readers does its work twice.
    The count errs towards more readers while rules fire, and is right when `simplify` comes to rest.
    """
    return _readers[-1][node] <= 1


def rewrite(graph: Graph, rules: Iterable[tuple[str, Rule]], fired: Counter[str] | None = None) -> Graph:
    """`graph` with `rules`, pairs (op name or "*", rule), applied to a fixpoint; bodies of scans too.

    fired: counts the rules that fired, by name. Raises RewriteError where a rule changes a node's type.
    """
    rules = list(rules)
    anywhere = [rule for name, rule in rules if name == "*"]
    table = {name: list(anywhere) for name, _ in rules}
    for name, rule in rules:
        if name != "*":
            table[name].append(rule)
    bodies: dict[Graph, Graph] = {}
    new: dict[Node, Node] = {}
    original = set(graph.nodes())
    readers = Counter(x for node in original for x in node.inputs)
    readers.update(graph.outputs)
    depth = 0

    def settle(node: Node) -> Node:
        """Apply rules at `node`, whose operands are settled, and settle what they build."""
        nonlocal depth
        for rule in table.get(node.op.name, anywhere):
            with building_at(node.where):
                found = rule(node)
            if found is None or found is node:
                continue
            if found.type != node.type:
                raise RewriteError(f"{rule.__name__} turned {node} into {found}").at(str(node.where))
            log.debug("%s at %s", rule.__name__, node)
            if fired is not None:
                fired[rule.__name__] += 1
            depth += 1
            if depth > _LIMIT:
                raise RewriteError(f"rules do not come to rest, {rule.__name__} last").at(str(node.where))
            settled = visit(found)
            depth -= 1
            return settled
        return node

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
            inputs = tuple(new[x] for x in node.inputs)
            if node not in original:
                readers.update(inputs)
            rebuilt = _rebuilt(node, inputs, attrs_of(node))
            settled = new[rebuilt] if rebuilt in new else settle(rebuilt)
            new[node] = new[settled] = settled
            if settled is not node:
                readers[settled] += readers[node]
        return new[root]

    def attrs_of(node: Node) -> dict[str, object]:
        for value in node.attrs.values():
            if isinstance(value, Graph) and value not in bodies:
                bodies[value] = rewrite(value, rules, fired)
        return {k: bodies[v] if isinstance(v, Graph) else v for k, v in node.attrs.items()}

    for node in graph.inputs:
        new[node] = node
    _readers.append(readers)
    try:
        for node in graph.nodes():
            visit(node)
    finally:
        _readers.pop()
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
    renewed = [tuple((key, new[node]) for key, node in part) for part in (results, updates)]
    return Graph.make(name, leaves.values(), renewed[0], renewed[1])
