"""Where each value is stored: batch-first ("NCHW", as in the IR) or batch-last ("CHWN").

`assign` finds the cheapest assignment for a whole graph as a minimum cut (networkx): each operation over the
batch is on one side of the cut, what its strategies cost on a side is the capacity of an edge to the other,
and a value made on one side and read on the other costs one transpose, however many read it there.
`Lowering` then rebuilds the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ir import ops
from ir.node import Graph, Node, users
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
    size = 0
    while size != len(found):
        size = len(found)
        for node in nodes:
            if node not in found and _follows(node, found):
                found.add(node)
        for node in reversed(nodes):
            if node in found:
                found.update(node.inputs[i] for i in batched_operands(node))
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


def assign(
    graph: Graph,
    costs: Mapping[Node, Mapping[str, float]],
    shared: Iterable[Shared],
    transpose_cost: Callable[[Node], float],
) -> tuple[dict[Node, str], float]:
    """The layout that each movable operation works in, so that all costs (µs) are least in sum; and the sum.

    costs: for each heavy op the cost in each layout that it has a strategy for. On a tie: NCHW.
    """
    import networkx as nx  # slow to import, and only graphs with convolutions or pools come here

    batched = batched_values(graph)
    order = [node for node in graph.nodes() if movable(node, batched)]
    number = {node: index + 2 for index, node in enumerate(order)}
    first, last = 0, 1  # the two sides: batch-first is the source
    cut = nx.DiGraph()
    cut.add_nodes_from((first, last))
    fresh = len(order) + 2

    def edge(tail: int, head: int, cost: float | None = None) -> None:
        """Pay `cost` (None: never allow it) if tail is batch-first and head batch-last."""
        if cost is None:
            cut.add_edge(tail, head)
        elif cost > 0:
            known = cut.get_edge_data(tail, head, {"capacity": 0})
            if "capacity" in known:  # whole nanoseconds, so that sums are exact
                cut.add_edge(tail, head, capacity=known["capacity"] + round(cost * 1000))

    for node, sides in costs.items():
        edge(first, number[node], sides.get(CHWN))
        edge(number[node], last, sides.get(NCHW))
    for group in shared:
        edge(first, fresh, group.cost)
        for node in group.nodes:
            edge(fresh, number[node])
        fresh += 1
    table = users(graph)
    outputs = set(graph.outputs)
    for value in graph.nodes():
        if value not in batched or not (table[value] or value in outputs):
            continue
        readers = {first} if value in outputs else set()
        for user in table[value]:
            for position, operand in enumerate(user.inputs):
                if operand is value and not takes_either(user, position, batched):
                    follows = user in number and position in batched_operands(user)
                    readers.add(number[user] if follows else first)
        maker = number.get(value, first)
        readers.discard(maker)
        if readers:
            cost = transpose_cost(value)
            edge(maker, fresh, cost)
            edge(fresh + 1, maker, cost)
            for reader in sorted(readers):
                edge(fresh, reader)
                edge(reader, fresh + 1)
            fresh += 2
    total, (_, lasts) = nx.minimum_cut(cut, first, last)
    return {node: CHWN if number[node] in lasts else NCHW for node in order}, total / 1000
