"""Which values of a graph a gradient reaches, by the table of operators alone; and who reads which value."""

from __future__ import annotations

from collections.abc import Iterable

from lenetc.importer.records import OnnxGraph, OnnxNode
from lenetc.importer.registry import TABLE


def passes_gradient(node: OnnxNode, position: int) -> bool:
    """Whether a gradient goes through `node` to that input; operators that are not here are taken to let it."""
    entry = TABLE.get((node.domain, node.operator))
    return entry is None or entry.passes_gradient(position)


def reached(graph: OnnxGraph, outputs: Iterable[str]) -> dict[str, list[OnnxNode]]:
    """The nodes that send a gradient of `outputs` to each value, by the value's name, last node first."""
    found: dict[str, list[OnnxNode]] = {name: [] for name in outputs}
    for node in reversed(graph.nodes):
        if not any(name in found for name in node.outputs if name):
            continue
        for position, name in enumerate(node.inputs):
            if name and passes_gradient(node, position):
                found.setdefault(name, []).append(node)
        for body in node.bodies:
            own = body.own
            for name, nodes in reached(body, [port.name for port in body.outputs]).items():
                if name not in own:
                    found.setdefault(name, []).extend(nodes)
    return found


def readers(graph: OnnxGraph) -> dict[str, list[tuple[OnnxNode, int]]]:
    """The nodes that read each value, with the position of the input, those in bodies included."""
    found: dict[str, list[tuple[OnnxNode, int]]] = {}
    for node in graph.nodes:
        for position, name in enumerate(node.inputs):
            if name:
                found.setdefault(name, []).append((node, position))
        for body in node.bodies:
            own = body.own
            for name, of in readers(body).items():
                if name not in own:
                    found.setdefault(name, []).extend(of)
    return found
