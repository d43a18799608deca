"""An order of the operations that keeps little memory alive at a time.

ONNX Runtime follows the order of the file where the session asks for ExecutionOrder.PRIORITY_BASED; by itself
it walks depth first from the outputs.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from ir import ops
from ir.dims import evaluate, symbols
from ir.node import Graph, Node
from ir.types import TupleType, Type
from passes.kernels.constants import constants
from passes.target import Target

# The runtime's own order, which follows from that of the outputs, is often better than what is counted here.
_WORTH = 0.8
_VIEWS = (ops.reshape, ops.get)  # results that share their operand's memory


def ordered(graph: Graph, target: Target) -> tuple[Graph, list[str]]:
    """`graph` in the order of least peak memory that is found; in its own where that is about as good.

    Notes give the peak of live intermediate values in bytes, symbolic dims taken as the target says.
    """
    sizes = _sizes(graph, target)
    reads = memories_read(graph)
    found = _greedy(graph, sizes, reads)
    before, after = (peak(graph, order, sizes, reads) for order in (graph.nodes(), found))
    if after > _WORTH * before:
        return graph, [f"peak {_shown(before)} in the order given, which is kept"]
    chosen = graph.with_outputs(graph.outputs, order=found)
    return chosen, [f"peak {_shown(before)} -> {_shown(after)}"]


def memory(graph: Graph, batch: int) -> int:
    """Most bytes of intermediate values alive at once in the order of `graph`, symbolic dims taken as `batch`."""
    return peak(graph, graph.nodes(), _sizes(graph, Target(batch=batch)), memories_read(graph))


def _sizes(graph: Graph, target: Target) -> dict[Node, int]:
    """Bytes that computing each node takes up."""
    fixed = constants(graph)
    return {node: 0 if node in fixed else bytes_of(node, target) for node in graph.nodes()}


def _shown(size: int) -> str:
    return f"{size:,} bytes"


def bytes_of(node: Node, target: Target) -> int:
    """Bytes that computing `node` takes up: none for inputs and views."""
    if node.op is ops.input or node.op in _VIEWS:
        return 0
    types = node.type.items if isinstance(node.type, TupleType) else (node.type,)
    return sum(_size(t, target) for t in types)


def _size(t: Type, target: Target) -> int:
    width, size = 2 if t.dtype.name == "bf16" else t.dtype.numpy.itemsize, t.size
    if isinstance(size, int):
        return size * width
    return int(evaluate(size, {name: target.size(name) for name in symbols(size)})) * width


def _base(node: Node) -> Node:
    """The node whose memory `node` is."""
    while node.op in _VIEWS:
        node = node.inputs[0]
    return node


def memories_read(graph: Graph) -> dict[Node, set[Node]]:
    """The nodes whose memories each node reads."""
    return {node: {_base(x) if x.op in _VIEWS else x for x in node.inputs} for node in graph.nodes()}


def peak(
    graph: Graph, order: Sequence[Node], sizes: Mapping[Node, int], reads: Mapping[Node, set[Node]]
) -> int:
    """Most bytes alive at once when the nodes run in `order`; outputs stay alive to the end. reads: what
    `memories_read` gives."""
    kept = {_base(node) for node in graph.outputs}
    last = {x: i for i, node in enumerate(order) for x in reads[node]}
    ends: dict[int, list[Node]] = {}
    for node, i in last.items():
        if node not in kept:
            ends.setdefault(i, []).append(node)
    live = highest = 0
    for i, node in enumerate(order):
        live += sizes[node]
        highest = max(highest, live)
        live -= sum(sizes[x] for x in ends.get(i, ()))
    return highest


def _greedy(graph: Graph, sizes: Mapping[Node, int], reads: Mapping[Node, set[Node]]) -> list[Node]:
    """List scheduling: of the nodes that can run, the one that adds least memory (allocated minus freed).

    A value is freed by its last reader, so when one reader is left, that one's cost falls and it is queued
    again; stale entries are skipped. Ties keep the given order. O(E log E).
    """
    nodes = graph.nodes()
    position = {node: i for i, node in enumerate(nodes)}
    kept = {_base(node) for node in graph.outputs}
    readers: dict[Node, set[Node]] = {node: set() for node in nodes}  # of a memory
    users: dict[Node, list[Node]] = {node: [] for node in nodes}  # of a value
    for node in nodes:
        for x in dict.fromkeys(node.inputs):
            users[x].append(node)
        for x in reads[node]:
            readers[x].add(node)
    waiting = {node: len(set(node.inputs)) for node in nodes}

    def has_one_reader(x: Node) -> bool:
        return x not in kept and len(readers[x]) == 1

    done: list[Node] = []
    queue: list[tuple[int, int, Node]] = []
    cost = {node: sizes[node] - sum(sizes[x] for x in reads[node] if has_one_reader(x)) for node in nodes}

    def offer(node: Node) -> None:
        heapq.heappush(queue, (cost[node], position[node], node))

    for node in nodes:
        if not waiting[node]:
            offer(node)
    placed: set[Node] = set()
    while queue:
        found, _, node = heapq.heappop(queue)
        if node in placed or found != cost[node]:
            continue
        placed.add(node)
        done.append(node)
        for x in reads[node]:
            readers[x].discard(node)
            if has_one_reader(x):
                (last,) = readers[x]
                cost[last] -= sizes[x]
                if not waiting[last]:
                    offer(last)
        for user in users[node]:
            waiting[user] -= 1
            if not waiting[user]:
                offer(user)
    return done
