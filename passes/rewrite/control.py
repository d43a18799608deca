"""Clean-ups of scans: twins merged into one, and results that nobody reads dropped.

Both look at all the readers of a scan, so they are steps over a graph and not rules of one node.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ir import ops
from ir.node import Graph, Node, building_at
from ir.op import OPS
from passes.rewrite.driver import substitute


def simplify_scans(graph: Graph, fired: Counter[str]) -> Graph:
    """`graph` with scans over the same operands merged and unread items dropped, in bodies too."""
    scans = [node for node in graph.nodes() if node.op is ops.scan]
    if not scans:
        return graph
    read: dict[Node, set[int]] = {node: set() for node in scans}
    for node in graph.nodes():
        if node.op is ops.get and node.inputs[0] in read:
            read[node.inputs[0]].add(node.attrs["index"])
    groups: dict[Any, list[Node]] = {}
    bodies = {scan: simplify_scans(scan.attrs["body"], fired) for scan in scans}
    for scan in scans:
        attrs = scan.attrs
        carried = _carried(bodies[scan], attrs["carries"])
        how = tuple(attrs[key] for key in ("carries", "sequences", "length", "reverse", "tile"))
        key = (scan.inputs, *how, carried)
        groups.setdefault(key, []).append(scan)
    # For each scan the one that replaces it, and for each of its results that is read the new index.
    places: dict[Node, tuple[Node, dict[int, int]]] = {}
    for group in groups.values():
        merged, tables = _merged(group, bodies, read, fired)
        places.update((scan, (merged, table)) for scan, table in zip(group, tables, strict=True))
    new: dict[Node, Node] = {}
    for node in graph.nodes():
        if node in places:
            first, _ = places[node]
            with building_at(node.where):
                new[node] = ops.scan(*(new[x] for x in node.inputs), **first.attrs)
        elif node.op is ops.get and node.inputs[0] in places:
            new[node] = ops.get(new[node.inputs[0]], index=places[node.inputs[0]][1][node.attrs["index"]])
        elif all(new[x] is x for x in node.inputs):
            new[node] = node
        else:
            with building_at(node.where):
                new[node] = OPS[node.op.name](*(new[x] for x in node.inputs), **node.attrs)
    return graph.with_outputs(new[node] for node in graph.outputs)


def _carried(body: Graph, carries: int) -> Graph:
    """The carries of `body` alone, over inputs with canonical names: equal for scans whose carries agree."""
    names = [OPS["input"](name=f"i{i}", type=node.type, kind="input") for i, node in enumerate(body.inputs)]
    carried = [(f"y{i}", node) for i, node in enumerate(body.outputs[:carries])]
    return substitute("body", carried, dict(zip(body.inputs, names, strict=True)))


def _merged(
    group: list[Node], bodies: dict[Node, Graph], read: dict[Node, set[int]], fired: Counter[str]
) -> tuple[Node, list[dict[int, int]]]:
    """One scan for all of `group`, and for each of these where its results are found."""
    first = group[0]
    carries, body = first.attrs["carries"], bodies[first]
    results = list(body.results[:carries])
    items: dict[Node, int] = {}
    tables = []
    for scan in group:
        other = bodies[scan]
        if scan is not first:
            fired["merge_scans"] += 1
            other = substitute(other.name, other.results, dict(zip(other.inputs, body.inputs, strict=True)))
        table = {i: i for i in range(carries)}
        for i, item in enumerate(other.outputs[carries:], carries):
            if i in read[scan]:
                table[i] = items.setdefault(item, carries + len(items))
        tables.append(table)
    dropped = sum(len(bodies[scan].outputs) - carries for scan in group) - len(items)
    if len(group) == 1 and not dropped:
        merged = body
    else:
        fired["drop_scan_items"] += dropped
        results = [(f"y{i}", node) for i, node in enumerate((*body.outputs[:carries], *items))]
        merged = Graph.make(body.name, body.inputs, results)
    with building_at(first.where):
        return ops.scan(*first.inputs, **{**first.attrs, "body": merged}), tables
