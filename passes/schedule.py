"""Scheduling (stub to be replaced)."""
from ir.node import Graph
def schedule(graph: Graph, target: object) -> tuple[Graph, list[str]]:
    return graph, []
