"""Which strategies an op may take: those that can compute it, or of these what the user asks for by hand."""

from __future__ import annotations

from ir.node import Graph, Node
from passes.layouts.assignment import HEAVY
from passes.strategies.table import TABLE, Strategy, StrategyError
from passes.target import Target


def candidates(node: Node, target: Target) -> list[Strategy]:
    """The strategies that can compute `node`; of these the ones that overrides name, if any: those for the op in
    its module before those for the module, and these before those for the op.

    Raises StrategyError where none can.
    """
    fitting = [s for s in TABLE if s.op == node.op.name and not s.lacks(node, target)]
    if not fitting:
        raise StrategyError(
            f"no strategy computes {node!r} with {dict(node.attrs)}; give the image a fixed height and width"
        ).at(str(node.where))
    for key in _keys(node):
        names = [name for named, name in target.overrides if named == key]
        if wanted := [s for s in fitting if s.name in names]:
            return wanted
    return fitting


def _keys(node: Node) -> tuple[str, str, str]:
    """The keys of overrides that mean `node`, the most particular first."""
    return f"{node.where.module}/{node.op.name}", node.where.module, node.op.name


def check_overrides(graph: Graph, target: Target) -> None:
    """Raise StrategyError for an override that names no op or module, or a strategy that cannot be there."""
    heavy = heavy_nodes(graph) if target.overrides else []
    for key, name in target.overrides:
        if key in HEAVY:
            _check_name(key, name, {key})
            continue
        meant = [node for node in heavy if key in _keys(node)]
        if not meant:
            modules = dict.fromkeys(node.where.module for node in heavy if node.where.module)
            raise StrategyError(
                f"strategies: no operation of {graph.name} that has strategies is in a module {key!r}; "
                f"modules: {', '.join(modules) or 'none'}; ops: {', '.join(HEAVY)}; or both, as in "
                f"'{next(iter(modules), 'conv1')}/conv2d'"
            )
        _check_name(key, name, {node.op.name for node in meant})
        reasons = {
            f"{node.op.name}: {s.lacks(node, target)}"
            for node in meant
            for s in TABLE
            if (s.op, s.name) == (node.op.name, name)
        }
        if all(reason.partition(": ")[2] for reason in reasons):
            raise StrategyError(
                f"strategies: {name!r} cannot be used for {key!r}: {'; '.join(sorted(reasons))}"
            ).at(str(meant[0].where))


def _check_name(key: str, name: str, among: set[str]) -> None:
    known = {op: [s.name for s in TABLE if s.op == op] for op in HEAVY if op in among}
    if not any(name in names for names in known.values()):
        listed = "; ".join(f"{op} has {', '.join(names)}" for op, names in known.items())
        raise StrategyError(f"strategies: {key!r} has no strategy {name!r}; {listed}")


def heavy_nodes(graph: Graph) -> list[Node]:
    """The nodes that have strategies, those in bodies too."""
    found = []
    for node in graph.nodes():
        if node.op.name in HEAVY:
            found.append(node)
        for value in node.attrs.values():
            found += heavy_nodes(value) if isinstance(value, Graph) else []
    return found
