"""The rewrite driver: small named rules, run to a fixpoint over a graph.

A rule is a function (node) -> replacement or None, with `before => after` as its docstring; its name is what
debug output prints. The driver rebuilds a graph bottom-up and applies rules until none fires. Because
nodes are hash-consed, what a rewrite leaves unused is gone and what it makes equal is shared.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from ir import ops
from ir.errors import LenetcError
from ir.node import Graph, Node, Where, build_at, building_at

Rule = Callable[[Node], "Node | None"]
log = logging.getLogger("lenetc.rewrite")
_LIMIT = 100  # rewrites of one node in a row; rules that undo each other would go on for ever
_readers: list[
    dict[Node, int]
] = []  # for each rewrite in progress, how many operands and outputs read a node
_asked: list[
    tuple[Node, bool]
] = []  # what the rules at the node that is looked at asked of `used_once`, and were told


class RewriteError(LenetcError):
    """A rule changed a type, or a rule set does not come to rest."""


def used_once(node: Node) -> bool:
    """Whether the node that a rule looks at is the only reader of its operand `node`.

    What is read elsewhere as well stays alive, so merging it into one of its readers does its work twice.
    The count errs towards more readers while rules fire, and is right when `simplify` comes to rest.
    """
    answer = _readers[-1].get(node, 0) <= 1
    _asked.append((node, answer))
    return answer


class AtRest(NamedTuple):
    """Rules that were tried on a node and did not fire. They will not, for the node never changes, while `used_once`
    answers what it answered them."""

    rules: tuple[Rule, ...]
    asked: tuple[tuple[Node, bool], ...]

    def holds(self, readers: Mapping[Node, int]) -> bool:
        return not self.asked or all((readers.get(x, 0) <= 1) is answer for x, answer in self.asked)


_UNTRIED = AtRest((), ())


def rewrite(graph: Graph, rules: Iterable[tuple[str, Rule]], fired: Counter[str] | None = None) -> Graph:
    """`graph` with `rules`, pairs (op name or "*", rule), applied to a fixpoint; bodies of scans too.

    fired: counts the rules that fired, by name. Raises RewriteError where a rule changes a node's type.
    """
    return _Rewriting(graph, *_table(tuple(rules)), Counter() if fired is None else fired).run()


@lru_cache(maxsize=64)
def _table(rules: tuple[tuple[str, Rule], ...]) -> tuple[dict[str, AtRest], AtRest]:
    """By the ops that rules are for, a node that all of its op were tried on; and one of any other op."""
    anywhere = tuple(rule for name, rule in rules if name == "*")
    table = dict.fromkeys((name for name, _ in rules), anywhere)
    for name, rule in rules:
        if name != "*":
            table[name] += (rule,)
    return {name: AtRest(tried, ()) for name, tried in table.items()}, AtRest(anywhere, ())


class _Rewriting:
    """One walk over a graph. new: what has become of the nodes that are settled; readers: how many read a node."""

    def __init__(
        self,
        graph: Graph,
        table: dict[str, AtRest],
        anywhere: AtRest,
        fired: Counter[str],
    ) -> None:
        self.graph = graph
        self.table = table
        self.anywhere = anywhere
        self.fired = fired
        self.new = {node: node for node in graph.inputs}
        self.original = set(graph.nodes())
        self.readers: dict[Node, int] = Counter(chain.from_iterable(node.inputs for node in self.original))
        for node in graph.outputs:
            self.readers[node] = self.readers.get(node, 0) + 1
        self.bodies: dict[Graph, Graph] = {}
        self.depth = 0

    def run(self) -> Graph:
        new, bodied = self.new, (ops.scan, ops.cond)
        _readers.append(self.readers)
        try:
            with building_at(Where()):
                for node in self.graph.nodes():
                    if node in new:
                        continue
                    inputs = tuple([new[x] for x in node.inputs])
                    attrs = self.attrs_of(node) if node.op in bodied else node.attrs
                    if inputs == node.inputs and attrs is node.attrs:  # as it was: on to the rules at once
                        self.place(node, self.settle(node))
                        continue
                    found = rebuilt(node, inputs, attrs)
                    self.place(node, new[found] if found in new else self.settle(found))
        finally:
            _readers.pop()
            _asked.clear()
        return self.graph.with_outputs(new[node] for node in self.graph.outputs)

    def settle(self, node: Node) -> Node:
        """Apply rules at `node`, whose operands are settled, and settle what they build."""
        at_rest = self.table.get(node.op.name, self.anywhere)
        rest: AtRest | None = node.rest
        if rest is at_rest:
            return node
        tried = at_rest.rules
        if (
            rest is None
            or rest.rules[: len(tried)] != tried[: len(rest.rules)]
            or not rest.holds(self.readers)
        ):
            rest = _UNTRIED
        left = tried[len(rest.rules) :]
        if not left:
            return node
        _asked.clear()
        build_at(node.where)
        for rule in left:
            found = rule(node)
            if found is not None and found is not node:
                break
        else:
            node.rest = AtRest(tried, (*rest.asked, *_asked)) if rest.asked or _asked else at_rest
            return node
        if found.type != node.type:
            raise RewriteError(f"{rule.__name__} turned {node} into {found}").at(str(node.where))
        log.debug("%s at %s", rule.__name__, node)
        self.fired[rule.__name__] += 1
        self.depth += 1
        if self.depth > _LIMIT:
            raise RewriteError(f"rules do not come to rest, {rule.__name__} last").at(str(node.where))
        settled = self.visit(found)
        self.depth -= 1
        return settled

    def visit(self, root: Node) -> Node:
        """The settled form of `root` and of all below it, without recursion over long chains."""
        new, readers = self.new, self.readers
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
            inputs = tuple([new[x] for x in node.inputs])
            if node not in self.original:
                for x in inputs:
                    readers[x] = readers.get(x, 0) + 1
            found = rebuilt(node, inputs, self.attrs_of(node))
            self.place(node, new[found] if found in new else self.settle(found))
        return new[root]

    def place(self, node: Node, settled: Node) -> None:
        """Note what has become of `node`."""
        self.new[node] = self.new[settled] = settled
        if settled is not node:
            self.readers[settled] = self.readers.get(settled, 0) + self.readers.get(node, 0)

    def attrs_of(self, node: Node) -> Mapping[str, Any]:
        """The attributes of `node`, with its bodies rewritten if it has any."""
        if node.op is not ops.scan and node.op is not ops.cond:
            return node.attrs
        inner = {key: value for key, value in node.attrs.items() if isinstance(value, Graph)}
        for body in inner.values():
            if body not in self.bodies:
                self.bodies[body] = _Rewriting(body, self.table, self.anywhere, self.fired).run()
        if all(self.bodies[body] is body for body in inner.values()):
            return node.attrs
        return {**node.attrs, **{key: self.bodies[body] for key, body in inner.items()}}


def rebuilt(node: Node, inputs: tuple[Node, ...], attrs: Mapping[str, Any]) -> Node:
    """`node` over other operands and with other attributes, if they are others."""
    if attrs is node.attrs or attrs == node.attrs:
        if inputs == node.inputs:
            return node
        for x, old in zip(inputs, node.inputs, strict=True):
            if x.type is not old.type and x.type != old.type:
                break
        else:
            return node.op.moved(node, inputs)
    return node.op.over(inputs, attrs, node.where)


def substitute(
    name: str,
    results: Sequence[tuple[str, Node]],
    leaves: Mapping[Node, Node],
    updates: Sequence[tuple[str, Node]] = (),
) -> Graph:
    """The graph of `results` and `updates` with the nodes that are keys of `leaves` replaced by their values,
    which become the graph's inputs in that order. Provenance is that of the nodes given."""
    new = replaced((node for _, node in (*results, *updates)), leaves)
    renewed = [tuple((key, new[node]) for key, node in part) for part in (results, updates)]
    return Graph.make(name, leaves.values(), renewed[0], renewed[1])


def replaced(roots: Iterable[Node], replacements: Mapping[Node, Node]) -> dict[Node, Node]:
    """What becomes of `roots`, and of all below them, with the nodes that are keys of `replacements` replaced."""
    new = dict(replacements)
    for root in roots:
        stack = [] if root in new else [(root, iter(_needed(root)))]
        while stack:
            node, operands = stack[-1]
            for x in operands:
                if x not in new:
                    stack.append((x, iter(_needed(x))))
                    break
            else:
                stack.pop()
                if node.op is ops.custom:
                    new[node] = new[node.inputs[0]]
                    continue
                found = new[node] = rebuilt(node, tuple([new[x] for x in node.inputs]), node.attrs)
                found.where = node.where  # an equal node of an earlier trace may remember another line
    return new


def _needed(node: Node) -> tuple[Node, ...]:
    """The operands that a graph needs: of a user-written operation its value, as how to differentiate it was for
    tracing, and reads what nothing else has to."""
    return node.inputs[:1] if node.op is ops.custom else node.inputs
