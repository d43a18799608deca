"""Simplification (stub to be replaced)."""
from ir.node import Graph
def simplify(graph: Graph, target: object) -> tuple[Graph, list[str]]:
    return graph, []
