"""The part of a graph that certain outputs need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lenetc.importer.errors import OnnxError
from lenetc.importer.names import listed, need
from lenetc.importer.records import OnnxGraph, OnnxNode, Port


def cut(graph: OnnxGraph, outputs: str | Iterable[str] | None) -> OnnxGraph:
    """What `outputs`, any values of the graph, need of it; its own outputs if None. Raises OnnxError for names that it
    has not."""
    ports = {port.name: port for port in (*graph.inner.values(), *graph.inputs, *graph.outputs)}
    names = [port.name for port in graph.outputs] if outputs is None else listed(outputs, "outputs")
    if not names and outputs is not None:
        raise OnnxError("outputs: none is left; None means those of the file")
    known = {*graph.initializers, *(port.name for port in graph.inputs)}
    known.update(name for node in graph.nodes for name in node.outputs if name)
    for name in names:
        need(name, known, "outputs")
    if len(set(names)) < len(names) and outputs is not None:
        raise OnnxError(f"outputs: a name is there twice in {names}")
    wanted = set(names)
    nodes: list[OnnxNode] = []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            nodes.append(node)
            wanted |= node.reads
    whole = outputs is None
    return replace(
        graph,
        outputs=tuple(ports.get(name, Port(name, "", None)) for name in names),
        inputs=tuple(port for port in graph.inputs if whole or port.name in wanted),
        nodes=tuple(reversed(nodes)),
        initializers={name: array for name, array in graph.initializers.items() if name in wanted},
    )
