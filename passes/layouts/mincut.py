"""Minimum cut of a network of whole capacities (Dinic's algorithm), on lists of numbers."""

from __future__ import annotations

from collections.abc import Iterable


def minimum_cut(
    count: int, edges: Iterable[tuple[int, int, int | None]], source: int, sink: int
) -> tuple[int, list[bool]]:
    """The least capacity that separates `source` from `sink`, and which nodes are on the sink's side.

    edges: (tail, head, capacity) between nodes 0 to count - 1, with None for one that cannot be cut. Of several
    minimum cuts the one with fewest nodes on the sink's side. Raises ValueError where no finite cut exists.
    """
    edges = list(edges)
    finite = sum(capacity for _, _, capacity in edges if capacity is not None)
    heads: list[int] = []  # edge 2k + 1 is the way back of edge 2k
    residual: list[int] = []
    leaving: list[list[int]] = [[] for _ in range(count)]
    for tail, head, capacity in edges:
        leaving[tail].append(len(heads))
        leaving[head].append(len(heads) + 1)
        heads += (head, tail)
        residual += (finite + 1 if capacity is None else capacity, 0)
    total = 0
    while True:
        distance = _distances(count, leaving, heads, residual, source, sink)
        if distance[source] < 0:
            return total, [steps >= 0 for steps in distance]
        total += _push(leaving, heads, residual, distance, source, sink)
        if total > finite:
            raise ValueError("no finite cut separates the source from the sink")


def _distances(
    count: int, leaving: list[list[int]], heads: list[int], residual: list[int], source: int, sink: int
) -> list[int]:
    """For each node how many edges with capacity left lead to the sink, -1 where none do; or where they are no fewer
    than from the source, if any lead from there."""
    distance = [-1] * count
    distance[sink] = 0
    queue = [sink]
    for node in queue:
        further = distance[node] + 1
        if further > distance[source] >= 0:
            break
        for edge in leaving[node]:
            if residual[edge ^ 1] and distance[heads[edge]] < 0:
                distance[heads[edge]] = further
                queue.append(heads[edge])
    return distance


def _push(
    leaving: list[list[int]],
    heads: list[int],
    residual: list[int],
    distance: list[int],
    source: int,
    sink: int,
) -> int:
    """Send along shortest paths what they take: depth first, each edge given up once it leads nowhere."""
    sent = 0
    tried = [0] * len(leaving)
    path: list[int] = []
    node = source
    while True:
        if node == sink:
            flow = min(residual[edge] for edge in path)
            sent += flow
            for edge in path:
                residual[edge] -= flow
                residual[edge ^ 1] += flow
            full = next(i for i, edge in enumerate(path) if not residual[edge])
            node = heads[path[full] ^ 1]
            del path[full:]
        edges = leaving[node]
        while tried[node] < len(edges):
            edge = edges[tried[node]]
            if residual[edge] and distance[heads[edge]] == distance[node] - 1:
                path.append(edge)
                node = heads[edge]
                break
            tried[node] += 1
        else:
            if node == source:
                return sent
            node = heads[path.pop() ^ 1]
            tried[node] += 1
