"""Which values of a graph a gradient reaches, by the table of operators alone."""

from __future__ import annotations

from collections.abc import Iterable

from lenetc.importer.interpreter import entry_of
from lenetc.importer.records import OnnxGraph, OnnxNode


def reached(graph: OnnxGraph, outputs: Iterable[str]) -> dict[str, list[OnnxNode]]:
    """The nodes that send a gradient of `outputs` to each value, by the value's name, last node first."""
    found: dict[str, list[OnnxNode]] = {name: [] for name in outputs}
    for node in reversed(graph.nodes):
        if not any(name in found for name in node.outputs if name):
            continue
        entry = entry_of(node)
        for position, name in enumerate(node.inputs):
            if name and entry.passes_gradient(position):
                found.setdefault(name, []).append(node)
        for body in node.attributes.values():
            if isinstance(body, OnnxGraph):
                for name, nodes in reached(body, [port.name for port in body.outputs]).items():
                    found.setdefault(name, []).extend(nodes)
    return found
