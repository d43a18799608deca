"""Where each value is stored: batch-first ("NCHW", as in the IR) or batch-last ("CHWN").

`Layouts` finds the cheapest assignment for a whole graph as a minimum cut: each operation over the batch is on
one side of the cut, what its strategies cost on a side is the capacity of an edge to the other, and a value made
on one side and read on the other costs one transpose, however many read it there. `Lowering` then rebuilds the graph.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ir import ops
from ir.node import Graph, Node, users
from passes.layouts.mincut import minimum_cut
from passes.rewrite import match

ELEMENTWISE = frozenset(ops.OPS[name] for name in (*match.ELEMENTWISE, "stop_gradient", "alias"))
REDUCTIONS = frozenset((ops.sum, ops.reduce_max))
NCHW, CHWN = "NCHW", "CHWN"

# Operand positions of heavy ops that have a batch axis, and whether the result has one.
HEAVY: dict[str, tuple[int, ...]] = {
    "conv2d": (0,),
    "conv2d_input_grad": (0,),
    "conv2d_weight_grad": (0, 1),
    "max_pool2d": (0,),
    "max_pool2d_grad": (0, 1),
    "max_pool2d_pick": (0, 1),
    "avg_pool2d": (0,),
    "avg_pool2d_grad": (0,),
}


def batched_operands(node: Node) -> tuple[int, ...]:
    """Positions of the operands whose leading axis is the leading axis of `node`, where node is an operation
    that works in both layouts; () for any other."""
    if node.op.name in HEAVY:
        return HEAVY[node.op.name]
    if not node.inputs or node.op is ops.get:
        return ()
    if node.op in ELEMENTWISE:
        return tuple(
            i
            for i, x in enumerate(node.inputs)
            if x.rank == node.rank > 0
            and x.shape[0] == node.shape[0]
            and (x.op is not ops.const or x.shape[0] != 1)
        )
    first = node.inputs[0]
    if first.rank == 0:
        return ()
    if node.op in REDUCTIONS:
        return (0,) if 0 not in node.attrs["axes"] else ()
    if node.op is ops.reshape:
        return (0,) if node.rank and first.shape[0] == node.shape[0] else ()
    if node.op is ops.matmul:
        return (0,) if first.rank == node.inputs[1].rank == 2 else ()
    if node.op is ops.broadcast_to:
        return (0,) if first.rank == node.rank and first.shape[0] == node.shape[0] else ()
    if node.op is ops.concat:
        return tuple(range(len(node.inputs))) if node.attrs["axis"] else ()
    if node.op is ops.pad:
        return (0,) if node.attrs["low"][0] == node.attrs["high"][0] == 0 else ()
    if node.op is ops.slice:
        whole, attrs = (0, first.shape[0], 1), node.attrs
        return (0,) if whole == (attrs["starts"][:1] + attrs["stops"][:1] + attrs["steps"][:1]) else ()
    return ()


def batched_values(graph: Graph) -> set[Node]:
    """The values whose leading axis is the batch: what convolutions and pools work on, and what is tied to it
    through operations that keep the leading axis."""
    nodes = graph.nodes()
    found: set[Node] = set()
    for node in nodes:
        if node.op.name in HEAVY:
            found.update(node.inputs[i] for i in HEAVY[node.op.name])
            if node.op is not ops.conv2d_weight_grad:
                found.add(node)
    # Down and up the graph until nothing is added; a way looks only at what is next to a node found since the last.
    position = {node: i for i, node in enumerate(nodes)}
    readers = users(graph)
    down, up = set(found), set(found)
    while down or up:
        queue = [position[user] for node in down for user in readers[node]]
        heapq.heapify(queue)
        down = set()
        while queue:
            node = nodes[heapq.heappop(queue)]
            if node not in found and _follows(node, found):
                found.add(node)
                up.add(node)
                for user in readers[node]:
                    heapq.heappush(queue, position[user])
        queue = [-position[node] for node in up]
        heapq.heapify(queue)
        up = set()
        while queue:
            node = nodes[-heapq.heappop(queue)]
            for operand in (node.inputs[i] for i in batched_operands(node)):
                if operand not in found:
                    found.add(operand)
                    down.add(operand)
                    heapq.heappush(queue, -position[operand])
    return found


def _follows(node: Node, found: set[Node]) -> bool:
    operands = batched_operands(node)
    if node.op.name in HEAVY or not any(node.inputs[i] in found for i in operands):
        return False
    return node.op is not ops.matmul or node.inputs[1] not in found


def movable(node: Node, batched: set[Node]) -> bool:
    """Whether `node` can work in either layout (an input, or an operation that knows one only, cannot)."""
    if node.op.name in HEAVY:
        return True
    if node not in batched:
        return False
    if node.op is ops.broadcast_to and not batched_operands(node):
        return node.rank > node.inputs[0].rank or node.inputs[0].shape[0] == 1
    return bool(batched_operands(node))


def takes_either(user: Node, position: int, batched: set[Node]) -> bool:
    """Whether `user` reads its operand in either layout at no cost: matrix products, which transpose for
    nothing, and sums over the batch."""
    operand = user.inputs[position]
    if user.op is ops.matmul:
        return operand.rank == 2 and user.inputs[1 - position].rank == 2
    if user.op is ops.transpose:
        return bool(user.attrs["perm"] == (1, 0))
    return user.op in REDUCTIONS and 0 in user.attrs["axes"] and user not in batched


@dataclass(frozen=True)
class Shared:
    """Work that several operations share if they work batch-last (the columns of a convolution), in µs."""

    cost: float
    nodes: tuple[Node, ...]


class Layouts:
    """What layouts cost in a graph whatever its heavy ops cost: the part of the network that is the same for all of
    the cuts that are asked for. transpose_cost: of changing the layout of a value, in µs."""

    def __init__(self, graph: Graph, transpose_cost: Callable[[Node], float]) -> None:
        batched = batched_values(graph)
        self._movable = [node for node in graph.nodes() if movable(node, batched)]
        self._number = {node: index + 2 for index, node in enumerate(self._movable)}
        self._operands = {node: batched_operands(node) for node in self._movable}
        self._edges: list[_Edge] = []
        self._count = len(self._movable) + 2
        table = users(graph)
        outputs = set(graph.outputs)
        for value in graph.nodes():
            if value in batched and (table[value] or value in outputs):
                self._read(value, table[value], value in outputs, batched, transpose_cost)

    def _read(
        self,
        value: Node,
        read_by: list[Node],
        is_output: bool,
        batched: set[Node],
        transpose_cost: Callable[[Node], float],
    ) -> None:
        """Pay for one transpose of `value` if it is made on one side and read, however often, on the other."""
        readers = {_FIRST} if is_output else set()
        for user in read_by:
            for position, operand in enumerate(user.inputs):
                if operand is value and not takes_either(user, position, batched):
                    follows = user in self._number and position in self._operands[user]
                    readers.add(self._number[user] if follows else _FIRST)
        maker = self._number.get(value, _FIRST)
        readers.discard(maker)
        if not readers:
            return
        cost = transpose_cost(value)
        if len(readers) == 1:
            (reader,) = readers
            self._edges += [*_edge(maker, reader, cost), *_edge(reader, maker, cost)]
            return
        there, back = self._count, self._count + 1
        self._count += 2
        self._edges += [*_edge(maker, there, cost), *_edge(back, maker, cost)]
        for reader in sorted(readers):
            self._edges += [(there, reader, None), (reader, back, None)]

    def assign(
        self, costs: Mapping[Node, Mapping[str, float]], shared: Iterable[Shared]
    ) -> tuple[dict[Node, str], float]:
        """The layout that each movable operation works in, so that all costs (µs) are least in sum; and the sum.

        costs: for each heavy op the cost in each layout that it has a strategy for. On a tie: NCHW.
        """
        edges = list(self._edges)
        count = self._count
        for node, sides in costs.items():
            edges += _edge(_FIRST, self._number[node], sides.get(CHWN))
            edges += _edge(self._number[node], _LAST, sides.get(NCHW))
        for group in shared:
            edges += _edge(_FIRST, count, group.cost)
            edges += [(count, self._number[node], None) for node in group.nodes]
            count += 1
        total, in_last = minimum_cut(count, edges, _FIRST, _LAST)
        return {node: CHWN if in_last[i] else NCHW for node, i in self._number.items()}, total / 1000


_Edge: TypeAlias = tuple[int, int, int | None]
_FIRST, _LAST = 0, 1  # the two sides: batch-first is the source


def _edge(tail: int, head: int, cost: float | None) -> list[_Edge]:
    """What makes the cut pay `cost` (None: what forbids it) if tail is batch-first and head batch-last; in whole
    nanoseconds, so that sums are exact."""
    if cost is None:
        return [(tail, head, None)]
    return [(tail, head, round(cost * 1000))] if cost > 0 else []
