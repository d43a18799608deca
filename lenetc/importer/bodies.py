"""What the bodies of If, Loop and Scan see of the graphs around them."""

from __future__ import annotations

from collections.abc import Iterator

from lenetc.importer.records import OnnxGraph, OnnxNode


def bodies(node: OnnxNode) -> Iterator[OnnxGraph]:
    """The graphs that `node` runs."""
    return (value for value in node.attributes.values() if isinstance(value, OnnxGraph))


def given(graph: OnnxGraph) -> set[str]:
    """The names of the values that `graph` has of its own."""
    names = {port.name for port in graph.inputs} | graph.initializers.keys()
    return names.union(*(node.outputs for node in graph.nodes))


def needed(graph: OnnxGraph) -> set[str]:
    """The names of the values that its nodes read and that it gives back, those of bodies in it too."""
    names = {port.name for port in graph.outputs}
    for node in graph.nodes:
        names.update(name for name in node.inputs if name)
        names.update(*map(seen, bodies(node)))
    return names


def seen(graph: OnnxGraph) -> set[str]:
    """The names of the values around a body that it needs."""
    return needed(graph) - given(graph)
