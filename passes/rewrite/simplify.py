"""Simplification: rules that are right on any graph and for any target, applied until none fires."""

from __future__ import annotations

from collections import Counter
from weakref import WeakKeyDictionary

from ir.node import Graph
from passes.rewrite import algebra, empty, nn, shape
from passes.rewrite.control import simplify_scans
from passes.rewrite.driver import RewriteError, rewrite
from passes.rewrite.match import Rules
from passes.rewrite.wider import widened
from passes.target import Target

RULES = Rules((*empty.RULES, *algebra.RULES, *shape.RULES, *nn.RULES))
_ROUNDS = 20
# What the graphs that are still there came to (None: to themselves), for a whole and its parts start from the same.
_known: WeakKeyDictionary[Graph, dict[str, tuple[Graph | None, list[str]]]] = WeakKeyDictionary()


def simplify(graph: Graph, target: Target) -> tuple[Graph, list[str]]:
    """`graph` with no rule left to fire: `simplify(simplify(g))` is `simplify(g)`. Notes count the rules."""
    by_device = _known.setdefault(graph, {})
    known = by_device.get(target.device)
    if known is None:
        fired: Counter[str] = Counter()
        found = to_rest(widened(graph, target.device, fired), RULES, fired)
        known = by_device[target.device] = None if found is graph else found, counts(fired)
    return known[0] or graph, [*known[1]]


def to_rest(graph: Graph, rules: Rules, fired: Counter[str]) -> Graph:
    """`graph` rewritten again and again, as what one round leaves unused lets rules fire in the next.

    Raises RewriteError where the rules never come to rest.
    """
    for _ in range(_ROUNDS):
        before, graph = (
            graph,
            nn.bias_after_pool(simplify_scans(rewrite(graph, rules, fired), fired), fired),
        )
        if graph is before:
            return graph
    raise RewriteError(f"the rules still change {graph.name} after {_ROUNDS} rounds: {dict(fired)}")


def counts(fired: Counter[str]) -> list[str]:
    """Notes of a pass: how often each rule fired, most often first."""
    return [
        f"{name} x{count}" for name, count in sorted((+fired).items(), key=lambda item: (-item[1], item[0]))
    ]
